//! The main file: loom.yaml -> [`Settings`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::quoted;
use super::fields::{self, Fields};
use super::report::Report;
use super::yaml::Item;
use super::{Keep, Settings};
use super::{listen, python, ssh_options};
use crate::logging::Format;
use crate::python::Python;

pub const KEYS: [&str; 23] = [
    "nodesfile",
    "jobspath",
    "datafile",
    "defaults",
    "min_workers",
    "max_workers",
    "timezone",
    "statedir",
    "idle_timeout",
    "recycle_after",
    "stop_timeout",
    "connect_timeout",
    "ssh_persist",
    "max_connecting",
    "max_output",
    "keep",
    "log_format",
    "listen",
    "ssh_options",
    "python",
    "pythonpath",
    "bridge",
    "answers",
];

/// What the main file holds, and where the paths in it were written.
pub struct Main<'a> {
    pub settings: Settings,
    pub nodesfile: Option<Item<'a>>,
    pub jobspath: Option<Item<'a>>,
    pub datafile: Option<Item<'a>>,
    /// For all jobs.
    pub defaults: Option<Item<'a>>,
    pub python: Option<Item<'a>>,
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// `None` when it is not even a mapping. Paths are relative to the directory of `file`.
pub fn read<'a>(root: Item<'a>, file: &Path, report: &mut Report) -> Option<Main<'a>> {
    let fields = Fields::open(root, "loom.yaml", &KEYS, report)?;
    let base = file.parent().unwrap_or(Path::new("/"));
    let nodesfile = fields.require("nodesfile", root, "loom.yaml", report);
    let jobspath = fields.require("jobspath", root, "loom.yaml", report);
    let datafile = fields.get("datafile");
    let defaults = fields.get("defaults");
    let python = fields.get("python");
    let mut read = Reader { fields, base, report };
    let settings = Settings {
        file: file.to_path_buf(),
        nodesfile: read.path("nodesfile").unwrap_or_default(),
        jobspath: read.path("jobspath").unwrap_or_default(),
        datafile: read.path("datafile"),
        min_workers: read.number("min_workers", 0, 0..=MAX_WORKERS),
        max_workers: read.number("max_workers", 10, 1..=MAX_WORKERS),
        timezone: read.timezone(),
        statedir: read.path("statedir").unwrap_or_else(default_statedir),
        idle_timeout: read.duration("idle_timeout", 20, SECOND..=DAY),
        recycle_after: read.number("recycle_after", 500, 0..=u32::MAX),
        stop_timeout: read.duration("stop_timeout", 60, Duration::ZERO..=DAY),
        connect_timeout: read.duration("connect_timeout", 10, SECOND..=SECOND * 600),
        ssh_persist: read.duration("ssh_persist", 60, Duration::ZERO..=DAY * 7),
        max_connecting: read.number("max_connecting", 10, 1..=1000),
        ssh_options: read.ssh_options(),
        python: read.python(),
        max_output: read.size("max_output", 10_000_000),
        keep: read.keep(),
        log_format: read.log_format(),
        listen: read.fields.get("listen").and_then(|i| listen::read(i, base, read.report)),
    };
    read.workers(&settings);
    Some(Main { settings, nodesfile, jobspath, datafile, defaults, python })
}

const MAX_WORKERS: u32 = 1000;

struct Reader<'a, 'r> {
    fields: Fields<'a>,
    base: &'r Path,
    report: &'r mut Report,
}

impl Reader<'_, '_> {
    fn path(&mut self, key: &str) -> Option<PathBuf> {
        let item = self.fields.get(key)?;
        fields::path(item, key, self.base, self.report)
    }

    fn ssh_options(&mut self) -> BTreeMap<String, String> {
        let item = self.fields.get("ssh_options");
        item.map(|item| ssh_options::read(item, self.report)).unwrap_or_default()
    }

    fn number(&mut self, key: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let Some(item) = self.fields.get(key) else { return default };
        fields::number(item, key, range, self.report).unwrap_or(default)
    }

    fn duration(&mut self, key: &str, default: u64, range: RangeInclusive<Duration>) -> Duration {
        let item = self.fields.get(key);
        item.and_then(|item| fields::duration(item, key, range, self.report))
            .unwrap_or(Duration::from_secs(default))
    }

    fn size(&mut self, key: &str, default: u64) -> u64 {
        let Some(item) = self.fields.get(key) else { return default };
        fields::size(item, key, 1_000..=1_000_000_000_000, self.report).unwrap_or(default)
    }

