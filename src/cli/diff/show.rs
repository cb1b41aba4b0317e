//! A difference for people: `+` comes, `-` goes, `~` changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::Value;

use super::fires::{Effect, Few};
use super::{Change, Difference, Entries, Entry};
use crate::config::diagnostic::{escape, quoted};

/// Lists that mean the same in any order: what is in them comes and goes.
const SETS: [&str; 4] = ["targets", "tags", "locks", "retries.on"];

/// Of such a list, so many words are told.
const MAX_WORDS: usize = 10;
/// Of a value, so many characters.
const MAX_VALUE: usize = 60;

#[derive(Clone, Copy)]
enum Sign {
    Comes,
    Goes,
    Changes,
}

struct Page {
    text: String,
    colour: bool,
}

/// Ends in a newline. In colour where the caller knows of a terminal.
pub fn show(difference: &Difference, colour: bool) -> String {
    let mut page = Page { text: String::new(), colour };
    if difference.is_none() {
        page.line(0, "no difference");
        return page.text;
    }
    if !difference.settings.is_empty() {
        page.signed(0, Sign::Changes, "settings");
        page.changes(&difference.settings);
    }
    let no_fires = BTreeMap::new();
    let fires = difference.fires.jobs.iter().map(|effect| (effect.job.as_str(), effect)).collect();
    let is_flow = |name: &str| difference.flows.contains(name);
    page.entries(|_| "node", &difference.nodes, &no_fires, node);
    page.entries(|name| if is_flow(name) { "flow" } else { "job" }, &difference.jobs, &fires, job);
    page.summary(difference);
    page.text
}

type Effects<'a> = BTreeMap<&'a str, &'a Effect>;

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    fn signed(&mut self, indent: usize, sign: Sign, text: &str) {
        let (sign, code) = match sign {
            Sign::Comes => ('+', "32"),
            Sign::Goes => ('-', "31"),
            Sign::Changes => ('~', "33"),
        };
        let line = match self.colour {
            true => format!("\x1b[{code}m{sign}\x1b[0m {text}"),
            false => format!("{sign} {text}"),
        };
        self.line(indent, &line);
    }

    fn entries(
        &mut self,
        what: impl Fn(&str) -> &'static str,
        entries: &Entries,
        fires: &Effects<'_>,
        brief: fn(&Value) -> String,
    ) {
        let fires_of = |page: &mut Page, name: &str| {
            if let Some(effect) = fires.get(name) {
                page.effect(effect);
            }
        };
        let titled = |name: &str| format!("{} {}", what(name), escape(name));
        for gone in &entries.removed {
            self.signed(0, Sign::Goes, &titled(&gone.name));
            fires_of(self, &gone.name);
        }
        for new in &entries.added {
            let text = format!("{}: {}", titled(&new.name), brief(&new.value));
            self.signed(0, Sign::Comes, &text);
            fires_of(self, &new.name);
        }
        for changed in &entries.changed {
            self.signed(0, Sign::Changes, &titled(&changed.name));
            self.changes(&changed.changes);
            fires_of(self, &changed.name);
        }
    }

    fn changes(&mut self, changes: &[Change]) {
        for change in changes {
            let text = match words(change) {
                Some(words) => words,
                None => format!("{} -> {}", value(&change.old), value(&change.new)),
            };
            self.line(4, &format!("{}: {text}", escape(&change.key)));
        }
    }

    fn effect(&mut self, effect: &Effect) {
        let Effect { before, after, .. } = effect;
        self.line(4, &format!("fires in the next 24 hours: {before} -> {after}"));
        self.few(Sign::Goes, &effect.go);
        self.few(Sign::Comes, &effect.come);
    }

    fn few(&mut self, sign: Sign, fires: &Few) {
        if fires.count > 0 {
            let more = fires.count - fires.first.len() as u64;
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            self.signed(6, sign, &format!("{}{more}", fires.first.join("  ")));
        }
    }

    fn summary(&mut self, difference: &Difference) {
        let Difference { settings, refused, nodes, jobs, flows, switched_off, fires } = difference;
        let mut parts = vec![
            counted("jobs", jobs, |name| !flows.contains(name)),
            counted("flows", jobs, |name| flows.contains(name)),
            counted("nodes", nodes, |_| true),
        ];
        if !settings.is_empty() {
            parts.push(format!("settings: {} changed", settings.len()));
        }
        parts.retain(|part| !part.is_empty());
        self.line(0, "");
        self.line(0, &parts.join("; "));
        if fires.come + fires.go > 0 {
            let text = format!("the next 24 hours: {} fires come, {} go", fires.come, fires.go);
            self.line(0, &text);
        }
        if !switched_off.is_empty() {
            let names: Vec<&str> = switched_off.iter().map(String::as_str).collect();
            let text = format!("switched off by `loom disable`: {}", some_of(&names, ""));
            self.line(0, &text);
        }
        if !refused.is_empty() {
            let refused = refused.join(" and ");
            let text = format!(
                "a reload refuses all of this: {refused} cannot change while the daemon runs"
            );
            self.line(0, &text);
        }
    }
}

