//! The daemon: the engine, driven by the clock, by signals and by changed files.
//!
//! It owns everything and decides nothing. `timetable` says what is due, `units` carries units
//! through the engine, `reload` takes a new configuration over, `stop` ends in good order.

mod connections;
mod engine;
mod reload;
mod runtime;
mod stop;
mod timetable;
mod token;
mod units;
mod workers;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

pub use engine::{Ended, Engine};
pub use runtime::RuntimeDir;
pub use stop::Stopping;
pub use token::Token;

use crate::config::Config;
use crate::config::watch::Watch;
use crate::cron::clock::{Clock, Due, Look};
use crate::cron::{Fires, Schedule};
use crate::job::{self, Job};
use crate::logging;
use crate::store::{JobEntry, JobRow, Record, Retention, Writer};
use crate::sys::clock::{Alarm, Rung};
use crate::sys::notify;
use crate::sys::poll::Interest;
use crate::sys::signals::{Signal, Signals};
use crate::unit::{Canceller, Reason, Trigger};
use reload::Reload;
use timetable::Timetable;

/// The wall clock is looked at this often, whether or not anything is due.
const LOOK: Duration = Duration::from_secs(60);

/// How often the ledger is asked to drop what is not to be kept.
const PRUNE: Duration = Duration::from_secs(3600);

/// How long the last records may take on the way to the disk.
const FLUSH: Duration = Duration::from_secs(10);

struct Daemon {
    engine: Engine,
    timetable: Timetable,
    clock: Clock,
    alarm: Alarm,
    /// When the clock is next looked at, whether or not anything is due.
    look_at: SystemTime,
    started: Instant,
    /// By job: the epoch and the growing gap of a job that is switched off.
    disabled: BTreeMap<String, (u32, Fires)>,
    signals: Signals,
    reload: Reload,
    stopping: Option<(Signal, Stopping)>,
    prune_at: Instant,
}

/// Runs until a signal ends it, and returns that signal. `loaded`: when reading the files of
/// `config` began. `ready` is called once the daemon keeps time. To be called after the last fork.
pub fn serve(
    config: Config,
    candidates: String,
    loaded: SystemTime,
    signals: Signals,
    ready: impl FnOnce(),
) -> io::Result<Signal> {
    let daemon = Daemon::new(config, candidates, loaded, signals)?;
    ready();
    daemon.run()
}

impl Daemon {
    fn new(
        config: Config,
        candidates: String,
        loaded: SystemTime,
        signals: Signals,
    ) -> io::Result<Daemon> {
        let now = Timestamp::now();
        let started = Instant::now();
        let statedir = &config.settings.statedir;
        let (ledger, opened) = Writer::start(statedir, now).map_err(io::Error::other)?;
        let runtime = RuntimeDir::of_daemon(statedir)?;
        let watch = Watch::new(&config.watch, loaded, started);
        let mut engine = Engine::new(config, runtime, ledger, &opened, None)?;
        if !opened.lost_units.is_empty() {
            log::warn!(
                target: "loom::run",
                "{} units of an earlier daemon were left open and are lost",
                opened.lost_units.len()
            );
        }
        begin_epoch_if_behind(&mut engine, &opened.jobs, now);
        record_downtime(&mut engine, &opened.jobs, now);
        let reload = Reload::new(candidates, watch, &engine.poll);
        let alarm = Alarm::new()?;
        engine.poll.add(signals.fd(), Token::Signals.into(), Interest::Read)?;
        engine.poll.add(alarm.fd(), Token::Alarm.into(), Interest::Read)?;
        let mut daemon = Daemon {
            engine,
            timetable: Timetable::default(),
            clock: Clock::new(now, Duration::ZERO),
            alarm,
            look_at: SystemTime::from(now) + LOOK,
            started,
            disabled: BTreeMap::new(),
            signals,
            reload,
            stopping: None,
            prune_at: Instant::now(),
        };
        daemon.adopt_jobs(now);
        Ok(daemon)
    }

