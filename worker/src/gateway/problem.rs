//! Errors as they are answered: RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loom::api::problem::{MEDIA_TYPE, Problem};
use loom::protocol::control::{Refusal, Why};
use loom::store::StoreError;

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

    pub fn internal(detail: impl Into<String>) -> Error {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Error::new(status, "internal", "The gateway failed", detail)
    }
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
        let mut response = (status, axum::Json(&*self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
