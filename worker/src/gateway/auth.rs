//! Who asks. Whether they may change something is for the parent to say; what they may see is
//! decided here.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use loom::access::{Globs, Role, TokenHash};
use loom::job::EXEC;
use loom::protocol::control::Who;

use super::App;
use super::problem::{Error, Result};

/// Where a connection comes from; an extension of its requests.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// A process of this machine, whose user was checked when it connected.
    Local {
        uid: u32,
    },
    Remote,
}

/// Who asks, known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// To be shown to the parent.
    pub who: Who,
    pub name: String,
    pub role: Role,
    pub jobs: Globs,
}

impl Caller {
    /// What is no job is not for tokens that are limited to some, whatever their globs match.
    pub fn sees(&self, job: &str) -> bool {
        self.jobs.is_all() || job != EXEC && self.jobs.matches(job)
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

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Caller> {
        match parts.extensions.get::<Origin>() {
            Some(Origin::Local { uid }) => Ok(Caller {
                who: Who::Peer { uid: *uid },
                name: loom::sys::user::name(*uid),
                role: Role::Admin,
                jobs: Globs::default(),
            }),
            Some(Origin::Remote) => by_token(parts, app).await,
            None => Err(Error::internal("a connection from nowhere")),
        }
    }
}

async fn by_token(parts: &Parts, app: &App) -> Result<Caller> {
    let missing = "send a token made by `loom token add`: `Authorization: Bearer TOKEN`";
    let header = parts.headers.get(AUTHORIZATION).ok_or_else(|| Error::unauthorized(missing))?;
    let (scheme, token) = header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(|| Error::unauthorized(missing))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::unauthorized(missing));
    }
    let token = token.trim().to_owned();
    let shown = TokenHash::of(&token);
    let tokens = app.history.read(|ledger| ledger.tokens()).await?;
    let found = tokens.into_iter().find(|row| row.revoked_at.is_none() && row.hash == shown);
    match found {
        Some(row) => {
            Ok(Caller { who: Who::Token(token), name: row.name, role: row.role, jobs: row.jobs })
        }
        None => Err(Error::unauthorized("this token is not known, or was revoked")),
    }
}
