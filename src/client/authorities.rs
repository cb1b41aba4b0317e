//! Whose word is taken for who a server is.

use std::fs;
use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::hook::child::AUTHORITIES;

/// Where systems keep the authorities they trust. The first that is there is used; without any,
/// Mozilla's, as they were when we were built.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Those in `SSL_CERT_FILE`, or the system's.
pub fn authorities() -> Result<RootCerts, String> {
    let pem = match std::env::var_os(AUTHORITIES) {
        Some(path) => {
            let cannot = |e| format!("{AUTHORITIES}={}: {e}", path.display());
            fs::read(&path).map_err(cannot)?
        }
        None => match SYSTEM_AUTHORITIES.iter().find_map(|path| fs::read(path).ok()) {
            Some(pem) => pem,
            None => return Ok(RootCerts::WebPki),
        },
    };
    // What cannot be read in it is not trusted.
    Ok(RootCerts::from(certificates(&pem)))
}

/// Those in this file, of which there is at least one.
pub(super) fn only(file: &Path) -> Result<RootCerts, String> {
    let pem = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let found = certificates(&pem);
    if found.is_empty() {
        return Err(format!("{}: there is no certificate in it (PEM)", file.display()));
    }
    Ok(RootCerts::from(found))
}

fn certificates(pem: &[u8]) -> Vec<Certificate<'static>> {
    let certificates = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    });
    certificates.collect()
}
