//! The daemon as a whole.

use axum::Json;
use axum::extract::State;
use loom::api::daemon::{Daemon, Ledger, OpenUnits, Workers};
use loom::protocol::control::{Answer, Command, Status};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::problem::{Error, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// How the daemon is.
#[utoipa::path(
    get,
    path = "/daemon",
    operation_id = "show_daemon",
    tag = "daemon",
    responses((status = 200, body = Daemon))
)]
async fn show(State(app): State<App>, caller: Caller) -> Result<Json<Daemon>> {
    let status = status(&app, &caller).await?;
    let catalog = app.shelf.catalog().await;
    let hello = &app.hello;
    Ok(Json(Daemon {
        version: hello.release.clone(),
        pid: hello.pid,
        hostname: hello.hostname.clone(),
        started_at: hello.started_at,
        paused: status.paused,
        stopping: status.stopping,
        loaded_at: catalog.loaded_at,
        generation: catalog.generation,
        reload_trouble: status.reload_trouble.map(|why| trouble(why, &caller)),
        jobs: catalog.jobs.len(),
        nodes: catalog.nodes.len(),
        connections: status.connected.len(),
        runs: status.runs,
        units: OpenUnits {
            recording: status.units.recording,
            held: status.units.held,
            waiting: status.units.waiting,
            running: status.units.running,
        },
        workers: Workers {
            live: status.workers,
            busy: status.busy,
            min: status.min_workers,
            max: status.max_workers,
        },
        ledger: Ledger { backlog: status.backlog, trouble: status.trouble },
    }))
}

/// It names files, jobs and what is written of them.
fn trouble(why: String, caller: &Caller) -> String {
    match caller.unlimited() {
        Ok(()) => why,
        Err(_) => "the configuration was refused; the one before stays in force".to_owned(),
    }
}

/// From the parent.
pub async fn status(app: &App, caller: &Caller) -> Result<Status> {
    match app.parent.ask(caller.who.clone(), None, Command::Status).await? {
        Answer::Status(status) => Ok(*status),
        other => Err(Error::internal(format!("the daemon answered {other:?}"))),
    }
}
