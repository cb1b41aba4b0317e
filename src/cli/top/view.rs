//! What `loom top` shows: lines, out of a snapshot. Draws nothing.

use std::cmp::Reverse;

use super::Snapshot;
use crate::api::daemon::{Daemon, Workers};
use crate::api::run::Run;
use crate::api::unit::Unit;
use crate::cli::screen::{Cell, Column, NOTHING, Screen, Table, Tone, count, escape, lasted};

/// Of the bar of workers.
const BAR: usize = 20;
/// Of runs that have ended, where there is room for so many.
const ENDED: usize = 8;

/// At most so many lines; what does not fit is counted.
pub fn view(snapshot: &Snapshot, trouble: Option<&str>, screen: &Screen, rows: usize) -> String {
    let head = head(snapshot, trouble, screen);
    let room = rows.saturating_sub(head.lines().count());
    // The headers of the two tables, blank lines before them, and the line with what is left out.
    let ended = snapshot.ended.len().min(ENDED).min(room.saturating_sub(5) / 3);
    let units = room.saturating_sub(if ended > 0 { ended + 2 } else { 0 } + 3);
    let mut text = head;
    text += &open_units(snapshot, screen, units);
    if ended > 0 {
        text += &ended_runs(&snapshot.ended[..ended], screen);
    }
    text
}

fn head(snapshot: &Snapshot, trouble: Option<&str>, screen: &Screen) -> String {
    let Daemon { version, pid, hostname, started_at, connections, nodes, jobs, runs, .. } =
        &snapshot.daemon;
    let paint = screen.paint;
    let up = lasted(*started_at, snapshot.at);
    let title = format!("loom {} on {}, pid {pid}, up {up}", escape(version), escape(hostname));
    let mut lines = vec![(title, Tone::Bold)];
    lines.extend(troubles(&snapshot.daemon, trouble).into_iter().map(|line| (line, Tone::Bad)));
    let units = &snapshot.daemon.units;
    lines.push((bar(&snapshot.daemon.workers), Tone::Plain));
    lines.push((
        format!(
            "units    {} running, {} waiting, {} held back, {} on the way to the ledger",
            units.running, units.waiting, units.held, units.recording
        ),
        Tone::Plain,
    ));
    let open = format!("{} open", count(*runs, "run"));
    lines.push((
        format!("nodes    {connections} of {nodes} connected; {}, {open}", count(*jobs, "job")),
        Tone::Plain,
    ));
    let cut = |line: String| match screen.width {
        Some(width) => line.chars().take(width).collect(),
        None => line,
    };
    let painted = |(line, tone)| paint.tone(tone, &cut(line)) + "\n";
    lines.into_iter().map(painted).collect()
}

/// What a person should know, the worst first.
fn troubles(daemon: &Daemon, trouble: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    // A refused reload says many things; the first line says which file.
    let first = |text: &str| escape(text.lines().next().unwrap_or_default());
    if let Some(trouble) = trouble {
        lines.push(format!("What is shown is old: {}", first(trouble)));
    }
    if let Some(trouble) = &daemon.ledger.trouble {
        let backlog = daemon.ledger.backlog;
        lines.push(format!(
            "The ledger cannot be written: {}; nothing new starts, {} waiting",
            first(trouble),
            match backlog {
                1 => "1 record is".to_owned(),
                backlog => format!("{backlog} records are"),
            }
        ));
    }
    if daemon.stopping {
        lines.push("It is being stopped: nothing starts any more".to_owned());
    }
    if daemon.paused {
        lines.push("All schedules are paused; `loom resume` ends that".to_owned());
    }
    if let Some(trouble) = &daemon.reload_trouble {
        lines.push(format!("The last reload was refused: {}", first(trouble)));
    }
    lines
}

