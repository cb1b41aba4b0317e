//! The daemon: the engine, driven by the clock, by signals and by changed files.
//!
//! It owns everything and decides nothing. The timetable says what is due, the scheduler what to
//! do about it; `clock` looks at the time, `takeover` back at earlier daemons, `reload` takes a new configuration over,
//! `gateway` has the processes that speak HTTP, `control` answers what they ask and `speak` tells them
//! the rest, `tell` logs what happens, `stop` ends in good order.

mod begin;
mod changes;
mod clock;
mod connections;
mod control;
mod engine;
pub mod gateway;
pub mod hooks;
mod reload;
mod runtime;
mod sockets;
mod speak;
mod stop;
mod takeover;
mod tell;
mod token;
mod workers;

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

pub use engine::Engine;
pub use runtime::RuntimeDir;
pub use stop::Stopping;
pub use tell::log_event;
pub use token::Token;

use crate::config::Config;
use crate::config::watch::Watch;
use crate::cron::clock::Clock;
use crate::hook::Hooks;
use crate::hook::child::Setting;
use crate::logging;
use crate::protocol::control::{FromParent, Reply};
use crate::store::{JobEntry, Record, TokenRow, Writer};
use crate::sys::clock::{Alarm, Rung, since_boot};
use crate::sys::limits;
use crate::sys::notify;
use crate::sys::poll::Interest;
use crate::sys::signals::{Signal, Signals};
use crate::timetable::{Timetable, Untold};
use crate::unit::Canceller;
use clock::LOOK;
use control::Requests;
use gateway::catalog::Edition;
use gateway::channel::Channel;
use gateway::news::{Tallies, news};
use gateway::{Gateways, Line};
use hooks::HookRunner;
use reload::Reload;

/// How long hooks may take that run when everything else has ended.
const LAST_HOOKS: Duration = Duration::from_secs(5);

/// How long the last records may take on the way to the disk.
const FLUSH: Duration = Duration::from_secs(10);

/// What a daemon is started with, beside its configuration.
pub struct Start {
    /// The files that may be the configuration, for reloads.
    pub candidates: String,
    /// When reading the files began.
    pub loaded: SystemTime,
    pub signals: Signals,
    /// One end of a socket pair whose other end is somebody's who may do everything.
    pub control: Option<OwnedFd>,
}

struct Daemon {
    engine: Engine,
    timetable: Timetable,
    clock: Clock,
    alarm: Alarm,
    /// When the clock is next looked at, whether or not anything is due.
    look_at: Instant,
    paused: bool,
    /// The ledger took nothing, when something was due.
    was_down: bool,
    signals: Signals,
    reload: Reload,
    gateways: Gateways,
    /// Which configuration is in force.
    edition: Edition,
    started_at: Timestamp,
    requests: Requests,
    /// By name; those that are good.
    tokens: BTreeMap<String, TokenRow>,
    tallies: Tallies,
    hooks: Hooks,
    hook_runner: HookRunner,
    stopping: Option<(Signal, Stopping)>,
    /// Everything is over but for what gateways have yet to be told, which takes no longer.
    last_words: Option<Instant>,
    prune_at: Instant,
}

/// Runs until a signal ends it, and returns that signal. `ready` is called once the daemon keeps
/// time. To be called after the last fork.
pub fn serve(config: Config, start: Start, ready: impl FnOnce()) -> io::Result<Signal> {
    let daemon = Daemon::new(config, start)?;
    ready();
    daemon.run()
}

impl Daemon {
    fn new(config: Config, start: Start) -> io::Result<Daemon> {
        let Start { candidates, loaded, signals, control } = start;
        raise_limits(&config);
        let now = Timestamp::now();
        let statedir = &config.settings.statedir;
        let (ledger, opened) = Writer::start(statedir, now).map_err(io::Error::other)?;
        let runtime = RuntimeDir::of_daemon(statedir)?;
        let watch = Watch::new(&config.watch, loaded, Instant::now());
        let engine = Engine::new(config, runtime, ledger, &opened, None)?;
        let reload = Reload::new(candidates, watch, &engine.poll);
        let alarm = Alarm::new()?;
        engine.poll.add(signals.fd(), Token::Signals.into(), Interest::Read)?;
        engine.poll.add(alarm.fd(), Token::Alarm.into(), Interest::Read)?;
        let given = control.map(Channel::new).transpose()?;
        let settings = &engine.config.settings;
        let mut gateways = Gateways::bind(
            engine.paths.runtime.path(),
            &settings.statedir,
            settings.listen.as_ref(),
            given,
        )?;
        gateways.watch(&engine.poll)?;
        let mut daemon = Daemon {
            engine,
            timetable: Timetable::default(),
            clock: Clock::new(now, since_boot()),
            alarm,
            look_at: Instant::now() + LOOK,
            paused: opened.paused,
            was_down: false,
            signals,
            reload,
            gateways,
            edition: Edition { generation: 1, loaded_at: now },
            started_at: now,
            requests: Requests::new(&opened.requests),
            tokens: opened.tokens.iter().map(|row| (row.name.clone(), row.clone())).collect(),
            tallies: Tallies::default(),
            hooks: Hooks::new(hostname(), opened.failing.clone()),
            hook_runner: HookRunner::new(Setting::own()),
            stopping: None,
            last_words: None,
            prune_at: Instant::now(),
        };
        daemon.take_over_from_earlier(&opened, now);
        daemon.greet(Line::Given);
        Ok(daemon)
    }

