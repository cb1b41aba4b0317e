//! `listen`: where the API is to be had over TCP, and by which certificate.
//!
//! What is decided here is that nobody opens it to a network in the clear without having said so.
//! The sockets and TLS itself are the daemon's and the gateway's.

use std::fs::{File, Metadata};
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::diagnostic::quoted;
use super::fields::{self, Fields};
use super::report::Report;
use super::source::plain;
use super::yaml::Item;

/// Where the API listens besides the unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    pub address: SocketAddr,
    pub tls: Option<Tls>,
    /// What it is called besides its addresses and `localhost`; in lower case, each once.
    pub hosts: Vec<String>,
    /// The user has said that nothing encrypts, or that something else does.
    pub plaintext: bool,
}

/// PEM files. They were readable when the configuration was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

pub const KEYS: [&str; 5] = ["address", "certificate", "key", "hosts", "plaintext"];

const MAX_HOSTS: usize = 100;
/// A chain with its comments is a few thousand bytes.
const MAX_PEM: u64 = 1 << 20;

/// A bare address, or a mapping.
pub fn read(item: Item<'_>, base: &Path, report: &mut Report) -> Option<Listen> {
    if item.is_list() {
        let message = "listen is an address with a port, not a list";
        report.error_noting(item, message, "an IPv6 address is quoted: \"[::1]:7411\"");
        return None;
    }
    if item.text().is_some() {
        let address = address(item, "listen", report)?;
        let listen = Listen { address, tls: None, hosts: Vec::new(), plaintext: false };
        return allowed(item, listen, report);
    }
    let fields = Fields::open(item, "listen", &KEYS, report)?;
    let written = fields.require("address", item, "listen", report);
    let address = written.and_then(|item| address(item, "address", report));
    let tls = tls(&fields, base, report);
    let hosts = fields.get("hosts").map_or_else(Vec::new, |item| hosts(item, report));
    let plaintext = fields.get("plaintext").and_then(|i| fields::flag(i, "plaintext", report));
    if let (Ok(Some(_)), Some(true), Some(item)) = (&tls, plaintext, fields.get("plaintext")) {
        report.warning(item, "plaintext has no effect beside a certificate: TLS it is");
    }
    let plaintext = plaintext.unwrap_or(false);
    let listen = Listen { address: address?, tls: tls.ok()?, hosts, plaintext };
    allowed(written?, listen, report)
}

/// Others could read the tokens, and all that is told, on their way over a network.
fn allowed(at: Item<'_>, listen: Listen, report: &mut Report) -> Option<Listen> {
    let loopback = listen.address.ip().to_canonical().is_loopback();
    if loopback || listen.tls.is_some() || listen.plaintext {
        return Some(listen);
    }
    report.error_noting(
        at,
        format!(
            "{} can be reached from other machines, and without TLS everybody on the way can \
             read the tokens and use them",
            listen.address
        ),
        format!(
            "write {{address: \"{}\", certificate: FILE, key: FILE}}; or add plaintext: true if \
             something else encrypts, as a proxy or a VPN does",
            listen.address
        ),
    );
    None
}

fn address(item: Item<'_>, what: &str, report: &mut Report) -> Option<SocketAddr> {
    let text = fields::text(item, what, report)?;
    let problem = match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => return Some(address),
        Ok(_) => "the port is 1 to 65535".to_string(),
        Err(_) => match text.rsplit_once(':') {
            Some(("localhost", port)) => match port.parse() {
                Ok(port @ 1..) => return Some((Ipv4Addr::LOCALHOST, port).into()),
                Ok(0) | Err(_) => "the port is 1 to 65535".to_string(),
            },
            _ => misread(text),
        },
    };
    let message = format!(
        "{what} is an address with a port, like 127.0.0.1:7411 or [::1]:7411, not {}",
        report.show(item)
    );
    report.error_noting(item, message, problem);
    None
}

/// What is wrong with it, or what was probably meant.
fn misread(text: &str) -> String {
    const DEFAULT_PORT: u16 = 7411;
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return format!("it has no port; write {}", SocketAddr::new(ip, DEFAULT_PORT));
    }
    if let Ok(port) = text.parse::<u16>() {
        return format!("it has no address; write 127.0.0.1:{port}");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return format!("it has no port; write ADDRESS:{DEFAULT_PORT}");
    };
    let Some(port) = port.parse::<u16>().ok().filter(|port| *port != 0) else {
        return "the port is 1 to 65535".to_string();
    };
    if host.parse::<Ipv6Addr>().is_ok() {
        return format!("an IPv6 address stands in brackets: [{host}]:{port}");
    }
    match host {
        "" => format!("it has no address; write 127.0.0.1:{port}"),
        "*" => format!("for all addresses of this machine write 0.0.0.0:{port} or [::]:{port}"),
        _ => "a name may have any address; only localhost is taken".to_string(),
    }
}

