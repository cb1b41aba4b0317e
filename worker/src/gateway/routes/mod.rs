//! The paths of the API, a file for each noun.

mod audit;
mod config;
mod control;
mod daemon;
mod events;
mod exec;
mod jobs;
mod nodes;
mod output;
mod runs;
mod tokens;
mod units;
mod why;

use axum::Router;
use axum::middleware;
use loom::api::BASE;
use loom::api::problem::Problem;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::problem::Error;
use super::{App, guard};

#[derive(OpenApi)]
#[openapi(
    info(title = "Loom", description = "The API of a Loom daemon."),
    components(schemas(Problem))
)]
struct Document;

pub fn router(app: App) -> Router {
    let (router, _document) = api().split_for_parts();
    router
        .fallback(async || Error::unknown("there is nothing under this path"))
        .layer(middleware::from_fn(guard::guard))
        .with_state(app)
}

/// All paths, with their description.
pub fn api() -> OpenApiRouter<App> {
    let nouns = OpenApiRouter::new()
        .merge(audit::routes())
        .merge(config::routes())
        .merge(control::routes())
        .merge(daemon::routes())
        .merge(events::routes())
        .merge(exec::routes())
        .merge(jobs::routes())
        .merge(nodes::routes())
        .merge(output::routes())
        .merge(runs::routes())
        .merge(tokens::routes())
        .merge(units::routes())
        .merge(why::routes());
    OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, nouns)
}
