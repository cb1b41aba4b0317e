//! Setting a flow going that stands in no manifest.

use std::collections::HashSet;

use axum::extract::State;
use loom::api::flow::{FlowJob, FlowRequest};
use loom::api::run::Started;
use loom::job::flow::{MAX_COMMAND, MAX_JOBS};
use loom::job::policy::{MAX_ATTEMPTS, MAX_STEPS, NoShare, Share};
use loom::protocol::control::{Command, FlowOf, FlowOrder, GivenPart};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::exec::{Beginning, begin, millis};
use crate::gateway::auth::Caller;
use crate::gateway::describe::{KeyHeader, Problems};
use crate::gateway::extract::{Body, Key};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{App, wait};

/// Bytes of a job's name, and of where a flow comes from.
const LONGEST_NAME: usize = 200;
const LONGEST_FROM: usize = 1000;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(run))
}

/// Run a flow that stands in no manifest.
#[utoipa::path(
    post,
    path = "/flows",
    operation_id = "run_flow",
    tag = "flows",
    params(KeyHeader),
    request_body = FlowRequest,
    responses(
        (status = 201, description = "It runs", body = Started, headers(("Location" = String))),
        (status = 200, description = "It runs on none of the nodes", body = Started),
        Problems,
    )
)]
async fn run(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Body(request): Body<FlowRequest>,
) -> Result<Beginning> {
    let limit = wait::limit(request.wait)?;
    let order = FlowOrder { flow: wanted(request)?, resume: None };
    begin(&app, caller, key, Command::Flow(Box::new(order)), limit).await
}

fn wanted(request: FlowRequest) -> Result<FlowOf> {
    let FlowRequest { from, slots, any_host, wait: _ } = request;
    if from.len() > LONGEST_FROM {
        return Err(Error::invalid(format!("`from` is longer than {LONGEST_FROM} bytes")));
    }
    if slots.is_empty() {
        return Err(Error::invalid("`slots` is empty; a flow has one at least"));
    }
    if slots.iter().map(Vec::len).sum::<usize>() > MAX_JOBS {
        return Err(Error::invalid(format!("a flow has at most {MAX_JOBS} jobs")));
    }
    let mut names = HashSet::new();
    let mut given = Vec::new();
    for (number, jobs) in (1..).zip(slots) {
        if jobs.is_empty() {
            return Err(Error::invalid(format!(
                "slot {number} is empty; it needs one job at least"
            )));
        }
        let parts = jobs.into_iter().map(|job| {
            let part = part(job)?;
            if !names.insert(part.name.clone()) {
                return Err(Error::invalid(format!("there are two jobs {:?}", part.name)));
            }
            Ok(part)
        });
        given.push(parts.collect::<Result<Vec<_>>>()?);
    }
    Ok(FlowOf::Given { from, slots: given, any_host })
}

/// The names of its targets are the parent's to judge.
fn part(job: FlowJob) -> Result<GivenPart> {
    let FlowJob { job: name, command, targets, success, parallel, timeout, attempts } = job;
    if name.trim() != name || name.is_empty() || name.contains(char::is_control) {
        return Err(Error::invalid(format!("{name:?} is no name for a job")));
    }
    if name.len() > LONGEST_NAME {
        let why = format!("a job's name is longer than {LONGEST_NAME} bytes");
        return Err(Error::invalid(why));
    }
    let wrong = |why: String| Error::invalid(format!("job {name:?}: {why}"));
    if command.trim().is_empty() {
        return Err(wrong("`command` is empty".to_owned()));
    }
    if command.len() > MAX_COMMAND {
        return Err(wrong(format!("`command` is longer than {MAX_COMMAND} bytes")));
    }
    if command.contains('\0') {
        return Err(wrong("`command` contains a NUL character".to_owned()));
    }
    if targets.is_empty() {
        return Err(wrong("`targets` is empty".to_owned()));
    }
    if parallel.len() > MAX_STEPS {
        return Err(wrong(format!("`parallel` has more than {MAX_STEPS} steps")));
    }
    let share = |what: &str, text: &str| {
        let expected = |NoShare(expected)| wrong(format!("`{what}` is {expected}, not {text:?}"));
        text.parse::<Share>().map_err(expected)
    };
    let success = match &success {
        Some(text) => share("success", text)?,
        None => Share::Percent(100),
    };
    let parallel = parallel.iter().map(|step| share("parallel", step)).collect::<Result<_>>()?;
    let timeout = timeout.map(millis).transpose().map_err(|e| wrong(e.0.detail))?;
    let attempts = attempts.unwrap_or(1);
    if !(1..=MAX_ATTEMPTS).contains(&attempts) {
        return Err(wrong(format!("`attempts` is 1 to {MAX_ATTEMPTS}, not {attempts}")));
    }
    Ok(GivenPart { command, targets, success, parallel, timeout, attempts, name })
}
