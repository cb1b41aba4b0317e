//! What the OpenAPI document says of many paths.

use std::collections::BTreeMap;

use loom::api::problem::{MEDIA_TYPE, Problem};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, ToSchema};

/// Everything but success.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let problem = |what: &str| {
            let schema = Ref::from_schema_name(Problem::name());
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let response = ResponseBuilder::new().description(what).content(MEDIA_TYPE, content);
            RefOr::T(response.build())
        };
        BTreeMap::from([
            ("4XX".to_owned(), problem("Something is wrong with the request")),
            ("5XX".to_owned(), problem("The daemon cannot do it at present, or failed")),
        ])
    }
}

/// Of whatever starts something.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description; see `extract::Key`")]
pub struct KeyHeader {
    /// Of the client's choice, for a day: the same request with the same key is carried out once,
    /// and another one with it is refused.
    #[param(rename = "Idempotency-Key", required = false, min_length = 1, max_length = 256)]
    key: Option<String>,
}
