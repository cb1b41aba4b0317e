//! `hooks`: what is to be done on which occasion.
//!
//! A webhook's URL may hold a token. No message here quotes one, and the excerpts mask them.

use std::time::Duration;

use super::diagnostic::is_invisible;
use super::fields::{self, Fields};
use super::report::Report;
use super::yaml::Item;
use crate::job::hooks::{Action, DEFAULT_TIMEOUT, Hook, Hooks, Occasion, Url};

/// For one occasion.
const MAX_HOOKS: usize = 10;

const ACTIONS: [&str; 3] = ["command", "webhook", "mail"];
const KEYS: [&str; 5] = ["command", "webhook", "mail", "arguments", "timeout"];

/// Lays what is written over the hooks there are, occasion by occasion; one without a value has
/// none any more.
pub fn read(item: Item<'_>, hooks: &mut Hooks, report: &mut Report) {
    let occasions = Occasion::ALL.map(Occasion::as_str);
    let Some(fields) = Fields::open(item, "hooks", &occasions, report) else { return };
    for occasion in Occasion::ALL {
        let Some((_, value)) = fields.key_and_value(occasion.as_str()) else { continue };
        let read = if value.is_null() { Vec::new() } else { all(value, occasion, report) };
        match read.is_empty() {
            true => hooks.remove(&occasion),
            false => hooks.insert(occasion, read),
        };
    }
}

fn all(item: Item<'_>, occasion: Occasion, report: &mut Report) -> Vec<Hook> {
    let what = occasion.as_str();
    let written = fields::leaves(item, what, report);
    if written.len() > MAX_HOOKS {
        report.error(item, format!("more than {MAX_HOOKS} hooks for {what}"));
        return Vec::new();
    }
    written.into_iter().filter_map(|item| hook(item, what, report)).collect()
}

fn hook(item: Item<'_>, what: &str, report: &mut Report) -> Option<Hook> {
    if item.text().is_some() && !item.is_null() {
        let action = Action::Command(command(item, what, report)?);
        return Some(Hook { action, arguments: false, timeout: DEFAULT_TIMEOUT });
    }
    if item.is_null() {
        report.error(item, format!("{what} holds commands and mappings, not nothing"));
        return None;
    }
    let fields = Fields::open(item, what, &KEYS, report)?;
    let given: Vec<&str> = ACTIONS.into_iter().filter(|key| fields.get(key).is_some()).collect();
    let is_unknown = |key: Item<'_>| key.text().is_none_or(|key| !KEYS.contains(&key));
    let action = match given[..] {
        [key] => fields.get(key).and_then(|value| action(key, value, report)),
        // It may well be the action that is misspelt, and that has been told.
        [] if item.entries().any(|(key, _)| is_unknown(key)) => None,
        _ => {
            let found = match given.is_empty() {
                true => "none".to_string(),
                false => given.join(" and "),
            };
            let message =
                format!("a hook has one of command, webhook and mail; this one has {found}");
            report.error(item, message);
            None
        }
    };
    let arguments = fields.get("arguments").and_then(|i| fields::flag(i, "arguments", report));
    let range = Duration::from_secs(1)..=Duration::from_secs(600);
    let timeout = fields.get("timeout").and_then(|i| fields::duration(i, "timeout", range, report));
    Some(Hook {
        action: action?,
        arguments: arguments.unwrap_or(false),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
    })
}

fn action(key: &str, value: Item<'_>, report: &mut Report) -> Option<Action> {
    match key {
        "command" => command(value, "command", report).map(Action::Command),
        "webhook" => webhook(value, report).map(Action::Webhook),
        _ => mail(value, report).map(Action::Mail),
    }
}

fn command(item: Item<'_>, what: &str, report: &mut Report) -> Option<String> {
    let text = fields::text(item, what, report)?;
    let is_word = !text.contains(char::is_whitespace);
    if text.trim().is_empty() {
        report.error(item, format!("{what} is empty"));
    } else if text.contains('\0') {
        report.error(item, format!("{what} contains a NUL character, which ends a command"));
    } else if is_word && text.contains("://") {
        report.error(item, format!("{what} is a command here; a URL is written {{webhook: URL}}"));
    } else {
        if is_word && text.contains('@') && !text.contains('/') {
            let message = format!(
                "{} is run as a command; an address is written {{mail: ADDRESS}}",
                report.show(item)
            );
            report.warning(item, message);
        }
        return Some(text.to_string());
    }
    None
}

fn webhook(item: Item<'_>, report: &mut Report) -> Option<Url> {
    let text = fields::text(item, "webhook", report)?;
    match url_problem(text) {
        Some(problem) => {
            report.error(item, format!("webhook {problem}"));
            None
        }
        None => Some(Url(text.to_string())),
    }
}

fn url_problem(text: &str) -> Option<&'static str> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c)) {
        return Some("contains a blank or a control character");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("is a URL that begins with http:// or https://");
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Some("is a URL that begins with http:// or https://");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((inside, after)) if inside.bytes().all(|b| b == b':' || b.is_ascii_hexdigit()) => {
            (inside, after)
        }
        Some(_) => return Some("has no valid host"),
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if host.is_empty() {
        return Some("names no host");
    }
    if !host.bytes().all(named) || host.starts_with('-') {
        return Some("has no valid host");
    }
    let digits = port.strip_prefix(':').unwrap_or(port);
    let sound = port.is_empty()
        || port.starts_with(':')
            && digits.bytes().all(|b| b.is_ascii_digit())
            && digits.parse::<u16>().is_ok_and(|port| port > 0);
    (!sound).then_some("has no valid port")
}

fn mail(item: Item<'_>, report: &mut Report) -> Option<String> {
    let text = fields::text(item, "mail", report)?;
    let problem = if text.contains(|c: char| c.is_control() || is_invisible(c)) {
        "contains a control character"
    } else if text.contains(char::is_whitespace) {
        "contains a blank; it is the bare address"
    } else if text.starts_with('-') {
        "begins with \"-\", which sendmail would take for an option"
    } else if text.contains([',', ';', '<', '>']) {
        "is more than an address; several are a list of hooks"
    } else if !text.split_once('@').is_some_and(|(who, at)| !who.is_empty() && !at.is_empty()) {
        "is not an address like ops@example.org"
    } else {
        return Some(text.to_string());
    };
    report.error(item, format!("mail {} {problem}", report.show(item)));
    None
}
