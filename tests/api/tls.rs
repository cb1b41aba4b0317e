//! TLS: who is answered, by which certificate, and what becomes of a renewed one.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Place, address, token};
use crate::harness::process::must;
use crate::harness::{Daemon, SOON, Site};

/// A site whose API has the pair of this name as its certificate.
fn site(address: SocketAddr) -> Site {
    let site = Site::empty();
    let listen = format!("address: \"{address}\", certificate: cert.pem, key: key.pem");
    site.settings(&format!("listen: {{{listen}}}\n"));
    site
}

/// Makes `NAME.pem` and `NAME.key`.
fn make(site: &Site, name: &str, address: SocketAddr) {
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=loom"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext"])
        .arg(format!("subjectAltName=IP:{}", address.ip()))
        .arg("-keyout")
        .arg(site.path(&format!("{name}.key")))
        .arg("-out")
        .arg(site.path(&format!("{name}.pem")));
    must(&mut openssl, SOON);
}

/// Puts them where the configuration has them.
fn install(site: &Site, certificate: &str, key: &str) {
    fs::copy(site.path(&format!("{certificate}.pem")), site.path("cert.pem")).unwrap();
    fs::copy(site.path(&format!("{key}.key")), site.path("key.pem")).unwrap();
}

/// Asks, trusting this certificate only.
fn get(
    site: &Site,
    trust: &str,
    address: SocketAddr,
    path: &str,
    token: &str,
) -> Result<Reply, String> {
    let pem = fs::read(site.path(&format!("{trust}.pem"))).unwrap();
    let root = Certificate::from_pem(&pem).unwrap();
    let tls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(SOON))
        .http_status_as_error(false)
        .build()
        .into();
    let request = agent.get(format!("https://{address}{path}"));
    let request = request.header("authorization", format!("Bearer {token}"));
    let mut response = request.call().map_err(|e| e.to_string())?;
    let strict = response.headers().get("strict-transport-security").is_some();
    let body = response.body_mut().read_to_string().map_err(|e| e.to_string())?;
    Ok(Reply {
        status: response.status().as_u16(),
        strict,
        body: serde_json::from_str(&body).unwrap(),
    })
}

#[derive(Debug)]
struct Reply {
    status: u16,
    strict: bool,
    body: Value,
}

#[test]
fn over_tls_whoever_trusts_the_certificate_is_answered() {
    let address = address();
    let site = site(address);
    make(&site, "a", address);
    make(&site, "b", address);
    install(&site, "a", "a");
    let mut daemon = Daemon::start(&site);
    let token = token(&site, "ci", "viewer", &[]);
    let reply = get(&site, "a", address, "/api/v1/whoami", &token).unwrap();
    assert_eq!((reply.status, &reply.body["name"]), (200, &json!("ci")));
    assert!(reply.strict);
    assert_eq!(get(&site, "a", address, "/api/v1/whoami", "loom_x").unwrap().status, 401);
    let stranger = get(&site, "b", address, "/api/v1/whoami", &token).unwrap_err();
    assert!(stranger.contains("certificate"), "{stranger}");
    // Without TLS nothing is told but how it is done.
    let plain = Place::remote(address, &token).get("whoami");
    assert!(plain.problem(400).contains("https://"), "{plain:?}");
    daemon.stop();
}

#[test]
fn a_renewed_certificate_is_taken_by_a_reload() {
    let address = address();
    let site = site(address);
    make(&site, "old", address);
    make(&site, "new", address);
    install(&site, "old", "old");
    let mut daemon = Daemon::start(&site);
    let token = token(&site, "ci", "viewer", &[]);
    let status = |trust| get(&site, trust, address, "/api/v1/whoami", &token).map(|r| r.status);
    let local = Place::local(&site);
    assert_eq!(status("old"), Ok(200));
    // Half of it: what is there stays, and it is said once.
    install(&site, "new", "old");
    local.post("reload", &json!({})).expect(200);
    assert_eq!(status("old"), Ok(200));
    daemon.wait_for_log("do not belong together; the one before stays in force", SOON);
    install(&site, "new", "new");
    local.post("reload", &json!({})).expect(200);
    assert_eq!(status("new"), Ok(200));
    assert!(status("old").is_err());
    daemon.stop();
}

#[test]
fn with_a_pair_that_is_none_nobody_is_answered_and_nothing_flaps() {
    let address = address();
    let site = site(address);
    make(&site, "a", address);
    make(&site, "b", address);
    install(&site, "a", "b");
    let mut daemon = Daemon::start(&site);
    let token = token(&site, "ci", "viewer", &[]);
    let status = |trust| get(&site, trust, address, "/api/v1/whoami", &token).map(|r| r.status);
    for _ in 0..5 {
        assert!(status("a").is_err());
    }
    daemon.wait_for_log("nobody can be answered over the network", SOON);
    let gateways = daemon.gateways();
    install(&site, "a", "a");
    Place::local(&site).post("reload", &json!({})).expect(200);
    assert_eq!(status("a"), Ok(200));
    assert_eq!(daemon.gateways(), gateways);
    let told = daemon.log().lines();
    let told = told.iter().filter(|line| line.contains("do not belong together"));
    assert_eq!(told.count(), 1, "{}", daemon.log().text());
    daemon.stop();
}
