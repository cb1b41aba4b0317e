//! `loom stop`: ends the daemon; asked by its API, or by a signal.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::answer::{print_answer, typed};
use super::fallback::{self, Found};
use super::reach::{self, FAILED, Reach};
use super::screen::{print, print_json};
use crate::api::daemon::{Daemon, StopRequest};
use crate::client::{Class, Client, Failure, Route};
use crate::sys::running::Running;

/// Between two looks at whether it is gone.
const LOOK: Duration = Duration::from_millis(50);
const REMOTE_LOOK: Duration = Duration::from_secs(1);

/// Stop the daemon
///
/// Nothing starts any more; running units get `stop_timeout` to end and are killed then, here and on
/// their nodes. If the API does not answer, the local daemon gets SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom stop
  loom stop --drain --wait")]
pub struct Args {
    /// Let running units end by themselves, however long that takes
    #[arg(long)]
    drain: bool,

    /// Return when the daemon is gone; from afar: when it does not answer any more
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    reach: Reach,
}

pub fn stop(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(end(candidates, args))
}

fn end(candidates: &str, args: &Args) -> Result<u8, Failure> {
    match fallback::find(&args.reach, candidates)? {
        Found::Answering(client, daemon) => by_api(&client, typed(daemon)?, args),
        Found::Silent(_, running, failure) => by_signal(running, &failure, args),
    }
}

fn by_api(client: &Client, daemon: Daemon, args: &Args) -> Result<u8, Failure> {
    // Known before it ends: its number may be another's afterwards.
    let local = if client.place().is_local() { Running::of(pid(&daemon)) } else { None };
    let request = StopRequest { drain: args.drain };
    match client.post::<_, Value>(&Route::to(["stop"]), &request, None) {
        Ok(answer) if args.reach.json => print_answer(&answer)?,
        Ok(_) => {}
        // It has been told already, and its end is what is waited for.
        Err(failure) if daemon.stopping && args.wait && failure.class() == Class::Failed => {}
        Err(failure) => return Err(failure),
    }
    if args.wait {
        match local {
            Some(running) => await_end(running),
            None => await_silence(client, &daemon)?,
        }
    }
    if !args.reach.json {
        print(match (args.wait, args.drain) {
            (true, _) => "stopped\n",
            (false, true) => "it stops when what runs has ended\n",
            (false, false) => "it is being stopped\n",
        })?;
    }
    Ok(0)
}

fn by_signal(running: Running, failure: &Failure, args: &Args) -> Result<u8, Failure> {
    eprintln!("loom: the API does not answer: {}", failure.why());
    let pid = running.pid();
    if args.drain {
        eprintln!("loom: without it PID {pid} cannot be told to drain; it was left alone");
        return Ok(FAILED);
    }
    fallback::signal(running, Signal::SIGTERM)?;
    if args.wait {
        await_end(running);
    }
    match (args.reach.json, args.wait) {
        (true, _) => print_json(&json!({ "signal": "SIGTERM", "pid": pid.as_raw() }))?,
        (false, true) => print("stopped\n")?,
        (false, false) => print(&format!("PID {pid} was sent SIGTERM\n"))?,
    }
    Ok(0)
}

fn pid(daemon: &Daemon) -> Pid {
    Pid::from_raw(daemon.pid as i32)
}

/// However long that takes: who asked for it can end it.
fn await_end(running: Running) {
    while running.is_alive() {
        thread::sleep(LOOK);
    }
}

/// Until nobody answers, or another daemon does.
fn await_silence(client: &Client, daemon: &Daemon) -> Result<(), Failure> {
    loop {
        match client.get::<Daemon>(&Route::to(["daemon"])) {
            Ok(now) if (now.pid, now.started_at) == (daemon.pid, daemon.started_at) => {
                thread::sleep(REMOTE_LOOK);
            }
            Ok(_) => return Ok(()),
            Err(failure) if failure.class() == Class::Unreachable => return Ok(()),
            // Its gateway is still there, but no daemon behind it.
            Err(failure) if failure.problem().is_some_and(|problem| problem.status == 503) => {
                thread::sleep(LOOK);
            }
            Err(failure) => return Err(failure),
        }
    }
}
