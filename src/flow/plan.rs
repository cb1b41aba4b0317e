//! What a flow is to do, with its numbers worked out: for the ledger, and for people who ask before
//! they have it done.

use std::collections::HashSet;

use super::Resume;
use crate::api::flow::{OnFailure, Plan, Planned, Resumed};
use crate::arg::Arg;
use crate::job::Job;
use crate::job::flow::{self, FLOW, Flow, Part, Then};
use crate::job::policy::Share;

/// As the catalog has it.
pub fn text(job: &Job) -> String {
    text_of_run(job, None)
}

/// As the ledger keeps it of a run.
pub fn text_of_run(job: &Job, resume: Option<&Resume>) -> String {
    let plan = job.flow.as_ref().map(|flow| Plan {
        resumed: resume.map(|resume| resumed(flow, resume)),
        ..plan(flow, job.name == FLOW)
    });
    serde_json::to_string(&plan).unwrap_or_default()
}

/// Part by part, in the order of the targets.
fn resumed(flow: &Flow, resume: &Resume) -> Resumed {
    let none = HashSet::new();
    let parts = flow.slots.get((resume.slot as usize).saturating_sub(1));
    let done = (1..).zip(parts.into_iter().flatten()).map(|(part, written): (u32, &Part)| {
        let done = resume.done.get(&part).unwrap_or(&none);
        written.job.targets.iter().filter(|node| done.contains(*node)).cloned().collect()
    });
    Resumed { slot: resume.slot, done: done.collect() }
}

/// `tells_commands`: of a flow that stands in no manifest, they are needed to take it up again.
pub fn plan(flow: &Flow, tells_commands: bool) -> Plan {
    let slot = |parts: &Vec<Part>| parts.iter().map(|part| planned(part, tells_commands)).collect();
    Plan { any_host: flow.any_host, slots: flow.slots.iter().map(slot).collect(), resumed: None }
}

fn planned(part: &Part, tells_commands: bool) -> Planned {
    let job = &part.job;
    let total = job.targets.len();
    let success = job.success.unwrap_or(Share::Percent(100));
    let at_once = job.parallel.as_ref().map_or(vec![total.max(1)], |parallel| {
        parallel.at_once(total).into_iter().map(|at_once| at_once.min(total.max(1))).collect()
    });
    let command = match job.args.first() {
        Some(Arg::Str(command)) if tells_commands => Some(command.clone()),
        Some(_) | None => None,
    };
    Planned {
        job: job.name.clone(),
        command,
        targets: job.targets.clone(),
        success: success.to_string(),
        needed: success.at_least(total) as u32,
        parallel: job.parallel.as_ref().map(ToString::to_string),
        at_once: at_once.into_iter().map(|at_once| at_once as u32).collect(),
        timeout: job.timeout.map(|timeout| timeout.as_secs_f64()),
        attempts: job.retries.attempts,
        on_failure: match &part.on_failure {
            flow::OnFailure::Stop => OnFailure::Stop,
            flow::OnFailure::Continue => OnFailure::Continue,
            flow::OnFailure::Rescue { then: Then::Continue, .. } => OnFailure::Rescue,
            flow::OnFailure::Rescue { then: Then::Stop, .. } => OnFailure::RescueAndStop,
        },
        rescue: part.rescue().map(|rescue| Box::new(planned(rescue, tells_commands))),
    }
}
