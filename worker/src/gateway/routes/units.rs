//! Units: one of them, and those that are open.

use axum::Json;
use axum::extract::State;
use loom::api::unit::Unit;
use loom::api::{MAX_LIMIT, Page};
use loom::unit::UnitId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::describe::Problems;
use crate::gateway::extract::{Query, Segment};
use crate::gateway::paging::Paging;
use crate::gateway::paging::words;
use crate::gateway::problem::{Error, Result};
use crate::gateway::shape;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// `open`: queued or running. There is no list of others but by run or node.
    state: String,
    /// Items, 1 to 1000; 100 without it.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Queued and running units, those that have waited longest first. It is one page.
#[utoipa::path(
    get,
    path = "/units",
    operation_id = "list_units",
    tag = "units",
    params(Filter),
    responses((status = 200, body = Page<Unit>), Problems)
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<Unit>>> {
    let Filter { state, limit } = filter;
    if words("state", Some(&state), &["open"])?.is_empty() {
        return Err(Error::invalid("state is `open`; of others ask for the run, or for the node"));
    }
    let limit = Paging { limit, cursor: None }.limit()?;
    // Of those that are not seen there may be many.
    let looked_at = if caller.jobs.is_all() { limit as u32 } else { MAX_LIMIT };
    let mut items = app
        .history
        .read(move |ledger| {
            let rows = ledger.open_units_page(looked_at)?;
            shape::units_of_runs(ledger, rows, &caller.jobs)
        })
        .await?;
    items.truncate(limit);
    Ok(Json(Page { items, next: None }))
}

/// One attempt on one node.
#[utoipa::path(
    get,
    path = "/units/{id}",
    operation_id = "show_unit",
    tag = "units",
    params(("id" = u64, Path)),
    responses((status = 200, body = Unit), Problems)
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<u64>,
) -> Result<Json<Unit>> {
    let found = app
        .history
        .read(move |ledger| {
            let row = ledger.unit(UnitId(id))?.into_iter().collect();
            shape::units_of_runs(ledger, row, &caller.jobs)
        })
        .await?;
    let unit = found.into_iter().next();
    unit.map(Json)
        .ok_or_else(|| Error::unknown(format!("there is no unit {id}; it may have been pruned")))
}
