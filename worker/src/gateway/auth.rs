//! Who asks. Whether they may change something is for the parent to say; what they may see is
//! decided here.
//!
//! It is found out before anything of a request is looked at but its headers, for every path, so
//! that no route can forget it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use loom::access::{Globs, Role, TokenHash};
use loom::protocol::control::Who;
use loom::store::TokenRow;

use super::App;
use super::body;
use super::failures::{Failures, Verdict};
use super::problem::{Error, Result};
use super::say;

/// How long a stream may go on after its token was revoked.
const GRACE: Duration = Duration::from_secs(5);

/// Where a connection comes from; an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// A process of this machine, whose user was checked when it connected.
    Local {
        uid: u32,
    },
    Remote {
        peer: SocketAddr,
        tls: bool,
    },
}

/// Who asks, known. An extension of every request that gets as far as a route.
#[derive(Debug, Clone)]
pub struct Caller {
    /// To be shown to the parent.
    pub who: Who,
    pub name: String,
    pub role: Role,
    pub jobs: Globs,
}

impl Caller {
    pub fn sees(&self, job: &str) -> bool {
        self.jobs.see(job)
    }

    /// What concerns no job in particular is not for tokens that are limited to some.
    pub fn unlimited(&self) -> Result<()> {
        if self.jobs.is_all() {
            return Ok(());
        }
        Err(Error::forbidden(format!("token {} is limited to jobs {}", self.name, self.jobs)))
    }

    pub fn at_least(&self, role: Role) -> Result<()> {
        if self.role >= role {
            return Ok(());
        }
        let (name, has) = (&self.name, self.role);
        Err(Error::forbidden(format!("{name} is {has}; this takes {role}")))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Caller> {
        let known = parts.extensions.get::<Caller>().cloned();
        known.ok_or_else(|| Error::internal("a request from nobody"))
    }
}

/// The one who knows callers.
#[derive(Clone)]
pub struct Porter {
    app: App,
    failures: Arc<Mutex<Failures>>,
}

impl Porter {
    pub fn new(app: App) -> Porter {
        Porter { app, failures: Arc::default() }
    }

    pub async fn identify(&self, origin: Origin, headers: &HeaderMap) -> Result<Caller> {
        match origin {
            Origin::Local { uid } => Ok(Caller {
                who: Who::Peer { uid },
                name: loom::sys::user::name(uid),
                role: Role::Admin,
                jobs: Globs::default(),
            }),
            Origin::Remote { peer, .. } => self.by_token(peer.ip(), headers).await,
        }
    }

    async fn by_token(&self, from: IpAddr, headers: &HeaderMap) -> Result<Caller> {
        let token = bearer(headers)?;
        let shown = TokenHash::of(token);
        match self.find(shown).await? {
            Some(TokenRow { name, role, jobs, .. }) => {
                self.failures().forgive(from);
                Ok(Caller { who: Who::Token(token.to_owned()), name, role, jobs })
            }
            None => Err(self.refuse(from).await),
        }
    }

    /// That it is the same takes as long to find out wherever the two differ.
    async fn find(&self, shown: TokenHash) -> Result<Option<TokenRow>> {
        let tokens = self.app.history.read(|ledger| ledger.tokens()).await?;
        Ok(tokens.into_iter().find(|row| row.revoked_at.is_none() && row.hash == shown))
    }

