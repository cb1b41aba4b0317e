//! One request and its answer, by ureq; and what a failure of it means.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use ureq::config::Config;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use ureq::http::{HeaderValue, Method, Request, Response};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Error, RequestExt, Timeout};

use super::authorities::{self, authorities};
use super::piece::InOnePiece;
use super::place::{self, Place};
use super::socket::{NoResolver, SocketConnector};
use super::{CONNECT, Failure, Options, Route};
use crate::api::IDEMPOTENCY_KEY;
use crate::api::problem::{MEDIA_TYPE, Problem};

/// Of one answer; a page of a thousand runs has less than one.
const LARGEST: u64 = 64 << 20;

#[derive(Debug, Clone)]
pub struct Http {
    agent: Agent,
    place: Place,
    /// Marked as sensitive, so that it is not shown.
    authorization: Option<HeaderValue>,
}

impl Http {
    pub fn to(place: Place, options: &Options) -> Result<Http, Failure> {
        let authorization = match place::token(&place, options)? {
            Some(token) => Some(bearer(&token)?),
            None => None,
        };
        let agent = match &place {
            Place::Local { socket, .. } => {
                let config = config(TlsConfig::default());
                let connector = SocketConnector(socket.clone()).chain(InOnePiece);
                Agent::with_parts(config, connector, NoResolver)
            }
            Place::Remote { tls, .. } => {
                let mut trust = TlsConfig::builder();
                if *tls {
                    let authorities = match &options.cacert {
                        Some(file) => authorities::only(file),
                        None => authorities(),
                    };
                    trust = trust.root_certs(authorities.map_err(Failure::usage)?);
                }
                let config = config(trust.build());
                let connector = DefaultConnector::new().chain(InOnePiece);
                Agent::with_parts(config, connector, DefaultResolver::default())
            }
        };
        Ok(Http { agent, place, authorization })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn get(&self, route: &Route, within: Duration) -> Result<Vec<u8>, Failure> {
        self.whole(self.request(Method::GET, route, &[])?, Vec::new(), within)
    }

    pub fn delete(&self, route: &Route, within: Duration) -> Result<Vec<u8>, Failure> {
        self.whole(self.request(Method::DELETE, route, &[])?, Vec::new(), within)
    }

    pub fn post(
        &self,
        route: &Route,
        body: &[u8],
        key: Option<&str>,
        within: Duration,
    ) -> Result<Vec<u8>, Failure> {
        let key = key.map(|key| (IDEMPOTENCY_KEY, key));
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        let headers: Vec<_> = headers.into_iter().chain(key).collect();
        self.whole(self.request(Method::POST, route, &headers)?, body.to_vec(), within)
    }

    /// The body of the answer, as it comes. `silence`: for how long nothing may come.
    pub fn stream(
        &self,
        route: &Route,
        accept: &str,
        last_event: Option<&str>,
        silence: Option<Duration>,
    ) -> Result<Box<dyn Read + Send>, Failure> {
        let last_event = last_event.map(|id| ("last-event-id", id));
        let headers: Vec<_> = [(ACCEPT.as_str(), accept)].into_iter().chain(last_event).collect();
        let request = self.request(Method::GET, route, &headers)?;
        let configured = request.with_agent(&self.agent).configure();
        let configured = configured.timeout_recv_response(Some(super::ANSWER + route.patience()));
        let run = configured.timeout_per_read(silence).run();
        let response = run.map_err(|e| self.explain(e))?;
        let response = self.judge(response)?;
        Ok(Box::new(response.into_body().into_reader()))
    }

    fn request(
        &self,
        method: Method,
        route: &Route,
        headers: &[(&str, &str)],
    ) -> Result<Request<()>, Failure> {
        let url = format!("{}{route}", self.place.base());
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(()).map_err(|e| Failure::usage(format!("that cannot be asked for: {e}")))
    }

    fn whole(
        &self,
        request: Request<()>,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, Failure> {
        let has_body = request.method() == Method::POST;
        let run = if has_body {
            let request = request.map(|()| body).with_agent(&self.agent).configure();
            request.timeout_recv_response(Some(within)).timeout_recv_body(Some(within)).run()
        } else {
            let request = request.with_agent(&self.agent).configure();
            request.timeout_recv_response(Some(within)).timeout_recv_body(Some(within)).run()
        };
        let response = run.map_err(|e| self.explain(e))?;
        let mut response = self.judge(response)?;
        self.read(&mut response)
    }

    fn read(&self, response: &mut Response<Body>) -> Result<Vec<u8>, Failure> {
        let body = response.body_mut().with_config().limit(LARGEST);
        body.read_to_vec().map_err(|e| self.explain(e))
    }

    /// A response that is an answer, or why it is none.
    fn judge(&self, mut response: Response<Body>) -> Result<Response<Body>, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if response.body().mime_type() == Some(MEDIA_TYPE)
            && let Ok(problem) = serde_json::from_slice::<Problem>(&self.read(&mut response)?)
        {
            return Err(problem.into());
        }
        let place = &self.place;
        Err(Failure::unreachable(format!("{place} answers {status}, and not as a daemon does")))
    }

    fn explain(&self, error: Error) -> Failure {
        let place = &self.place;
        match error {
            Error::HostNotFound => place.nobody("there is no such host"),
            Error::ConnectionFailed => place.nobody("it cannot be connected to"),
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                place.nobody(&format!("no connection within {} s", CONNECT.as_secs()))
            }
            Error::Timeout(Timeout::PerRead) => self.lost("nothing came for a long time"),
            Error::Timeout(_) => Failure::unreachable(format!("{place} does not answer in time")),
            Error::Io(e) => self.explain_io(e),
            Error::Rustls(e) => self.no_tls(&e.to_string()),
            Error::Tls(e) => self.no_tls(e),
            Error::BodyExceedsLimit(_) => Failure::odd(format!("{place} answers too much")),
            Error::Protocol(e) => Failure::unreachable(format!(
                "what {place} answers is no HTTP that can be read ({e}){}",
                if place.is_local() { "" } else { "; does it speak TLS (https://)?" }
            )),
            e => Failure::odd(format!("{place} cannot be asked: {e}")),
        }
    }

