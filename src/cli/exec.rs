//! `loom exec`: a command on nodes, now.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::candidates;
use super::follow::{self, End, How};
use super::reach::{self, Reach};
use super::run::{announced, detail, post};
use super::screen;
use super::words;
use crate::api::job::ExecRequest;
use crate::api::run::Run;
use crate::api::unit::Unit;
use crate::client::{Failure, Route};
use crate::config;

/// Run a command on nodes now, and wait for its end
///
/// A single word is a command line for each node's shell: `loom exec --on @web -- 'df -h | tail
/// -1'`. Several words are quoted one by one, so that the command gets them as they were given:
/// `loom exec --on @web -- grep 'a b' file`. Output comes as it is written, each line behind its
/// node's name; a summary is the end. Ctrl-C asks whether to cancel it, to detach or to go on;
/// where nobody can be asked, it detaches.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// The command line, or the command and its arguments
    #[arg(
        required = true,
        // Without the two dashes an option behind it, as `--host`, would be the command's.
        last = true,
        value_name = "CMD"
    )]
    command: Vec<String>,

    /// Where: names, host sets (db[1-4]) or @tags, separated by commas
    #[arg(long, value_name = "TARGETS", add = candidates::targets())]
    on: String,

    /// End it on a node after so long: 90, 90s, 5m, 1h30m
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    timeout: Option<Duration>,

    /// On so many nodes at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    parallel: Option<u32>,

    /// Through sudo, as root
    #[arg(long)]
    sudo: bool,

    /// Show no output before the end, then nodes that said the same together
    #[arg(long)]
    fold: bool,

    /// Print the run's number and wait for nothing
    #[arg(long, conflicts_with = "fold")]
    detach: bool,

    /// The same request with the same key is carried out once [default: a random one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    #[command(flatten)]
    reach: Reach,
}

const EXIT_CODES: &str = "\
Exit status: 0 it succeeded on all nodes, 1 it did not on one or more, 2 wrong usage or no such node, 3 not allowed \
(role or token), 4 no daemon answers; 130 or 143 when Ctrl-C or SIGTERM detached \
from it, and it goes on.
On exactly one node, as with ssh: the command's own exit status, 128 and the signal's number if a \
signal ended it, and 255 if it has none (unreachable, timed out, cancelled, lost).";

/// What ssh says when there is no status of the command's.
const NO_STATUS: u8 = 255;

pub fn exec(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(start(candidates, args))
}

fn seconds(text: &str) -> Result<Duration, String> {
    config::read_duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "not a time; write 90, 90s, 5m or 1h30m".to_owned())
}

fn start(candidates: &str, args: &Args) -> Result<u8, Failure> {
    let client = args.reach.client(candidates)?;
    let started = post(&client, &Route::to(["exec"]), &request(args), args.key.as_deref())?;
    let id = started.run.ok_or_else(|| Failure::odd("nothing was started"))?;
    if args.detach {
        return match args.reach.json {
            true => screen::print_json(&started),
            false => {
                let run = detail(&client, id).ok().map(|detail| detail.run);
                screen::print(&format!("{}\n", announced(id, None, run.as_ref())))
            }
        }
        .map(|()| 0);
    }
    let detail = detail(&client, id)?;
    let how = How { fold: args.fold, json: args.reach.json };
    match follow::wait(&client, &detail, how)? {
        End::Over { run, units } => Ok(status(&run, &units)),
        End::Detached(status) => Ok(status),
    }
}

fn request(args: &Args) -> ExecRequest {
    let line = words::command_line(&args.command);
    let mut request = ExecRequest {
        on: args.on.clone(),
        command: None,
        task: None,
        args: Vec::new(),
        kwargs: Default::default(),
        timeout: args.timeout.map(|time| time.as_secs_f64()),
        parallel: args.parallel,
        wait: 0,
    };
    if args.sudo {
        request.task = Some("loom.run".to_owned());
        request.args = vec![json!(line)];
        request.kwargs.insert("become".to_owned(), json!(true));
    } else {
        request.command = Some(line);
    }
    request
}

