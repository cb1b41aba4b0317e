//! What the names in the slots of a flow stand for, and what is laid over it there.

use super::chain::{Chains, Next};
use super::parts::{Entry, Failure, OF_A_FLOW, Slots, Which};
use crate::config::diagnostic::quoted;
use crate::config::jobs::Jobs;
use crate::config::policy;
use crate::config::report::Report;
use crate::config::yaml::Item;
use crate::cron::Schedule;
use crate::job::policy::{Missed, Overlap, Share};
use crate::job::{DEFAULT_DEADLINE, Job};

impl<'i> Slots<'i> {
    /// Every name is looked up.
    pub fn resolve(mut self, jobs: &mut Jobs<'_>, report: &mut Report) -> Option<Chains<'i>> {
        let mut chains = Chains::default();
        let mut failures = Vec::new();
        // Those of the flow's own are drafts with the same numbers.
        for own in &mut self.own {
            failures.push(own.on_failure.take());
            let job = own.job.take();
            self.sound &= job.is_some();
            chains.add(own.at, &own.name, job);
        }
        for entries in std::mem::take(&mut self.slots) {
            let mut slot = Vec::new();
            for entry in entries {
                let at = entry.at;
                match self.draft(entry, &mut chains, &mut failures, jobs, report) {
                    Some(number) => slot.push((at, number)),
                    None => self.sound = false,
                }
                if jobs.is_full() {
                    return None;
                }
            }
            chains.slots.push(slot);
        }
        // A rescue that is no mere name is a draft of its own, and may have a rescue as well.
        let mut number = 0;
        while number < failures.len() {
            match failures[number].take() {
                None => {}
                Some(Failure::Then(then)) => chains.drafts[number].then = then,
                Some(Failure::Rescue(entry, then)) => {
                    let at = entry.at;
                    let found = match (&entry.job, &entry.on_failure) {
                        (Which::Named(name, None), None) => match chains.find(name) {
                            Some(number) => Some(number),
                            None => self.draft(*entry, &mut chains, &mut failures, jobs, report),
                        },
                        _ => self.draft(*entry, &mut chains, &mut failures, jobs, report),
                    };
                    self.sound &= found.is_some();
                    let by = found.map(|by| Next { at, by, then });
                    chains.drafts[number].rescue = by;
                }
            }
            number += 1;
        }
        let is_tied = chains.tie(report);
        (is_tied && self.sound).then_some(chains)
    }

    /// The draft that an entry stands for. `failures` are of the drafts that there are.
    fn draft(
        &self,
        entry: Entry<'i>,
        chains: &mut Chains<'i>,
        failures: &mut Vec<Option<Failure<'i>>>,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<usize> {
        let (name, over) = match entry.job {
            Which::Own(number) => return Some(number),
            Which::Named(name, over) => (name, over),
        };
        let own = self.names.get(name).copied();
        let known = own.or_else(|| chains.plain.get(name).copied());
        if let (Some(number), None) = (known, &over) {
            return Some(number);
        }
        let is_plain = over.is_none();
        let found = match own {
            // Mistaken, it has been told.
            Some(number) => chains.drafts[number].job.clone(),
            None => self.find(entry.at, name, jobs, report),
        };
        let Some(mut job) = found else {
            // What is said of it is read all the same, over nothing.
            if let Some(fields) = over {
                jobs.defaults().job(&fields, report);
            }
            return None;
        };
        if let Some(fields) = over {
            jobs.defaults().over(&fields, &mut job, report);
            policy::warn(&job, &fields, report);
            job = in_flow(job);
        }
        if !jobs.has_room_for_copy(entry.at, &job, report) {
            return None;
        }
        let number = chains.add(entry.at, name, Some(job));
        if is_plain {
            chains.plain.insert(name.to_owned(), number);
        }
        chains.drafts[number].inherits = own.filter(|_| entry.on_failure.is_none());
        failures.push(entry.on_failure);
        Some(number)
    }

    /// The job of this name among the manifests'.
    fn find(
        &self,
        at: Item<'_>,
        name: &str,
        jobs: &mut Jobs<'_>,
        report: &mut Report,
    ) -> Option<Job> {
        let shown = quoted(name);
        match jobs.written(name).filter(|what| *what != OF_A_FLOW) {
            Some(super::A_FLOW) => {
                report.error(at, format!("{shown} is a flow; a slot holds jobs"));
                None
            }
            Some(_) => {
                // Mistaken, it has been told.
                let job = in_flow(jobs.by_name.get(name)?.clone());
                warn_of(at, name, jobs, report);
                Some(job)
            }
            None => {
                if let Some((flow, short)) = name.split_once('/')
                    && jobs.written(flow) == Some(super::A_FLOW)
                {
                    let message = match flow == self.flow {
                        true => format!("a job of the flow's own is named without it: {short}"),
                        false => format!("{shown}: what flow {flow} holds, only that can name"),
                    };
                    report.error(at, message);
                    return None;
                }
                let own = self.names.keys().map(String::as_str);
                let known = jobs.by_name.iter().filter(|(_, job)| job.flow.is_none());
                let known = known.map(|(name, _)| name.as_str()).chain(own);
                let hint = report.hints.did_you_mean(name, known);
                report.error(at, format!("there is no job {shown}{hint}"));
                None
            }
        }
    }
}

/// That it also comes due by itself may not be meant; told once.
fn warn_of(at: Item<'_>, name: &str, jobs: &mut Jobs<'_>, report: &mut Report) {
    if !jobs.take_unscheduled(name) {
        return;
    }
    let message = format!(
        "job {} has no schedule, so it runs every minute by itself as well; for flows alone, give \
         it schedule: \"@never\"",
        quoted(name)
    );
    let place = jobs.place(name).map(|span| format!("the job is at {}", report.position(span)));
    report.warning_with(at, message, place);
}

/// A job as a part of a flow: when it comes due by itself does not matter there, all of its
/// targets have to succeed unless it says otherwise, and it waits for a run of its own where its
/// schedule would leave it out.
pub fn in_flow(job: Job) -> Job {
    let overlap = match job.overlap {
        Overlap::Skip | Overlap::Queue => Overlap::Queue,
        Overlap::Allow => Overlap::Allow,
    };
    Job {
        overlap,
        success: job.success.or(Some(Share::Percent(100))),
        schedule: Schedule::never(),
        missed: Missed::default(),
        deadline: DEFAULT_DEADLINE,
        splay: std::time::Duration::ZERO,
        enabled: true,
        ..job
    }
}
