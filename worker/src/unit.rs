//! Runs one unit to its outcome: the earlier units' leftovers first, then the task, under its
//! timeout and until somebody cancels it.

use std::time::Duration;

use loom::protocol::message::{Report, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{sleep, timeout};

use crate::output::Output;
use crate::ssh::Remote;
use crate::stop::Stop;
use crate::task::{self, Context};

/// What a task is given beyond the grace period to notice that it was stopped.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Interruption {
    Timeout,
    Cancel(Canceller),
}

/// `cancel` may say at any time that the unit is to end; `started` hears the process group of
/// every command on the node.
pub async fn run(
    order: UnitOrder,
    mut cancel: UnboundedReceiver<Canceller>,
    started: UnboundedSender<u32>,
) -> Report {
    let stop = Stop::default();
    let (cookie, grace) = (order.cookie.clone(), order.kill_grace);
    let remote = Remote::new(order.node.clone(), cookie, grace, stop.clone(), started);
    let mut context = Context {
        remote: remote.clone(),
        output: Output::new(order.output.clone()),
        stop: stop.clone(),
        password: order.password.clone(),
    };

    let own_limit = loom::task::timeout(&order.task, &order.args, &order.kwargs);
    let limit = [order.timeout, own_limit].into_iter().flatten().min();
    let (outcome, detail) = {
        let mut task = std::pin::pin!(prepared(&mut context, &order));
        let interruption = tokio::select! {
            biased;
            result = &mut task => Err(result),
            () = expiry(limit) => Ok(Interruption::Timeout),
            Some(by) = cancel.recv() => Ok(Interruption::Cancel(by)),
        };
        match interruption {
            Err(Ok(())) => (Outcome::Succeeded, None),
            Err(Err(error)) => {
                // It gave up on a command that still runs.
                if remote.is_running() {
                    remote.kill().await;
                }
                certain(error.outcome(), &remote)
            }
            Ok(why) => {
                stop.request();
                let (kill, _) = tokio::join!(remote.kill(), timeout(grace + LAST_WORDS, task));
                interrupted(why, kill, limit)
            }
        }
    };
    report(outcome, detail, context.output)
}

async fn prepared(context: &mut Context, order: &UnitOrder) -> task::TaskResult {
    if !order.sweep.is_empty() {
        let becomes = loom::task::wants_password(&order.task, &order.args, &order.kwargs);
        let sudo = if becomes { Some(context.sudo(None).await?) } else { None };
        if context.remote.sweep(&order.sweep, sudo).await == Kill::Unconfirmed {
            eprintln!("{}: what earlier units left may still run there", order.node.name);
        }
    }
    task::call(context, order).await
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

async fn expiry(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
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

/// A unit whose output could not be kept did what it did; that is said beside it.
fn report(outcome: Outcome, detail: Option<String>, output: Output) -> Report {
    let (output, trouble) = output.finish();
    let trouble = trouble.map(|error| format!("its output could not be kept: {error}"));
    let said: Vec<String> = detail.into_iter().chain(trouble).collect();
    let detail = (!said.is_empty()).then(|| said.join("; "));
    Report { outcome, detail, output }
}