/// `Err` after something was reported.
fn tls(fields: &Fields<'_>, base: &Path, report: &mut Report) -> Result<Option<Tls>, ()> {
    let (certificate, key) = match (fields.get("certificate"), fields.get("key")) {
        (None, None) => return Ok(None),
        (Some(alone), None) => {
            report.error(alone, "certificate needs its key: write key: FILE as well");
            return Err(());
        }
        (None, Some(alone)) => {
            report.error(alone, "key needs its certificate: write certificate: FILE as well");
            return Err(());
        }
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let certificate = pem(certificate, "certificate", base, report, |_, text| {
        (!holds(text, "-----BEGIN CERTIFICATE-----"))
            .then(|| "holds no certificate; it is a PEM file with the whole chain".to_string())
    });
    let key = pem(key, "key", base, report, key_problem);
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Tls { certificate, key })),
        (Some(_), None) | (None, _) => Err(()),
    }
}

fn key_problem(meta: &Metadata, text: &[u8]) -> Option<String> {
    let mode = meta.mode() & 0o7777;
    if open_to_others(meta) {
        Some(format!("can be read by others (mode {mode:04o}): chmod 600"))
    } else if holds(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || holds(text, "Proc-Type: 4,ENCRYPTED")
    {
        Some("is encrypted, and nobody is there to type its password: decrypt it".to_string())
    } else if !holds(text, "PRIVATE KEY-----") {
        Some("holds no private key; it is a PEM file".to_string())
    } else {
        None
    }
}

/// A key of one's own is for oneself. One that root lends to a group is lent, as Debian does it
/// with `ssl-cert`; the world's it never is.
fn open_to_others(meta: &Metadata) -> bool {
    let own = meta.uid() == nix::unistd::geteuid().as_raw() && meta.uid() != 0;
    meta.mode() & if own { 0o077 } else { 0o007 } != 0
}

fn pem(
    item: Item<'_>,
    what: &str,
    base: &Path,
    report: &mut Report,
    judge: impl FnOnce(&Metadata, &[u8]) -> Option<String>,
) -> Option<PathBuf> {
    let path = fields::path(item, what, base, report)?;
    let problem = match std::fs::metadata(&path) {
        Err(e) => Some(format!("cannot be used: {}", plain(&e))),
        // Nothing else is opened: a pipe would never end.
        Ok(meta) if !meta.is_file() => Some("is not a file".to_string()),
        Ok(meta) => match contents(&path, meta.len()) {
            Err(e) => Some(format!("cannot be read: {}", plain(&e))),
            Ok(text) => judge(&meta, &text),
        },
    };
    match problem {
        Some(problem) => {
            let shown = report.show(item);
            report.error(item, format!("{what} {shown} {problem}"));
            None
        }
        None => Some(path),
    }
}

/// A private key may be in it. Read in one piece, so that no copy of it is left behind.
fn contents(path: &Path, size: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(size.min(MAX_PEM) as usize + 1));
    File::open(path)?.take(size.min(MAX_PEM)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds(text: &[u8], word: &str) -> bool {
    text.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Names as a browser sends them in `Host`.
fn hosts(item: Item<'_>, report: &mut Report) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    let written = fields::texts(item, "hosts", report);
    if written.len() > MAX_HOSTS {
        report.error(item, format!("more than {MAX_HOSTS} hosts"));
        return hosts;
    }
    for (item, text) in written {
        match host_problem(text) {
            Some(problem) => report.error(item, format!("host {} {problem}", quoted(text))),
            None => {
                let host = text.to_ascii_lowercase();
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
        }
    }
    hosts
}

fn host_problem(text: &str) -> Option<&'static str> {
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.bytes().all(named)
    };
    if text.contains("://") || text.contains('/') {
        Some("is the bare name, without scheme and path")
    } else if text.parse::<IpAddr>().is_ok() {
        Some("is an address; addresses are always taken, hosts are names")
    } else if text.contains(':') {
        Some("is the bare name, without a port")
    } else if text.contains('*') {
        Some("is one name, not a pattern")
    } else if text.len() > 253 || !text.split('.').all(label) {
        Some("is no host name")
    } else {
        None
    }
}
