//! The description of the API, made from the code that serves it, and served itself.
//!
//! It is also what requests are held against: a parameter that it does not name does not exist.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use axum::http::{Method, header};
use axum::response::IntoResponse;
use loom::api::problem::{MEDIA_TYPE, Problem};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::App;

const ABOUT: &str = "\
What a Loom daemon runs, has run and is to run.

Over the daemon's unix socket (`api.sock` in its state directory) its own user and root are known \
by their uid and may do everything. Over the network a token is shown: `loom token add` makes one, \
for a role (`viewer`, `operator`, `admin`) and, if wanted, for some jobs only; the others are then \
not there.

Times are RFC 3339 in UTC, durations are seconds. Lists come in pages: `next` of one is `cursor` \
of the following. Fields may be added to answers. A parameter or a field that is not known is \
refused in requests.

Errors are problem details (RFC 9457): `type` is `urn:loom:WORD`, `detail` is for a person.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Loom", description = ABOUT),
    components(schemas(Problem)),
    servers((url = "/")),
    security(("token" = [])),
    tags(
        (name = "daemon", description = "The daemon as a whole."),
        (name = "people", description = "Who may do what, and who did."),
        (name = "meta", description = "This description.")
    )
)]
pub struct Document;

/// Whole.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let (_, document) = super::api().split_for_parts();
        // Of texts, numbers and maps with texts for keys: it cannot fail.
        finished(serde_json::to_value(document).unwrap_or_default())
    });
    &DOCUMENT
}

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "show_openapi",
    tag = "meta",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn show() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// With what is the same for all operations.
fn finished(mut document: Value) -> Value {
    document["components"]["securitySchemes"] = json!({ "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Made by `loom token add`. None is needed on the unix socket.",
    }});
    document["components"]["responses"] = json!({
        "Refused": problem(
            "What is wrong with the request, or why it may or can not be carried out.",
            json!({
                "type": "urn:loom:forbidden",
                "title": "That is not allowed",
                "status": 403,
                "detail": "token:ci is viewer; this takes operator",
            }),
        ),
        "Failed": problem(
            "Why it cannot be answered now.",
            json!({
                "type": "urn:loom:unavailable",
                "title": "Not at present",
                "status": 503,
                "detail": "it is being stopped; nothing starts any more",
            }),
        ),
    });
    for (_, _, operation) in operations_mut(&mut document) {
        operation["responses"]["4XX"] = json!({ "$ref": "#/components/responses/Refused" });
        operation["responses"]["5XX"] = json!({ "$ref": "#/components/responses/Failed" });
    }
    document
}

fn problem(description: &str, example: Value) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let content = json!({ MEDIA_TYPE: { "schema": schema, "example": example } });
    json!({ "description": description, "content": content })
}

/// Method and path with each.
fn operations_mut(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::iter_mut);
    paths.flat_map(|(path, item)| {
        let methods = item.as_object_mut().into_iter().flat_map(Map::iter_mut);
        methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    })
}

/// What operations take.
#[derive(Debug, Default)]
pub struct Known(HashMap<String, BTreeMap<String, Operation>>);

#[derive(Debug, Default)]
pub struct Operation {
    /// Names of what may stand after the `?`.
    pub parameters: Vec<String>,
    pub takes_body: bool,
}

impl Known {
    pub fn of(document: &Value) -> Known {
        let mut known = Known::default();
        for (method, path, operation) in operations_mut(&mut document.clone()) {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let parameters = parameters.filter(|parameter| parameter["in"] == "query");
            let names = parameters.filter_map(|parameter| parameter["name"].as_str());
            let parameters = names.map(str::to_owned).collect();
            let takes_body = operation.get("requestBody").is_some();
            let of_path = known.0.entry(path).or_default();
            of_path.insert(method, Operation { parameters, takes_body });
        }
        known
    }

    /// `route`: as it is written, with the names of its parts.
    pub fn operation(&self, route: &str, method: &Method) -> Option<&Operation> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(route)?.get(method.as_str())
    }

    pub fn methods(&self, route: &str) -> Option<String> {
        let methods: Vec<_> = self.0.get(route)?.keys().map(String::as_str).collect();
        Some(methods.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn operations() -> Vec<(String, String, Value)> {
        let mut document = document().clone();
        let operations = operations_mut(&mut document);
        operations.map(|(method, path, operation)| (method, path, operation.clone())).collect()
    }

    /// What is routed can only be read from the router's own description of itself.
    #[test]
    fn every_path_that_is_routed_is_described_and_the_other_way_round() {
        let (router, _) = super::super::api().split_for_parts();
        let described = format!("{router:?}");
        let (of_paths, _) = described.split_once("fallback_router:").expect("another axum?");
        let (_, paths) = of_paths.split_once("node: Node { paths: {").expect("another axum?");
        let routed: BTreeSet<&str> =
            paths.split('"').skip(1).step_by(2).take_while(|path| path.starts_with('/')).collect();
        let operations = operations();
        let known: BTreeSet<&str> = operations.iter().map(|(_, path, _)| path.as_str()).collect();
        assert!(known.contains("/api/v1/daemon") && known.contains("/metrics"), "{known:?}");
        assert_eq!(routed, known);
    }

    #[test]
    fn what_changes_something_is_no_get() {
        let asking = ["pause", "resume", "reload", "stop", "run", "exec", "cancel", "retry"];
        let asking = asking.into_iter().chain(["enable", "disable", "flows"]);
        let asking: Vec<_> = asking.map(|word| format!("/{word}")).collect();
        for (method, path, operation) in operations() {
            assert!(["GET", "POST", "DELETE"].contains(&method.as_str()), "{method} {path}");
            if asking.iter().any(|word| path.ends_with(word)) {
                assert_eq!(method, "POST", "{path}");
            }
            if method == "GET" {
                assert!(operation.get("requestBody").is_none(), "{path}");
            }
        }
    }

    #[test]
    fn every_operation_has_a_name_a_noun_and_its_errors() {
        let mut names = BTreeSet::new();
        for (method, path, operation) in operations() {
            let what = format!("{method} {path}");
            let name = operation["operationId"].as_str().expect(&what).to_owned();
            assert!(names.insert(name), "{what}: there is another of this operationId");
            let tags = operation["tags"].as_array().expect(&what);
            assert!(tags.len() == 1 && tags[0] != "", "{what}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
            let refused = &operation["responses"]["4XX"]["$ref"];
            assert_eq!(refused, "#/components/responses/Refused", "{what}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let references =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
            count += 1;
        }
        assert!(count > 5, "{text}");
    }

    #[test]
    fn what_an_operation_takes_is_known_from_it() {
        let known = Known::of(document());
        let audit = known.operation("/api/v1/audit", &Method::GET).unwrap();
        assert_eq!(audit.parameters, ["who", "action", "since", "limit", "cursor"]);
        assert!(!audit.takes_body);
        assert!(known.operation("/api/v1/tokens", &Method::POST).unwrap().takes_body);
        assert!(known.operation("/api/v1/daemon", &Method::HEAD).is_some());
        assert!(known.operation("/api/v1/daemon", &Method::POST).is_none());
        assert!(known.operation("other", &Method::GET).is_none());
        assert_eq!(known.methods("/api/v1/tokens").as_deref(), Some("GET, POST"));
        assert_eq!(known.methods("other"), None);
    }
}
