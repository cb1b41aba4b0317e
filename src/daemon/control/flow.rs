//! Flows that somebody sets going: one that stands in no manifest, and one again from where it
//! ended. One of the manifests is begun as any job is.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::permits::{Person, Subject, permit};
use super::{conflict, invalid};
use crate::config::Config;
use crate::daemon::Daemon;
use crate::event::Cause;
use crate::flow::Resume;
use crate::job::Job;
use crate::job::flow::{CommandLine, Flow, MAX_JOBS, MAX_UNITS, Part};
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

/// A flow that stands in no manifest, as if it stood in one. Whoever asked has looked at it
/// before, but need not be believed. One that is taken up may have had nodes that are gone, which it
/// lacks from then on.
fn given(
    config: &Config,
    slots: &[Vec<GivenPart>],
    any_host: bool,
    resumes: bool,
) -> Result<Job, Refusal> {
    if slots.is_empty() {
        return Err(invalid("a flow has at least one slot".to_owned()));
    }
    if slots.iter().map(Vec::len).sum::<usize>() > MAX_JOBS {
        return Err(invalid(format!("a flow has at most {MAX_JOBS} jobs")));
    }
    let (mut given, mut room) = (Vec::new(), MAX_UNITS);
    for (number, parts) in (1..).zip(slots) {
        if parts.is_empty() {
            return Err(invalid(format!("slot {number} is empty; it needs a job at least")));
        }
        let parts =
            parts.iter().map(|part| command_line(config, part, any_host, resumes, &mut room));
        given.push(parts.collect::<Result<_, _>>()?);
    }
    Ok(Flow::given(any_host, given))
}

/// `room`: how many targets more there may be.
fn command_line(
    config: &Config,
    part: &GivenPart,
    any_host: bool,
    resumes: bool,
    room: &mut usize,
) -> Result<CommandLine, Refusal> {
    let GivenPart { name, command, success, parallel, timeout, attempts, .. } = part;
    let (mut targets, mut seen) = (Vec::new(), HashSet::new());
    for written in &part.targets {
        let names = match config.resolve_hosts(written, any_host) {
            // No host comes of it: names that stand for no node are told, and left out.
            Err(_) if resumes && !any_host => Ok(vec![written.clone()]),
            names => names,
        };
        let names = names.map_err(|e| invalid(format!("job {name:?}: {e}")))?;
        // Counted as they are written, so that no text costs more than it may.
        *room = room
            .checked_sub(names.len())
            .ok_or_else(|| invalid(format!("the jobs of a flow have at most {MAX_UNITS} hosts")))?;
        targets.extend(names.into_iter().filter(|name| seen.insert(name.clone())));
    }
    if targets.is_empty() {
        return Err(invalid(format!("job {name:?} has no hosts")));
    }
    if *attempts == 0 {
        return Err(invalid(format!("job {name:?}: attempts count from 1")));
    }
    Ok(CommandLine {
        name: name.clone(),
        command: command.clone(),
        targets,
        success: *success,
        parallel: parallel.clone(),
        timeout: timeout.map(Duration::from_millis),
        attempts: *attempts,
    })
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
