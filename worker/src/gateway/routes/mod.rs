//! The paths of the API, a file for each noun.

mod activity;
mod audit;
mod config;
mod control;
mod daemon;
mod events;
mod exec;
mod fires;
mod flows;
mod jobs;
pub mod metrics;
mod nodes;
pub mod openapi;
mod output;
mod retry;
mod runs;
mod tokens;
mod units;
mod why;

use std::sync::Arc;

use axum::{Extension, Router, middleware};
use loom::api::BASE;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::guard::{Guard, guard};
use super::problem::Error;
use super::{App, web};
use metrics::Meter;
use openapi::{Document, Known};

/// To be made once: all connections share it.
pub fn router(app: App) -> Router {
    let (router, _) = api().split_for_parts();
    guarded(router.merge(web::routes()), Known::of(openapi::document()), app)
}

/// `router` behind all that every request has to pass.
pub fn guarded(router: Router<App>, known: Known, app: App) -> Router {
    let meter = Arc::new(Meter::default());
    let guarded = Arc::new(Guard::new(app.clone(), known, meter.clone()));
    router
        .fallback(async || Error::unknown("there is nothing under this path"))
        .layer(Extension(meter))
        .layer(middleware::from_fn_with_state(guarded, guard))
        .with_state(app)
}

/// All paths, with their description.
pub fn api() -> OpenApiRouter<App> {
    let nouns = OpenApiRouter::new()
        .merge(activity::routes())
        .merge(audit::routes())
        .merge(config::routes())
        .merge(control::routes())
        .merge(daemon::routes())
        .merge(events::routes())
        .merge(exec::routes())
        .merge(fires::routes())
        .merge(flows::routes())
        .merge(jobs::routes())
        .merge(nodes::routes())
        .merge(openapi::routes())
        .merge(output::routes())
        .merge(retry::routes())
        .merge(runs::routes())
        .merge(tokens::routes())
        .merge(units::routes())
        .merge(why::routes());
    OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, nouns).merge(metrics::routes())
}