fn status(run: &Run, units: &[Unit]) -> u8 {
    let succeeded = run.state == "succeeded";
    match units {
        _ if succeeded => 0,
        [unit] => match (unit.outcome.as_deref(), unit.exit, unit.signal) {
            (Some("failed"), Some(exit), _) => u8::try_from(exit).unwrap_or(NO_STATUS),
            (Some("signaled"), _, Some(signal)) => u8::try_from(128 + signal).unwrap_or(NO_STATUS),
            _ => NO_STATUS,
        },
        _ => reach::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Args, clap::Error> {
        let line = std::iter::once("exec").chain(line.iter().copied());
        Alone::try_parse_from(line).map(|alone| alone.args)
    }

    #[test]
    fn a_command_stands_behind_two_dashes_and_an_option_before_them() {
        for line in [
            &["--on", "@web", "--", "df", "-h"][..],
            &["--on=@web", "--timeout", "90s", "--", "df", "-h"],
        ] {
            assert_eq!(request(&parse(line).unwrap()).command.as_deref(), Some("df -h"));
        }
        let args = parse(&["--on", "a", "--", "df -h | tail -1"]).unwrap();
        assert_eq!(request(&args).command.as_deref(), Some("df -h | tail -1"));
        let args = parse(&["--on", "a", "--", "df", "--host", "b", "--", "c"]).unwrap();
        assert_eq!((args.reach.host, args.command.len()), (None, 5));
        // It would have gone to another daemon than the one that was meant.
        assert!(parse(&["--on", "a", "reboot", "--host", "https://b"]).is_err());
        assert!(parse(&["--on", "a", "df"]).is_err());
        assert!(parse(&["--on", "a"]).is_err());
        assert!(parse(&["--", "df"]).is_err());
    }

    #[test]
    fn sudo_is_an_argument_of_the_task_and_times_are_read_as_settings_are() {
        let args = parse(&["--on", "a", "--sudo", "--timeout", "1h30m", "--", "id"]).unwrap();
        let request = request(&args);
        assert_eq!(request.timeout, Some(5400.0));
        assert_eq!((request.task.as_deref(), request.command), (Some("loom.run"), None));
        assert_eq!(request.args, [json!("id")]);
        assert_eq!(request.kwargs["become"], json!(true));
        for wrong in ["0", "soon", "-1", "5x"] {
            let timeout = format!("--timeout={wrong}");
            assert!(parse(&["--on", "a", &timeout, "--", "id"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_node_gives_the_commands_own_status() {
        let run = |state: &str| -> Run {
            serde_json::from_value(json!({
                "id": 1, "job": "exec", "trigger": "exec", "state": state,
                "queued_at": "2024-02-29T23:59:59Z",
                "units": {"total": 1, "succeeded": 0, "failed": 0, "cancelled": 0, "lost": 0,
                          "skipped": 0, "open": 0},
            }))
            .unwrap()
        };
        let unit = |outcome: &str, exit: Option<i32>, signal: Option<i32>| -> Unit {
            serde_json::from_value(json!({
                "id": 1, "run": 1, "node": "a", "attempt": 1, "state": "done", "outcome": outcome,
                "exit": exit, "signal": signal, "output_bytes": 0, "output_truncated": false,
            }))
            .unwrap()
        };
        let failed = run("failed");
        assert_eq!(status(&run("succeeded"), &[unit("succeeded", Some(0), None)]), 0);
        assert_eq!(status(&failed, &[unit("failed", Some(3), None)]), 3);
        assert_eq!(status(&failed, &[unit("signaled", None, Some(9))]), 137);
        assert_eq!(status(&failed, &[unit("unreachable", None, None)]), 255);
        let both = [unit("failed", Some(3), None), unit("failed", Some(3), None)];
        assert_eq!(status(&failed, &both), 1);
        assert_eq!(status(&run("succeeded"), &both), 0);
    }
}
