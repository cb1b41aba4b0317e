//! The native tasks: what they are called, what they take, and whether a call is well formed.
//!
//! One table and one binder serve `loom check`, which refuses a bad call with the words a person
//! needs, and the worker, which reads the same parameters with their types. How a task runs is
//! the worker's business.

mod bind;
mod kind;
mod page;
mod table;

#[cfg(test)]
mod tests;

pub use bind::{Call, bind};
pub use kind::{Kind, Mount};
pub use page::page;
pub use table::TASKS;

use std::time::Duration;

use crate::arg::Arg;
use crate::protocol::cookie::Rights;

/// One task of the table.
#[derive(Debug)]
pub struct Task {
    /// The dotted path a manifest names it by.
    pub path: &'static str,
    /// Other paths for the same task.
    pub aliases: &'static [&'static str],
    pub params: &'static [Param],
    /// One sentence.
    pub doc: &'static str,
    /// All there is to say, as Markdown without headings; it begins as `doc` does.
    pub long: &'static str,
    /// The lines of a job that calls it, from `task:` on.
    pub example: &'static str,
    /// What the parameters must fulfil together; the error is for the person who wrote the call.
    rule: fn(&Call) -> Result<(), Problem>,
}

#[derive(Debug)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Default,
    /// A phrase; what follows a semicolon says more.
    pub doc: &'static str,
    pub form: Form,
}

/// How a parameter is given, by Python's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In `args`, by its place, or in `kwargs`, by its name.
    Positional,
    /// In `kwargs` only.
    Keyword,
    /// Takes all of `args` that is left; never named.
    Rest,
}

impl Param {
    /// What a message says of it.
    pub fn phrase(&self) -> &'static str {
        self.doc.split("; ").next().unwrap_or_default()
    }

    /// What is written for it in a manifest.
    pub fn takes(&self) -> String {
        let one = self.kind.expects();
        match self.form {
            Form::Positional | Form::Keyword => one,
            Form::Rest => format!("each {one}"),
        }
    }

    /// Whether two tasks take the same here, at whichever place.
    pub fn is_like(&self, other: &Param) -> bool {
        let of = |param: &Param| (param.name, param.kind, param.default, param.doc);
        of(self) == of(other)
    }
}

/// What a parameter is when the call does not mention it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    Required,
    /// Nothing: the doc says what that means. Shown as `null`.
    Absent,
    Flag(bool),
    Text(&'static str),
    Seconds(u64),
}

/// What is wrong with a call, and where; the messages are whole sentences without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// No native task has this path; these come near.
    Unknown { suggestions: Vec<String> },
    /// The entry of `kwargs` with this name.
    Kwarg { name: String, message: String },
    /// The entry of `args` at this index, counted from 0.
    Arg { index: usize, message: String },
    /// The call as a whole.
    Call { message: String },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Unknown { suggestions } if suggestions.is_empty() => {
                f.write_str("there is no such task")
            }
            Problem::Unknown { suggestions } => {
                write!(f, "there is no such task; did you mean {}?", suggestions.join(" or "))
            }
            Problem::Kwarg { name, message } => write!(f, "{name}: {message}"),
            Problem::Arg { index, message } => write!(f, "argument {}: {message}", index + 1),
            Problem::Call { message } => f.write_str(message),
        }
    }
}

/// Why the worker could not run this; nothing if it could.
pub fn check(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> Vec<Problem> {
    bind::bind_or_explain(task, args, kwargs).err().unwrap_or_default()
}

/// The task of this path or alias.
pub fn find(path: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.path == path || task.aliases.contains(&path))
}

/// Whether Loom runs the task itself; any other is Python's.
pub fn is_native(path: &str) -> bool {
    find(path).is_some()
}

/// Whether it can only be the path of a Python task, of which the table here knows nothing.
pub fn is_python(path: &str) -> bool {
    !is_native(path) && path.contains('.')
}

/// Whether the call may have to answer sudo. Calls that do not bind need nothing; what a Python
/// task does is not known.
pub fn wants_password(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> bool {
    !is_native(task) || bind(task, args, kwargs).is_ok_and(|call| call.becomes())
}

/// Whose rights the call's commands get on the node, for the unit's cookie.
pub fn rights(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> Rights {
    let Ok(call) = bind(task, args, kwargs) else { return Rights::Own };
    if !call.becomes() {
        return Rights::Own;
    }
    let user = ["become_user", "user"].into_iter().find(|name| call.has(name));
    match user.and_then(|name| call.maybe_text(name)) {
        // Digits are a number, and no name.
        Some(id) if id.bytes().all(|b| b.is_ascii_digit()) => Rights::User(format!("#{id}")),
        Some(name) => Rights::User(name.to_owned()),
        None => Rights::Root,
    }
}

/// The limit the call itself sets, which holds beside the job's.
pub fn timeout(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> Option<Duration> {
    let call = bind(task, args, kwargs).ok()?;
    if call.has("timeout") { call.seconds("timeout") } else { None }
}

/// Longer names are not compared: it costs the product of the lengths, and none of ours is as long.
const MAX_COMPARED: usize = 100;

/// The paths nearest to one that does not exist, best first, at most three.
fn near(path: &str) -> Vec<String> {
    let names =
        TASKS.iter().flat_map(|task| [task.path].into_iter().chain(task.aliases.iter().copied()));
    let mut suggestions: Vec<String> = Vec::new();
    for name in nearest(path, names) {
        let canonical = find(name).map_or(name, |task| task.path);
        if !suggestions.iter().any(|known| known == canonical) {
            suggestions.push(canonical.to_string());
        }
    }
    suggestions.truncate(3);
    suggestions
}

/// Which of these paths may have been meant, best first.
pub fn nearest<'a>(path: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if path.len() > MAX_COMPARED {
        return Vec::new();
    }
    let names = names.into_iter().filter(|name| name.len() <= MAX_COMPARED);
    let mut scored: Vec<(f64, &str)> = names.map(|name| (likeness(path, name), name)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = scored.first().map_or(1.0, |(score, _)| *score);
    scored.retain(|(score, _)| *score >= 0.8 && *score >= best - 0.05);
    scored.into_iter().map(|(_, name)| name).collect()
}

/// 1 for equal. The last segment counts by itself too: `run` or `fabric.run` mean some `….run`.
fn likeness(written: &str, name: &str) -> f64 {
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let whole = strsim::normalized_damerau_levenshtein(&written.to_ascii_lowercase(), name);
    let tail = strsim::normalized_damerau_levenshtein(&last(written), &last(name));
    whole.max(if tail == 1.0 { 0.9 } else { 0.0 })
}

/// How the table writes a default, as in a Python signature but in YAML's words.
impl std::fmt::Display for Default {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Default::Required => Ok(()),
            Default::Absent => f.write_str("null"),
            Default::Flag(value) => write!(f, "{value}"),
            Default::Text(text) => write!(f, "{text:?}"),
            Default::Seconds(seconds) => write!(f, "{seconds}"),
        }
    }
}

/// The call's shape: `loom.run(command, *, env=null, …)`.
impl std::fmt::Display for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}(", self.path)?;
        let mut starred = false;
        for (i, param) in self.params.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            match param.form {
                Form::Rest => f.write_str("*")?,
                Form::Keyword if !starred => f.write_str("*, ")?,
                Form::Keyword | Form::Positional => {}
            }
            starred |= param.form != Form::Positional;
            f.write_str(param.name)?;
            if param.form != Form::Rest && param.default != Default::Required {
                write!(f, "={}", param.default)?;
            }
        }
        f.write_str(")")
    }
}
