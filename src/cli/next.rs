//! `loom next`: coming fire times, of jobs or of a bare expression. Needs no daemon.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::json;

use super::candidates;
use crate::config::{self, Config};
use crate::cron::{CronError, NEVER, Schedule};

/// Print coming fire times, one ISO 8601 time with offset a line
///
/// For one job or an expression only the times are printed. For several jobs the lines are
/// merged in the order of time, and the job's name follows after two blanks; a disabled job, or one
/// that never comes due, is left out unless it is named.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All enabled jobs when none is named
    #[arg(value_name = "JOB", add = candidates::jobs())]
    pub jobs: Vec<String>,

    /// A cron expression in place of jobs; no configuration is read
    #[arg(long, value_name = "EXPR", conflicts_with = "jobs")]
    expr: Option<String>,

    /// Times for each job [default: 1 for several jobs, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,

    /// Start strictly after this time (2026-11-21, 2026-11-21T03:00, 2026-11-21T03:00:00+01:00);
    /// without an offset it is read in the schedule's zone [default: now]
    #[arg(long, value_name = "T", value_parser = Start::parse)]
    from: Option<Start>,

    /// Read the schedule in this zone, like Europe/Berlin, in place of the job's own
    #[arg(long, value_name = "Z", value_parser = parse_zone, add = candidates::zones())]
    tz: Option<TimeZone>,

    /// Print an array of objects with `job`, null for an expression, and `at`
    #[arg(long)]
    json: bool,
}

/// A moment as the user wrote it.
#[derive(Debug, Clone, Copy)]
enum Start {
    Instant(Timestamp),
    Wall(DateTime),
}

impl Start {
    fn parse(text: &str) -> Result<Start, String> {
        let instant = text.parse().map(Start::Instant);
        instant.or_else(|_| text.parse().map(Start::Wall)).map_err(|_| {
            "not a time; write 2026-11-21, 2026-11-21T03:00 or 2026-11-21T03:00:00+01:00"
                .to_string()
        })
    }

    /// In a repeated hour the first passage, in a gap as far after it as was written.
    fn in_zone(self, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        match self {
            Start::Instant(instant) => Ok(instant),
            Start::Wall(wall) => zone.to_timestamp(wall),
        }
    }
}

fn parse_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| "unknown time zone; write one like Europe/Berlin".to_string())
}

pub fn next(config: &str, args: &Args) -> ExitCode {
    let rows = match &args.expr {
        Some(expr) => of_expression(expr, args),
        None => match config::load_or_report(config) {
            Ok(config) => of_jobs(&config, args),
            Err(code) => return code,
        },
    };
    let printed = rows.and_then(|rows| {
        print(rows, args.json, BufWriter::new(io::stdout().lock())).or_else(|error| {
            match error.kind() {
                ErrorKind::BrokenPipe => Ok(()),
                _ => Err(format!("cannot write the times: {error}")),
            }
        })
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("loom: {message}");
            ExitCode::FAILURE
        }
    }
}

/// One schedule to be printed.
struct Row {
    /// `None`: of an expression.
    job: Option<String>,
    /// Its name is printed: there are several.
    named: bool,
    schedule: Schedule,
    zone: TimeZone,
    after: Timestamp,
    left: u32,
}

impl Row {
    fn new(args: &Args, schedule: Schedule, own_zone: TimeZone) -> Result<Row, String> {
        let zone = args.tz.clone().unwrap_or(own_zone);
        let start = args.from.unwrap_or_else(|| Start::Instant(Timestamp::now()));
        let after = start.in_zone(&zone).map_err(|error| format!("--from: {error}"))?;
        let left = args.count.unwrap_or(10);
        Ok(Row { job: None, named: false, schedule, zone, after, left })
    }

    fn of(self, job: &str) -> Row {
        Row { job: Some(job.to_owned()), ..self }
    }

    fn named(self, args: &Args) -> Row {
        Row { named: true, left: args.count.unwrap_or(1), ..self }
    }

    fn step(&mut self) -> Option<Timestamp> {
        self.left = self.left.checked_sub(1)?;
        self.after = self.schedule.next_after(&self.zone, self.after)?;
        Some(self.after)
    }
}

fn of_expression(expr: &str, args: &Args) -> Result<Vec<Row>, String> {
    let schedule = Schedule::parse(expr).map_err(|error| excerpt(expr, &error))?;
    for warning in schedule.warnings() {
        eprintln!("loom: warning: {warning}");
    }
    Ok(vec![Row::new(args, schedule, TimeZone::system())?])
}

fn of_jobs(config: &Config, args: &Args) -> Result<Vec<Row>, String> {
    let names = names(config, &args.jobs)?;
    let several = names.len() > 1 || args.jobs.is_empty();
    let jobs = names.into_iter().map(|name| &config.jobs[name]);
    jobs.map(|job| {
        let row = Row::new(args, job.schedule.clone(), job.zone())?.of(&job.name);
        Ok(if several { row.named(args) } else { row })
    })
    .collect()
}

