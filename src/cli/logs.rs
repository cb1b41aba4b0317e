//! `loom logs`: what a run has said, and what it goes on to say.

mod said;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use super::candidates;
use super::follow::parts::{begun, heading};
use super::reach::{self, Reach};
use super::run::detail;
use super::screen::escape;
use super::words::Subject;
use crate::api::event::Event;
use crate::api::run::{Run, RunDetail};
use crate::api::unit::Unit;
use crate::client::{Class, Client, Failure, Frame, Route};
use said::Logs;

/// Show the output of a run, or of a job's latest one
///
/// Where the run is on one node only, its output is shown as it was written; else each line stands
/// behind its node's name, node after node; of a flow, part after part. Both streams go to stdout.
/// On a terminal control characters are shown as escapes; in a pipe or a file the output is the
/// same, byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// A job's name, or a run's number; digits alone are a run, unless there is a job of that name
    #[arg(value_name = "JOB|RUN", add = candidates::jobs_and_runs())]
    subject: String,

    /// Only of this node
    #[arg(long, value_name = "NODE", add = candidates::nodes())]
    node: Option<String>,

    /// Go on with what is written until the run ends; of a job, with its next runs, until Ctrl-C
    #[arg(short, long)]
    follow: bool,

    /// Of what there is only the last N lines of each node
    #[arg(long, value_name = "N")]
    tail: Option<u64>,

    /// Begin each line with the time when it was read
    #[arg(long)]
    timestamps: bool,

    /// Only what was written to stdout
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,

    /// Only what was written to stderr
    #[arg(long)]
    stderr: bool,

    /// As it is kept, in the format of container runtimes: TIME stdout|stderr F|P TEXT
    #[arg(long, conflicts_with_all = ["follow", "timestamps", "stdout", "stderr", "json"])]
    cri: bool,

    #[command(flatten)]
    reach: Reach,
}

const EXIT_CODES: &str = "\
Exit status: 0 fine, whatever became of the run, 1 it failed or there is no output, 2 wrong usage, 3 \
not allowed (role or token), 4 no daemon answers, 5 no such job, run or node.";

/// Without news for so long, it is looked whether there is another run all the same.
const LOOK: Duration = Duration::from_secs(10);

pub fn logs(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(show(candidates, args))
}

fn show(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    match subject(&client, &args.subject)? {
        Wanted::Run(id) => {
            show_one(&client, args, &detail(&client, id)?, args.tail)?;
        }
        Wanted::Job(job) if args.follow => return follow_job(&client, args, &job),
        Wanted::Job(job) => {
            let latest = after(&client, &job, 0, 1)?.pop();
            let Some(latest) = latest else {
                return Err(Failure::odd(format!("{} has not run yet", escape(&job))));
            };
            show_one(&client, args, &detail(&client, latest.id)?, args.tail)?;
        }
    }
    Ok(0)
}

enum Wanted {
    Job(String),
    Run(u64),
}

/// Asks whether there is such a job, which also has a mistaken name told with a better one.
fn subject(client: &Client, text: &str) -> Result<Wanted, Failure> {
    let known = |job: &str| client.get::<serde_json::Value>(&Route::to(["jobs", job]));
    match Subject::read(text) {
        Subject::Either { job, run } => match known(&job) {
            Ok(_) => Ok(Wanted::Job(job)),
            Err(failure) if failure.class() == Class::Unknown => Ok(Wanted::Run(run)),
            Err(failure) => Err(failure),
        },
        Subject::Job(job) => match known(&job) {
            Ok(_) => Ok(Wanted::Job(job)),
            // It may have left the configuration, and its runs are still in the ledger.
            Err(failure) if failure.class() == Class::Unknown => {
                match after(client, &job, 0, 1)?.is_empty() {
                    true => Err(failure),
                    false => Ok(Wanted::Job(job)),
                }
            }
            Err(failure) => Err(failure),
        },
    }
}

/// The job's runs behind this one, the first first; at most so many of the latest.
fn after(client: &Client, job: &str, run: u64, most: usize) -> Result<Vec<Run>, Failure> {
    let route = Route::to(["runs"]).with("job", job).with("limit", most.clamp(1, 100));
    let mut runs = Vec::new();
    for item in client.pages::<Run>(&route).items(most) {
        let item = item?;
        if item.id <= run {
            break;
        }
        runs.push(item);
    }
    runs.reverse();
    Ok(runs)
}

