//! Bodies: a request's, read to its end within limits; a response's, with what depends on it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

use super::problem::{Error, Result};

/// Of a request's body, in bytes. What is asked for is short.
pub const LIMIT: usize = 1 << 20;
/// For all of it.
const TIME: Duration = Duration::from_secs(20);

/// All of a request's body.
pub async fn whole(body: Body) -> Result<Bytes> {
    let too_large = || {
        let (status, detail) = (StatusCode::PAYLOAD_TOO_LARGE, format!("at most {LIMIT} bytes"));
        Error::new(status, "too-large", "The body is too long", detail)
    };
    if body.size_hint().lower() > LIMIT as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(TIME, Limited::new(body, LIMIT).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(e)) => Err(Error::invalid(format!("the body does not arrive: {e}"))),
        Err(_) => {
            let detail = format!("the body did not arrive within {} seconds", TIME.as_secs());
            Err(Error::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "It took too long", detail))
        }
    }
}

/// A body that ends when something happens, if not before.
pub struct Until {
    body: Body,
    happens: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Until {
    pub fn new(body: Body, happens: impl Future<Output = ()> + Send + 'static) -> Until {
        Until { body, happens: Some(Box::pin(happens)) }
    }
}

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        if self.happens.as_mut().is_none_or(|happens| happens.as_mut().poll(cx).is_ready()) {
            self.happens = None;
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.happens.is_none() || self.body.is_end_stream()
    }
}

/// A body, and what is dropped with it.
pub struct With<T> {
    body: Body,
    _thing: T,
}

impl<T> With<T> {
    pub fn new(body: Body, thing: T) -> With<T> {
        With { body, _thing: thing }
    }
}

impl<T: Unpin> HttpBody for With<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_has_an_end() {
        let whole_of = async |size| whole(Body::from(vec![b'x'; size])).await;
        assert_eq!(whole_of(LIMIT).await.unwrap().len(), LIMIT);
        assert_eq!(whole_of(LIMIT + 1).await.unwrap_err().0.status, 413);
        // One that does not say how long it is.
        let endless = tokio_stream::iter(std::iter::repeat_with(|| Ok::<_, axum::Error>("much")));
        let error = whole(Body::from_stream(endless)).await.unwrap_err();
        assert_eq!(error.0.status, 413);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let error = whole(Body::from_stream(never())).await.unwrap_err();
        assert_eq!(error.0.status, 408);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_ends_when_it_should() {
        let happens = tokio::time::sleep(Duration::from_secs(5));
        let mut body = Until::new(Body::from_stream(never()), happens);
        assert!(!body.is_end_stream());
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
        let mut body = Until::new(Body::from("x"), std::future::pending());
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.is_none());
    }

    fn never() -> impl tokio_stream::Stream<Item = std::result::Result<Bytes, axum::Error>> + Send {
        tokio_stream::pending()
    }
}