/// The jobs asked for, each once; or which names there are none of.
fn names<'a>(config: &'a Config, asked: &'a [String]) -> Result<Vec<&'a str>, String> {
    if asked.is_empty() {
        let enabled = config.jobs.values().filter(|job| job.enabled && !job.schedule.is_never());
        return Ok(enabled.map(|job| job.name.as_str()).collect());
    }
    let unknown: Vec<_> = asked.iter().filter(|name| !config.jobs.contains_key(*name)).collect();
    if !unknown.is_empty() {
        let messages: Vec<_> = unknown.iter().map(|name| unknown_job(config, name)).collect();
        return Err(messages.join("\nloom: "));
    }
    let mut names: Vec<_> = asked.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn unknown_job(config: &Config, name: &str) -> String {
    let near = config
        .jobs
        .keys()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let hint = near.map(|(_, known)| format!("; did you mean `{}`?", known.escape_debug()));
    format!("no job is named `{}`{}", name.escape_debug(), hint.unwrap_or_default())
}

/// The error under the expression, with carets.
fn excerpt(expr: &str, error: &CronError) -> String {
    let shown = |text: &str| text.escape_debug().to_string();
    let before = shown(&expr[..error.span.start]).chars().count();
    let width = shown(&expr[error.span.clone()]).chars().count().max(1);
    let (pad, carets) = (" ".repeat(before), "^".repeat(width));
    format!("{error}\n  {}\n  {pad}{carets}", shown(expr))
}

/// The next time of each row waits in a heap; the earliest is printed and replaced by the next of
/// its row.
fn print(mut rows: Vec<Row>, json: bool, mut out: impl Write) -> io::Result<()> {
    let mut waiting = BinaryHeap::with_capacity(rows.len());
    for (place, row) in rows.iter_mut().enumerate() {
        match row.step() {
            Some(fire) => waiting.push(Reverse((fire, place))),
            None if row.schedule.is_never() => {
                eprintln!("loom: `{NEVER}` is run by hand or in a flow, and never comes due");
            }
            None => eprintln!("loom: warning: `{}` never fires in its zone", row.schedule.expr()),
        }
    }
    let mut between = "[";
    while let Some(Reverse((fire, place))) = waiting.pop() {
        let row = &mut rows[place];
        let local = fire.to_zoned(row.zone.clone());
        let time = local.strftime("%Y-%m-%dT%H:%M:%S%:z");
        match &row.job {
            job if json => {
                let fire = json!({"job": job, "at": time.to_string()});
                write!(out, "{between}\n  {fire}")?;
                between = ",";
            }
            Some(job) if row.named => writeln!(out, "{time}  {}", job.escape_debug())?,
            Some(_) | None => writeln!(out, "{time}")?,
        }
        waiting.extend(row.step().map(|fire| Reverse((fire, place))));
    }
    if json {
        writeln!(out, "{}", if between == "[" { "[]" } else { "\n]" })?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::config::{Keep, Settings};
    use crate::job::{Job, Source};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from([&["next"], words].concat()).map(|line| line.args)
    }

    fn printed(rows: Result<Vec<Row>, String>, json: bool) -> Result<String, String> {
        let mut out = Vec::new();
        print(rows?, json, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn expression(words: &[&str]) -> Result<String, String> {
        let args = args(words).map_err(|error| error.to_string())?;
        printed(of_expression(args.expr.as_deref().expect("--expr"), &args), args.json)
    }

    fn jobs(words: &[&str]) -> Result<String, String> {
        let args = args(words).map_err(|error| error.to_string())?;
        printed(of_jobs(&config(), &args), args.json)
    }

    fn job(name: &str, schedule: &str, enabled: bool) -> (String, Job) {
        let source = Source { file: "jobs/a.yaml".into(), line: 1 };
        let schedule = Schedule::parse(schedule).expect("a schedule");
        let job = Job {
            timezone: Some("Europe/Berlin".into()),
            targets: vec!["n1".into()],
            enabled,
            ..Job::new(name.into(), "loom.run".into(), schedule, source)
        };
        (name.into(), job)
    }

    fn config() -> Config {
        let settings = Settings {
            file: PathBuf::new(),
            nodesfile: PathBuf::new(),
            jobspath: PathBuf::new(),
            datafile: None,
            min_workers: 0,
            max_workers: 1,
            timezone: None,
            statedir: PathBuf::new(),
            idle_timeout: Duration::ZERO,
            recycle_after: 0,
            stop_timeout: Duration::ZERO,
            connect_timeout: Duration::ZERO,
            ssh_persist: Duration::ZERO,
            max_connecting: 1,
            ssh_options: Default::default(),
            python: crate::python::Python::new(Vec::new()),
            max_output: 0,
            keep: Keep { days: 0, runs: 0, bytes: 0 },
            log_format: Default::default(),
            listen: None,
        };
        let jobs = [
            job("backup", "0 3 * * *", true),
            job("report", "30 2,3 * * *", true),
            job("asleep", "* * * * *", false),
            job("by-hand", NEVER, true),
        ];
        Config { settings, nodes: Default::default(), jobs: jobs.into(), watch: Vec::new() }
    }

    #[test]
    fn an_expression_prints_times_with_their_offset() {
        let berlin = ["--tz", "Europe/Berlin", "--count", "2"];
        let words = [&["--expr", "0 3 * * *", "--from", "2026-10-24"][..], &berlin].concat();
        let times = "2026-10-24T03:00:00+02:00\n2026-10-25T03:00:00+01:00\n";
        assert_eq!(expression(&words), Ok(times.to_string()));
    }

    #[test]
    fn a_start_is_an_instant_or_a_wall_clock_and_does_not_count_itself() {
        for from in ["2026-11-21T03:00", "2026-11-21 03:00:00", "2026-11-21T02:00:00Z"] {
            let words =
                ["--expr", "@hourly", "--tz", "Europe/Berlin", "--count", "1", "--from", from];
            let expected = "2026-11-21T04:00:00+01:00\n".to_string();
            assert_eq!(expression(&words), Ok(expected), "{from}");
        }
    }

    #[test]
    fn a_refused_expression_gets_a_caret() {
        let error = expression(&["--expr", "0 24 * * *"]).unwrap_err();
        let (message, rest) = error.split_once('\n').expect("an excerpt");
        assert!(message.starts_with("hour: 24 is not one of 0-23"), "{message}");
        assert_eq!(rest, "  0 24 * * *\n    ^^");
    }

    #[test]
    fn one_job_prints_bare_times_in_its_own_zone() {
        let words = ["backup", "--from", "2026-11-21T00:00:00Z", "--count", "2"];
        let times = "2026-11-21T03:00:00+01:00\n2026-11-22T03:00:00+01:00\n";
        assert_eq!(jobs(&words), Ok(times.to_string()));
    }

    #[test]
    fn several_jobs_are_merged_by_time_with_their_names() {
        let from = ["--from", "2026-11-21T00:00:00Z"];
        let each = [
            "2026-11-21T02:30:00+01:00  report\n",
            "2026-11-21T03:00:00+01:00  backup\n",
            "2026-11-21T03:30:00+01:00  report\n",
            "2026-11-22T03:00:00+01:00  backup\n",
        ];
        let named = [&["report", "backup", "report", "--count", "2"][..], &from].concat();
        assert_eq!(jobs(&named), Ok(each.concat()));
        assert_eq!(jobs(&from), Ok(each[..2].concat()), "all that come due, one time each");
    }

    #[test]
    fn json_is_one_array_that_names_each_job() {
        let json = |text: Result<String, String>| -> serde_json::Value {
            serde_json::from_str(&text.unwrap()).unwrap()
        };
        let from = ["--json", "--from", "2026-11-21T00:00:00Z"];
        let all = json!([{"job": "report", "at": "2026-11-21T02:30:00+01:00"},
                         {"job": "backup", "at": "2026-11-21T03:00:00+01:00"}]);
        assert_eq!(json(jobs(&from)), all);
        let one = [&["backup", "--count", "1"][..], &from].concat();
        assert_eq!(json(jobs(&one)), json!([all[1]]));
        let bare = ["--expr", "@daily", "--count", "1", "--tz", "UTC"];
        let at = json!([{"job": null, "at": "2026-11-22T00:00:00+00:00"}]);
        assert_eq!(json(expression(&[&bare[..], &from].concat())), at);
        assert_eq!(json(jobs(&["by-hand", "--json"])), json!([]));
    }

    #[test]
    fn what_never_comes_due_has_no_times() {
        assert_eq!(jobs(&["by-hand"]), Ok(String::new()));
        assert_eq!(expression(&["--expr", " @never "]), Ok(String::new()));
    }

    #[test]
    fn an_unknown_job_is_told_with_a_near_name() {
        let error = jobs(&["backpu", "zzz"]).unwrap_err();
        let expected =
            "no job is named `backpu`; did you mean `backup`?\nloom: no job is named `zzz`";
        assert_eq!(error, expected);
    }

    #[test]
    fn usage_is_refused_before_anything_is_read() {
        for words in [
            &["--tz", "Europe/Berlim", "--expr", "@daily"][..],
            &["--count", "0", "--expr", "@daily"],
            &["--from", "tomorrow", "--expr", "@daily"],
            &["--expr", "@daily", "backup"],
        ] {
            assert_eq!(args(words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