    async fn refuse(&self, from: IpAddr) -> Error {
        let verdict = self.failures().failed(from, Instant::now());
        let Verdict::Wait { delay, tell } = verdict else {
            let (status, title) = (StatusCode::TOO_MANY_REQUESTS, "Not so fast");
            return Error::new(status, "slow-down", title, "too many wrong tokens at a time");
        };
        // Whoever asked may be gone before it is over.
        let _answered = Answered { porter: self, from };
        if let Some(count) = tell {
            say(format_args!("a wrong token from {from} ({count} so far)"));
        }
        tokio::time::sleep(delay).await;
        Error::unauthorized("this token is not known, or was revoked")
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body ends when the token that asked for it is revoked.
    pub fn lease(&self, caller: &Caller, body: Body) -> Body {
        let Who::Token(token) = &caller.who else { return body };
        if body.size_hint().exact().is_some() {
            return body;
        }
        let (porter, shown) = (self.clone(), TokenHash::of(token));
        let revoked = async move {
            loop {
                tokio::time::sleep(GRACE).await;
                if matches!(porter.find(shown).await, Ok(None)) {
                    return;
                }
            }
        };
        Body::new(body::Until::new(body, revoked))
    }
}

struct Answered<'a> {
    porter: &'a Porter,
    from: IpAddr,
}

impl Drop for Answered<'_> {
    fn drop(&mut self) {
        self.porter.failures().answered(self.from);
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing = "send a token made by `loom token add`: `Authorization: Bearer TOKEN`";
    let missing = || Error::unauthorized(missing);
    let header = headers.get(AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use axum::http::HeaderValue;
    use http_body_util::BodyExt;
    use jiff::Timestamp;
    use loom::protocol::VERSION;
    use loom::protocol::control::{Hello, Serve};
    use loom::store::{Ledger, Record};
    use tempfile::TempDir;

    use super::*;
    use crate::gateway::catalog::Shelf;
    use crate::gateway::history::History;
    use crate::gateway::news::Newsroom;
    use crate::gateway::{Inner, channel};

    const FROM: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    /// With a ledger that knows the token `sesame` of a viewer.
    async fn porter() -> (Porter, Ledger, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(dir.path(), Timestamp::now()).unwrap();
        let token = TokenRow {
            name: "t".to_owned(),
            hash: TokenHash::of("sesame"),
            role: Role::Viewer,
            jobs: Globs::new(["web-*"]).unwrap(),
            created_at: Timestamp::now(),
            created_by: "me".to_owned(),
            revoked_at: None,
        };
        ledger.apply(&[Record::Token(token)]).unwrap();
        let (ours, _) = UnixStream::pair().unwrap();
        let (parent, _) = channel::open(ours.into()).await.unwrap();
        let hello = Hello {
            version: VERSION,
            release: "1.2.3".to_owned(),
            pid: 1,
            started_at: Timestamp::UNIX_EPOCH,
            hostname: "here".to_owned(),
            statedir: dir.path().to_owned(),
            serve: Serve::Remote { tls: None, hosts: Vec::new() },
        };
        let app = App(Arc::new(Inner {
            history: History::of(dir.path()),
            parent,
            shelf: Shelf::default(),
            news: Newsroom::new(),
            hello,
        }));
        (Porter::new(app), ledger, dir)
    }

    fn revoke(ledger: &mut Ledger) {
        let revoked = Record::RevokeToken { name: "t".to_owned(), at: Timestamp::now() };
        ledger.apply(&[revoked]).unwrap();
    }

    async fn identify(porter: &Porter, authorization: &'static str) -> Result<Caller> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(authorization));
        porter.identify(Origin::Remote { peer: FROM, tls: false }, &headers).await
    }

    #[tokio::test]
    async fn a_token_tells_who_asks_until_it_is_revoked() {
        let (porter, mut ledger, _dir) = porter().await;
        for shown in ["Bearer sesame", "bearer  sesame "] {
            let caller = identify(&porter, shown).await.unwrap();
            assert_eq!((caller.name.as_str(), caller.role), ("t", Role::Viewer));
            assert!(caller.sees("web-1") && !caller.sees("db"));
            assert_eq!(caller.who, Who::Token("sesame".to_owned()));
        }
        for shown in ["Bearer sesam", "Bearer sesame2", "Bearer", "Basic sesame", "sesame"] {
            assert_eq!(identify(&porter, shown).await.unwrap_err().0.status, 401, "{shown}");
        }
        revoke(&mut ledger);
        assert_eq!(identify(&porter, "Bearer sesame").await.unwrap_err().0.status, 401);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_its_token_is_revoked() {
        let (porter, mut ledger, _dir) = porter().await;
        let caller = identify(&porter, "Bearer sesame").await.unwrap();
        let quiet = tokio_stream::pending::<std::result::Result<&str, axum::Error>>();
        let mut stream = porter.lease(&caller, Body::from_stream(quiet));
        let waited = tokio::time::timeout(GRACE * 10, stream.frame()).await;
        assert!(waited.is_err(), "it ended while the token was good");
        revoke(&mut ledger);
        let ended = tokio::time::timeout(GRACE * 2, stream.frame()).await;
        assert!(ended.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_concerns_all_jobs_is_not_for_the_limited() {
        let (porter, _ledger, _dir) = porter().await;
        let caller = identify(&porter, "Bearer sesame").await.unwrap();
        assert_eq!(caller.unlimited().unwrap_err().0.status, 403);
        assert_eq!(caller.at_least(Role::Operator).unwrap_err().0.status, 403);
        assert!(caller.at_least(Role::Viewer).is_ok());
    }
}
