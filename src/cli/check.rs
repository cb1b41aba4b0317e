//! `loom check`: validate the configuration; print it; compare it; hand it to a daemon.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::Value;

use super::diff::{self, Side};
use super::reach::{self, Reach};
use super::screen::{Cell, Screen, Table, count};
use crate::api::MAX_LIMIT;
use crate::api::access::Whoami;
use crate::api::job::Job;
use crate::client::{Failure, Route};
use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Config, Loaded};
use crate::job::Source;
use crate::protocol::frame;
use crate::task;

/// Validate the configuration and say everything that is wrong with it
///
/// Exits 0 if it is sound and 1 if it is not. With --diff: 0 if there is no difference, 2 if there
/// is one, 1 if the two cannot be compared.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the resolved configuration as JSON, secrets masked
    #[arg(long)]
    pub dump: bool,

    /// Say of each job which task it runs and where that is defined: file and line, or native
    #[arg(short = 'v', long, conflicts_with_all = ["dump", "diff", "frame"])]
    pub tasks: bool,

    /// Say what would change in the running daemon, and what that does to the fires of the next 24
    /// hours; or what has changed since DUMP, a file that --dump has written
    #[arg(long, value_name = "DUMP", num_args = 0..=1, require_equals = true)]
    #[arg(conflicts_with_all = ["dump", "frame"])]
    pub diff: Option<Option<PathBuf>>,

    /// Write the configuration to stdout as one frame, for a daemon
    #[arg(long, hide = true, conflicts_with = "dump")]
    pub frame: bool,

    #[command(flatten)]
    pub reach: Reach,
}

pub fn check(config: &str, args: &Args) -> ExitCode {
    if args.reach.json && args.diff.is_none() {
        eprintln!("loom: --json is for --diff; --dump prints the configuration as JSON");
        return ExitCode::from(reach::USAGE);
    }
    match config::load(config) {
        Ok(loaded) => {
            config::print(&loaded.warnings);
            if let Some(against) = &args.diff {
                return compare(config, &loaded.config, against.as_deref(), &args.reach);
            }
            match hand_over(&loaded, args) {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("loom check: the configuration cannot be written: {e}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(diagnostics) => {
            config::print(&diagnostics);
            let errors = diagnostics.iter().filter(|d| d.is_error()).count();
            let found = join(count(errors, "error"), warnings(diagnostics.len() - errors));
            eprintln!("failed: {found}; nothing was loaded");
            ExitCode::FAILURE
        }
    }
}

fn hand_over(loaded: &Loaded, args: &Args) -> Result<(), frame::FrameError> {
    let mut stdout = io::stdout().lock();
    if args.frame {
        return frame::write(&mut stdout, &loaded.config, frame::CONFIG_CAP);
    }
    let summary = summary(&loaded.config, loaded.files, &loaded.warnings);
    if args.dump {
        let mut json = config::dump(&loaded.config);
        put_sources(&mut json["jobs"], &loaded.tasks);
        writeln!(stdout, "{json:#}")?;
        eprintln!("{summary}");
    } else {
        if args.tasks {
            stdout.write_all(tasks(loaded).as_bytes())?;
        }
        writeln!(stdout, "{summary}")?;
    }
    Ok(())
}

/// Where the Python tasks are defined, of jobs and of those that flows hold themselves.
fn put_sources(jobs: &mut Value, tasks: &BTreeMap<String, Source>) {
    let Some(jobs) = jobs.as_object_mut() else { return };
    for (name, job) in jobs {
        if let Some(source) = tasks.get(name) {
            job["task_source"] = shown(source).into();
        }
        let slots = job.get_mut("slots").and_then(Value::as_array_mut);
        for slot in slots.into_iter().flatten().filter_map(Value::as_array_mut) {
            for part in slot {
                let mut next = Some(part);
                while let Some(part) = next {
                    let own = part["name"].as_str().map(|own| format!("{name}/{own}"));
                    if let Some(source) = own.and_then(|own| tasks.get(&own)) {
                        part["task_source"] = shown(source).into();
                    }
                    next = part["on_failure"].get_mut("rescue");
                }
            }
        }
    }
}

/// A line for each job, those that flows hold themselves included.
fn tasks(loaded: &Loaded) -> String {
    let mut table = Table::new(["JOB", "TASK", "DEFINED IN"]);
    for job in loaded.config.with_tasks() {
        let place = match loaded.tasks.get(&job.name) {
            Some(source) => Cell::new(shown(source)),
            None if task::is_native(&job.task) => Cell::new("native"),
            // There was a warning.
            None => Cell::new("unknown"),
        };
        table.row([Cell::new(&job.name), Cell::new(&job.task), place]);
    }
    table.show(&Screen::stdout())
}

fn shown(source: &Source) -> String {
    format!("{}:{}", source.file.display(), source.line)
}

/// With the running configuration, or with the one in a file.
fn compare(candidates: &str, new: &Config, against: Option<&Path>, reach: &Reach) -> ExitCode {
    let old = match against {
        Some(file) => dumped(file),
        None => running_config(candidates, reach).map_err(|failure| failure.to_string()),
    };
    let difference = old.and_then(|old| diff::compare(&old, &config::dump(new), Timestamp::now()));
    let difference = match difference {
        Ok(difference) => difference,
        Err(e) => {
            eprintln!("loom: {e}");
            return ExitCode::FAILURE;
        }
    };
    let mut stdout = io::stdout().lock();
    let text = match reach.json {
        true => format!("{:#}\n", difference.json()),
        false => diff::show(&difference, stdout.is_terminal() && !no_colour()),
    };
    match stdout.write_all(text.as_bytes()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("loom: the difference cannot be written: {e}");
            ExitCode::FAILURE
        }
        Ok(()) | Err(_) if difference.is_none() => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::from(DIFFERS),
    }
}

/// As `terraform plan -detailed-exitcode`: 1 is taken for a configuration with mistakes.
const DIFFERS: u8 = 2;

fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

fn dumped(file: &Path) -> Result<Side, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let text = fs::read(file).map_err(|e| wrong(&e))?;
    let config = serde_json::from_slice(&text).map_err(|e| wrong(&e))?;
    Ok(Side { config, ..Side::default() })
}

