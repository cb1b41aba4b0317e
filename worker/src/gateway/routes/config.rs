//! The configuration in force.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::catalog::Catalog;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// The configuration in force, as `loom check --dump` prints it.
///
/// Secrets are masked. A token that is limited to jobs sees those, and their nodes.
#[utoipa::path(
    get,
    path = "/config",
    operation_id = "show_config",
    tag = "daemon",
    responses((
        status = 200,
        description = "`settings`; `jobs` and `nodes`, each by name.",
        body = Object,
        example = json!({
            "settings": {"max_workers": 10},
            "jobs": {"backup": {"task": "loom.run", "schedule": "@daily"}},
            "nodes": {"db1": {"user": "loom", "ip": "192.0.2.7"}}
        })
    ))
)]
async fn show(State(app): State<App>, caller: Caller) -> impl IntoResponse {
    let catalog = app.shelf.catalog().await;
    ([(header::CONTENT_TYPE, "application/json")], text(&catalog, &caller))
}

/// The parts are JSON already.
fn text(catalog: &Catalog, caller: &Caller) -> String {
    let jobs = || catalog.jobs.values().map(|job| &job.entry).filter(|job| caller.sees(&job.name));
    let nodes = catalog
        .nodes
        .values()
        .filter(|node| caller.jobs.is_all() || jobs().any(|job| job.targets.contains(&node.name)));
    let mut text = format!("{{\"settings\":{},\"jobs\":", catalog.settings);
    object(&mut text, jobs().map(|job| (job.name.as_str(), job.details.as_str())));
    text.push_str(",\"nodes\":");
    object(&mut text, nodes.map(|node| (node.name.as_str(), node.details.as_str())));
    text.push('}');
    text
}

fn object<'a>(text: &mut String, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    text.push('{');
    for (at, (name, json)) in entries.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // To a text it cannot fail.
        let _ = write!(text, "{comma}{}:{json}", Value::from(name));
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_they_are_and_parts_are_put_together() {
        let mut text = String::new();
        object(&mut text, [("a \"b\"", "{\"x\":1}"), ("c", "{}")].into_iter());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, serde_json::json!({ "a \"b\"": {"x": 1}, "c": {} }));
        text.clear();
        object(&mut text, [].into_iter());
        assert_eq!(text, "{}");
    }
}
