//! Errors as they are answered: RFC 9457 problem details.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loom::api::problem::{MEDIA_TYPE, Problem};
use loom::protocol::control::{Refusal, Why};
use loom::store::StoreError;

/// Of what is said elsewhere about an error; more is no sentence for a person.
const LONGEST_DETAIL: usize = 4096;

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub struct Error(pub Box<Problem>);

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(status: StatusCode, word: &str, title: &str, detail: impl Into<String>) -> Error {
        Error(Box::new(Problem {
            kind: format!("urn:loom:{word}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
        }))
    }

    pub fn unknown(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::NOT_FOUND, "unknown", "There is no such thing", detail)
    }

    pub fn invalid(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, "invalid", "The request makes no sense", detail)
    }

    pub fn unauthorized(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::FORBIDDEN, "forbidden", "That is not allowed", detail)
    }

    pub fn conflict(detail: impl Into<String>) -> Error {
        Error::new(StatusCode::CONFLICT, "conflict", "That cannot be done now", detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Error {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Error::new(status, "unavailable", "Not at present", detail)
    }

    pub fn method(detail: impl Into<String>) -> Error {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Error::new(status, "method", "The path does not take this method", detail)
    }

    pub fn not_json() -> Error {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let detail = "send JSON, and say so: `content-type: application/json`";
        Error::new(status, "not-json", "The body is not JSON", detail)
    }

    pub fn internal(detail: impl Into<String>) -> Error {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Error::new(status, "internal", "The gateway failed", detail)
    }
}

impl Error {
    /// A whole response, for whoever gets no further.
    pub fn raw(&self) -> String {
        let Problem { status, .. } = *self.0;
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        // Of texts and a number: it cannot fail.
        let body = serde_json::to_string(&self.0).unwrap_or_default();
        format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            reason.unwrap_or_default(),
            body.len()
        )
    }
}

/// An error that did not come from here, as those of extractors and of routing, in our form.
pub async fn ours(response: Response) -> Response {
    let status = response.status();
    let is_problem = |kind: &HeaderValue| kind == MEDIA_TYPE;
    if !(status.is_client_error() || status.is_server_error())
        || response.headers().get(header::CONTENT_TYPE).is_some_and(is_problem)
    {
        return response;
    }
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, LONGEST_DETAIL).await.unwrap_or_default();
    let detail = match String::from_utf8_lossy(&said).trim() {
        "" => status.canonical_reason().unwrap_or_default().to_owned(),
        said => said.to_owned(),
    };
    let error = match status {
        StatusCode::BAD_REQUEST => Error::invalid(detail),
        StatusCode::UNAUTHORIZED => Error::unauthorized(detail),
        StatusCode::FORBIDDEN => Error::forbidden(detail),
        StatusCode::NOT_FOUND => Error::unknown(detail),
        StatusCode::METHOD_NOT_ALLOWED => Error::method(detail),
        StatusCode::CONFLICT => Error::conflict(detail),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::not_json(),
        StatusCode::UNPROCESSABLE_ENTITY => {
            Error::new(status, "invalid", "The request makes no sense", detail)
        }
        StatusCode::SERVICE_UNAVAILABLE => Error::unavailable(detail),
        StatusCode::INTERNAL_SERVER_ERROR => Error::internal(detail),
        other => {
            let title = other.canonical_reason().unwrap_or("It did not work");
            Error::new(other, "other", title, detail)
        }
    };
    let mut response = error.into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response
}

impl From<Refusal> for Error {
    fn from(Refusal { why, text }: Refusal) -> Error {
        match why {
            Why::Unknown => Error::unknown(text),
            Why::Conflict => Error::conflict(text),
            Why::Invalid => Error::invalid(text),
            Why::Unauthorized => Error::unauthorized(text),
            Why::Forbidden => Error::forbidden(text),
            Why::Unavailable => Error::unavailable(text),
        }
    }
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Error {
        Error::unavailable(format!("the ledger cannot be read: {e}"))
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::BAD_REQUEST);
        // Of texts and a number: it cannot fail.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn problem(response: Response) -> Problem {
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem.status, status);
        problem
    }

    #[tokio::test]
    async fn an_error_from_elsewhere_keeps_its_words_and_headers() {
        let foreign = (StatusCode::BAD_REQUEST, "unknown field `limt`").into_response();
        let foreign = problem(ours(foreign).await).await;
        assert_eq!((foreign.kind.as_str(), foreign.status), ("urn:loom:invalid", 400));
        assert_eq!(foreign.detail, "unknown field `limt`");
        let foreign = (StatusCode::PAYLOAD_TOO_LARGE, [(header::RETRY_AFTER, "7")], "");
        let foreign = ours(foreign.into_response()).await;
        assert_eq!(foreign.headers()[header::RETRY_AFTER], "7");
        assert_eq!(problem(foreign).await.detail, "Payload Too Large");
        let foreign = problem(ours(StatusCode::IM_A_TEAPOT.into_response()).await).await;
        assert_eq!((foreign.kind.as_str(), foreign.status), ("urn:loom:other", 418));
    }

    #[tokio::test]
    async fn what_is_a_problem_or_none_is_left_alone() {
        let own = problem(ours(Error::conflict("so it is").into_response()).await).await;
        assert_eq!((own.kind.as_str(), own.detail.as_str()), ("urn:loom:conflict", "so it is"));
        let fine = ours("fine".into_response()).await;
        assert_eq!(fine.status(), StatusCode::OK);
        assert!(fine.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
    }

    #[test]
    fn a_raw_response_is_whole() {
        let raw = Error::unavailable("too many connections").raw();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(serde_json::from_str::<Problem>(body).is_ok());
    }
}
