//! What one configuration has that another has not: settings, nodes and jobs, and what becomes of
//! the fires of the next day.
//!
//! Both sides are the JSON of [`config::dump`](crate::config::dump), as a daemon tells it too:
//! secrets are masked in it, so that one that has changed is not seen. Nothing here asks a daemon
//! or prints.

mod fires;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use fires::{Effect, Outlook};
pub use show::show;

/// One side.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// `{"settings": …, "jobs": {NAME: …}, "nodes": {NAME: …}}`
    pub config: Value,
    /// Jobs that `loom disable` keeps from firing, whatever their files say.
    pub switched_off: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub settings: Vec<Change>,
    /// Settings among them for which a reload is refused as a whole.
    pub refused: Vec<String>,
    pub nodes: Entries,
    pub jobs: Entries,
    /// Jobs among them that are flows.
    pub flows: BTreeSet<String>,
    /// Jobs among them that `loom disable` keeps from firing on either side.
    pub switched_off: Vec<String>,
    pub fires: Outlook,
}

/// Of things with names, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Entries {
    pub added: Vec<Entry>,
    pub removed: Vec<Entry>,
    pub changed: Vec<Changed>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    pub name: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    pub name: String,
    pub changes: Vec<Change>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// With dots where it is inside another: `retries.attempts`.
    pub key: String,
    pub old: Value,
    pub new: Value,
}

/// What a daemon takes at its start only; as `unchangeable` of its reload.
const AT_START: [&str; 2] = ["statedir", "listen"];

/// Where something was written; that alone is no change.
const PLACE: [&str; 3] = ["file", "line", "task_source"];

/// From what there is to what is to be; fires are counted from this instant on. An error says
/// what of a side cannot be understood.
pub fn compare(old: &Side, new: &Value, from: Timestamp) -> Result<Difference, String> {
    let part = |of: &'_ Value, name: &str| match of.get(name) {
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) | None => Err(format!("there is no \"{name}\"; is this from `loom check --dump`?")),
    };
    let mut settings = Vec::new();
    let (was, is) = (part(&old.config, "settings")?, part(new, "settings")?);
    changes("", &was, &is, &[], &mut settings);
    let refused: BTreeSet<&str> =
        settings.iter().filter_map(|change| change.key.split('.').next()).collect();
    let refused = AT_START.iter().filter(|key| refused.contains(*key));
    let refused = refused.map(|key| key.to_string()).collect();
    let nodes = entries(&part(&old.config, "nodes")?, &part(new, "nodes")?);
    let (was, is) = (part(&old.config, "jobs")?, part(new, "jobs")?);
    let jobs = entries(&was, &is);
    let mut fires = Outlook::new(from);
    let changed = jobs.changed.iter().map(|changed| changed.name.as_str());
    let gone = jobs.removed.iter().chain(&jobs.added).map(|entry| entry.name.as_str());
    let names: BTreeSet<&str> = changed.chain(gone).collect();
    let is_flow = |name: &&&str| {
        let job = is.get(**name).or(was.get(**name));
        job.and_then(|job| job.get("slots")).is_some_and(Value::is_array)
    };
    let flows = names.iter().filter(is_flow).map(|name| (*name).to_owned()).collect();
    let (off, names): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| old.switched_off.contains(*name));
    for name in names {
        fires.add(name, was.get(name), is.get(name))?;
    }
    let switched_off = off.into_iter().map(str::to_owned).collect();
    Ok(Difference { settings, refused, nodes, jobs, flows, switched_off, fires })
}

impl Difference {
    pub fn is_none(&self) -> bool {
        self.settings.is_empty() && self.nodes.is_none() && self.jobs.is_none()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut json = json!(self);
        json["equal"] = json!(self.is_none());
        json
    }
}

impl Entries {
    fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

fn entries(old: &Map<String, Value>, new: &Map<String, Value>) -> Entries {
    let mut entries = Entries::default();
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for name in names {
        let entry = |value: &Value| Entry { name: name.clone(), value: value.clone() };
        match (old.get(name), new.get(name)) {
            (Some(old), None) => entries.removed.push(entry(old)),
            (None, Some(new)) => entries.added.push(entry(new)),
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let mut found = Vec::new();
                changes("", old, new, &PLACE, &mut found);
                if !found.is_empty() {
                    entries.changed.push(Changed { name: name.clone(), changes: found });
                }
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    entries
}

/// What a flow has in place of a task.
const SLOTS: &str = "slots";

/// The slots of a flow by their numbers, and their jobs by their names.
fn by_place(slots: &Value) -> Option<Map<String, Value>> {
    let slot = |parts: &Value| {
        let mut jobs = Map::new();
        for part in parts.as_array()? {
            let name = part.get("name").or(part.get("job"))?.as_str()?;
            // One that is there twice.
            let again = |times: u32| match times {
                1 => name.to_owned(),
                times => format!("{name} ({times})"),
            };
            let free = (1..).map(again).find(|name| !jobs.contains_key(name))?;
            jobs.insert(free, without_source(part));
        }
        Some(Value::Object(jobs))
    };
    let slots = slots.as_array()?.iter().zip(1..);
    slots.map(|(parts, number)| Some((number.to_string(), slot(parts)?))).collect()
}

/// Of a job of a flow and all that rescues it.
fn without_source(part: &Value) -> Value {
    let mut part = part.clone();
    let mut next = Some(&mut part);
    while let Some(each) = next {
        if let Some(each) = each.as_object_mut() {
            each.remove("task_source");
        }
        next = each.get_mut("on_failure").and_then(|on| on.get_mut("rescue"));
    }
    part
}

/// In the order of the new one's keys. What is missing on a side is nothing there: another
/// version of Loom may not know the key.
fn changes(
    within: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    but: &[&str],
    found: &mut Vec<Change>,
) {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    for key in new.keys().chain(gone).filter(|key| !but.contains(&key.as_str())) {
        let [old, new] = [old, new].map(|side| side.get(key).unwrap_or(&Value::Null));
        let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        if let (SLOTS, Some(old), Some(new)) = (&*path, by_place(old), by_place(new)) {
            changes(&path, &old, &new, &[], found);
            continue;
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => changes(&path, old, new, &[], found),
            (old, new) if old == new => {}
            (old, new) => found.push(Change { key: path, old: old.clone(), new: new.clone() }),
        }
    }
}