/// `workers  [######--------] 8 busy of 10, at most 16`.
fn bar(workers: &Workers) -> String {
    let Workers { live, busy, min: _, max } = *workers;
    let share = |count: usize| match max {
        0 => 0,
        max => (count * BAR).div_ceil(max as usize).min(BAR),
    };
    let (full, there) = (share(busy), share(live).max(share(busy)));
    let bar = "#".repeat(full) + &"-".repeat(there - full);
    format!("workers  [{bar:<BAR$}] {busy} busy of {live}, at most {max}")
}

fn open_units(snapshot: &Snapshot, screen: &Screen, room: usize) -> String {
    let mut units: Vec<&Unit> = snapshot.units.iter().collect();
    // Those that have run for longest, then those that have waited for longest.
    units.sort_by_key(|unit| (Reverse(unit.state == "running"), unit.started_at, unit.id));
    let columns = [
        Column::left("NODE"),
        Column::left("JOB"),
        Column::right("RUN"),
        Column::right("TRY"),
        Column::left("STATE"),
        Column::right("FOR"),
    ];
    let mut table = Table::new(columns);
    let left_out = units.len().saturating_sub(room);
    for unit in units.into_iter().take(room) {
        let since = unit.started_at.map(|since| lasted(since, snapshot.at));
        table.row([
            Cell::new(&unit.node),
            Cell::maybe(unit.job.as_ref()),
            Cell::new(unit.run.to_string()),
            Cell::new(unit.attempt.to_string()),
            Cell::state(&unit.state),
            Cell::new(since.as_deref().unwrap_or(NOTHING)),
        ]);
    }
    let all = snapshot.daemon.units;
    let open = all.recording + all.held + all.waiting + all.running;
    // The list is limited too.
    let left_out = left_out.max(open.saturating_sub(table.len()));
    let more = match left_out {
        _ if table.is_empty() && left_out == 0 => {
            return "\nNothing runs, nothing waits.\n".to_owned();
        }
        0 => String::new(),
        more => screen.paint.dim(&format!("and {more} more")) + "\n",
    };
    format!("\n{}{more}", table.show(screen))
}

