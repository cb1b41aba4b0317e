//! Runs one unit to its outcome: the earlier units' leftovers first, then the task, under its
//! timeout and until somebody cancels it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use loom::protocol::cookie::{self, Rights};
use loom::protocol::message::{Report, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::milestone::Milestone;
use crate::output::Output;
use crate::rejoin::Rejoin;
use crate::ssh::{Remote, RemoteError};
use crate::stop::Stop;
use crate::task::{self, Context, TaskError, TaskResult};

/// What a task is given, once nothing of it runs any more, to read the last of its output.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// When a unit is over that was to end, counted from the end of its grace period. The parent
/// allows five seconds.
const OVER: Duration = Duration::from_secs(4);
/// And its output is, too.
const WRITTEN: Duration = Duration::from_millis(4500);
/// What the rest of its output is given, once a unit is to end that has ended by itself.
const REST: Duration = Duration::from_secs(3);

enum Interruption {
    Timeout,
    Cancel(Canceller),
}

/// `cancel` may say at any time that the unit is to end; `told` hears of its beginning, and is
/// asked for the connection if that is gone, which `rejoined` answers.
pub async fn run(
    order: UnitOrder,
    mut cancel: UnboundedReceiver<Canceller>,
    told: UnboundedSender<Milestone>,
    rejoined: UnboundedReceiver<Option<String>>,
) -> Report {
    let stop = Stop::default();
    let (cookie, grace) = (order.cookie.clone(), order.kill_grace);
    let remote = Remote::new(order.node.clone(), cookie, grace, stop.clone(), told.clone());
    let runs_here = Rc::new(Cell::new(false));
    let mut context = Context {
        remote: remote.clone(),
        output: Output::new(order.output.clone()),
        stop: stop.clone(),
        password: order.password.clone(),
        rejoin: Rejoin::new(told.clone(), rejoined),
        told,
        runs_here: runs_here.clone(),
        result: None,
    };

    let own_limit = loom::task::timeout(&order.task, &order.args, &order.kwargs);
    let limit = [order.timeout, own_limit].into_iter().flatten().min();
    let expires = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut interrupted_at = None;
    let live = context.output.live();
    let (outcome, detail) = {
        let mut task = std::pin::pin!(live.beside(prepared(&mut context, &order)));
        let interruption = tokio::select! {
            biased;
            result = &mut task => Err(result),
            () = reached(expires) => Ok(Interruption::Timeout),
            Some(by) = cancel.recv() => Ok(Interruption::Cancel(by)),
        };
        match interruption {
            Err(Ok(())) => (Outcome::Succeeded, None),
            Err(Err(error)) => {
                let (outcome, detail) = certain(error.outcome(), &remote);
                // It gave up on a command that still runs.
                let left = remote.is_running() && remote.kill().await == Kill::Unconfirmed;
                let left = left.then(|| "what it started may still run".to_owned());
                (outcome, sentences(detail.into_iter().chain(left)))
            }
            Ok(why) => {
                stop.request();
                let now = Instant::now();
                interrupted_at = Some(now);
                let kill = ended(task, &remote, &runs_here, now + grace + OVER).await;
                interrupted(why, kill, limit)
            }
        }
    };
    let hurry = async {
        if let Some(at) = interrupted_at {
            return at + grace + WRITTEN;
        }
        tokio::select! {
            () = reached(expires) => {}
            Some(_) = cancel.recv() => {}
        }
        Instant::now() + REST
    };
    let result = context.result.take();
    let (output, troubles) = context.output.finish(hurry).await;
    // A unit whose output could not be kept did what it did; that is said beside it.
    let detail = sentences(detail.into_iter().chain(troubles));
    Report { outcome, detail, result, output }
}

async fn prepared(context: &mut Context, order: &UnitOrder) -> TaskResult {
    if !order.sweep.is_empty() {
        if swept(context, &order.sweep).await == Kill::Confirmed {
            let _ = context.told.send(Milestone::Swept);
        } else {
            eprintln!("{}: what earlier units left may still run there", order.node.name);
        }
    }
    if context.stop.is_requested() {
        return Err(RemoteError::Stopped.into());
    }
    task::call(context, order).await
}

/// Each with all the rights that its unit had: without them, what it left would not even be seen.
async fn swept(context: &Context, cookies: &[String]) -> Kill {
    let mut by_rights: BTreeMap<Rights, Vec<String>> = BTreeMap::new();
    for cookie in cookies {
        for rights in cookie::all_rights(cookie) {
            by_rights.entry(rights).or_default().push(cookie::in_environment(cookie).to_owned());
        }
    }
    let mut all = Kill::Confirmed;
    for (rights, cookies) in by_rights {
        let sudo = match rights {
            Rights::Own => Ok(None),
            Rights::Root => context.sudo(None).await.map(Some),
            Rights::User(name) => context.sudo(Some(name)).await.map(Some),
        };
        let kill = match sudo {
            Ok(sudo) => context.remote.sweep(&cookies, sudo).await,
            Err(_) => Kill::Unconfirmed,
        };
        if kill == Kill::Unconfirmed {
            all = kill;
        }
    }
    all
}

/// Ends what runs of the task, and the task; until `deadline`, at most.
async fn ended(
    mut task: Pin<&mut impl Future<Output = Result<(), TaskError>>>,
    remote: &Remote,
    runs_here: &Cell<bool>,
    deadline: Instant,
) -> Kill {
    let mut killing = std::pin::pin!(timeout_at(deadline, remote.kill()));
    let killed = tokio::select! {
        _ = &mut task => killing.await,
        killed = &mut killing => {
            // What runs here is ended by the task itself, which takes its time.
            let soon = Instant::now() + LAST_WORDS;
            let patience = if runs_here.get() { deadline } else { deadline.min(soon) };
            let _ = timeout_at(patience, &mut task).await;
            killed
        }
    };
    match killed {
        Ok(Kill::Confirmed) if !runs_here.get() => Kill::Confirmed,
        Ok(Kill::Confirmed | Kill::Unconfirmed) | Err(_) => Kill::Unconfirmed,
    }
}

/// A task of several commands can find its node gone half-way: that is not "never started".
fn certain(
    (outcome, detail): (Outcome, Option<String>),
    remote: &Remote,
) -> (Outcome, Option<String>) {
    match outcome {
        Outcome::Unreachable if remote.has_begun() => (Outcome::Lost, detail),
        other => (other, detail),
    }
}

/// Never, if there is no such time.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

fn interrupted(
    why: Interruption,
    kill: Kill,
    limit: Option<Duration>,
) -> (Outcome, Option<String>) {
    match why {
        Interruption::Timeout => {
            let limit = limit.unwrap_or_default();
            (Outcome::TimedOut { kill }, Some(format!("still running after {limit:?}")))
        }
        Interruption::Cancel(by) => (Outcome::Cancelled { by, kill }, None),
    }
}

fn sentences(said: impl Iterator<Item = String>) -> Option<String> {
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join("; "))
}