    fn timezone(&mut self) -> Option<String> {
        timezone(self.fields.get("timezone")?, self.report)
    }

    fn keep(&mut self) -> Keep {
        let mut keep = Keep { days: 90, runs: 1000, bytes: 5_000_000_000 };
        let Some(item) = self.fields.get("keep") else { return keep };
        let known = ["days", "runs", "bytes"];
        let Some(fields) = Fields::open(item, "keep", &known, self.report) else { return keep };
        let mut read = Reader { fields, base: self.base, report: &mut *self.report };
        keep.days = read.number("days", keep.days, 1..=36_500);
        keep.runs = read.number("runs", keep.runs, 1..=1_000_000);
        if let Some(item) = read.fields.get("bytes") {
            let range = 1_000_000..=1_000_000_000_000_000;
            keep.bytes = fields::size(item, "bytes", range, read.report).unwrap_or(keep.bytes);
        }
        keep
    }

    /// Modules are looked for beside loom.yaml, unless it says where.
    fn python(&mut self) -> Python {
        let mut found = Python::new(vec![self.base.to_path_buf()]);
        let Reader { fields, base, report } = self;
        if let Some(item) = fields.get("python") {
            found.interpreter =
                python::interpreter(item, base, report).unwrap_or(found.interpreter);
        }
        if let Some(item) = fields.get("pythonpath") {
            found.path = python::path(item, base, report).unwrap_or(found.path);
        }
        if let Some(item) = fields.get("bridge") {
            found.bridge = python::bridge(item, report).unwrap_or(found.bridge);
        }
        if let Some(item) = fields.get("answers") {
            found.answers = python::answers(item, base, report).unwrap_or(found.answers);
        }
        found
    }

    fn log_format(&mut self) -> Format {
        let Some(item) = self.fields.get("log_format") else { return Format::default() };
        let Some(text) = fields::text(item, "log_format", self.report) else {
            return Format::default();
        };
        Format::ALL.into_iter().find(|format| format.as_str() == text).unwrap_or_else(|| {
            let hint = self.report.hints.did_you_mean(text, Format::ALL.map(Format::as_str));
            let shown = self.report.show(item);
            self.report.error(item, format!("log_format is text or json, not {shown}{hint}"));
            Format::default()
        })
    }

    /// The bounds against each other.
    fn workers(&mut self, settings: &Settings) {
        let (min, max) = (settings.min_workers, settings.max_workers);
        if min > max {
            let keys = ["min_workers", "max_workers"];
            let Some(item) = keys.iter().find_map(|key| self.fields.get(key)) else { return };
            let message = format!("min_workers ({min}) is greater than max_workers ({max})");
            self.report.error(item, message);
        }
    }
}

/// Checks that the zone exists.
pub fn timezone(item: Item<'_>, report: &mut Report) -> Option<String> {
    let name = fields::text(item, "timezone", report)?;
    if jiff::tz::TimeZone::get(name).is_ok() {
        return Some(name.to_string());
    }
    let message = format!("unknown time zone {}", quoted(name));
    let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    match nearest_zone(name, &zones, report) {
        Some(near) => report.error(item, format!("{message}; did you mean \"{near}\"?")),
        None => report.error_noting(
            item,
            message,
            "zones have the names of the tz database, like Europe/Berlin, America/New_York or UTC",
        ),
    }
    None
}

/// By the whole name or, for who has written the city alone, by its last part.
fn nearest_zone<'a>(name: &str, zones: &'a [String], report: &mut Report) -> Option<&'a str> {
    let whole = report.hints.nearest(name, zones.iter().map(String::as_str));
    whole.or_else(|| {
        let city = |zone: &'a String| zone.rsplit('/').next().unwrap_or(zone);
        let name = name.rsplit('/').next().unwrap_or(name).replace(' ', "_");
        let near = report.hints.nearest(&name, zones.iter().map(city))?;
        zones.iter().map(String::as_str).find(|zone| zone.rsplit('/').next() == Some(near))
    })
}

/// Where the state is unless the main file says so.
pub fn default_statedir() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return PathBuf::from("/var/lib/loom");
    }
    let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = || fields::expand_home("~/.local/state").unwrap_or_else(|_| PathBuf::from("/tmp"));
    xdg.unwrap_or_else(home).join("loom")
}
