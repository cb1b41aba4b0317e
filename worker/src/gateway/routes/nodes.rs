//! Nodes: what there is, and how each fares.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use loom::api::Page;
use loom::api::node::{Node, NodeDetail};
use loom::api::unit::Unit;
use loom::protocol::control::NodeEntry;
use loom::store::{Contact, Reader, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::daemon::status;
use crate::gateway::auth::Caller;
use crate::gateway::describe::Problems;
use crate::gateway::extract::{Query, Segment};
use crate::gateway::paging::{Names, Paging, page};
use crate::gateway::problem::{Error, Result};
use crate::gateway::{App, shape};

/// Latest units that are shown with a node.
const SHOWN: u32 = 20;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// A part of the name or, with `*`, `?` or `[`, a glob for all of it.
    name: Option<String>,
    /// A tag it has.
    tag: Option<String>,
}

/// The nodes of the configuration, by name.
#[utoipa::path(
    get,
    path = "/nodes",
    operation_id = "list_nodes",
    tag = "nodes",
    params(Filter, Paging),
    responses((status = 200, body = Page<Node>), Problems)
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Node>>> {
    let limit = paging.limit()?;
    let names = Names::of(filter.name.as_deref())?;
    let catalog = app.shelf.catalog().await;
    let fits = |node: &NodeEntry| {
        names.fit(&node.name) && filter.tag.as_ref().is_none_or(|tag| node.tags.contains(tag))
    };
    let from = paging.after();
    let fitting = catalog.nodes.range::<str, _>(from).map(|(_, node)| node);
    let entries: Vec<NodeEntry> =
        fitting.filter(|node| fits(node)).take(limit + 1).cloned().collect();
    let connected = status(&app, &caller).await?.connected.into_iter().collect();
    let nodes = app.history.read(move |ledger| fare(ledger, entries, &connected, &caller)).await?;
    Ok(Json(page(nodes, limit, |node| node.name.clone())))
}

/// One node, with its latest units.
#[utoipa::path(
    get,
    path = "/nodes/{name}",
    operation_id = "show_node",
    tag = "nodes",
    params(("name" = String, Path)),
    responses((status = 200, body = NodeDetail), Problems)
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<NodeDetail>> {
    let catalog = app.shelf.catalog().await;
    let Some(entry) = catalog.nodes.get(&name).cloned() else {
        let hint = loom::config::near(&name, catalog.nodes.keys().map(String::as_str));
        return Err(Error::unknown(format!("there is no node {name:?}{hint}")));
    };
    let jobs = catalog.jobs_on(&name).iter().filter(|job| caller.sees(job)).cloned().collect();
    let manifest = shape::manifest(&entry.details)?;
    let connected = status(&app, &caller).await?.connected.into_iter().collect();
    let found = app
        .history
        .read(move |ledger| {
            let rows = ledger.units_of_node(&entry.name, SHOWN)?;
            let units = shape::units_of_runs(ledger, rows, &caller.jobs)?;
            Ok(fare(ledger, vec![entry], &connected, &caller)?.pop().map(|node| (node, units)))
        })
        .await?;
    let (node, units) = found.ok_or_else(|| Error::internal("a node went missing"))?;
    Ok(Json(NodeDetail { node, jobs, manifest, units }))
}

/// The nodes with what is known of each.
fn fare(
    ledger: &Reader,
    entries: Vec<NodeEntry>,
    connected: &HashSet<String>,
    caller: &Caller,
) -> std::result::Result<Vec<Node>, StoreError> {
    let names: Vec<&str> = entries.iter().map(|node| node.name.as_str()).collect();
    let mut contacts = ledger.contacts(&names)?;
    let mut nodes = Vec::new();
    for entry in entries {
        let contact = contacts.remove(&entry.name).unwrap_or_default();
        let last_failure = last_failure(ledger, &contact, caller)?;
        nodes.push(Node {
            connected: connected.contains(&entry.name),
            name: entry.name,
            host: entry.host,
            user: entry.user,
            port: entry.port,
            tags: entry.tags,
            last_contact: contact.last_contact,
            last_failure,
            failures_in_a_row: contact.failures_in_a_row,
        });
    }
    Ok(nodes)
}

fn last_failure(
    ledger: &Reader,
    contact: &Contact,
    caller: &Caller,
) -> std::result::Result<Option<Unit>, StoreError> {
    let Some(failure) = &contact.last_failure else { return Ok(None) };
    let row = ledger.unit(failure.unit)?.into_iter().collect();
    Ok(shape::units_of_runs(ledger, row, &caller.jobs)?.pop())
}