/// `jobs: 1 added, 2 changed`
fn counted(what: &str, entries: &Entries, counts: impl Fn(&str) -> bool) -> String {
    let Entries { added, removed, changed } = entries;
    let whole = |all: &[Entry]| all.iter().filter(|entry| counts(&entry.name)).count();
    let changed = changed.iter().filter(|changed| counts(&changed.name)).count();
    let counts = [(whole(added), "added"), (changed, "changed"), (whole(removed), "removed")];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, how)| format!("{count} {how}")).collect();
    if counts.is_empty() { String::new() } else { format!("{what}: {}", counts.join(", ")) }
}

fn job(job: &Value) -> String {
    let disabled = if job["enabled"] == Value::Bool(false) { ", disabled" } else { "" };
    let targets: Vec<&str> = strings(&job["targets"]).unwrap_or_default().into_iter().collect();
    let slots =
        job["slots"].as_array().map_or(String::new(), |slots| format!(", {}", brief(slots)));
    format!("{}{slots} on {}{disabled}", value(&job["schedule"]), some_of(&targets, ""))
}

/// `2 slots: pkg1, pkg2; restart`
fn brief(slots: &[Value]) -> String {
    let name = |part: &Value| {
        let name = part.get("name").or(part.get("job")).and_then(Value::as_str);
        escape(name.unwrap_or_default())
    };
    let slot = |parts: &Value| {
        let names = parts.as_array().into_iter().flatten().map(name);
        names.collect::<Vec<_>>().join(", ")
    };
    let plural = if slots.len() == 1 { "" } else { "s" };
    let mut shown: Vec<String> = slots.iter().take(MAX_WORDS).map(slot).collect();
    if slots.len() > MAX_WORDS {
        shown.push(format!("and {} more", slots.len() - MAX_WORDS));
    }
    format!("{} slot{plural}: {}", slots.len(), shown.join("; "))
}

fn node(node: &Value) -> String {
    let text = |key: &str| node[key].as_str().map(escape);
    let user = text("user").unwrap_or_default();
    match text("ip") {
        Some(ip) => format!("{user}@{ip}"),
        None => user,
    }
}

/// `+web3 -web1`, where order means nothing; `None` where it does.
fn words(change: &Change) -> Option<String> {
    // Of a job, or of one that a flow holds.
    let is_one = |set: &&str| {
        let within = change.key.strip_suffix(*set);
        within.is_some_and(|at| at.is_empty() || at.starts_with("slots.") && at.ends_with('.'))
    };
    if !SETS.iter().any(is_one) {
        return None;
    }
    let (old, new) = (strings(&change.old)?, strings(&change.new)?);
    let come: Vec<&str> = new.difference(&old).copied().collect();
    let go: Vec<&str> = old.difference(&new).copied().collect();
    if come.is_empty() && go.is_empty() {
        return Some("in another order".to_owned());
    }
    let parts = [some_of(&go, "-"), some_of(&come, "+")];
    Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

fn strings(list: &Value) -> Option<BTreeSet<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

fn some_of(words: &[&str], sign: &str) -> String {
    let mut shown: Vec<String> =
        words.iter().take(MAX_WORDS).map(|word| format!("{sign}{}", escape(word))).collect();
    if words.len() > MAX_WORDS {
        shown.push(format!("and {} more", words.len() - MAX_WORDS));
    }
    shown.join(" ")
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            let mut shown: String = text.chars().take(MAX_VALUE).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            escape(&shown)
        }
    }
}