    fn run(mut self) -> io::Result<Signal> {
        log::info!(
            "loom keeps time; jobs: {}, nodes: {}{}",
            self.engine.jobs.len(),
            self.engine.nodes.len(),
            if self.paused { "; all schedules are paused" } else { "" }
        );
        loop {
            if let Some((signal, stopping)) = &mut self.stopping {
                stopping.tick(&mut self.engine);
                let (signal, done) = (*signal, stopping.is_done(&self.engine));
                if done && self.last_hooks_are_over() && self.last_words_are_said() {
                    self.finish();
                    return Ok(signal);
                }
            }
            if self.set_alarm()? == Rung::ClockSet || Instant::now() >= self.look_at {
                self.look();
            }
            if self.stopping.is_none() {
                self.reload.begin_if_due(&self.engine.poll);
                self.on_loader();
            }
            self.tell_events();
            self.speak();
            let until = self.deadline();
            for token in self.engine.turn(until)? {
                self.on(token)?;
            }
            for line in self.gateways.unheard() {
                self.on_control(line);
            }
            self.tell_untold();
            logging::flush();
        }
    }

    fn tell_events(&mut self) {
        let now = Instant::now();
        for event in std::mem::take(&mut self.engine.events) {
            log_event(&event);
            self.tallies.count(&event);
            if let Some(news) = news(&event) {
                self.gateways.tell(self.engine.ledger.submitted(), &news);
            }
            for firing in self.hooks.on(now, &event) {
                self.hook_runner.fire(&self.engine.poll, firing);
            }
        }
        self.hook_runner.tick(&self.engine.poll, now);
        for row in self.hook_runner.take_finished() {
            self.engine.ledger.submit(Record::Hook(row));
        }
    }

    /// Units and workers are gone; what they had told may take a little longer.
    fn last_hooks_are_over(&mut self) -> bool {
        self.tell_events();
        self.hook_runner.stop(Instant::now(), LAST_HOOKS);
        self.hook_runner.is_idle()
    }

    /// Gaps that were kept while the ledger took nothing.
    fn tell_untold(&mut self) {
        if !self.was_down || self.engine.is_ledger_down() {
            return;
        }
        self.was_down = false;
        for Untold { job, epoch, fires, reason } in self.timetable.take_untold() {
            self.engine.scheduler.gap_of_epoch(&job, epoch, fires, reason);
        }
    }

    fn deadline(&mut self) -> Option<Instant> {
        if !self.gateways.unheard().is_empty() {
            return Some(Instant::now());
        }
        let stop = self.stopping.as_ref().and_then(|(_, stopping)| stopping.deadline());
        let others = [
            self.reload.deadline(),
            self.hook_runner.deadline(),
            self.gateways.deadline(),
            self.last_words,
            Some(self.look_at),
        ];
        stop.into_iter().chain(others.into_iter().flatten()).min()
    }

    fn on(&mut self, token: Token) -> io::Result<()> {
        match token {
            Token::Signals => self.on_signals(),
            Token::Alarm => {
                self.alarm.take()?;
                self.look();
            }
            Token::Watch => self.reload.files_changed(),
            Token::Control(line) => self.on_control(line),
            Token::Knock(line) => self.knocked(line),
            Token::Told(line) => self.gateways.printed(&self.engine.poll, line),
            Token::Hook(id) => self.hook_runner.on_token(&self.engine.poll, id),
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
                    self.hook_runner.reap(&self.engine.poll);
                    self.gateways.reap(&self.engine.poll);
                    // The loader's pipes can end before it does.
                    if self.stopping.is_none() {
                        self.on_loader();
                    }
                }
                Signal::Hup => self.reload.request(),
                Signal::Usr1 => logging::rotate(),
                // The terminal it was started from has another size.
                Signal::Winch => {}
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
                self.begin_to_stop(signal, false);
            }
        }
    }

    fn begin_to_stop(&mut self, signal: Signal, drain: bool) {
        notify::stopping();
        for (line, id) in self.reload.give_up() {
            let answer = Err(control::conflict("it is being stopped; nothing is loaded any more"));
            self.gateways.say(line, &FromParent::Reply(Reply { id, answer }));
        }
        let stopping = Stopping::begin(&mut self.engine, Canceller::Shutdown, drain);
        self.stopping = Some((signal, stopping));
    }

    fn finish(self) {
        drop(self.gateways);
        self.engine.finish(FLUSH);
        log::info!("stopped");
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
        let flows = self.engine.jobs.values().filter_map(|job| job.flow.as_ref());
        // Those that a flow holds itself stand nowhere else.
        let parts = flows.flat_map(|flow| flow.parts().map(|(_, part)| part.job.name.as_str()));
        let parts: HashSet<&str> = parts.collect();
        let is_known = |name: &str| self.engine.jobs.contains_key(name) || parts.contains(name);
        self.hooks.retain(is_known);
    }
}

fn hostname() -> String {
    nix::unistd::gethostname().map_or_else(|_| "localhost".into(), |n| n.to_string_lossy().into())
}

/// A worker takes four descriptors and a connection one; what runs besides takes less than 64.
fn raise_limits(config: &Config) {
    let needed = 64 + 4 * u64::from(config.settings.max_workers) + config.nodes.len() as u64;
    match limits::raise_descriptors() {
        Ok(limit) if limit < needed => log::warn!(
            target: "loom::daemon",
            "only {limit} descriptors may be open here (RLIMIT_NOFILE); {} workers and {} nodes \
             may need {needed}. Beyond the limit units fail or are unreachable, and say so",
            config.settings.max_workers,
            config.nodes.len()
        ),
        Ok(_) => {}
        Err(e) => log::warn!(target: "loom::daemon", "RLIMIT_NOFILE cannot be raised: {e}"),
    }
}
