//! `loom once`: run jobs now, without a daemon.
//!
//! Drives an engine of its own on temporary state. A daemon that runs on the same configuration
//! is not touched, nor are its workers or its ledger used.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::candidates;
use super::returned;
use super::screen::{count, escape};
use super::summary::Summary;
use crate::config::{self, Config};
use crate::daemon::{Engine, RuntimeDir, Stopping, Token, log_event};
use crate::event::{Cause, Event, RunInfo, Within};
use crate::job::Job;
use crate::store::Writer;
use crate::sys::poll::Interest;
use crate::sys::signals::{Signal, Signals};
use crate::sys::user;
use crate::unit::{Canceller, RunEnd, RunId, Trigger};

/// Run jobs now, without a daemon, and show their output
///
/// Every line of output is printed behind the name of its node. Ends with a summary; exits 0 if
/// every unit of the jobs and every flow succeeded, 1 if one did not, 2 if nothing could be run.
/// Ctrl-C ends the units, here and on their nodes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of jobs and flows; their schedule and `enabled` do not matter
    #[arg(required = true, value_name = "JOB", add = candidates::jobs())]
    jobs: Vec<String>,

    /// Run on these nodes instead of the jobs' own (not of flows): names, host sets (db[1-4]) or
    /// @tags, separated by commas
    #[arg(long, value_name = "TARGETS", add = candidates::targets())]
    on: Option<String>,
}

pub fn once(candidates: &str, args: &Args) -> ExitCode {
    let config = match config::load_or_report(candidates) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match run(config, args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("loom: {e}");
            ExitCode::from(2)
        }
    }
}

/// Whether all of it succeeded.
fn run(mut config: Config, args: &Args) -> io::Result<bool> {
    let work = plan(&config, args)?;
    let state = tempfile::Builder::new().prefix("loom-once-").tempdir()?;
    config.settings.statedir = state.path().to_owned();
    let mut once = Once::new(config, state.path(), &work)?;
    for (job, nodes) in &work {
        once.engine.begin_run(job, nodes, Cause::new(Trigger::Once, None));
    }
    once.finish()
}

type Work = Vec<(Arc<Job>, Vec<String>)>;

/// The named jobs, each with its nodes.
fn plan(config: &Config, args: &Args) -> io::Result<Work> {
    let on = match &args.on {
        Some(text) => Some(config.resolve_targets(text).map_err(io::Error::other)?),
        None => None,
    };
    let names: BTreeSet<&String> = args.jobs.iter().collect();
    let (mut work, mut unknown) = (Work::new(), Vec::new());
    for name in names {
        match config.job(name) {
            Ok(job) if job.flow.is_some() && on.is_some() => unknown.push(format!(
                "{} is a flow, and each of its jobs has nodes of its own: --on is not for it",
                escape(name)
            )),
            Ok(job) => {
                let targets = on.as_ref().unwrap_or(&job.targets);
                work.push((Arc::new(job.clone()), targets.clone()));
            }
            Err(e) => unknown.push(e),
        }
    }
    if unknown.is_empty() { Ok(work) } else { Err(io::Error::other(unknown.join("\nloom: "))) }
}

struct Once {
    engine: Engine,
    signals: Signals,
    stopping: Option<Stopping>,
    begun: Instant,
    summary: Summary,
    /// Runs that are parts of flows: a flow may succeed without every unit.
    parts: HashSet<RunId>,
    /// A unit of no flow, or a flow, has not succeeded.
    failed: bool,
    /// Of the nodes' names.
    width: usize,
}

impl Once {
    fn new(config: Config, state: &Path, work: &Work) -> io::Result<Once> {
        let (ledger, opened) = Writer::start(state, Timestamp::now()).map_err(io::Error::other)?;
        let signals = Signals::install()?;
        let names = work.iter().flat_map(|(_, nodes)| nodes).map(|node| node.chars().count());
        let width = names.max().unwrap_or(0);
        let engine = Engine::new(config, RuntimeDir::of_process()?, ledger, &opened, Some(width))?;
        engine.poll.add(signals.fd(), Token::Signals.into(), Interest::Read)?;
        let (begun, summary) = (Instant::now(), Summary::default());
        let (parts, failed) = (HashSet::new(), false);
        Ok(Once { engine, signals, stopping: None, begun, summary, parts, failed, width })
    }

    fn finish(mut self) -> io::Result<bool> {
        while !self.is_done() {
            let deadline = self.stopping.as_ref().and_then(Stopping::deadline);
            let tokens = self.engine.turn(deadline)?;
            if tokens.contains(&Token::Signals) {
                self.on_signals();
            }
            self.take_events();
            if let Some(stopping) = &mut self.stopping {
                stopping.tick(&mut self.engine);
            }
        }
        self.engine.finish(Duration::from_secs(2));
        let all = !self.failed && !self.summary.is_empty();
        self.summary.print(all, self.begun.elapsed());
        Ok(all)
    }

    /// The workers have nothing to lose: with the last unit they can go.
    fn is_done(&mut self) -> bool {
        self.engine.is_idle() && self.engine.events.is_empty()
    }

    fn take_events(&mut self) {
        for event in std::mem::take(&mut self.engine.events) {
            log_event(&event);
            match event {
                Event::UnitEnded { run, job, info, again: None, .. } => {
                    self.tell_result(&info.node, info.result.as_deref());
                    let (success, outcome) = (info.outcome.is_success(), info.outcome.to_string());
                    self.failed |= !success && !self.parts.contains(&run);
                    self.summary.add(
                        Some(&job.name),
                        &info.node,
                        success,
                        &outcome,
                        info.detail.as_deref(),
                    );
                }
                Event::RunQueued(run) => self.tell_part(&run),
                Event::RunEnded { run, end, .. } if run.job.flow.is_some() => {
                    self.failed |= end != RunEnd::Succeeded;
                    eprintln!("loom: {}: {end}", escape(&run.job.name));
                }
                Event::RunEnded { .. }
                | Event::UnitEnded { .. }
                | Event::RunStarted { .. }
                | Event::RunLate(_)
                | Event::UnitStarted { .. }
                | Event::Missed { .. } => {}
            }
        }
    }

    /// That a job has its turn in a flow.
    fn tell_part(&mut self, run: &RunInfo) {
        let Some(Within { place, .. }) = run.within else { return };
        self.parts.insert(run.run);
        eprintln!("loom: {place}: {} on {}", escape(&run.job.name), count(run.units, "node"));
    }

    /// On stderr: it is not what the task wrote.
    fn tell_result(&self, node: &str, result: Option<&str>) {
        let (node, width) = (escape(node), self.width);
        returned::told(result).iter().for_each(|line| eprintln!("{node:>width$} | {line}"));
    }

    fn on_signals(&mut self) {
        for signal in self.signals.pending() {
            match signal {
                Signal::Chld => self.engine.reap(),
                Signal::Term | Signal::Int | Signal::Hup => self.interrupt(),
                Signal::Usr1 | Signal::Winch => {}
            }
        }
    }

    /// Who presses Ctrl-C does not want to wait for the units to end by themselves.
    fn interrupt(&mut self) {
        let stopping = match self.stopping.take() {
            Some(stopping) => stopping,
            None => {
                eprintln!(
                    "loom: ending {} units; once more to hurry",
                    self.engine.scheduler.count_units().running
                );
                Stopping::begin(&mut self.engine, Canceller::User(user::own()), false)
            }
        };
        self.stopping.insert(stopping).hurry(&mut self.engine);
    }
}
