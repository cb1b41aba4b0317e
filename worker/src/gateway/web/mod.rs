//! The page: what a browser is served at `/`, out of this executable.
//!
//! It holds no data and is for everybody; all that it shows it asks of the API, which wants a token
//! as ever. Its files stand under a name that changes with any of them, so that a browser may keep
//! them for good; only the page itself is asked for anew. They travel packed to whoever takes them
//! so. Knows nothing of what the page does.

mod assets;
mod pack;

use std::fmt::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::App;
use super::problem::{Error, Result};
use assets::{ASSETS, Asset, INDEX};

const PAGE: &str = "/";
const FILE: &str = "/assets/{edition}/{name}";

/// Nothing but our own files, and nothing that stands in the page's text: what a node has written
/// could not run even if it came to be markup. Text can not be made markup either, by any script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const FEATURES: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), \
     usb=()";

/// A name that has changed is another file.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const ASK_ANEW: &str = "no-cache";

pub fn routes() -> Router<App> {
    Router::new().route(PAGE, get(page)).route(FILE, get(file))
}

/// Whether what is behind this route is for everybody.
pub fn is_public(route: &str) -> bool {
    route == PAGE || route == FILE
}

/// The page with the names of its files, and its tag.
struct Edition {
    name: String,
    index: String,
    tag: String,
    /// The files, packed, in the order of [`ASSETS`].
    packed: Vec<Vec<u8>>,
}

static EDITION: LazyLock<Edition> = LazyLock::new(|| {
    let all = ASSETS.iter().fold(Sha256::new(), |hash, asset| {
        hash.chain_update(asset.name).chain_update([0]).chain_update(asset.bytes)
    });
    let name = hex(&all.finalize());
    let index = INDEX.replace("{edition}", &name);
    let tag = format!("\"{}\"", hex(&Sha256::digest(&index)));
    let packed = ASSETS.iter().map(|asset| pack::pack(asset.bytes)).collect();
    Edition { name, index, tag, packed }
});

/// Enough of a hash to tell editions apart.
fn hex(hash: &[u8]) -> String {
    hash.iter().take(10).fold(String::new(), |mut text, byte| {
        // To a text it cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn page(headers: HeaderMap) -> Response {
    let Edition { index, tag, .. } = &*EDITION;
    answer(&headers, "text/html; charset=utf-8", tag, ASK_ANEW, index.as_bytes())
}

async fn file(
    Path((edition, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut known = ASSETS.iter().zip(&EDITION.packed);
    let known = known.find(|(asset, _)| asset.name == name && edition == EDITION.name);
    let Some((Asset { name, bytes }, packed)) = known else {
        return Err(Error::unknown("the page has no such file; load it anew"));
    };
    let vary = [(header::VARY, "accept-encoding")];
    if pack::is_taken(&headers) {
        let coded = [(header::CONTENT_ENCODING, "gzip")];
        let tag = format!("\"{}-gzip\"", EDITION.name);
        return Ok(
            (vary, coded, answer(&headers, kind(name), &tag, FOR_GOOD, packed)).into_response()
        );
    }
    let tag = format!("\"{}\"", EDITION.name);
    Ok((vary, answer(&headers, kind(name), &tag, FOR_GOOD, bytes)).into_response())
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, kind)| kind) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some(_) | None => "application/octet-stream",
    }
}

fn answer(
    headers: &HeaderMap,
    kind: &'static str,
    tag: &str,
    keep: &'static str,
    bytes: &'static [u8],
) -> Response {
    let same = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("permissions-policy"), FEATURES),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    if has(headers, tag) {
        return (StatusCode::NOT_MODIFIED, same).into_response();
    }
    (same, [(header::CONTENT_TYPE, kind)], bytes).into_response()
}

/// Whether the browser says that it has this already (RFC 9110, 13.1.2).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter();
    let tags = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
    tags.map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}