    fn explain_io(&self, e: io::Error) -> Failure {
        if e.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            return self.explain(Error::from(e));
        }
        match e.kind() {
            ErrorKind::NotFound => self.place.nobody("there is no such socket"),
            ErrorKind::ConnectionRefused => self.place.nobody("nobody listens there"),
            ErrorKind::PermissionDenied => self.place.not_ours(),
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::AddrNotAvailable => self.place.nobody(&e.to_string()),
            // It is rustls that says so.
            ErrorKind::InvalidData if !self.place.is_local() => self.no_tls(&e.to_string()),
            ErrorKind::UnexpectedEof => self.lost("it was closed before the end"),
            // Of no kind that has a name; this is how the standard library begins it.
            _ if e.to_string().starts_with("failed to lookup address information") => {
                self.place.nobody(&e.to_string())
            }
            _ => self.lost(&e.to_string()),
        }
    }

    /// Of a stream whose answer had begun.
    pub fn explain_read(&self, e: io::Error) -> Failure {
        match self.explain_io(e) {
            failure if failure.is_passing() => failure,
            failure => self.lost(&failure.to_string()),
        }
    }

    fn lost(&self, why: &str) -> Failure {
        Failure::lost(format!("the connection to {} was lost: {why}", self.place))
    }

    fn no_tls(&self, what: &str) -> Failure {
        let hint = if what.contains("UnknownIssuer") {
            "; --cacert FILE names the authority that has signed its certificate"
        } else if what.contains("CaUsedAsEndEntity") {
            "; a server's own certificate must not be one of an authority, as `openssl req -x509` \
             makes them: add `-addext basicConstraints=critical,CA:FALSE`"
        } else if what.contains("InvalidContentType") {
            "; perhaps it speaks plain HTTP (http://)"
        } else {
            ""
        };
        Failure::unreachable(format!("{}: TLS: {what}{hint}", self.place))
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| Failure::refused("the token cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn config(tls: TlsConfig) -> Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("loom/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .tls_config(tls)
        .build()
}