/// What the daemon runs.
fn running_config(candidates: &str, reach: &Reach) -> Result<Side, Failure> {
    let client = reach.client(candidates)?;
    let person: Whoami = client.get(&Route::to(["whoami"]))?;
    if !person.jobs.is_empty() {
        // All other jobs would look as if they were to be added.
        return Err(Failure::refused(format!(
            "{} sees only jobs {} of the running configuration; --diff takes a token for all",
            person.name,
            person.jobs.join(", ")
        )));
    }
    let config = client.get(&Route::to(["config"]))?;
    let jobs = Route::to(["jobs"]).with("limit", MAX_LIMIT);
    let jobs: Vec<Job> = client.list(&jobs, usize::MAX)?;
    let off = jobs.into_iter().filter(|job| job.switched_off.is_some());
    Ok(Side { config, switched_off: off.map(|job| job.name).collect() })
}

/// `ok: 12 jobs and 1 flow on 5 nodes from 3 files, 1 warning`
fn summary(config: &Config, files: usize, found: &[Diagnostic]) -> String {
    let flows = config.jobs.values().filter(|job| job.flow.is_some()).count();
    let jobs = count(config.jobs.len() - flows, "job");
    let jobs = match flows {
        0 => jobs,
        flows => format!("{jobs} and {}", count(flows, "flow")),
    };
    let nodes = count(config.nodes.len(), "node");
    join(format!("ok: {jobs} on {nodes} from {}", count(files, "file")), warnings(found.len()))
}

fn warnings(number: usize) -> Option<String> {
    (number > 0).then(|| count(number, "warning"))
}

fn join(text: String, more: Option<String>) -> String {
    more.map_or(text.clone(), |more| format!("{text}, {more}"))
}
