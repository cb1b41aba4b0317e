//! Whom a request was meant for, and which page sent it: what keeps the browser of somebody who
//! reads a hostile page from speaking with a daemon that it can reach and the page cannot.
//!
//! Looks at headers only.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};

use super::problem::{Error, Result};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A page can have its own name resolve to any address, ours included; a name that only we know
/// us by, or an address, it cannot take.
///
/// # Errors
/// Unless it was asked for by an address, by `localhost`, or by one of `names`.
pub fn meant_for_us(uri: &Uri, headers: &HeaderMap, names: &[String]) -> Result<()> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Error::invalid("there is more than one Host"));
    }
    let Some(host) = host else { return Err(Error::invalid("there is no Host")) };
    let host = host.to_str().map_err(|_| Error::invalid("the Host is no name"))?;
    for asked in [Some(host), uri.authority().map(Authority::as_str)].into_iter().flatten() {
        let name = without_port(asked);
        if !is_ours(name, names) {
            return Err(misdirected(name));
        }
    }
    Ok(())
}

fn is_ours(name: &str, names: &[String]) -> bool {
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// `[::1]:7411` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn misdirected(name: &str) -> Error {
    let detail = format!(
        "this daemon is not known as {name:?}; if it is to be, write it to `hosts` of `listen` in \
         loom.yaml and start the daemon anew; addresses and localhost always do"
    );
    Error::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", "Another host is meant", detail)
}

/// # Errors
/// If a browser says that a page of another host sent it.
pub fn sent_by_us(headers: &HeaderMap) -> Result<()> {
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site") {
        return Err(Error::forbidden("a page of another site must not speak with this daemon"));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let origin = origin.to_str().unwrap_or_default();
    if is_same(origin, host) {
        return Ok(());
    }
    let detail = format!("a page of {origin:?} must not speak with this daemon, which is {host:?}");
    Err(Error::forbidden(detail))
}

/// The scheme may differ: something before us may have taken TLS off.
fn is_same(origin: &str, host: &str) -> bool {
    let (host, default) = match origin.split_once("://") {
        Some(("http", _)) => (host, ":80"),
        Some(("https", _)) => (host, ":443"),
        _ => return false,
    };
    let (_, origin) = origin.split_once("://").unwrap_or_default();
    let plain = |name: &str| name.strip_suffix(default).unwrap_or(name).to_ascii_lowercase();
    !origin.is_empty() && plain(origin) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn status(result: Result<()>) -> Option<u16> {
        result.err().map(|error| error.0.status)
    }

    #[test]
    fn a_name_must_be_ours_and_an_address_is() {
        let names = ["loom.example.com".to_owned()];
        let asked = |host: &str| {
            status(meant_for_us(&Uri::from_static("/"), &headers(&[("host", host)]), &names))
        };
        let ours = ["127.0.0.1:7411", "10.1.2.3", "[::1]:7411", "[fe80::1]", "LocalHost:1"];
        for host in ours.into_iter().chain(["loom.example.com", "LOOM.example.com.:443"]) {
            assert_eq!(asked(host), None, "{host}");
        }
        let others = ["evil.example", "loom.example.com.evil.example", "[evil]", "", ":80"];
        for host in others.into_iter().chain(["localhost.evil.example", "127.0.0.1.evil.example"]) {
            assert_eq!(asked(host), Some(421), "{host}");
        }
    }

    #[test]
    fn there_is_one_host_and_an_absolute_uri_agrees() {
        let asked = |uri: &'static str, pairs: &[(&'static str, &str)]| {
            status(meant_for_us(&Uri::from_static(uri), &headers(pairs), &[]))
        };
        assert_eq!(asked("/", &[]), Some(400));
        let mut two = headers(&[("host", "localhost")]);
        two.append("host", "localhost".parse().unwrap());
        assert_eq!(status(meant_for_us(&Uri::from_static("/"), &two, &[])), Some(400));
        assert_eq!(asked("http://evil.example/", &[("host", "localhost")]), Some(421));
        assert_eq!(asked("http://localhost/", &[("host", "localhost")]), None);
    }

    #[test]
    fn a_misdirected_request_is_told_what_to_write() {
        let error = misdirected("evil.example").0;
        assert!(error.detail.contains("\"evil.example\""), "{}", error.detail);
        assert!(error.detail.contains("`hosts` of `listen` in loom.yaml"), "{}", error.detail);
    }

    #[test]
    fn a_page_of_another_host_is_refused() {
        let sent = |pairs: &[(&'static str, &str)]| status(sent_by_us(&headers(pairs)));
        assert_eq!(sent(&[("host", "a:7411")]), None);
        assert_eq!(sent(&[("host", "a:7411"), ("origin", "http://a:7411")]), None);
        assert_eq!(sent(&[("host", "a"), ("origin", "https://A:443")]), None);
        for origin in
            ["http://b:7411", "http://a", "null", "", "a:7411", "http://", "file://a:7411"]
        {
            assert_eq!(sent(&[("host", "a:7411"), ("origin", origin)]), Some(403), "{origin}");
        }
        assert_eq!(sent(&[("host", "a"), ("sec-fetch-site", "cross-site")]), Some(403));
        assert_eq!(sent(&[("host", "a"), ("sec-fetch-site", "same-origin")]), None);
    }
}
