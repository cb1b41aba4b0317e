//! Who did what.

use axum::Json;
use axum::extract::{Query, State};
use jiff::Timestamp;
use loom::access::Role;
use loom::api::Page;
use loom::api::access::Audit;
use loom::store::{AuditFilter, AuditRow};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::paging::{Paging, page};
use crate::gateway::problem::Result;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// A user of this machine, or `token:NAME`.
    who: Option<String>,
    /// `run`, `exec`, `cancel`, `retry`, `enable`, `disable`, `pause`, `resume`, `reload`, `stop`,
    /// `drain`, `token add` or `token revoke`.
    action: Option<String>,
    /// Nothing that was done before.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

/// What was done by people, the latest first.
///
/// For `admin`.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "list_audit",
    tag = "people",
    params(Filter, Paging),
    responses((status = 200, body = Page<Audit>))
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(Filter { who, action, since }): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Audit>>> {
    caller.at_least(Role::Admin)?;
    caller.unlimited()?;
    let (limit, before) = (paging.limit()?, paging.before()?);
    let filter = AuditFilter { who, action };
    let more = limit as u32 + 1;
    let rows = app.history.read(move |ledger| ledger.audit(&filter, before, more)).await?;
    let recent = rows.into_iter().take_while(|(_, row)| since.is_none_or(|since| row.at >= since));
    let entries = recent.map(|(id, row)| shown(id, row)).collect();
    Ok(Json(page(entries, limit, |entry: &Audit| entry.id.to_string())))
}

fn shown(id: u64, row: AuditRow) -> Audit {
    let AuditRow { at, who, via, action, subject, detail } = row;
    Audit { id, at, who, via, action, subject, detail }
}
