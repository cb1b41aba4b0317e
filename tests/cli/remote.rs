//! The same from afar: over TLS, with tokens, by the environment and by options.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use super::{loom, loom_with};
use crate::harness::process::must;
use crate::harness::{Daemon, Farm, SOON, Site};

/// Of `localhost`, signed by itself: the certificate is its own authority.
fn certify(site: &Site) -> (PathBuf, PathBuf) {
    let (certificate, key) = (site.path("cert.pem"), site.path("key.pem"));
    must(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "30", "-subj", "/CN=loom test"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate),
        SOON,
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    (certificate, key)
}

/// Free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn token(site: &Site, args: &[&str]) -> String {
    let made = loom(site, &[&["token", "add"], args].concat()).exits(0);
    made.stdout.trim().to_owned()
}

#[test]
fn a_daemon_is_asked_over_tls_and_every_role_does_what_it_may() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("web", "true", &["n1"]);
    site.write_command("db", "true", &["n1"]);
    let (certificate, key) = certify(&site);
    let port = port();
    site.settings(&format!(
        "connect_timeout: 5\nstop_timeout: 5\nlisten:\n  address: 127.0.0.1:{port}\n  \
         certificate: {}\n  key: {}\n",
        certificate.display(),
        key.display()
    ));
    let mut daemon = Daemon::start(&site);
    let host = format!("https://localhost:{port}");
    let authority = certificate.to_str().unwrap();
    let by = |token: &str, args: &[&str]| {
        let variables =
            [("LOOM_HOST", host.as_str()), ("LOOM_TOKEN", token), ("LOOM_CACERT", authority)];
        loom_with(&site, &variables, args)
    };

    let viewer = token(&site, &["ann", "--role", "viewer"]);
    assert_eq!(by(&viewer, &["jobs", "--json"]).json().as_array().unwrap().len(), 2);
    let refused = by(&viewer, &["disable", "web"]).exits(3).stderr;
    assert!(refused.contains("viewer") && refused.contains("operator"), "{refused}");
    by(&viewer, &["audit"]).exits(3);

    let operator = token(&site, &["ben", "--role", "operator", "--jobs", "w*"]);
    let json = by(&operator, &["jobs", "--json"]).json();
    assert_eq!(json.as_array().unwrap().len(), 1);
    by(&operator, &["disable", "web"]).exits(0);
    // What it is not for is not there.
    by(&operator, &["disable", "db"]).exits(5);
    by(&operator, &["pause"]).exits(3);
    let json = loom(&site, &["audit", "--who", "token:ben", "--json"]).json();
    assert_eq!((&json[0]["action"], &json[0]["via"]), (&"disable".into(), &"tcp".into()));

    by("loom_wrong", &["jobs"]).exits(3);
    loom(&site, &["token", "revoke", "ann"]).exits(0);
    let refused = by(&viewer, &["jobs"]).exits(3).stderr;
    assert!(refused.contains("revoked"), "{refused}");

    // By options, from a file.
    let file = site.path("token");
    fs::write(&file, format!("{operator}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let options =
        ["jobs", "--host", &host, "--token-file", file.to_str().unwrap(), "--cacert", authority];
    loom(&site, &options).exits(0);
    // Nobody vouches for it, or it does not speak TLS, or is meant otherwise.
    let told = loom(&site, &options[..5]).exits(4).stderr;
    assert!(told.contains("--cacert FILE"), "{told}");
    let plain = host.replace("https", "http");
    let told = loom_with(&site, &[("LOOM_TOKEN", &operator)], &["jobs", "--host", &plain]);
    assert!(told.code != Some(0) && told.stderr.contains("https://"), "{told:?}");
    daemon.stop();
}

#[test]
fn a_remote_daemon_is_stopped_and_waited_for() {
    let site = Site::empty();
    let port = port();
    site.settings(&format!("stop_timeout: 5\nlisten: 127.0.0.1:{port}\n"));
    let mut daemon = Daemon::start(&site);
    let admin = token(&site, &["root", "--role", "admin"]);
    let host = format!("http://127.0.0.1:{port}");
    let variables = [("LOOM_HOST", host.as_str()), ("LOOM_TOKEN", &admin)];
    let told = loom_with(&site, &variables, &["status"]).exits(0);
    // It stays on this machine.
    assert_eq!(told.stderr, "");
    loom_with(&site, &variables, &["stop", "--wait"]).exits(0);
    daemon.wait(SOON);
    loom_with(&site, &variables, &["status"]).exits(4);
}
