//! `loom status`: how the daemon is; by its API, or without it as far as files tell.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::answer::typed;
use super::fallback::{self, Found};
use super::reach::{self, Reach};
use super::screen::{Cell, Screen, Table, Tone, count, escape, lasted, print, print_json};
use crate::api::daemon::Daemon;
use crate::client::{Failure, Place};
use crate::sys::running::Running;

/// Show whether a daemon runs, and how it is
///
/// Without an answer of its API the local daemon is looked for by its pidfile, and what runs is read
/// from the ledger. Exits 0 if a daemon runs, 4 if none does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom status
  loom status --json | jq .units.running
  loom status --host https://loom.example.com:7411 --token-file ~/.loom.token")]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
}

pub fn status(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(show(candidates, &args.reach))
}

fn show(candidates: &str, reach: &Reach) -> Result<u8, Failure> {
    let screen = Screen::stdout();
    match fallback::find(reach, candidates)? {
        Found::Answering(_, daemon) if reach.json => print_json(&daemon)?,
        Found::Answering(_, daemon) => print(&summary(&typed(daemon)?, &screen))?,
        Found::Silent(place, running, failure) if reach.json => {
            print_json(&silent_json(&place, running, &failure))?;
        }
        Found::Silent(place, running, failure) => {
            print(&silent(&place, running, &failure, &screen))?;
        }
    }
    Ok(0)
}

fn summary(daemon: &Daemon, screen: &Screen) -> String {
    let Daemon { version, hostname, pid, units, workers, ledger, .. } = daemon;
    let paint = screen.paint;
    let state = match (daemon.stopping, daemon.paused) {
        (true, _) => paint.warn("is being stopped; nothing starts any more"),
        (false, true) => paint.warn("runs; all schedules are paused (loom resume)"),
        (false, false) => paint.good("runs"),
    };
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // A String can be written to.
        let _ = writeln!(text, "{name:<15}{value}");
    };
    line("daemon", state);
    line("", format!("loom {}, PID {pid}, on {}", escape(version), escape(hostname)));
    line("started", screen.when_in_full(daemon.started_at));
    line("configuration", format!("loaded {}", screen.when_in_full(daemon.loaded_at)));
    if let Some(trouble) = &daemon.reload_trouble {
        let first = trouble.lines().find(|line| !line.is_empty()).unwrap_or_default();
        line("", paint.bad(&format!("the last reload was refused: {}", escape(first))));
    }
    line("jobs", daemon.jobs.to_string());
    line("nodes", format!("{}, {} connected", daemon.nodes, daemon.connections));
    line("open runs", daemon.runs.to_string());
    line(
        "open units",
        format!(
            "{} running, {} waiting, {} held back, {} being recorded",
            units.running, units.waiting, units.held, units.recording
        ),
    );
    line(
        "workers",
        format!("{}, {} busy ({} to {})", workers.live, workers.busy, workers.min, workers.max),
    );
    line(
        "ledger",
        match (&ledger.trouble, ledger.backlog) {
            (Some(trouble), behind) => {
                let behind = count(behind as usize, "record");
                paint.bad(&format!(
                    "cannot be written: {}; {behind} kept in memory",
                    escape(trouble)
                ))
            }
            (None, 0) => "up to date".to_owned(),
            (None, behind) => format!("{} on the way", count(behind as usize, "record")),
        },
    );
    text
}

fn silent(place: &Place, running: Running, failure: &Failure, screen: &Screen) -> String {
    let pid = running.pid();
    let why = screen.paint.warn(&format!("its API does not answer: {}", failure.why()));
    let mut text = format!("running, PID {pid}; {why}\n");
    let Some(statedir) = place.statedir() else { return text };
    let seen = match fallback::look(statedir) {
        Ok(seen) => seen,
        Err(e) => {
            let e = escape(&e.to_string());
            let _ = writeln!(text, "the ledger cannot be read: {e}");
            return text;
        }
    };
    if seen.paused {
        let _ = writeln!(text, "{}", screen.paint.warn("all schedules are paused"));
    }
    let _ = writeln!(text, "{} in the ledger", count(seen.open.len(), "open run"));
    if seen.open.is_empty() {
        return text;
    }
    let mut table = Table::new(["RUN", "JOB", "TRIGGER", "STATE", "SINCE", "FOR"]);
    for run in &seen.open {
        let since = run.started_at.unwrap_or(run.queued_at);
        table.row([
            run.run.to_string().into(),
            Cell::new(&run.job),
            run.trigger.as_str().into(),
            Cell::toned(run.state.word(), Tone::of(run.state.word())),
            screen.when(since).into(),
            lasted(since, screen.now).into(),
        ]);
    }
    text + &table.show(screen)
}

/// As much of it as is known, under the API's names.
fn silent_json(place: &Place, running: Running, failure: &Failure) -> Value {
    let mut known = json!({ "pid": running.pid().as_raw(), "api_trouble": failure.why() });
    let seen = place.statedir().map(fallback::look);
    let more = match seen {
        Some(Ok(seen)) => {
            let open = seen.open.iter().map(|run| {
                json!({
                    "id": run.run.0, "job": run.job, "trigger": run.trigger.as_str(),
                    "state": run.state.word(), "queued_at": run.queued_at,
                    "started_at": run.started_at,
                })
            });
            json!({ "paused": seen.paused, "open_runs": open.collect::<Vec<Value>>() })
        }
        Some(Err(e)) => json!({ "ledger_trouble": e.to_string() }),
        None => json!({}),
    };
    if let (Some(known), Value::Object(more)) = (known.as_object_mut(), more) {
        known.extend(more);
    }
    known
}
