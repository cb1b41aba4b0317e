//! Where a secret comes from, as it is written: `{file: …}`, `{command: […]}` or
//! `{credential: …}`.

use std::path::Path;

use super::fields::{self, Fields};
use super::report::Report;
use super::source::plain;
use super::yaml::Item;
use crate::password::Password;

/// `what` is what a message calls it.
pub fn source(item: Item<'_>, what: &str, base: &Path, report: &mut Report) -> Option<Password> {
    let kinds = ["file", "command", "credential"];
    let fields = Fields::open(item, what, &kinds, report)?;
    let given: Vec<&str> = kinds.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
    let [kind] = given[..] else {
        report.error(
            item,
            format!(
                "{what} is the text itself, or one of {{file: PATH}}, {{command: [WORD, …]}}, \
                 {{credential: NAME}}"
            ),
        );
        return None;
    };
    let source = fields.get(kind)?;
    match kind {
        "file" => {
            let path = fields::path(source, &format!("{what} file"), base, report)?;
            if let Err(e) = std::fs::metadata(&path) {
                report.warning(source, format!("the {what} file cannot be read: {}", plain(&e)));
            }
            Some(Password::File(path))
        }
        "command" if !source.is_list() => {
            report.error(source, "command is a list, the program first: [pass, show, db1]");
            None
        }
        "command" => {
            let words = fields::texts(source, "command", report);
            if words.is_empty() {
                report.error(source, "command names no program");
                return None;
            }
            Some(Password::Command(words.into_iter().map(|(_, w)| w.to_string()).collect()))
        }
        _ => {
            let name = fields::text(source, "credential", report)?;
            if name.is_empty() || name.contains('/') || name.starts_with('.') {
                report.error(source, "credential is the name systemd gave it, not a path");
                return None;
            }
            Some(Password::Credential(name.to_string()))
        }
    }
}
