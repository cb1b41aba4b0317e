//! Our own executable as the process that posts a webhook, so that the daemon speaks to nobody.
//!
//! The URL arrives on stdin, for it may hold a token: nothing that is printed here, which ends in
//! ledger and log, shows more of it than its host. Neither is anything printed that the other
//! side has said. The daemon sets the time limit, by a signal.

use std::io::{self, Read};
use std::process::ExitCode;

use ureq::http::header::LOCATION;
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use crate::client::authorities;
use crate::hook::child::WEBHOOK;
use crate::job::hooks::Url;
use crate::sys::process::undumpable;

/// Followed, and only to the same host.
const MOST_REDIRECTS: usize = 3;

/// More than any hook is told.
const MOST_BYTES: u64 = 64 << 20;

/// Whether this process was started by the daemon to post a webhook.
pub fn is_helper() -> bool {
    std::env::var_os(WEBHOOK).is_some()
}

/// The helper's whole life: posts what it reads, or says why that failed.
pub fn help() -> ExitCode {
    match read().and_then(|(url, body)| post(&url, &body)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn read() -> Result<(Url, Vec<u8>), String> {
    undumpable().map_err(|e| format!("the URL cannot be kept secret: {e}"))?;
    let mut line = Vec::new();
    let read = io::stdin().lock().take(MOST_BYTES).read_to_end(&mut line);
    read.map_err(|e| format!("stdin: {e}"))?;
    let end = line.iter().position(|byte| *byte == b'\n').ok_or("no URL has arrived")?;
    let body = line.split_off(end + 1);
    let url = serde_json::from_slice(&line).map_err(|_| "no URL has arrived")?;
    Ok((Url(url), body))
}

fn post(url: &Url, body: &[u8]) -> Result<(), String> {
    let agent = agent()?;
    let shown = url.shown();
    let mut target: Uri =
        url.0.parse().map_err(|_| format!("{shown} is a URL that cannot be read"))?;
    for _ in 0..=MOST_REDIRECTS {
        let request = agent.post(&target).header("content-type", "application/json");
        let response = request.send(body).map_err(|e| format!("{shown}: {}", explain(&e)))?;
        let status = response.status();
        match status {
            _ if status.is_success() => return Ok(()),
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                target = redirected(&target, &response).ok_or_else(|| {
                    format!("{shown} answered {status}, but Loom follows to the same host only")
                })?;
            }
            _ => return Err(format!("{shown} answered {status}")),
        }
    }
    Err(format!("{shown} redirects more than {MOST_REDIRECTS} times"))
}

fn agent() -> Result<Agent, String> {
    let tls = TlsConfig::builder().root_certs(authorities()?).build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("loom/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build();
    Ok(config.new_agent())
}

/// Where it leads, if that is to the same host, and not from TLS to plain text.
fn redirected(from: &Uri, response: &Response<Body>) -> Option<Uri> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    let target = if location.starts_with('/') && !location.starts_with("//") {
        format!("{scheme}://{authority}{location}")
    } else {
        location.to_owned()
    };
    let target: Uri = target.parse().ok()?;
    let same_host = target.host()?.eq_ignore_ascii_case(from.host()?);
    let allowed = match (scheme, target.scheme_str()?) {
        ("http", "https") => from.port_u16().is_none() && target.port_u16().is_none(),
        (before, after) => before == after && from.port_u16() == target.port_u16(),
    };
    (same_host && allowed).then_some(target)
}

/// None of these words is the other side's, and none of the URL's.
fn explain(error: &ureq::Error) -> String {
    use ureq::Error;
    match error {
        Error::HostNotFound => "there is no such host".to_owned(),
        Error::ConnectionFailed => "it cannot be connected to".to_owned(),
        Error::BadUri(_) | Error::Http(_) => "the URL cannot be used".to_owned(),
        Error::Protocol(_) | Error::LargeResponseHeader(..) => {
            "its answer is no HTTP that can be read".to_owned()
        }
        Error::Rustls(e) => format!("TLS: {e}"),
        Error::Tls(what) => format!("TLS: {what}"),
        Error::Io(e) => explain_io(e),
        _ => "it cannot be posted to".to_owned(),
    }
}

fn explain_io(error: &io::Error) -> String {
    match (error.raw_os_error(), error.kind()) {
        (Some(_), _) => error.to_string(),
        (None, io::ErrorKind::UnexpectedEof) => {
            "it closed the connection without an answer".to_owned()
        }
        // It is rustls that says so.
        (None, io::ErrorKind::InvalidData) => format!("TLS: {error}"),
        (None, kind) => kind.to_string(),
    }
}
