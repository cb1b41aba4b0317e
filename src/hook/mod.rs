//! Which hooks an event fires, and what they are given to read.
//!
//! Owns what must be remembered for that: which jobs are failing, when each occasion of a job was
//! last told, and what the open flows are called. It takes the time and an event and returns
//! firings; [`child`] alone does I/O, at the hands of `daemon::hooks`, which knows how many may run
//! at once.

mod account;
pub mod child;
mod flow;
mod mail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use crate::event::{Event, PartEnd, RunInfo, UnitInfo};
use crate::job::Job;
use crate::job::hooks::{Action, Hook, Occasion};
use crate::unit::{Outcome, Reason, RunEnd, RunId};
use account::{Account, Gap, Run};
use flow::Of;

/// One hook that is to be performed.
#[derive(Clone, PartialEq)]
pub struct Firing {
    pub job: String,
    /// `None` of a gap.
    pub run: Option<RunId>,
    pub occasion: Occasion,
    pub hook: Hook,
    /// What it reads: the JSON that docs/hooks.md describes, or the whole mail.
    pub body: Vec<u8>,
}

/// The body may hold arguments, which may hold secrets.
impl fmt::Debug for Firing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Firing")
            .field("job", &self.job)
            .field("run", &self.run)
            .field("occasion", &self.occasion)
            .field("hook", &self.hook)
            .field("bytes", &self.body.len())
            .finish()
    }
}

#[derive(Debug)]
pub struct Hooks {
    /// What this machine calls itself.
    host: String,
    /// Jobs whose last run that counts failed or was lost.
    failing: BTreeSet<String>,
    told: BTreeMap<String, BTreeMap<Occasion, Told>>,
    /// Open flows, for what is told of their parts.
    flows: BTreeMap<RunId, String>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Held back since then.
    suppressed: u64,
}

impl Hooks {
    /// `failing`: the jobs that the ledger knows to be failing.
    pub fn new(host: String, failing: BTreeSet<String>) -> Hooks {
        Hooks { host, failing, told: BTreeMap::new(), flows: BTreeMap::new() }
    }

    /// Forgets jobs that are no longer configured.
    pub fn retain(&mut self, is_configured: impl Fn(&str) -> bool) {
        self.failing.retain(|job| is_configured(job));
        self.told.retain(|job, _| is_configured(job));
    }

    pub fn on(&mut self, now: Instant, event: &Event) -> Vec<Firing> {
        match event {
            Event::RunQueued(run) => {
                if run.job.flow.is_some() {
                    self.flows.insert(run.run, run.job.name.clone());
                }
                Vec::new()
            }
            Event::RunStarted { run, at } => {
                let of = self.flow_of(run);
                self.fire(now, &run.job, Occasion::Start, |account| {
                    account.with_run(Run::started(run, *at).of(of))
                })
            }
            Event::RunLate(run) => {
                let of = self.flow_of(run);
                self.fire(now, &run.job, Occasion::Late, |account| {
                    account.with_run(Run::queued(run).of(of))
                })
            }
            Event::RunEnded { run, started_at, at, end, units, succeeded, parts } => {
                self.flows.remove(&run.run);
                let of = self.flow_of(run);
                let mut firings = Vec::new();
                for occasion in self.occasions(&run.job.name, *end, units, parts) {
                    firings.extend(self.fire(now, &run.job, occasion, |account| {
                        let ended = Run::ended(run, *started_at, *at, *end).of(of.clone());
                        let account = account.with_run(ended);
                        match run.job.flow.is_some() {
                            true => account.with_parts(&run.job, run, parts),
                            false => account.with_units(run.units, *succeeded, units),
                        }
                    }));
                }
                firings
            }
            Event::Missed { job, node, fires, reason } if is_told(*reason) => {
                self.fire(now, job, Occasion::Missed, |account| {
                    account.with_gap(Gap::new(node.as_deref(), *fires, *reason))
                })
            }
            Event::Missed { .. } | Event::UnitStarted { .. } | Event::UnitEnded { .. } => {
                Vec::new()
            }
        }
    }

    fn flow_of(&self, run: &RunInfo) -> Option<Of> {
        let within = run.within.as_ref()?;
        Some(Of::new(within, self.flows.get(&within.flow).cloned()))
    }

    /// What the end of a run is an occasion for. What was cancelled or skipped says nothing of
    /// the job: it neither fails nor recovers.
    fn occasions(
        &mut self,
        job: &str,
        end: RunEnd,
        units: &[UnitInfo],
        parts: &[PartEnd],
    ) -> Vec<Occasion> {
        let mut occasions = Vec::new();
        match end {
            RunEnd::Succeeded => {
                occasions.push(Occasion::Success);
                if self.failing.remove(job) {
                    occasions.push(Occasion::Recovery);
                }
            }
            RunEnd::Failed | RunEnd::Lost => {
                self.failing.insert(job.to_owned());
                occasions.push(Occasion::Failure);
            }
            RunEnd::Cancelled | RunEnd::Skipped { .. } => {}
        }
        let mut units = units.iter().chain(parts.iter().flat_map(|part| &part.units));
        if units.any(|unit| unit.outcome == Outcome::Unreachable) {
            occasions.push(Occasion::Unreachable);
        }
        occasions
    }

    fn fire<'a>(
        &'a mut self,
        now: Instant,
        job: &'a Job,
        occasion: Occasion,
        fill: impl FnOnce(Account<'a>) -> Account<'a>,
    ) -> Vec<Firing> {
        let hooks = job.hooks.get(&occasion).map(Vec::as_slice).unwrap_or_default();
        if hooks.is_empty() {
            return Vec::new();
        }
        let Some(suppressed) = self.pass(now, job, occasion) else { return Vec::new() };
        let account = fill(Account::new(occasion, &self.host, job, suppressed));
        let firing = |hook: &Hook| Firing {
            job: job.name.clone(),
            run: account.run_id(),
            occasion,
            hook: hook.clone(),
            body: body(hook, &account, job),
        };
        hooks.iter().map(firing).collect()
    }

    /// How many were held back before this one, which may pass; `None`: it is held back, too.
    fn pass(&mut self, now: Instant, job: &Job, occasion: Occasion) -> Option<u64> {
        let of_job = self.told.entry(job.name.clone()).or_default();
        match of_job.get_mut(&occasion) {
            Some(last) if now.saturating_duration_since(last.at) < job.notify_interval => {
                last.suppressed += 1;
                None
            }
            last => {
                let suppressed = last.map_or(0, |last| last.suppressed);
                of_job.insert(occasion, Told { at: now, suppressed: 0 });
                Some(suppressed)
            }
        }
    }
}

fn body(hook: &Hook, account: &Account, job: &Job) -> Vec<u8> {
    let with_arguments;
    let account = if hook.arguments {
        with_arguments = account.clone().with_arguments(job);
        &with_arguments
    } else {
        account
    };
    match &hook.action {
        Action::Command(_) | Action::Webhook(_) => account.json(),
        Action::Mail(to) => mail::message(to, account),
    }
}

/// What somebody has switched off is not missed.
fn is_told(reason: Reason) -> bool {
    match reason {
        Reason::Disabled | Reason::Paused => false,
        Reason::Overlap
        | Reason::DaemonDown
        | Reason::Deadline
        | Reason::ClockJump
        | Reason::NoTargets
        | Reason::Removed
        | Reason::LedgerDown
        | Reason::Constraint => true,
    }
}
