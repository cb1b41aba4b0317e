//! `loom reload`: the daemon reads its configuration again; asked by its API, or by a signal.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::answer::or_json;
use super::fallback::{self, Found};
use super::reach::{self, FAILED, Reach};
use super::screen::{escape, print, print_json};
use crate::api::daemon::Reloaded;
use crate::client::{Class, Client, Failure, Route};

/// A configuration of many thousand files takes its time.
const LOADING: Duration = Duration::from_secs(120);

/// Have the daemon read its configuration again, and say what has changed
///
/// With a mistake in it nothing changes: the mistakes are told, and the exit status is 1. If the API
/// does not answer, the local daemon gets SIGHUP, and its log says what came of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    reach: Reach,
}

pub fn reload(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(ask(candidates, &args.reach))
}

fn ask(candidates: &str, reach: &Reach) -> Result<u8, Failure> {
    match fallback::find(reach, candidates)? {
        Found::Answering(client, _) => by_api(&client, reach.json),
        Found::Silent(_, running, failure) => {
            fallback::signal(running, Signal::SIGHUP)?;
            let pid = running.pid();
            eprintln!("loom: the API does not answer: {}", failure.why());
            match reach.json {
                true => print_json(&json!({ "signal": "SIGHUP", "pid": pid.as_raw() }))?,
                false => {
                    print(&format!("PID {pid} was sent SIGHUP; its log says what came of it\n"))?
                }
            }
            Ok(0)
        }
    }
}

fn by_api(client: &Client, json: bool) -> Result<u8, Failure> {
    let route = Route::to(["reload"]).patient(LOADING);
    let answer: Value = match client.post(&route, &json!({}), None) {
        Ok(answer) => answer,
        // Not the request: the configuration makes no sense.
        Err(failure) if failure.problem().is_some() && failure.class() == Class::Usage => {
            if json {
                print_json(&failure.problem())?;
            }
            eprintln!("{failure}");
            eprintln!("loom: the running configuration stays as it is");
            return Ok(FAILED);
        }
        Err(failure) => return Err(failure),
    };
    if let Some(Reloaded { warnings, changes }) = or_json(answer, json)? {
        for line in warnings.trim_end().lines() {
            eprintln!("{}", escape(line));
        }
        let changes = changes.trim_end();
        print(&match changes.is_empty() {
            true => "reloaded: nothing has changed\n".to_owned(),
            false => format!("reloaded: {}\n", escape(changes)),
        })?;
    }
    Ok(0)
}