fn ended_runs(runs: &[Run], screen: &Screen) -> String {
    let columns = [
        Column::right("RUN"),
        Column::left("JOB"),
        Column::left("ENDED"),
        Column::right("UNITS"),
        Column::left("WHEN"),
    ];
    let mut table = Table::new(columns);
    for run in runs {
        let units = format!("{}/{}", run.units.succeeded, run.units.total);
        table.row([
            Cell::new(run.id.to_string()),
            Cell::new(&run.job),
            Cell::state(&run.state),
            Cell::new(units),
            Cell::new(screen.maybe_when(run.finished_at)),
        ]);
    }
    format!("\n{}", table.show(screen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::daemon::{Ledger, OpenUnits};
    use crate::cli::screen::Paint;
    use jiff::{SignedDuration, Timestamp};
    use serde_json::json;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn snapshot(running: usize, queued: usize) -> Snapshot {
        let units = OpenUnits { running, waiting: queued, ..OpenUnits::default() };
        let daemon = Daemon {
            version: "1.2.3".to_owned(),
            pid: 42,
            hostname: "control".to_owned(),
            started_at: at(-7500),
            paused: false,
            stopping: false,
            loaded_at: at(-7500),
            generation: 1,
            reload_trouble: None,
            jobs: 3,
            nodes: 40,
            connections: 12,
            runs: 1,
            units,
            workers: Workers { live: 10, busy: 5, min: 0, max: 20 },
            ledger: Ledger { backlog: 0, trouble: None },
        };
        let unit = |n: usize| -> Unit {
            let running = n < running;
            serde_json::from_value(json!({
                "id": n, "run": 7, "job": "nightly", "node": format!("web{n}"), "attempt": 1,
                "state": if running { "running" } else { "queued" },
                "started_at": running.then(|| (at(0) - SignedDuration::from_secs(64 + n as i64)).to_string()),
                "output_bytes": 0, "output_truncated": false,
            }))
            .unwrap()
        };
        let run: Run = serde_json::from_value(json!({
            "id": 6, "job": "backup", "trigger": "schedule", "state": "failed",
            "queued_at": at(-60).to_string(), "finished_at": at(-10).to_string(),
            "units": {"total": 5, "succeeded": 4, "failed": 1, "cancelled": 0, "lost": 0,
                      "skipped": 0, "open": 0},
        }))
        .unwrap();
        let units = (0..running + queued).map(unit).collect();
        Snapshot { at: at(0), daemon, units, ended: vec![run] }
    }

    fn terminal(width: usize) -> Screen {
        Screen { width: Some(width), ..Screen::pipe(at(0)) }
    }

    #[test]
    fn all_of_it_is_on_one_screen() {
        let shown = view(&snapshot(2, 1), None, &terminal(80), 24);
        let expected = "\
loom 1.2.3 on control, pid 42, up 2h 05m
workers  [#####-----          ] 5 busy of 10, at most 20
units    2 running, 1 waiting, 0 held back, 0 on the way to the ledger
nodes    12 of 40 connected; 3 jobs, 1 run open

NODE  JOB      RUN  TRY  STATE       FOR
web1  nightly    7    1  running  1m 05s
web0  nightly    7    1  running  1m 04s
web2  nightly    7    1  queued        -

RUN  JOB     ENDED   UNITS  WHEN
  6  backup  failed    4/5  10s ago
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        for rows in [10, 15, 24, 40] {
            let shown = view(&snapshot(30, 30), None, &terminal(80), rows);
            assert!(shown.lines().count() <= rows, "{rows}:\n{shown}");
            let rows = shown.lines().filter(|line| line.starts_with("web")).count();
            assert!(shown.contains(&format!("and {} more", 60 - rows)), "{shown}");
        }
        let all = view(&snapshot(30, 30), None, &Screen::pipe(at(0)), usize::MAX);
        assert_eq!(all.lines().filter(|line| line.starts_with("web")).count(), 60);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut narrow = snapshot(2, 0);
        narrow.daemon.hostname = "x".repeat(100);
        let shown = view(&narrow, Some("gone"), &terminal(60), 24);
        assert!(shown.lines().all(|line| line.chars().count() <= 60), "{shown}");
    }

    #[test]
    fn trouble_is_told_in_words_and_steers_nothing() {
        let mut bad = snapshot(0, 0);
        bad.daemon.paused = true;
        bad.daemon.stopping = true;
        bad.daemon.ledger = Ledger { backlog: 2, trouble: Some("disk\x1b[2J full".to_owned()) };
        bad.daemon.reload_trouble = Some("a.yaml:3: no\nmore".to_owned());
        let shown = view(&bad, Some("nobody answers"), &terminal(120), 24);
        for part in [
            "What is shown is old: nobody answers\n",
            "The ledger cannot be written: disk\\u{1b}[2J full; nothing new starts, 2 records are waiting\n",
            "It is being stopped: nothing starts any more\n",
            "All schedules are paused; `loom resume` ends that\n",
            "The last reload was refused: a.yaml:3: no\n",
            "Nothing runs, nothing waits.\n",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn the_bar_shows_who_is_busy_and_who_is_there() {
        let bar = |live, busy, max| bar(&Workers { live, busy, min: 0, max });
        assert_eq!(bar(0, 0, 10), "workers  [                    ] 0 busy of 0, at most 10");
        assert_eq!(bar(10, 10, 10), "workers  [####################] 10 busy of 10, at most 10");
        assert_eq!(bar(1, 1, 1000), "workers  [#                   ] 1 busy of 1, at most 1000");
        // More than allowed while those from before a reload go.
        assert_eq!(bar(12, 3, 6), "workers  [##########----------] 3 busy of 12, at most 6");
        let colour = Screen { paint: Paint::always(), ..terminal(80) };
        assert!(view(&snapshot(1, 0), None, &colour, 24).contains("\x1b[33mrunning"));
    }
}