    fn run(mut self) -> io::Result<Signal> {
        log::info!(
            "loom keeps time; jobs: {}, nodes: {}",
            self.engine.jobs.len(),
            self.engine.nodes.len()
        );
        loop {
            if let Some((signal, stopping)) = &mut self.stopping {
                stopping.tick(&mut self.engine);
                if stopping.is_done(&self.engine) {
                    let signal = *signal;
                    self.finish();
                    return Ok(signal);
                }
            }
            if self.set_alarm()? == Rung::ClockSet {
                self.look();
            }
            if self.stopping.is_none() {
                self.reload.begin_if_due(&self.engine.poll);
                self.on_loader();
            }
            for token in self.engine.turn(self.deadline())? {
                self.on(token)?;
            }
            self.engine.ended.clear();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let stop = self.stopping.as_ref().map(|(_, stopping)| stopping.deadline());
        stop.into_iter().chain(self.reload.deadline()).min()
    }

    fn on(&mut self, token: Token) -> io::Result<()> {
        match token {
            Token::Signals => self.on_signals(),
            Token::Alarm => {
                self.alarm.take()?;
                self.look();
            }
            Token::Watch => self.reload.files_changed(),
            // Asked every time round: it has a deadline, too.
            Token::Loader
            | Token::Ledger
            | Token::Sockets
            | Token::Askpass
            | Token::Frames(_)
            | Token::Orders(_)
            | Token::Printed(_)
            | Token::Master(_) => {}
        }
        Ok(())
    }

    fn on_signals(&mut self) {
        for signal in self.signals.pending() {
            match signal {
                Signal::Chld => {
                    self.engine.reap();
                    // The loader's pipes can end before it does.
                    self.on_loader();
                }
                Signal::Hup => self.reload.request(),
                Signal::Usr1 => logging::rotate(),
                Signal::Term | Signal::Int => self.on_stop(signal),
            }
        }
    }

    fn on_stop(&mut self, signal: Signal) {
        match &mut self.stopping {
            Some((_, stopping)) => {
                log::warn!("{} again: hurrying", signal.name());
                stopping.hurry(&mut self.engine);
            }
            None => {
                log::info!("{}: stopping", signal.name());
                notify::stopping();
                self.stopping =
                    Some((signal, Stopping::begin(&mut self.engine, Canceller::Shutdown)));
            }
        }
    }

    fn finish(self) {
        self.engine.finish(FLUSH);
        log::info!("stopped");
    }

    /// Rings at the next fire, and once a minute for a look at the clock.
    fn set_alarm(&self) -> io::Result<Rung> {
        let next = self.timetable.next().filter(|_| self.stopping.is_none());
        let next = next.map_or(self.look_at, |at| SystemTime::from(at).min(self.look_at));
        self.alarm.set(Some(next))
    }

    /// Looks at the clock and fires what is due; everything is accounted for up to the instant
    /// it returns.
    fn look(&mut self) -> Timestamp {
        let now = Timestamp::now();
        self.look_at = SystemTime::from(now) + LOOK;
        let look = self.clock.look(now, self.started.elapsed());
        match look {
            Look::Steady => {}
            Look::Stepped { by } => {
                log::warn!(target: "loom::cron", "the clock was set by {by:#}");
            }
            Look::Jumped { from, to } => {
                log::warn!(
                    target: "loom::cron",
                    "the clock was set from {from} to {to}; schedules begin anew"
                );
            }
        }
        if look.opens_epoch() {
            self.engine.begin_epoch();
            for job in self.engine.jobs.keys() {
                let job = job.clone();
                self.engine.ledger.submit(Record::Accounted { job, through: now });
            }
        }
        if self.stopping.is_none() {
            for (job, due) in self.timetable.take_due(look, now) {
                self.fire(&job, due);
            }
        }
        self.prune_if_due(now);
        now
    }

    fn prune_if_due(&mut self, now: Timestamp) {
        if Instant::now() >= self.prune_at {
            self.prune_at = Instant::now() + PRUNE;
            let keep = &self.engine.config.settings.keep;
            let keep = Retention { days: keep.days, runs: keep.runs, bytes: keep.bytes };
            self.engine.ledger.prune(keep, now);
        }
    }

    fn fire(&mut self, job: &Arc<Job>, due: Due) {
        if !job.enabled {
            self.grow_disabled(job, due);
            return;
        }
        for (fires, reason) in
            [(due.missed, Reason::Deadline), (due.passed_over, Reason::ClockJump)]
        {
            if let Some(fires) = fires {
                record_missed(&mut self.engine, &job.name, fires, reason);
            }
        }
        if let Some(instant) = due.run {
            let targets = self.engine.targets(job);
            self.engine.begin_run(job, &targets, Trigger::Schedule, Some(instant));
        }
    }

    /// One gap that grows, not a row for each instant.
    fn grow_disabled(&mut self, job: &Job, due: Due) {
        let run = due.run.map(|at| Fires { first: at, last: at, count: 1 });
        for fires in [due.missed, run, due.passed_over].into_iter().flatten() {
            let before = (self.disabled.get(&job.name).copied())
                .filter(|(epoch, _)| *epoch == self.engine.epoch)
                .map(|(_, fires)| fires);
            let grown = before.map_or(fires, |before| Fires {
                first: before.first,
                last: fires.last,
                count: before.count + fires.count,
            });
            self.disabled.insert(job.name.clone(), (self.engine.epoch, grown));
            self.engine.record_gap(&job.name, None, grown, Reason::Disabled, None);
        }
    }

    /// Tells ledger and timetable which jobs there are.
    fn adopt_jobs(&mut self, now: Timestamp) {
        let entries = self.engine.jobs.values().map(|job| JobEntry {
            name: job.name.clone(),
            schedule: job.schedule.expr().to_owned(),
            timezone: job.timezone.clone(),
        });
        let jobs = entries.collect();
        self.engine.ledger.submit(Record::Jobs { jobs, at: now });
        self.timetable.replace(&self.engine.jobs, now);
        let enabled = |name: &String| self.engine.jobs.get(name).is_none_or(|job| job.enabled);
        self.disabled.retain(|name, _| !enabled(name));
    }
}

fn record_missed(engine: &mut Engine, job: &str, fires: Fires, reason: Reason) {
    let Fires { first, last, count } = fires;
    log::warn!(
        target: "loom::cron",
        "{job}: not run, {}: {count} due from {first} to {last}", reason.as_str()
    );
    engine.record_gap(job, None, fires, reason, None);
}

/// A clock behind the ledger was set back while no daemon ran: its instants come again, and are
/// others than those that were accounted for.
fn begin_epoch_if_behind(engine: &mut Engine, jobs: &[JobRow], now: Timestamp) {
    let Some(latest) = jobs.iter().map(|row| row.accounted_through).max() else { return };
    if !Look::at_start(latest, now).opens_epoch() {
        return;
    }
    log::warn!(
        target: "loom::cron",
        "the clock was set back: the ledger reaches to {latest}; schedules begin anew"
    );
    engine.begin_epoch();
    for row in jobs.iter().filter(|row| row.accounted_through > now) {
        let job = row.entry.name.clone();
        engine.ledger.submit(Record::Accounted { job, through: now });
    }
}

/// What fell due while no daemon ran, by the schedules that were in force then.
fn record_downtime(engine: &mut Engine, jobs: &[JobRow], now: Timestamp) {
    for row in jobs.iter().filter(|row| row.removed_at.is_none()) {
        let JobEntry { name, schedule, timezone } = &row.entry;
        let Ok(schedule) = Schedule::parse(schedule) else {
            log::error!(target: "loom::ledger", "{name}: this is no schedule: {schedule}");
            continue;
        };
        let zone = job::zone(timezone.as_deref());
        if let Some(fires) = schedule.fires_between(&zone, row.accounted_through, now) {
            record_missed(engine, name, fires, Reason::DaemonDown);
        }
    }
}
