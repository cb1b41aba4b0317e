//! A [`Config`] as JSON, for people and scripts; secrets are masked.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::compose::is_secret_key;
use super::fields::show_duration;
use super::{Config, Listen, Settings};
use crate::arg::Arg;
use crate::job::Job;
use crate::job::flow::{Flow, OnFailure, Part, Then, own_name};
use crate::job::hooks::{Action, Hook, Hooks};
use crate::job::policy::{Parallel, Retries, Share};
use crate::node::Node;
use crate::password::Password;
use crate::python::Python;

const MASK: &str = "***";

/// `{"settings": …, "jobs": {NAME: …}, "nodes": {NAME: …}}`
pub fn dump(config: &Config) -> Value {
    let jobs: Map<_, _> = config.jobs.iter().map(|(name, j)| (name.clone(), job(j))).collect();
    let nodes: Map<_, _> = config.nodes.iter().map(|(name, n)| (name.clone(), node(n))).collect();
    json!({ "settings": settings(&config.settings), "jobs": jobs, "nodes": nodes })
}

/// `settings`.
pub fn settings(s: &Settings) -> Value {
    json!({
        "file": s.file,
        "nodesfile": s.nodesfile,
        "jobspath": s.jobspath,
        "datafile": s.datafile,
        "min_workers": s.min_workers,
        "max_workers": s.max_workers,
        "timezone": s.timezone,
        "statedir": s.statedir,
        "idle_timeout": duration(s.idle_timeout),
        "recycle_after": s.recycle_after,
        "stop_timeout": duration(s.stop_timeout),
        "connect_timeout": duration(s.connect_timeout),
        "ssh_persist": duration(s.ssh_persist),
        "max_connecting": s.max_connecting,
        "ssh_options": s.ssh_options,
        "python": s.python.interpreter,
        "pythonpath": s.python.path,
        "bridge": s.python.bridge.as_str(),
        "answers": answers(&s.python),
        "max_output": s.max_output,
        "keep": { "days": s.keep.days, "runs": s.keep.runs, "bytes": s.keep.bytes },
        "log_format": s.log_format.as_str(),
        "listen": s.listen.as_ref().map(listen),
    })
}

fn listen(l: &Listen) -> Value {
    json!({
        "address": l.address,
        "certificate": l.tls.as_ref().map(|tls| &tls.certificate),
        "key": l.tls.as_ref().map(|tls| &tls.key),
        "hosts": l.hosts,
        "plaintext": l.plaintext,
    })
}

/// One of `jobs`, or of `flows`.
pub fn job(j: &Job) -> Value {
    let Value::Object(mut all) = rules(j) else { return Value::Null };
    let keys: &[&str] = match &j.flow {
        Some(flow) => {
            all.insert("slots".to_owned(), slots(&j.name, flow));
            &OF_JOBS
        }
        None => &[],
    };
    all.retain(|key, _| !keys.contains(&key.as_str()));
    Value::Object(all)
}

/// What a flow has not got.
const OF_JOBS: [&str; 14] = [
    "task",
    "args",
    "kwargs",
    "python",
    "pythonpath",
    "bridge",
    "answers",
    "timeout",
    "parallel",
    "success",
    "retries",
    "splay",
    "locks",
    "log",
];

/// What a job of a flow's own has not got, besides a place of its own.
const OF_FLOWS: [&str; 9] =
    ["schedule", "timezone", "overlap", "missed", "deadline", "splay", "enabled", "file", "line"];

fn slots(flow: &str, Flow { slots, .. }: &Flow) -> Value {
    let slot = |parts: &Vec<Part>| parts.iter().map(|each| part(flow, each)).collect::<Value>();
    slots.iter().map(slot).collect()
}

/// As it would be written. Of a job that stands elsewhere, what can be said of it in a slot.
fn part(flow: &str, Part { job, on_failure }: &Part) -> Value {
    let own = own_name(flow, &job.name);
    let mut said = match own {
        Some(name) => {
            let mut said = Map::from_iter([("name".to_owned(), json!(name))]);
            if let Value::Object(rules) = rules(job) {
                let is_its = |(key, _): &(String, Value)| !OF_FLOWS.contains(&key.as_str());
                said.extend(rules.into_iter().filter(is_its));
            }
            said
        }
        None => Map::from_iter([
            ("job".to_owned(), json!(job.name)),
            ("success".to_owned(), json!(job.success.map(share))),
            ("parallel".to_owned(), json!(job.parallel.as_ref().map(parallel))),
            ("timeout".to_owned(), json!(job.timeout.map(duration))),
            ("retries".to_owned(), retries(&job.retries)),
        ]),
    };
    let then = |then: &Then| match then {
        Then::Continue => "continue",
        Then::Stop => "stop",
    };
    let on_failure = match on_failure {
        OnFailure::Stop => json!("stop"),
        OnFailure::Continue => json!("continue"),
        OnFailure::Rescue { part: rescue, then: after } => {
            json!({ "rescue": part(flow, rescue), "then": then(after) })
        }
    };
    said.insert("on_failure".to_owned(), on_failure);
    Value::Object(said)
}

