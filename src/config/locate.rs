//! Where the daemon's state is, from the main file alone.
//!
//! Asked by whoever wants to speak with a running daemon. It has the configuration it was started
//! with, and must be found when the files have been broken since: no other file is read here, and
//! of the main file nothing else matters.

use std::path::{Path, PathBuf};

use super::compose;
use super::diagnostic::{Diagnostic, quoted};
use super::fields::{self, Fields};
use super::load;
use super::report::Report;
use super::settings::default_statedir;
use super::source::FileId;
use super::yaml::{Anchors, MAX_NODES, Parsed, Value};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Absolute.
    pub statedir: PathBuf,
    /// Why it may not be the one that was meant; to be told when nobody is found there.
    pub note: Option<String>,
}

/// The state directory by the first of the comma-separated `candidates` that is a file, or the
/// default. An error where the file has something to say that cannot be understood: a guess might
/// find another daemon.
pub fn locate(candidates: &str) -> Result<Located, Vec<Diagnostic>> {
    let Ok(file) = load::find(candidates) else {
        let statedir = default_statedir();
        let note = format!(
            "there is no configuration ({}), so this is the default state directory",
            quoted(candidates)
        );
        return Ok(Located { statedir, note: Some(note) });
    };
    let file = std::path::absolute(&file).unwrap_or(file);
    let mut report = Report::default();
    let id = report.sources.add(&file);
    match read(&file, id, &mut report) {
        Some(located) => Ok(located),
        None => Err(report.finish()),
    }
}

/// `None` after it has reported.
fn read(file: &Path, id: FileId, report: &mut Report) -> Option<Located> {
    let unread = report.sources.read(id).err();
    if let Some(problem) = &unread
        && report.sources.text(id).is_empty()
    {
        report.error(problem.span, problem.message.clone());
        return None;
    }
    let sure = |statedir| Some(Located { statedir, note: None });
    let parsed = parse(id, report.sources.text(id));
    if let Some(root) = parsed.root.as_ref().map(Value::item)
        && root.is_mapping()
    {
        return match (Fields { map: root }).get("statedir") {
            Some(item) if item.is_unknown() => {
                report.error(item, "statedir cannot be understood; see `loom check`");
                None
            }
            Some(item) => sure(fields::path(item, "statedir", base(file), report)?),
            None => sure(default_statedir()),
        };
    }
    if let Some(statedir) = by_its_line(file, id, report.sources.text(id)) {
        return sure(statedir);
    }
    let note = format!(
        "{} cannot be understood and no line of it begins with \"statedir:\", so this is the \
         default state directory; see `loom check`",
        quoted(&file.to_string_lossy())
    );
    Some(Located { statedir: default_statedir(), note: Some(note) })
}

/// Of a file that is not YAML as a whole.
fn by_its_line(file: &Path, id: FileId, text: &str) -> Option<PathBuf> {
    let line = text.lines().find(|line| line.starts_with("statedir:"))?;
    let parsed = parse(id, line);
    let item = Fields { map: parsed.root.as_ref()?.item() }.get("statedir")?;
    // Its places are not those of the file, so that nothing of this may be shown.
    fields::path(item, "statedir", base(file), &mut Report::default())
}

fn parse(id: FileId, text: &str) -> Parsed {
    compose::parse(id, text, &Anchors::default(), MAX_NODES, &mut Default::default())
}

fn base(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("/"))
}
