//! The hooks that run and those that wait.
//!
//! Owns their processes and their time. What they are told is decided in [`crate::hook`]; here
//! they are performed, a few at a time, and what became of each is reported in rows for the
//! ledger. Nothing here blocks, and no hook is worth an error to anybody else.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::token::Token;
use crate::hook::Firing;
use crate::hook::child::{Process, Setting};
use crate::job::hooks::{Action, Occasion};
use crate::store::HookRow;
use crate::sys::poll::Poll;
use crate::unit::RunId;

/// Hooks at once.
const MOST_RUNNING: usize = 10;

/// Hooks that wait; more than these have failed.
const MOST_WAITING: usize = 1000;

/// What those that wait may hold in all.
const MOST_WAITING_BYTES: usize = 64 << 20;

/// Between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

const TOO_MANY: &str = "too many hooks wait";
const STOPPED: &str = "the daemon stopped";

#[derive(Debug)]
pub struct HookRunner {
    setting: Setting,
    next: u32,
    running: BTreeMap<u32, Running>,
    waiting: VecDeque<Firing>,
    waiting_bytes: usize,
    finished: Vec<HookRow>,
    /// Nothing runs any more from then on.
    stop_at: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    of: Of,
    timeout: Duration,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has until then.
    InTime {
        until: Instant,
    },
    /// It was asked to end.
    Ending {
        until: Instant,
    },
    Killed,
}

/// What is to be said of a firing when it has ended.
#[derive(Debug, Clone)]
struct Of {
    job: String,
    run: Option<RunId>,
    occasion: Occasion,
    action: &'static str,
}

impl Of {
    fn new(firing: &Firing) -> Of {
        Of {
            job: firing.job.clone(),
            run: firing.run,
            occasion: firing.occasion,
            action: match &firing.hook.action {
                Action::Command(_) => "command",
                Action::Webhook(_) => "webhook",
                Action::Mail(_) => "mail",
            },
        }
    }
}

impl HookRunner {
    pub fn new(setting: Setting) -> HookRunner {
        HookRunner {
            setting,
            next: 0,
            running: BTreeMap::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            finished: Vec::new(),
            stop_at: None,
        }
    }

    /// Performs it now or as soon as others have ended.
    pub fn fire(&mut self, poll: &Poll, firing: Firing) {
        let bytes = self.waiting_bytes.saturating_add(firing.body.len());
        if self.waiting.len() >= MOST_WAITING || bytes > MOST_WAITING_BYTES {
            self.finish(Of::new(&firing), Err(TOO_MANY.to_owned()));
            return;
        }
        self.waiting_bytes = bytes;
        self.waiting.push_back(firing);
        self.start(poll);
    }

    /// A [`Token::Hook`] is ready.
    pub fn on_token(&mut self, poll: &Poll, id: u32) {
        if let Some(running) = self.running.get_mut(&id) {
            running.process.pump(poll);
        }
    }

    /// SIGCHLD: some may have ended.
    pub fn reap(&mut self, poll: &Poll) {
        let ids: Vec<u32> = self.running.keys().copied().collect();
        for id in ids {
            let Some(running) = self.running.get_mut(&id) else { continue };
            let Some(result) = running.process.ended(poll) else { continue };
            let result = match running.stage {
                Stage::InTime { .. } => result,
                Stage::Ending { .. } | Stage::Killed => {
                    Err(format!("it took longer than {:?} and was ended", running.timeout))
                }
            };
            if let Some(running) = self.running.remove(&id) {
                self.finish(running.of, result);
            }
        }
        self.start(poll);
    }

    /// When [`tick`](HookRunner::tick) is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        let hooks = self.running.values().filter_map(|running| match running.stage {
            Stage::InTime { until } | Stage::Ending { until } => Some(until),
            Stage::Killed => None,
        });
        hooks.chain(self.stop_at.filter(|_| !self.is_idle())).min()
    }

    pub fn tick(&mut self, poll: &Poll, now: Instant) {
        for running in self.running.values_mut() {
            match running.stage {
                Stage::InTime { until } if now >= until => {
                    running.process.terminate();
                    running.stage = Stage::Ending { until: now + GRACE };
                }
                Stage::Ending { until } if now >= until => {
                    running.process.kill();
                    running.stage = Stage::Killed;
                }
                Stage::InTime { .. } | Stage::Ending { .. } | Stage::Killed => {}
            }
        }
        if self.stop_at.is_some_and(|at| now >= at) {
            self.end_all();
        }
        self.start(poll);
    }

    /// What became of hooks since the last call.
    pub fn take_finished(&mut self) -> Vec<HookRow> {
        std::mem::take(&mut self.finished)
    }

    /// The daemon ends: those that run or wait have so much time left, in all.
    pub fn stop(&mut self, now: Instant, limit: Duration) {
        self.stop_at = Some(self.stop_at.unwrap_or(now + limit).min(now + limit));
    }

    /// None runs, none waits.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    fn start(&mut self, poll: &Poll) {
        while self.running.len() < MOST_RUNNING {
            let Some(firing) = self.take_next() else { return };
            let of = Of::new(&firing);
            let timeout = firing.hook.timeout;
            match Process::start(firing, &self.setting) {
                Ok(process) => self.run(
                    poll,
                    Running {
                        process,
                        of,
                        timeout,
                        stage: Stage::InTime { until: Instant::now() + timeout },
                    },
                ),
                Err(why) => self.finish(of, Err(why)),
            }
        }
    }

    fn run(&mut self, poll: &Poll, mut running: Running) {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        if let Err(e) = running.process.watch(poll, Token::Hook(id).into()) {
            self.finish(running.of, Err(format!("it cannot be watched: {e}")));
            return;
        }
        running.process.pump(poll);
        let Of { job, run, occasion, action } = &running.of;
        log::debug!(
            target: "loom::hook", job = job.as_str(), run = *run;
            "{job}: {}: the {action} has begun, PID {}", occasion.as_str(), running.process.pid()
        );
        self.running.insert(id, running);
    }

    /// The first of the job that has the fewest running, so that one whose hooks hang does not
    /// hold up all others.
    fn take_next(&mut self) -> Option<Firing> {
        let of_job = |job: &str| self.running.values().filter(|r| r.of.job == job).count();
        let first = self.waiting.iter().enumerate().min_by_key(|(_, firing)| of_job(&firing.job));
        let index = first.map(|(index, _)| index)?;
        let firing = self.waiting.remove(index)?;
        self.waiting_bytes -= firing.body.len();
        Some(firing)
    }

    fn finish(&mut self, of: Of, result: Result<(), String>) {
        let Of { job, run, occasion, action } = of;
        let key = occasion.as_str();
        match &result {
            Ok(()) => log::debug!(
                target: "loom::hook", job = job.as_str(), run = run;
                "{job}: {key}: the {action} is done"
            ),
            Err(why) => log::warn!(
                target: "loom::hook", job = job.as_str(), run = run;
                "{job}: {key}: the {action} failed: {why}"
            ),
        }
        self.finished.push(HookRow {
            job,
            run,
            occasion: key,
            action,
            at: Timestamp::now(),
            failure: result.err(),
        });
    }

    /// Dropping a process kills it.
    fn end_all(&mut self) {
        let running = std::mem::take(&mut self.running).into_values().map(|running| running.of);
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let ended: Vec<Of> = running.chain(waiting.iter().map(Of::new)).collect();
        for of in ended {
            self.finish(of, Err(STOPPED.to_owned()));
        }
    }
}