fn rules(j: &Job) -> Value {
    let kwargs: Map<_, _> =
        j.kwargs.iter().map(|(name, arg)| (name.clone(), under(name, arg))).collect();
    json!({
        "task": j.task,
        "args": j.args.iter().map(value).collect::<Vec<_>>(),
        "kwargs": kwargs,
        "python": j.python.interpreter,
        "pythonpath": j.python.path,
        "bridge": j.python.bridge.as_str(),
        "answers": answers(&j.python),
        "schedule": j.schedule.expr(),
        "targets": j.targets,
        "description": j.description,
        "timezone": j.timezone,
        "timeout": j.timeout.map(duration),
        "overlap": j.overlap.as_str(),
        "parallel": j.parallel.as_ref().map(parallel),
        "success": j.success.map(share),
        "retries": retries(&j.retries),
        "missed": j.missed.as_str(),
        "deadline": duration(j.deadline),
        "splay": duration(j.splay),
        "locks": j.locks,
        "log": j.log.as_ref().map(|log| &log.0),
        "hooks": hooks(&j.hooks),
        "notify_interval": duration(j.notify_interval),
        "enabled": j.enabled,
        "tags": j.tags,
        "file": j.source.file,
        "line": j.source.line,
    })
}

/// The prompts are told, the answers are not.
fn answers(python: &Python) -> Value {
    let masked = |(prompt, _): &(String, Password)| (prompt.clone(), MASK.into());
    Value::Object(python.answers.iter().map(masked).collect())
}

/// As it would be written.
fn parallel(parallel: &Parallel) -> Value {
    match parallel.steps[..] {
        [one] => share(one),
        _ => parallel.steps.iter().map(|step| share(*step)).collect(),
    }
}

/// As it would be written.
fn share(share: Share) -> Value {
    match share {
        Share::Count(count) => json!(count),
        Share::Percent(_) => json!(share.to_string()),
    }
}

fn retries(r: &Retries) -> Value {
    json!({
        "attempts": r.attempts,
        "delay": duration(r.delay),
        "backoff": r.backoff,
        "jitter": format!("{}%", r.jitter),
        "on": r.on.iter().map(|on| on.as_str()).collect::<Vec<_>>(),
    })
}

fn hooks(hooks: &Hooks) -> Value {
    let of = |hook: &Hook| {
        let (key, text) = match &hook.action {
            Action::Command(command) => ("command", command.clone()),
            Action::Webhook(url) => ("webhook", url.shown()),
            Action::Mail(address) => ("mail", address.clone()),
        };
        json!({ key: text, "arguments": hook.arguments, "timeout": duration(hook.timeout) })
    };
    let all = hooks.iter().map(|(occasion, hooks)| {
        (occasion.as_str().to_string(), hooks.iter().map(of).collect::<Value>())
    });
    Value::Object(all.collect())
}

/// One of `nodes`.
pub fn node(n: &Node) -> Value {
    json!({
        "user": n.user,
        "ip": n.ip,
        "port": n.port,
        "identity": n.identity,
        "password": n.password.as_ref().map(password),
        "tags": n.tags,
        "ssh_options": n.ssh_options,
        "max_sessions": n.max_sessions,
        "file": n.source.file,
        "line": n.source.line,
    })
}

/// Where it comes from may be told, but a command's words may hold a token.
fn password(password: &Password) -> Value {
    match password {
        Password::Literal(_) => json!(MASK),
        Password::File(path) => json!({ "file": path }),
        Password::Command(_) => json!({ "command": MASK }),
        Password::Credential(name) => json!({ "credential": name }),
    }
}

fn duration(duration: Duration) -> String {
    show_duration(duration)
}

fn under(key: &str, arg: &Arg) -> Value {
    if is_secret_key(key) && *arg != Arg::Null { json!(MASK) } else { value(arg) }
}

fn value(arg: &Arg) -> Value {
    match arg {
        Arg::Null => Value::Null,
        Arg::Bool(b) => json!(b),
        Arg::Int(i) => json!(i),
        // JSON has neither infinity nor NaN.
        Arg::Float(f) if !f.is_finite() => json!(f.to_string()),
        Arg::Float(f) => json!(f),
        Arg::Str(s) => json!(s),
        Arg::List(items) => items.iter().map(value).collect(),
        Arg::Map(entries) => {
            let entries = entries.iter().map(|(k, v)| (key(k), under(&key(k), v)));
            Value::Object(entries.collect())
        }
    }
}

/// JSON's keys are strings.
fn key(arg: &Arg) -> String {
    match arg {
        Arg::Str(s) => s.clone(),
        other => value(other).to_string(),
    }
}
