//! How much there may be of all jobs: names, targets, arguments, texts. What a flow runs counts again
//! in each flow.

use super::Jobs;
use crate::config::diagnostic::quoted;
use crate::config::report::Report;
use crate::config::values;
use crate::config::yaml::Item;
use crate::job::Job;
use crate::job::hooks::{Action, Url};

/// The most jobs, and the most targets of all jobs together, counted as written.
const MAX_JOBS: usize = 100_000;
pub const MAX_TARGETS: usize = 1_000_000;
/// The most bytes that the texts of all jobs may take: aliases and defaults multiply them.
pub const MAX_TEXTS: usize = 64 << 20;

impl Jobs<'_> {
    /// Takes a name, which nothing else of the configuration may have; whether it was free.
    pub fn claim(
        &mut self,
        at: Item<'_>,
        name: &str,
        what: &'static str,
        report: &mut Report,
    ) -> bool {
        if let Some((first, is)) = self.places.get(name) {
            let message = match *is == what {
                true => format!("{what} {} is defined twice", quoted(name)),
                false => format!(
                    "{what} {} is called as a {is} is; they have their names in common",
                    quoted(name)
                ),
            };
            let note = format!("first at {}", report.position(*first));
            report.error_noting(at, message, note);
            return false;
        }
        self.places.insert(name.to_owned(), (at.node.span, what));
        self.has_room_for_jobs(at, report)
    }

    /// Whether there is room for one more job that a flow holds, and for its targets and texts.
    pub fn has_room_for_copy(&mut self, at: Item<'_>, job: &Job, report: &mut Report) -> bool {
        self.copies += 1;
        self.has_room_for_jobs(at, report)
            && self.has_room_for_targets(at, job.targets.len(), report)
            && self.has_room_for_arguments(at, job, report)
            && self.has_room(at, job, report)
    }

    fn has_room_for_jobs(&mut self, at: Item<'_>, report: &mut Report) -> bool {
        let fits = self.places.len() + self.copies <= MAX_JOBS;
        if !fits && !self.is_full {
            report.error(at, format!("more than {MAX_JOBS} jobs, those of flows counted"));
        }
        self.is_full |= !fits;
        fits
    }

    fn has_room_for_arguments(&mut self, at: Item<'_>, job: &Job, report: &mut Report) -> bool {
        let kwargs = job.kwargs.iter().map(|(name, arg)| name.len() + values::size(arg));
        let bytes = job.args.iter().map(values::size).sum::<usize>() + kwargs.sum::<usize>();
        let fits = self.room.take_again(bytes);
        if !fits {
            report.error(at, values::too_much());
        }
        self.is_full |= !fits;
        fits
    }

    /// Whether there is room for the job's texts.
    pub fn has_room(&mut self, at: Item<'_>, job: &Job, report: &mut Report) -> bool {
        match self.texts.checked_sub(weight(job)) {
            Some(left) => {
                self.texts = left;
                true
            }
            None => {
                let message = "the descriptions, tags, locks, logs and hooks of all jobs take";
                report.error(at, format!("{message} more than {} MiB", MAX_TEXTS >> 20));
                self.is_full = true;
                false
            }
        }
    }

    /// Whether so many targets more may be.
    pub fn has_room_for_targets(&mut self, at: Item<'_>, more: usize, report: &mut Report) -> bool {
        match self.targets.checked_sub(more) {
            Some(left) => {
                self.targets = left;
                true
            }
            None => {
                report.error(at, format!("more than {MAX_TARGETS} targets of all jobs"));
                self.is_full = true;
                false
            }
        }
    }

    /// A limit was met, which has been told: nothing more is to be read.
    pub fn is_full(&self) -> bool {
        self.is_full
    }
}

/// Roughly what a job's texts take in memory, but for those that have a limit of their own.
fn weight(job: &Job) -> usize {
    const EACH: usize = 50;
    let words = job.tags.iter().chain(&job.locks).map(|word| EACH + word.len());
    let hooks = job.hooks.values().flatten().map(|hook| EACH + length(&hook.action));
    let log = job.log.as_ref().map_or(0, |log| log.0.as_os_str().len());
    let python = job.python.path.iter().map(|path| EACH + path.as_os_str().len());
    let answers = job.python.answers.iter().map(|(prompt, _)| 2 * EACH + prompt.len());
    let python = job.python.interpreter.len() + python.sum::<usize>() + answers.sum::<usize>();
    let single = job.task.len() + job.description.len() + job.schedule.expr().len() + log + python;
    single + words.sum::<usize>() + hooks.sum::<usize>()
}

fn length(action: &Action) -> usize {
    match action {
        Action::Command(text) | Action::Webhook(Url(text)) | Action::Mail(text) => text.len(),
    }
}
