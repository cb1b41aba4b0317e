//! Flows that somebody sets going: one that stands in no manifest, and one again from where it
//! ended. One of the manifests is begun as any job is.

use std::sync::Arc;
use std::time::Duration;

use super::permits::{Person, Subject, permit};
use super::{conflict, invalid};
use crate::arg::Arg;
use crate::config::Config;
use crate::cron::Schedule;
use crate::daemon::Daemon;
use crate::event::Cause;
use crate::flow::Resume;
use crate::job::flow::{FLOW, Flow, OnFailure, Part};
use crate::job::policy::{Overlap, Parallel, Retries, RetryOn};
use crate::job::{Job, Source};
use crate::protocol::control::{
    Answer, Command, FlowOf, FlowOrder, GivenPart, Refusal, TakeUp, Why,
};
use crate::unit::Trigger;

impl Daemon {
    pub(super) fn flow(
        &mut self,
        person: &Person,
        command: &Command,
        order: &FlowOrder,
    ) -> Result<Answer, Refusal> {
        let (job, from) = match &order.flow {
            FlowOf::Job(name) => {
                permit(person, command, Subject { job: Some(name), own_targets: true })?;
                let job = self.engine.jobs.get(name).filter(|job| job.flow.is_some()).cloned();
                let unknown = || match &order.resume {
                    None => Refusal {
                        why: Why::Unknown,
                        text: format!("there is no flow {name:?} in the configuration"),
                    },
                    Some(TakeUp { run, .. }) => conflict(&format!(
                        "there is no flow {name} in the configuration any more; run {run} cannot \
                         be taken up"
                    )),
                };
                (job.ok_or_else(unknown)?, None)
            }
            FlowOf::Given { from, slots, any_host } => {
                permit(person, command, Subject::default())?;
                let resumes = order.resume.is_some();
                let job = given(&self.engine.config, slots, *any_host, resumes)?;
                (Arc::new(job), Some(from.clone()))
            }
        };
        self.may_start()?;
        let of = order.resume.as_ref().map(|take_up| take_up.run);
        if let Some((of, run)) = of.and_then(|of| Some((of, self.engine.scheduler.taker_of(of)?))) {
            return Err(conflict(&format!("run {of} is being taken up already, by run {run}")));
        }
        let resume = match (&order.resume, &job.flow) {
            (Some(take_up), Some(flow)) => Some(resume(&job.name, flow, take_up)?),
            (Some(_) | None, _) => None,
        };
        let cause = Cause {
            trigger: if resume.is_some() { Trigger::Retry } else { Trigger::Manual },
            scheduled_at: None,
            by: Some(person.name.clone()),
            retry_of: of,
            command: from,
            within: None,
        };
        let run = self.engine.begin_flow(&job, resume, cause);
        if let (Some(of), None) = (of, run) {
            let name = &job.name;
            return Err(conflict(&format!(
                "another run of {name} is under way, and its `overlap` is {}; run {of} can be taken \
                 up when that is over",
                job.overlap.as_str()
            )));
        }
        self.audit(person, command, run.map(|run| format!("run {run}")));
        Ok(Answer::Run(run))
    }
}

/// A flow that stands in no manifest, as if it stood in one. One that is taken up may have had nodes
/// that are gone, which it lacks from then on.
fn given(
    config: &Config,
    slots: &[Vec<GivenPart>],
    any_host: bool,
    resumes: bool,
) -> Result<Job, Refusal> {
    if slots.is_empty() {
        return Err(invalid("a flow has at least one slot".to_owned()));
    }
    let mut flow = Flow { any_host, slots: Vec::new() };
    for (number, parts) in (1..).zip(slots) {
        if parts.is_empty() {
            return Err(invalid(format!("slot {number} is empty; it needs a job at least")));
        }
        let parts = parts.iter().map(|part| given_part(config, part, any_host, resumes));
        flow.slots.push(parts.collect::<Result<_, _>>()?);
    }
    let mut targets: Vec<String> =
        flow.parts().flat_map(|(_, part)| part.job.targets.iter().cloned()).collect();
    targets.sort();
    targets.dedup();
    Ok(Job { flow: Some(flow), targets, ..bare(FLOW.to_owned(), FLOW) })
}

fn given_part(
    config: &Config,
    part: &GivenPart,
    any_host: bool,
    resumes: bool,
) -> Result<Part, Refusal> {
    let mut targets = Vec::new();
    for written in &part.targets {
        let names = match config.resolve_hosts(written, any_host) {
            // No host comes of it: names that stand for no node are told, and left out.
            Err(_) if resumes && !any_host => Ok(vec![written.clone()]),
            names => names,
        };
        let names = names.map_err(|e| invalid(format!("job {:?}: {e}", part.name)))?;
        targets
            .extend(names.into_iter().filter(|name| !targets.contains(name)).collect::<Vec<_>>());
    }
    if targets.is_empty() {
        return Err(invalid(format!("job {:?} has no hosts", part.name)));
    }
    if part.attempts == 0 {
        return Err(invalid(format!("job {:?}: attempts count from 1", part.name)));
    }
    let steps = part.parallel.clone();
    let job = Job {
        args: vec![Arg::Str(part.command.clone())],
        targets,
        timeout: part.timeout.map(Duration::from_millis),
        overlap: Overlap::Allow,
        parallel: (!steps.is_empty()).then_some(Parallel { steps }),
        success: Some(part.success),
        retries: Retries {
            attempts: part.attempts,
            on: RetryOn::ALL.into_iter().collect(),
            ..Retries::default()
        },
        ..bare(format!("{FLOW}/{}", part.name), "loom.run")
    };
    Ok(Part { job, on_failure: OnFailure::Stop })
}

fn bare(name: String, task: &str) -> Job {
    let source = Source { file: Default::default(), line: 0 };
    Job { overlap: Overlap::Allow, ..Job::new(name, task.to_owned(), Schedule::never(), source) }
}

/// What was done in one flow means nothing in another.
fn resume(name: &str, flow: &Flow, take_up: &TakeUp) -> Result<Resume, Refusal> {
    let names = |parts: &Vec<Part>| parts.iter().map(|part| part.job.name.clone()).collect();
    let now: Vec<Vec<String>> = flow.slots.iter().map(names).collect();
    if now != take_up.jobs {
        let run = take_up.run;
        return Err(conflict(&format!(
            "{name} has other jobs now than in run {run}; run it from its beginning"
        )));
    }
    if take_up.slot == 0 || take_up.slot as usize > flow.slots.len() {
        return Err(invalid(format!("{name} has no slot {}", take_up.slot)));
    }
    let done = take_up.done.iter();
    let done = done.map(|(part, nodes)| (*part, nodes.iter().cloned().collect())).collect();
    Ok(Resume { slot: take_up.slot, done })
}
