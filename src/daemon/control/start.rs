//! What sets units going: jobs run by hand, retries, and commands of no job.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::permits::{Person, Subject, permit};
use super::{invalid, unavailable, words};
use crate::arg::Arg;
use crate::cron::Schedule;
use crate::daemon::Daemon;
use crate::event::Cause;
use crate::job::policy::{Overlap, Share};
use crate::job::{self, Job};
use crate::protocol::control::{Answer, Command, Exec, Refusal, Why};
use crate::task;
use crate::unit::{RunId, Trigger};

impl Daemon {
    /// Whether anything may start.
    pub(super) fn may_start(&self) -> Result<(), Refusal> {
        if self.stopping.is_some() {
            return Err(unavailable("it is being stopped; nothing starts any more"));
        }
        if self.engine.is_ledger_down() {
            let text = "the ledger cannot be written; nothing starts until it can";
            return Err(unavailable(text));
        }
        Ok(())
    }

    pub(super) fn run_job(
        &mut self,
        person: &Person,
        command: &Command,
        name: &str,
        on: Option<&str>,
        args: &[(String, Arg)],
        retry_of: Option<RunId>,
    ) -> Result<Answer, Refusal> {
        let config = self.engine.config.clone();
        let found = self.engine.jobs.get(name).filter(|_| person.jobs.matches(name)).cloned();
        let Some(job) = found else {
            // The near misses are those that they may see.
            let names = config.jobs.keys().filter(|name| person.jobs.matches(name));
            let hint = crate::config::near(name, names.map(String::as_str));
            let text = format!("there is no job {name:?}{hint}");
            return Err(Refusal { why: Why::Unknown, text });
        };
        let targets = match on {
            Some(on) => config.resolve_targets(on).map_err(invalid)?,
            None => job.targets.clone(),
        };
        if job.flow.is_some() && (on.is_some() || !args.is_empty()) {
            let text = "a flow runs its jobs where they run, as they are written";
            return Err(invalid(format!("{name} is a flow; {text}")));
        }
        let own: HashSet<&String> = job.targets.iter().collect();
        let own_targets = targets.iter().all(|target| own.contains(target));
        permit(person, command, Subject { job: Some(name), own_targets })?;
        self.may_start()?;
        let job = with_arguments(&job, args)?;
        let run = self.engine.begin_run(
            &job,
            &targets,
            Cause {
                trigger: if retry_of.is_some() { Trigger::Retry } else { Trigger::Manual },
                scheduled_at: None,
                by: Some(person.name.clone()),
                retry_of,
                command: None,
                within: None,
            },
        );
        self.audit(person, command, run.map(|run| format!("run {run}")));
        Ok(Answer::Run(run))
    }

    pub(super) fn exec(
        &mut self,
        person: &Person,
        command: &Command,
        exec: &Exec,
    ) -> Result<Answer, Refusal> {
        self.may_start()?;
        let targets = self.engine.config.resolve_targets(&exec.on).map_err(invalid)?;
        let Exec { task, args, kwargs, timeout, parallel, .. } = exec;
        check_call(task, args, kwargs)?;
        let source = job::Source { file: Default::default(), line: 0 };
        let job = Job {
            args: args.clone(),
            kwargs: kwargs.clone(),
            python: self.engine.config.settings.python.clone(),
            targets: targets.clone(),
            timeout: timeout.map(Duration::from_millis),
            parallel: parallel
                .filter(|at_once| *at_once > 0)
                .map(|at_once| Share::Count(at_once).into()),
            overlap: Overlap::Allow,
            ..Job::new(job::EXEC.to_owned(), task.clone(), Schedule::never(), source)
        };
        let cause = Cause {
            trigger: Trigger::Exec,
            scheduled_at: None,
            by: Some(person.name.clone()),
            retry_of: None,
            command: Some(words::shown(exec)),
            within: None,
        };
        let run = self.engine.begin_run(&Arc::new(job), &targets, cause);
        self.audit(person, command, run.map(|run| format!("run {run}")));
        Ok(Answer::Run(run))
    }
}

/// The job with these laid over its keyword arguments.
fn with_arguments(job: &Arc<Job>, args: &[(String, Arg)]) -> Result<Arc<Job>, Refusal> {
    if args.is_empty() {
        return Ok(job.clone());
    }
    let mut kwargs = job.kwargs.clone();
    for (name, value) in args {
        match kwargs.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => old.clone_from(value),
            None => kwargs.push((name.clone(), value.clone())),
        }
    }
    check_call(&job.task, &job.args, &kwargs)?;
    Ok(Arc::new(Job { kwargs, ..Job::clone(job) }))
}

/// What a Python task takes is not known here; the unit fails with the reason.
fn check_call(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> Result<(), Refusal> {
    if task::is_python(task) {
        return Ok(());
    }
    match task::check(task, args, kwargs).first() {
        Some(problem) => Err(invalid(format!("{task}: {problem}"))),
        None => Ok(()),
    }
}
