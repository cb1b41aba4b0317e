//! Python's call semantics over a task's parameters.

use std::time::Duration;

use super::kind::Value;
use super::{Default, Form, MAX_COMPARED, Mount, Param, Problem, Task, find, near};
use crate::arg::Arg;

/// A call that was found good. Every parameter can be read by the type the table gives it;
/// asking for another name or type is a mistake in the program, and panics.
#[derive(Debug)]
pub struct Call {
    pub task: &'static Task,
    /// One for each parameter; `None` where the call says nothing or null.
    values: Vec<Option<Value>>,
    rest: Vec<Value>,
}

/// Gives each argument to its parameter, as Python would. Of several mistakes the first is told.
pub fn bind(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> Result<Call, Problem> {
    bind_or_explain(task, args, kwargs).map_err(|mut problems| problems.swap_remove(0))
}

/// As [`bind`], but with everything that is wrong: one problem at least.
pub fn bind_or_explain(
    path: &str,
    args: &[Arg],
    kwargs: &[(String, Arg)],
) -> Result<Call, Vec<Problem>> {
    let Some(task) = find(path) else {
        return Err(vec![Problem::Unknown { suggestions: near(path) }]);
    };
    let mut call =
        Call { task, values: task.params.iter().map(|_| None).collect(), rest: Vec::new() };
    let mut given = vec![false; task.params.len()];
    let mut problems = Vec::new();
    call.positional(args, &mut given, &mut problems);
    call.named(kwargs, &mut given, &mut problems);
    for (param, given) in task.params.iter().zip(&given) {
        let misspelt = |(name, _): &(String, Arg)| {
            !task.params.iter().any(|p| p.name == name) && nearest(task, name) == Some(param.name)
        };
        if param.default == Default::Required && !given && !kwargs.iter().any(misspelt) {
            let message = format!("{}() needs `{}`: {}", task.path, param.name, param.phrase());
            problems.push(Problem::Call { message });
        }
    }
    // What could not be read would look to the rule as if it had not been written.
    if problems.is_empty() {
        problems.extend((task.rule)(&call).err());
    }
    if problems.is_empty() { Ok(call) } else { Err(problems) }
}

impl Call {
    fn positional(&mut self, args: &[Arg], given: &mut [bool], problems: &mut Vec<Problem>) {
        let params = self.task.params;
        let places = params.iter().take_while(|p| p.form == Form::Positional).count();
        let rest = params.iter().position(|p| p.form == Form::Rest);
        for (index, arg) in args.iter().enumerate() {
            let at = if index < places { Some(index) } else { rest };
            let Some(at) = at else {
                let message = too_many(self.task, places, args.len());
                problems.push(Problem::Arg { index, message });
                return;
            };
            given[at] = true;
            match read(self.task, &params[at], arg) {
                Ok(value) if index < places => self.values[at] = value,
                Ok(value) => self.rest.extend(value),
                Err(message) => problems.push(Problem::Arg { index, message }),
            }
        }
    }

    fn named(&mut self, kwargs: &[(String, Arg)], given: &mut [bool], problems: &mut Vec<Problem>) {
        let task = self.task;
        for (name, arg) in kwargs {
            let param = task.params.iter().position(|p| p.name == name);
            let read = match param.filter(|at| task.params[*at].form != Form::Rest) {
                None => Err(no_such(task, name)),
                Some(at) if std::mem::replace(&mut given[at], true) => Err(format!(
                    "{}() is given `{name}` twice: by its place in args and by name",
                    task.path
                )),
                Some(at) => read(task, &task.params[at], arg).map(|value| self.values[at] = value),
            };
            if let Err(message) = read {
                problems.push(Problem::Kwarg { name: name.clone(), message });
            }
        }
    }

    fn value(&self, name: &str) -> (&'static Param, Option<&Value>) {
        let at = self.task.params.iter().position(|param| param.name == name);
        let at = at.unwrap_or_else(|| panic!("{} has no parameter {name}", self.task.path));
        (&self.task.params[at], self.values[at].as_ref())
    }

    /// Whether the task has this parameter at all.
    pub fn has(&self, name: &str) -> bool {
        self.task.params.iter().any(|param| param.name == name)
    }

    /// Whether the call may have to answer sudo.
    pub fn becomes(&self) -> bool {
        let asked = |name| self.has(name) && self.flag(name);
        self.task.path == "fabric.api.sudo" || asked("become") || asked("use_sudo")
    }

    /// A parameter that always has a text.
    pub fn text(&self, name: &str) -> &str {
        self.maybe_text(name).unwrap_or_else(|| panic!("{name} may be absent"))
    }

    pub fn maybe_text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            (_, Some(Value::Text(text))) => Some(text),
            (Param { default: Default::Text(text), .. }, None) => Some(text),
            (_, None) => None,
            (_, Some(other)) => panic!("{name} is {other:?}"),
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        match self.value(name) {
            (_, Some(Value::Flag(value))) => *value,
            (Param { default: Default::Flag(value), .. }, None) => *value,
            (_, other) => panic!("{name} is {other:?}"),
        }
    }

    /// A flag whose absence means something of its own.
    pub fn maybe_flag(&self, name: &str) -> Option<bool> {
        self.value(name).1.map(|_| self.flag(name))
    }

    pub fn seconds(&self, name: &str) -> Option<Duration> {
        match self.value(name) {
            (_, Some(Value::Seconds(duration))) => Some(*duration),
            (Param { default: Default::Seconds(seconds), .. }, None) => {
                Some(Duration::from_secs(*seconds))
            }
            (_, None) => None,
            (_, Some(other)) => panic!("{name} is {other:?}"),
        }
    }

    pub fn mode(&self, name: &str) -> Option<u32> {
        self.value(name).1.map(|value| match value {
            Value::Mode(bits) => *bits,
            other => panic!("{name} is {other:?}"),
        })
    }

    /// Of `Words` and `Texts`; empty where nothing is given.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.value(name).1 {
            Some(Value::Texts(texts)) => texts,
            None => &[],
            Some(other) => panic!("{name} is {other:?}"),
        }
    }

    /// In the order written; empty where nothing is given.
    pub fn env(&self, name: &str) -> &[(String, String)] {
        match self.value(name).1 {
            Some(Value::Env(env)) => env,
            None => &[],
            Some(other) => panic!("{name} is {other:?}"),
        }
    }

    pub fn codes(&self, name: &str) -> Option<&[i32]> {
        self.value(name).1.map(|value| match value {
            Value::Codes(codes) => codes.as_slice(),
            other => panic!("{name} is {other:?}"),
        })
    }

    /// The mounts among the rest of `args`.
    pub fn mounts(&self) -> impl Iterator<Item = &Mount> {
        self.rest.iter().filter_map(|value| match value {
            Value::Mount(mount) => Some(mount),
            Value::Text(_)
            | Value::Flag(_)
            | Value::Seconds(_)
            | Value::Mode(_)
            | Value::Texts(_)
            | Value::Env(_)
            | Value::Codes(_) => None,
        })
    }
}

