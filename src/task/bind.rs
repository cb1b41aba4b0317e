//! Python's call semantics over a task's parameters.

use std::time::Duration;

use super::kind::Value;
use super::{Default, Form, Mount, Param, Problem, Task, find, near};
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

/// Gives each argument to its parameter, as Python would.
pub fn bind(task: &str, args: &[Arg], kwargs: &[(String, Arg)]) -> Result<Call, Problem> {
    let Some(task) = find(task) else {
        return Err(Problem::Unknown { suggestions: near(task) });
    };
    let mut call =
        Call { task, values: task.params.iter().map(|_| None).collect(), rest: Vec::new() };
    let mut given = vec![false; task.params.len()];
    call.positional(args, &mut given)?;
    call.named(kwargs, &mut given)?;
    for (param, given) in task.params.iter().zip(&given) {
        if param.default == Default::Required && !given {
            let message = format!("{}() needs `{}`: {}", task.path, param.name, param.doc);
            return Err(Problem::Call { message });
        }
    }
    (task.rule)(&call)?;
    Ok(call)
}

impl Call {
    fn positional(&mut self, args: &[Arg], given: &mut [bool]) -> Result<(), Problem> {
        let params = self.task.params;
        let places = params.iter().take_while(|p| p.form == Form::Positional).count();
        let rest = params.iter().find(|p| p.form == Form::Rest);
        for (index, arg) in args.iter().enumerate() {
            let wrong = |message| Problem::Arg { index, message };
            if index < places {
                self.values[index] = read(self.task, &params[index], arg).map_err(wrong)?;
                given[index] = true;
            } else if let Some(param) = rest {
                self.rest.extend(read(self.task, param, arg).map_err(wrong)?);
            } else {
                return Err(wrong(too_many(self.task, places, args.len())));
            }
        }
        if let Some(at) = params.iter().position(|p| p.form == Form::Rest) {
            given[at] = !self.rest.is_empty();
        }
        Ok(())
    }

    fn named(&mut self, kwargs: &[(String, Arg)], given: &mut [bool]) -> Result<(), Problem> {
        let task = self.task;
        for (name, arg) in kwargs {
            let wrong = |message| Problem::Kwarg { name: name.clone(), message };
            let param = task.params.iter().position(|p| p.name == name);
            let Some(at) = param.filter(|at| task.params[*at].form != Form::Rest) else {
                return Err(wrong(no_such(task, name)));
            };
            if given[at] {
                return Err(wrong(format!(
                    "{}() is given `{name}` twice: by its place in args and by name",
                    task.path
                )));
            }
            self.values[at] = read(task, &task.params[at], arg).map_err(wrong)?;
            given[at] = true;
        }
        Ok(())
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
        self.value(name).1.map(|value| match value {
            Value::Seconds(duration) => *duration,
            other => panic!("{name} is {other:?}"),
        })
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
    let named = || task.params.iter().filter(|param| param.form != Form::Rest);
    let mut message = format!("{}() has no parameter `{name}`", task.path);
    let nearest = named()
        .map(|param| (strsim::normalized_damerau_levenshtein(name, param.name), param.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score >= 0.6);
    match nearest {
        Some((_, near)) => message.push_str(&format!("; did you mean `{near}`?")),
        None => {
            let names: Vec<&str> = named().map(|param| param.name).collect();
            match names.as_slice() {
                [] => message.push_str("; it takes none by name"),
                names => message.push_str(&format!("; it takes {}", names.join(", "))),
            }
        }
    }
    message
}