/// One run after the other, for as long as somebody looks.
fn follow_job(client: &Client, args: &Args, job: &str) -> Result<u8, Failure> {
    // Before it is looked what there is, so that nothing is missed in between.
    let news = listen(client, job);
    let mut last = match after(client, job, 0, 1)?.pop() {
        Some(latest) => latest.id - 1,
        None => {
            eprintln!("{} has not run yet; this waits for it", escape(job));
            0
        }
    };
    // Of what was there before; what comes is shown as a whole.
    let mut tail = args.tail;
    loop {
        for run in after(client, job, last, 1000)? {
            last = run.id;
            eprintln!("run {} of {}", run.id, escape(job));
            let run = detail(client, run.id)?;
            if show_one(client, args, &run, tail)? {
                return Ok(0);
            }
            tail = None;
        }
        match news.recv_timeout(LOOK) {
            Ok(Some(failure)) => return Err(failure),
            // Several at once are one reason to look.
            Ok(None) => while let Ok(None) = news.try_recv() {},
            Err(_) => {}
        }
    }
}

/// A message for each run of the job that begins; a failure is the last one.
fn listen(client: &Client, job: &str) -> Receiver<Option<Failure>> {
    let (to, from) = sync_channel(16);
    let route = Route::to(["events"]).with("job", job).with("types", "run_queued");
    let (client, job) = (client.clone(), job.to_owned());
    thread::spawn(move || {
        for frame in client.events(&route) {
            let told = match frame.and_then(|frame| concerns(&frame, &job)) {
                Ok(true) => None,
                Ok(false) => continue,
                Err(failure) => Some(failure),
            };
            if to.send(told).is_err() {
                return;
            }
        }
    });
    from
}

/// Whether there is another run of the job, or may be. The filter is a glob, and what is of a later
/// version says nothing to us.
fn concerns(frame: &Frame, job: &str) -> Result<bool, Failure> {
    match frame.event.as_str() {
        "run_queued" => frame.read::<Event>().map(|event| event.job() == Some(job)),
        "resync" => Ok(true),
        _ => Ok(false),
    }
}

/// A run, or a flow part after part. Whether nobody reads it any more.
fn show_one(
    client: &Client,
    args: &Args,
    run: &RunDetail,
    tail: Option<u64>,
) -> Result<bool, Failure> {
    let Some(slots) = &run.slots else {
        let names = nodes(run.nodes.iter().map(|unit| unit.node.as_str()), args, run)?;
        return Logs::new(client, args, &run.nodes, &names, tail).show(run);
    };
    let targets = slots.iter().flatten().flat_map(|part| part.planned.chain());
    let targets = targets.flat_map(|planned| planned.targets.iter().map(String::as_str));
    let names = nodes(targets, args, run)?;
    let mut parts = Vec::new();
    for part in begun(slots) {
        parts.push(detail(client, part.id)?);
    }
    if args.follow && !run.run.is_over() {
        let units: Vec<Unit> = parts.into_iter().flat_map(|part| part.nodes).collect();
        return Logs::new(client, args, &units, &names, tail).follow(run);
    }
    for part in parts {
        let logs = Logs::new(client, args, &part.nodes, &names, tail);
        if logs.is_empty() {
            continue;
        }
        if !args.reach.json {
            eprintln!("{}", heading(&part.run));
        }
        if logs.show(&part)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Those that are wanted, which there must be if one was named.
fn nodes<'a>(
    all: impl Iterator<Item = &'a str>,
    args: &Args,
    run: &RunDetail,
) -> Result<BTreeSet<&'a str>, Failure> {
    let wanted = |node: &&str| args.node.as_ref().is_none_or(|wanted| wanted == node);
    let names: BTreeSet<&str> = all.filter(wanted).collect();
    if let (Some(node), true) = (&args.node, names.is_empty()) {
        let (id, node) = (run.run.id, escape(node));
        return Err(Failure::odd(format!(
            "run {id} is not on {node}; `loom show {id}` tells where"
        )));
    }
    Ok(names)
}
