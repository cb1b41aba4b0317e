//! `args` and `kwargs`: from YAML to the values a task is called with.

use super::diagnostic::quoted;
use super::report::Report;
use super::scalar::{self, Reading};
use super::yaml::{Item, Kind};
use crate::arg::{Arg, MAX_DEPTH};
use crate::protocol::frame;

/// The most that one job's arguments may take, encoded: they travel in a frame with the rest of
/// the unit's order.
pub const MAX_JOB: usize = frame::CAP - (64 << 10);
/// The most that all jobs' arguments may take together.
pub const MAX_ALL: usize = 16 << 20;

/// What is left, in encoded bytes.
pub struct Room {
    job: usize,
    all: usize,
}

impl Default for Room {
    fn default() -> Self {
        Room { job: MAX_JOB, all: MAX_ALL }
    }
}

impl Room {
    pub fn next_job(&mut self) {
        self.job = MAX_JOB;
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        match (self.job.checked_sub(bytes), self.all.checked_sub(bytes)) {
            (Some(job), Some(all)) => {
                (self.job, self.all) = (job, all);
                Ok(())
            }
            (None, _) => Err(Stop::Job),
            (_, None) => Err(Stop::All),
        }
    }
}

impl Room {
    /// Whether a copy of what was read before fits in as well.
    pub fn take_again(&mut self, bytes: usize) -> bool {
        let left = self.all.checked_sub(bytes);
        self.all = left.unwrap_or(self.all);
        left.is_some()
    }
}

enum Stop {
    Job,
    All,
}

/// The value, or `None` after reporting why there is none.
pub fn read(item: Item<'_>, room: &mut Room, report: &mut Report) -> Option<Arg> {
    if usize::from(item.node.depth) > MAX_DEPTH {
        report.error(item, format!("nested deeper than {MAX_DEPTH} levels"));
        return None;
    }
    match convert(item, room, report) {
        Ok(arg) => Some(arg),
        Err(Stop::Job) => {
            let message = format!("the job's arguments take more than {} KiB", MAX_JOB >> 10);
            report.error(item, message);
            None
        }
        Err(Stop::All) => {
            report.error(item, too_much());
            None
        }
    }
}

pub fn too_much() -> String {
    format!("the arguments of all jobs take more than {} MiB", MAX_ALL >> 20)
}

/// What the value takes, encoded.
pub fn size(arg: &Arg) -> usize {
    VARIANT
        + WORD
        + match arg {
            Arg::Null | Arg::Bool(_) | Arg::Int(_) | Arg::Float(_) => 0,
            Arg::Str(text) => text.len(),
            Arg::List(values) => values.iter().map(size).sum(),
            Arg::Map(entries) => entries.iter().map(|(key, value)| size(key) + size(value)).sum(),
        }
}

/// The encoding's fixed parts: a variant's number, and a number or length of 8 bytes.
const VARIANT: usize = 4;
const WORD: usize = 8;

fn convert(item: Item<'_>, room: &mut Room, report: &mut Report) -> Result<Arg, Stop> {
    room.take(VARIANT + WORD)?;
    match &item.node.kind {
        Kind::Scalar { text, plain, tag } => {
            room.take(text.len())?;
            Ok(match scalar::read(text, *plain, *tag) {
                Ok(Reading { arg, warning }) => {
                    if let Some(warning) = warning {
                        report.warning(item, format!("{} {warning}", quoted(text)));
                    }
                    arg
                }
                Err(problem) => {
                    report.error(item, format!("{} {problem}", quoted(text)));
                    Arg::Null
                }
            })
        }
        Kind::List(_) => {
            let values = item.items().map(|inner| convert(inner, room, report));
            Ok(Arg::List(values.collect::<Result<_, _>>()?))
        }
        Kind::Map(_) => {
            let mut entries = Vec::new();
            for (key, value) in item.entries() {
                if key.is_list() || key.is_mapping() {
                    report.error(key, "a key is a single value");
                    continue;
                }
                entries.push((convert(key, room, report)?, convert(value, room, report)?));
            }
            Ok(Arg::Map(entries))
        }
        Kind::Unknown => Ok(Arg::Null),
    }
}
