//! Webhooks over TLS, against OpenSSL's own server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use loom::job::hooks::{Action, Url};

use super::{AMPLE, Rig, firing};
use crate::harness::process::{end, must};
use crate::harness::{SOON, until};

/// A server that answers whoever speaks first, with a certificate for this name only.
struct Server {
    process: Child,
    dir: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start(name: &str) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let (key, certificate) = (dir.path().join("key"), dir.path().join("certificate"));
        let mut make = Command::new("openssl");
        make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=loom"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext"])
            .arg(format!("subjectAltName={name}"))
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        must(&mut make, SOON);
        let mut process = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-ign_eof", "-cert"])
            .arg(&certificate)
            .arg("-key")
            .arg(&key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it did not come up");
        }
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        let got = dir.path().join("got");
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = said.read_to_end(&mut bytes);
            bytes.extend_from_slice(b"end\n");
            let _ = fs::write(got, bytes);
        });
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        process.stdin.as_mut().unwrap().write_all(answer).unwrap();
        Server { process, dir, port }
    }

    /// Ends it; what it was told.
    fn heard(mut self) -> String {
        end(&mut self.process);
        let got = self.dir.path().join("got");
        until("what it heard", SOON, || {
            fs::read_to_string(&got).ok().filter(|got| got.ends_with("end\n"))
        })
    }

    fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn post(server: &Server, trust: Option<&Path>) -> Result<(), String> {
    let trust = trust.map(|path| path.to_str().unwrap());
    let environment: Vec<_> = trust.map(|path| ("SSL_CERT_FILE", path)).into_iter().collect();
    let mut rig = Rig::with_environment(&environment);
    let url = Url(format!("https://127.0.0.1:{}/sesam", server.port));
    rig.fire(firing("backup", Action::Webhook(url), AMPLE.min(Duration::from_secs(20)), b"{}\n"));
    rig.result()
}

#[test]
fn who_is_known_by_a_trusted_certificate_is_told() {
    let server = Server::start("IP:127.0.0.1");
    assert_eq!(post(&server, Some(&server.certificate())), Ok(()));
    assert!(server.heard().contains("POST /sesam HTTP/1.1"));
}

#[test]
fn who_is_not_trusted_or_is_somebody_else_is_told_nothing() {
    let stranger = Server::start("IP:127.0.0.1");
    let why = post(&stranger, None).unwrap_err();
    assert!(why.contains("TLS: ") && why.contains("UnknownIssuer"), "{why}");
    let other = Server::start("DNS:other.example.com");
    let why = post(&other, Some(&other.certificate())).unwrap_err();
    assert!(why.contains("TLS: ") && why.contains("not valid for"), "{why}");
    let why = post(&other, Some(Path::new("/nowhere"))).unwrap_err();
    assert!(why.starts_with("SSL_CERT_FILE=/nowhere: No such file"), "{why}");
    for server in [stranger, other] {
        assert!(!server.heard().contains("sesam"));
    }
}
