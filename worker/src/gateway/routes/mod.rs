//! The paths of the API, a file for each noun.

mod daemon;

use axum::Router;
use axum::middleware;
use loom::api::BASE;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::problem::Error;
use super::{App, guard};

#[derive(OpenApi)]
#[openapi(info(title = "Loom", description = "The API of a Loom daemon."))]
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
    OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, daemon::routes())
}