/// Null stands for "not given" wherever the parameter may be absent.
fn read(task: &Task, param: &Param, arg: &Arg) -> Result<Option<Value>, String> {
    if *arg == Arg::Null && param.default == Default::Absent && param.form != Form::Rest {
        return Ok(None);
    }
    param.kind.read(arg).map(Some).map_err(|found| {
        format!("`{}` of {}() takes {}, not {found}", param.name, task.path, param.kind.expects())
    })
}

fn too_many(task: &Task, places: usize, given: usize) -> String {
    let takes = match places {
        1 => "one argument".to_string(),
        n => format!("at most {n} arguments"),
    };
    let mut message = format!("{}() takes {takes} by place, and args has {given}", task.path);
    if task.params.len() > places {
        message.push_str("; name the others in kwargs");
    }
    message
}

fn no_such(task: &Task, name: &str) -> String {
    let mut message = format!("{}() has no parameter `{name}`", task.path);
    match nearest(task, name) {
        Some(near) => message.push_str(&format!("; did you mean `{near}`?")),
        None => match named(task).collect::<Vec<_>>().as_slice() {
            [] => message.push_str("; it takes none by name"),
            names => message.push_str(&format!("; it takes {}", names.join(", "))),
        },
    }
    message
}

/// The parameters that can be given by name.
fn named(task: &Task) -> impl Iterator<Item = &'static str> {
    task.params.iter().filter(|param| param.form != Form::Rest).map(|param| param.name)
}

/// The one that was probably meant.
fn nearest(task: &Task, name: &str) -> Option<&'static str> {
    named(task)
        .filter(|_| name.len() <= MAX_COMPARED)
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score >= 0.6)
        .map(|(_, known)| known)
}
