//! Setting something going: a job, or a command that is none.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::AppendHeaders;
use loom::api::BASE;
use loom::api::job::{ExecRequest, RunRequest};
use loom::api::run::Started;
use loom::arg::Arg;
use loom::protocol::control::{Answer, Command, Exec};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::auth::Caller;
use crate::gateway::describe::{KeyHeader, Problems};
use crate::gateway::extract::{Body, Key, Segment};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{App, args, wait};

/// The task of command lines.
const COMMAND: &str = "loom.run";

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(run)).routes(routes!(exec))
}

/// What is answered when something was to be set going.
pub type Beginning = (StatusCode, AppendHeaders<Option<(HeaderName, String)>>, Json<Started>);

/// Run a job now.
#[utoipa::path(
    post,
    path = "/jobs/{name}/run",
    operation_id = "run_job",
    tag = "jobs",
    params(("name" = String, Path), KeyHeader),
    request_body = Option<RunRequest>,
    responses(
        (status = 201, description = "It runs", body = Started, headers(("Location" = String))),
        (status = 200, description = "It runs on none of the nodes", body = Started),
        Problems,
    )
)]
async fn run(
    State(app): State<App>,
    caller: Caller,
    Segment(job): Segment<String>,
    Key(key): Key,
    Body(request): Body<RunRequest>,
) -> Result<Beginning> {
    let RunRequest { on, args, wait } = request;
    let limit = wait::limit(wait)?;
    let args = args::named(&args)?;
    begin(&app, caller, key, Command::Run { job, on, args, retry_of: None }, limit).await
}

/// Run what is no job: a command line, or a task with arguments.
#[utoipa::path(
    post,
    path = "/exec",
    operation_id = "exec",
    tag = "exec",
    params(KeyHeader),
    request_body = ExecRequest,
    responses(
        (status = 201, description = "It runs", body = Started, headers(("Location" = String))),
        (status = 200, description = "It runs on none of the nodes", body = Started),
        Problems,
    )
)]
async fn exec(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Body(request): Body<ExecRequest>,
) -> Result<Beginning> {
    let limit = wait::limit(request.wait)?;
    let command = Command::Exec(Box::new(wanted(request)?));
    begin(&app, caller, key, command, limit).await
}

fn wanted(request: ExecRequest) -> Result<Exec> {
    let ExecRequest { on, command, task, args, kwargs, timeout, parallel, wait: _ } = request;
    let (task, args) = match (command, task) {
        (Some(_), None) if !args.is_empty() || !kwargs.is_empty() => {
            return Err(Error::invalid(
                "`args` and `kwargs` belong to a `task`, not to a `command`",
            ));
        }
        (Some(command), None) if command.trim().is_empty() => {
            return Err(Error::invalid("`command` is empty"));
        }
        (Some(command), None) => (COMMAND.to_owned(), vec![Arg::Str(command)]),
        (None, Some(task)) => (task, args::list(&args)?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("exec takes a `command` or a `task`, one of them"));
        }
    };
    if parallel == Some(0) {
        return Err(Error::invalid("`parallel` is the number of units at once, at least 1"));
    }
    let timeout = timeout.map(millis).transpose()?;
    Ok(Exec { on, task, args, kwargs: args::named(&kwargs)?, timeout, parallel })
}

/// Of a timeout in seconds.
pub fn millis(seconds: f64) -> Result<u64> {
    let duration = Duration::try_from_secs_f64(seconds).ok();
    let millis = duration.and_then(|duration| u64::try_from(duration.as_millis()).ok());
    millis.filter(|millis| *millis > 0).ok_or_else(|| {
        Error::invalid(format!("`timeout` is a number of seconds, more than 0, not {seconds}"))
    })
}

/// Has it begun, and waits for its end if that is asked for.
pub async fn begin(
    app: &App,
    caller: Caller,
    key: Option<String>,
    command: Command,
    limit: Duration,
) -> Result<Beginning> {
    // Before it begins: its end cannot be missed.
    let cursor = app.news.cursor();
    let run = match app.parent.ask(caller.who, key, command).await? {
        Answer::Run(run) => run,
        other => return Err(Error::internal(format!("the daemon answered {other:?}"))),
    };
    let state = match run {
        Some(run) if !limit.is_zero() => wait::until_over(app, run, cursor, limit).await?,
        Some(_) | None => None,
    };
    let status = if run.is_some() { StatusCode::CREATED } else { StatusCode::OK };
    let location = run.map(|run| (header::LOCATION, format!("{BASE}/runs/{run}")));
    let started = Started { run: run.map(|run| run.0), state, left_out: Vec::new() };
    Ok((status, AppendHeaders(location), Json(started)))
}
