//! What is done to the daemon as a whole. Whether it may be is for the parent to say.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use loom::api::daemon::{Reloaded, StopRequest};
use loom::protocol::control::{Answer, Command};
use serde::de::DeserializeOwned;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::problem::{Error, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(reload))
        .routes(routes!(stop))
}

/// Pauses all schedules.
///
/// What is queued goes on, and jobs can be run by hand. It outlives a restart. For `admin`.
#[utoipa::path(
    post,
    path = "/pause",
    operation_id = "pause",
    tag = "daemon",
    responses((status = 204, description = "All schedules are paused."))
)]
async fn pause(State(app): State<App>, caller: Caller) -> Result<StatusCode> {
    done(&app, caller, Command::Pause).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets schedules go on.
///
/// For `admin`.
#[utoipa::path(
    post,
    path = "/resume",
    operation_id = "resume",
    tag = "daemon",
    responses((status = 204, description = "Schedules go on."))
)]
async fn resume(State(app): State<App>, caller: Caller) -> Result<StatusCode> {
    done(&app, caller, Command::Resume).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the configuration anew.
///
/// Answered when it was taken over, or refused; then the one before stays in force. For `admin`.
#[utoipa::path(
    post,
    path = "/reload",
    operation_id = "reload",
    tag = "daemon",
    responses((status = 200, description = "It is in force.", body = Reloaded))
)]
async fn reload(State(app): State<App>, caller: Caller) -> Result<Json<Reloaded>> {
    match app.parent.ask(caller.who, None, Command::Reload).await? {
        Answer::Reloaded { warnings, changes } => Ok(Json(Reloaded { warnings, changes })),
        other => Err(odd(&other)),
    }
}

/// Stops the daemon.
///
/// Answered when it has begun to. For `admin`.
#[utoipa::path(
    post,
    path = "/stop",
    operation_id = "stop",
    tag = "daemon",
    request_body(content = Option<StopRequest>, example = json!({"drain": true})),
    responses((status = 202, description = "It is being stopped."))
)]
async fn stop(State(app): State<App>, caller: Caller, body: Bytes) -> Result<StatusCode> {
    let StopRequest { drain } = optional(&body)?;
    done(&app, caller, Command::Stop { drain }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Nothing stands for `{}`.
fn optional<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|e| Error::invalid(format!("the body: {e}")))
}

/// For commands that are answered by their having been carried out.
pub async fn done(app: &App, caller: Caller, command: Command) -> Result<()> {
    match app.parent.ask(caller.who, None, command).await? {
        Answer::Done => Ok(()),
        other => Err(odd(&other)),
    }
}

/// The parent speaks another language.
pub fn odd(answer: &Answer) -> Error {
    Error::internal(format!("the daemon answered {answer:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_as_good_as_an_empty_object() {
        let drain = |body: &str| optional::<StopRequest>(body.as_bytes()).map(|stop| stop.drain);
        for body in ["", " ", "{}", "{\"drain\": false}"] {
            assert!(!drain(body).unwrap(), "{body:?}");
        }
        assert!(drain("{\"drain\": true}").unwrap());
        for body in ["{\"drian\": true}", "{", "{\"drain\": 1}"] {
            assert_eq!(drain(body).unwrap_err().0.status, 400, "{body:?}");
        }
    }
}
