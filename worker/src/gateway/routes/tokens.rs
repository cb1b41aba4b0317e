//! Tokens, and whose the one shown is.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use loom::access::{Globs, Role};
use loom::api::Page;
use loom::api::access::{NewToken, Token, TokenRequest, Whoami};
use loom::protocol::control::{Answer, Command};
use loom::store::TokenRow;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::control::{done, odd};
use crate::gateway::App;
use crate::gateway::auth::Caller;
use crate::gateway::paging::{Paging, page};
use crate::gateway::problem::{Error, Result};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(whoami)).routes(routes!(list, add)).routes(routes!(revoke))
}

/// Who you are to the daemon.
#[utoipa::path(
    get,
    path = "/whoami",
    operation_id = "whoami",
    tag = "people",
    responses((status = 200, body = Whoami))
)]
async fn whoami(caller: Caller) -> Json<Whoami> {
    let Caller { name, role, jobs, .. } = caller;
    Json(Whoami { name, role: role.as_str().to_owned(), jobs: jobs.into() })
}

/// All tokens by name, revoked ones included.
///
/// For `admin`.
#[utoipa::path(
    get,
    path = "/tokens",
    operation_id = "list_tokens",
    tag = "people",
    params(Paging),
    responses((status = 200, body = Page<Token>))
)]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Token>>> {
    caller.at_least(Role::Admin)?;
    caller.unlimited()?;
    let limit = paging.limit()?;
    let tokens = app.history.read(|ledger| ledger.tokens()).await?;
    let after = |row: &TokenRow| paging.cursor.as_ref().is_none_or(|cursor| row.name > *cursor);
    let some = tokens.into_iter().filter(after).take(limit + 1).map(shown);
    Ok(Json(page(some.collect(), limit, |token| token.name.clone())))
}

fn shown(row: TokenRow) -> Token {
    Token {
        name: row.name,
        role: row.role.as_str().to_owned(),
        jobs: row.jobs.into(),
        created_at: row.created_at,
        created_by: row.created_by,
        revoked_at: row.revoked_at,
    }
}

/// Makes a token.
///
/// It is told this once; what is kept of it is a hash. For `admin`.
#[utoipa::path(
    post,
    path = "/tokens",
    operation_id = "add_token",
    tag = "people",
    request_body(
        content = TokenRequest,
        example = json!({"name": "ci", "role": "operator", "jobs": ["web-*"]})
    ),
    responses((status = 201, body = NewToken))
)]
async fn add(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, Json<NewToken>)> {
    let TokenRequest { name, role, jobs } = request;
    let role = role.parse::<Role>().map_err(|e| Error::invalid(e.to_string()))?;
    let jobs = Globs::new(jobs).map_err(|e| Error::invalid(e.to_string()))?;
    let command = Command::AddToken { name: name.clone(), role, jobs };
    match app.parent.ask(caller.who, None, command).await? {
        Answer::Token(token) => Ok((StatusCode::CREATED, Json(NewToken { name, token }))),
        other => Err(odd(&other)),
    }
}

/// Revokes a token.
///
/// Whoever shows it from then on is nobody; streams that it opened end. For `admin`.
#[utoipa::path(
    delete,
    path = "/tokens/{name}",
    operation_id = "revoke_token",
    tag = "people",
    params(("name" = String, Path, description = "The token's name.")),
    responses((status = 204, description = "It is of no use any more."))
)]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    done(&app, caller, Command::RevokeToken { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}
