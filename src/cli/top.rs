//! `loom top`: what the daemon is doing, again and again.

mod view;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::follow::attention::{self, Leaving};
use super::reach::{self, Reach};
use super::screen::{self, Screen};
use crate::api::Page;
use crate::api::daemon::Daemon;
use crate::api::run::Run;
use crate::api::unit::Unit;
use crate::client::{Class, Client, Failure, Route};
use crate::sys::signals::Signal;
use crate::sys::terminal::{self, Restore};

/// Watch the daemon: its workers, the queue, the units that run and the runs that have ended
///
/// On a terminal it shows them anew every two seconds, until `q` or Ctrl-C. In a pipe or a file it
/// shows them once; with --json it goes on, an object a line.
#[derive(Debug, clap::Args)]
#[command(after_help = reach::EXIT_CODES)]
pub struct Args {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    interval: Duration,

    #[command(flatten)]
    reach: Reach,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|n| Duration::try_from_secs_f64(n).ok());
    seconds
        .filter(|time| (0.1..=3600.0).contains(&time.as_secs_f64()))
        .ok_or_else(|| "write a number of seconds, from 0.1 to 3600".to_owned())
}

pub fn top(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(watch(candidates, args))
}

/// What there is at one moment.
#[derive(Debug, Serialize)]
struct Snapshot {
    at: Timestamp,
    daemon: Daemon,
    /// Running and queued.
    units: Vec<Unit>,
    /// That have ended, the latest first.
    ended: Vec<Run>,
}

/// More of them nobody reads.
const UNITS: u32 = 1000;
const ENDED: u32 = 20;

fn look(client: &Client) -> Result<Snapshot, Failure> {
    let ended = "succeeded,failed,cancelled,lost,skipped";
    let daemon = client.get(&Route::to(["daemon"]))?;
    let units = Route::to(["units"]).with("state", "open").with("limit", UNITS);
    let units: Page<Unit> = client.get(&units)?;
    // A flow stands for its parts.
    let ended = Route::to(["runs"]).with("state", ended).with("limit", ENDED).with("parts", false);
    let mut ended: Vec<Run> = client.get::<Page<Run>>(&ended)?.items;
    ended.sort_by_key(|run| std::cmp::Reverse(run.finished_at));
    Ok(Snapshot { at: Timestamp::now(), daemon, units: units.items, ended })
}

fn watch(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    if args.reach.json {
        return print_each(&client, args.interval);
    }
    if !io::stdout().is_terminal() {
        let screen = Screen::stdout();
        let text = view::view(&look(&client)?, None, &screen, usize::MAX);
        return screen::print(&text).map(|()| 0);
    }
    live(&client, args.interval)
}

fn print_each(client: &Client, interval: Duration) -> Result<u8, Failure> {
    loop {
        let text =
            serde_json::to_string(&look(client)?).map_err(|e| Failure::odd(e.to_string()))?;
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Ok(()) => thread::sleep(interval),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(0),
            Err(e) => return Err(Failure::odd(format!("stdout cannot be written: {e}"))),
        }
    }
}

enum Input {
    Looked(Box<Result<Snapshot, Failure>>),
    Wake,
    Key,
}

fn live(client: &Client, interval: Duration) -> Result<u8, Failure> {
    // Before the screen is another one, so that a daemon that is not there is told on this one.
    let mut shown = look(client)?;
    let mut trouble = None;
    let odd = |e: io::Error| Failure::odd(format!("the terminal cannot be used: {e}"));
    let (to, from) = sync_channel(16);
    let leaving = Leaving::watch(to.clone(), || Input::Wake, String::new()).map_err(odd)?;
    let _restore = Restore;
    if terminal::has_keyboard() {
        attention::one_of(b"q", to.clone(), |_| Input::Key).map_err(odd)?;
    }
    terminal::other_screen().map_err(odd)?;
    let looking = client.clone();
    thread::spawn(move || look_again(&looking, interval, &to));
    loop {
        draw(&shown, trouble.as_deref()).map_err(odd)?;
        match from.recv() {
            Ok(Input::Looked(looked)) => match *looked {
                Ok(snapshot) => (shown, trouble) = (snapshot, None),
                Err(failure) if failure.class() == Class::Refused => return Err(failure),
                Err(failure) => trouble = Some(failure.to_string()),
            },
            Ok(Input::Wake) => {}
            Ok(Input::Key) | Err(_) => return Ok(0),
        }
        match leaving.take().first() {
            // It is how one leaves.
            Some(Signal::Int) => return Ok(0),
            Some(signal) => return Ok(attention::status(*signal)),
            None => {}
        }
    }
}

fn look_again(client: &Client, interval: Duration, to: &SyncSender<Input>) {
    loop {
        thread::sleep(interval);
        if to.send(Input::Looked(Box::new(look(client)))).is_err() {
            return;
        }
    }
}

/// Line by line over what was there before, so that nothing flickers.
fn draw(snapshot: &Snapshot, trouble: Option<&str>) -> io::Result<()> {
    let size = terminal_size::terminal_size_of(io::stdout());
    let rows = size.map_or(24, |(_, terminal_size::Height(rows))| usize::from(rows));
    let text = view::view(snapshot, trouble, &Screen::stdout(), rows);
    let lines: Vec<&str> = text.lines().take(rows).collect();
    let mut stdout = io::stdout().lock();
    write!(stdout, "\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))?;
    stdout.flush()
}
