//! How Python tasks are run: the keys `python`, `pythonpath`, `bridge` and `answers`, which stand
//! in loom.yaml for all jobs, in `defaults` and in a job.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::fields;
use super::report::Report;
use super::secret;
use super::yaml::Item;
use crate::password::Password;
use crate::python::Bridge;

/// The most directories, and the most answers.
const MANY: usize = 100;

/// A name is looked up in PATH; anything with a slash in it is a path.
pub fn interpreter(item: Item<'_>, base: &Path, report: &mut Report) -> Option<String> {
    let text = fields::text(item, "python", report)?;
    if text.is_empty() || text.contains('\0') {
        report.error(item, "python is the name or the path of an interpreter, like python3");
        return None;
    }
    if !text.contains('/') && !text.starts_with('~') {
        return Some(text.to_owned());
    }
    let path = fields::path(item, "python", base, report)?;
    Some(path.to_string_lossy().into_owned())
}

/// One directory or a list of them.
pub fn path(item: Item<'_>, base: &Path, report: &mut Report) -> Option<Vec<PathBuf>> {
    let written = fields::texts(item, "pythonpath", report);
    if written.len() > MANY {
        report.error(item, format!("more than {MANY} directories in pythonpath"));
        return None;
    }
    let directories = written.into_iter().filter_map(|(item, _)| {
        let path = fields::path(item, "pythonpath", base, report)?;
        if !path.is_dir() {
            report.warning(item, format!("pythonpath: there is no directory {}", path.display()));
        }
        Some(path)
    });
    Some(directories.collect())
}

pub fn bridge(item: Item<'_>, report: &mut Report) -> Option<Bridge> {
    let text = fields::text(item, "bridge", report)?;
    let found = Bridge::ALL.into_iter().find(|bridge| bridge.as_str() == text);
    if found.is_none() {
        let hint = report.hints.did_you_mean(text, Bridge::ALL.map(Bridge::as_str));
        let shown = report.show(item);
        report.error(item, format!("bridge is loom or fab-classic, not {shown}{hint}"));
    }
    found
}

/// A prompt's text and what it is answered with: the text itself, or where it comes from.
pub fn answers(
    item: Item<'_>,
    base: &Path,
    report: &mut Report,
) -> Option<Vec<(String, Password)>> {
    if !item.is_mapping() {
        report.error(
            item,
            format!("answers is a mapping of prompts to answers, not {}", item.kind()),
        );
        return None;
    }
    if item.entries().count() > MANY {
        report.error(item, format!("more than {MANY} answers"));
        return None;
    }
    let entries = item.entries().filter_map(|(prompt, answer)| {
        let prompt = fields::text(prompt, "the text of a prompt", report)?;
        let answer = match answer.text() {
            Some(text) => Password::Literal(SecretString::from(text)),
            None => secret::source(answer, "answer", base, report)?,
        };
        Some((prompt.to_owned(), answer))
    });
    Some(entries.collect())
}
