//! Commands in the words of the log and the audit. Values of arguments may be secret, and are not
//! told; what an exec runs is.

use super::permits::Person;
use crate::arg::Arg;
use crate::protocol::control::{Command, Exec, FlowOf, GivenPart};

/// Characters of a line of the log; the audit has all of what was done.
const LONGEST_LINE: usize = 1000;

/// What is done, to what, and what else is to be known of it.
pub struct Words {
    pub action: &'static str,
    /// A job, a run, a token; empty for the daemon.
    pub subject: String,
    pub detail: Option<String>,
}

pub fn words(command: &Command) -> Words {
    let (action, subject, detail) = match command {
        Command::Status => ("status", String::new(), None),
        Command::Run { job, on, args, retry_of } => {
            let on = on.as_ref().map(|on| format!("on {on}"));
            let names = args.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
            let args = (!args.is_empty()).then(|| format!("with {names}"));
            match retry_of {
                Some(run) => ("retry", format!("run {run}"), on),
                None => ("run", job.clone(), join([on, args])),
            }
        }
        Command::Exec(exec) => ("exec", exec.on.clone(), Some(shown(exec))),
        Command::Flow(order) => match (&order.resume, &order.flow) {
            (Some(resume), _) => (
                "flow retry",
                format!("run {}", resume.run),
                Some(format!("from slot {}", resume.slot)),
            ),
            (None, FlowOf::Job(name)) => ("run", name.clone(), None),
            (None, FlowOf::Given { from, slots, .. }) => {
                ("flow run", from.clone(), Some(jobs(slots)))
            }
        },
        Command::Cancel { run } => ("cancel", format!("run {run}"), None),
        Command::Enable { job } => ("enable", job.clone(), None),
        Command::Disable { job } => ("disable", job.clone(), None),
        Command::Pause => ("pause", String::new(), None),
        Command::Resume => ("resume", String::new(), None),
        Command::Reload => ("reload", String::new(), None),
        Command::Stop { drain: true } => ("drain", String::new(), None),
        Command::Stop { drain: false } => ("stop", String::new(), None),
        Command::AddToken { name, role, jobs } => {
            let limit = if jobs.is_all() { "all jobs".to_owned() } else { format!("jobs {jobs}") };
            ("token add", name.clone(), Some(format!("{role}, {limit}")))
        }
        Command::RevokeToken { name } => ("token revoke", name.clone(), None),
    };
    Words { action, subject, detail }
}

/// `a, b; c`: the jobs, slot by slot.
fn jobs(slots: &[Vec<GivenPart>]) -> String {
    let slot = |parts: &Vec<GivenPart>| {
        parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    slots.iter().map(slot).collect::<Vec<_>>().join("; ")
}

/// One line, for the log.
pub fn line(person: &Person, command: &Command) -> String {
    let Words { action, subject, detail } = words(command);
    let blank = if subject.is_empty() { "" } else { " " };
    let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
    let line = format!("{} ({}): {action}{blank}{subject}{detail}", person.name, person.via);
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// What an exec runs: the command line, or the task with its arguments' names.
pub fn shown(exec: &Exec) -> String {
    match (exec.task.as_str(), exec.args.as_slice()) {
        ("loom.run", [Arg::Str(command)]) => command.clone(),
        (task, args) => {
            let places = args.iter().map(|_| "…".to_owned());
            let names = exec.kwargs.iter().map(|(name, _)| format!("{name}=…"));
            format!("{task}({})", places.chain(names).collect::<Vec<_>>().join(", "))
        }
    }
}

pub fn join(parts: [Option<String>; 2]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
