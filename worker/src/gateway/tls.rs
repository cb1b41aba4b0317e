//! TLS: the certificate in force, and the handshake.
//!
//! The files are read anew after each reload of the configuration, so that a renewed certificate
//! is taken by one. While they are of no use the one before stays in force; without one before,
//! nobody is answered, since ending would only have this gateway started again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::problem::Error;
use super::{App, say};

/// From the first byte to the last of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Between attempts to read files that were of no use.
const PAUSE: Duration = Duration::from_secs(5);
/// What every record of a handshake begins with.
const HANDSHAKE_RECORD: u8 = 22;

pub struct Tls {
    app: App,
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the configuration, when the files were last read.
    generation: u64,
    tried: Option<Instant>,
    /// The same is not said twice.
    trouble: String,
    config: Option<Arc<ServerConfig>>,
}

impl Tls {
    pub fn new(app: App, certificate: PathBuf, key: PathBuf) -> Tls {
        Tls { app, certificate, key, state: Mutex::default() }
    }

    /// `None`: there is nobody to be answered. `wrap` goes between TLS and the socket.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: TcpStream,
        wrap: impl FnOnce(TcpStream) -> S,
    ) -> Option<TlsStream<S>> {
        let shaking = async {
            let mut first = [0];
            stream.peek(&mut first).await.ok().filter(|count| *count > 0)?;
            if first != [HANDSHAKE_RECORD] {
                explain(stream).await;
                return None;
            }
            let config = self.config().await?;
            TlsAcceptor::from(config).accept(wrap(stream)).await.ok()
        };
        tokio::time::timeout(HANDSHAKE, shaking).await.ok().flatten()
    }

    async fn config(&self) -> Option<Arc<ServerConfig>> {
        let generation = self.app.shelf.catalog().await.generation;
        let mut state = self.state.lock().await;
        let retry = state.config.is_none() || !state.trouble.is_empty();
        let rested = state.tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if generation != state.generation || (retry && rested) {
            state.generation = generation;
            state.tried = Some(Instant::now());
            let (certificate, key) = (self.certificate.clone(), self.key.clone());
            let read = tokio::task::spawn_blocking(move || read(&certificate, &key)).await;
            match read.unwrap_or_else(|e| Err(e.to_string())) {
                Ok(config) => {
                    state.config = Some(Arc::new(config));
                    state.trouble.clear();
                }
                Err(trouble) if trouble != state.trouble => {
                    let meanwhile = match state.config {
                        Some(_) => "the one before stays in force",
                        None => "nobody can be answered over the network",
                    };
                    say(format_args!("{trouble}; {meanwhile} until the files are mended"));
                    state.trouble = trouble;
                }
                Err(_) => {}
            }
        }
        state.config.clone()
    }
}

/// # Errors
/// What is wrong with which file.
fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, String> {
    let of = |path: &Path, e: pem::Error| match e {
        pem::Error::Io(e) => format!("{}: {e}", path.display()),
        pem::Error::NoItemsFound => format!("{}: there is none in it", path.display()),
        e => format!("{}: {e}", path.display()),
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("certificate {}", of(certificate, e)))?;
    if chain.is_empty() {
        return Err(format!("certificate {}: there is none in it", certificate.display()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| format!("key {}", of(key, e)))?;
    let builder = ServerConfig::builder_with_provider(ring::default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    let config = builder.with_no_client_auth().with_single_cert(chain, secret);
    let mut config = config.map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => format!(
            "certificate {} and key {} do not belong together",
            certificate.display(),
            key.display()
        ),
        e => format!("certificate {} with key {}: {e}", certificate.display(), key.display()),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// To somebody who speaks plain HTTP, and would otherwise only see the connection break.
async fn explain(mut stream: TcpStream) {
    let error = Error::new(
        StatusCode::BAD_REQUEST,
        "tls",
        "TLS is spoken here",
        "use https:// instead of http://",
    );
    let _ = stream.write_all(error.raw().as_bytes()).await;
    super::patience::linger(stream).await;
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn pair(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (key, certificate) = (dir.join(format!("{name}.key")), dir.join(name));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=loom", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output();
        assert!(made.unwrap().status.success());
        (certificate, key)
    }

    #[test]
    fn a_certificate_with_its_key_is_taken_and_what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = pair(dir.path(), "a");
        let (other, other_key) = pair(dir.path(), "b");
        assert!(read(&certificate, &key).is_ok());
        let why = |certificate: &Path, key: &Path| read(certificate, key).unwrap_err();
        let mixed = why(&certificate, &other_key);
        assert!(mixed.ends_with("do not belong together"), "{mixed}");
        assert!(mixed.contains("/a and key ") && mixed.contains("/b.key"), "{mixed}");
        let none = why(&key, &other_key);
        assert!(
            none.starts_with("certificate ") && none.ends_with("there is none in it"),
            "{none}"
        );
        let none = why(&certificate, &other);
        assert!(none.starts_with("key ") && none.ends_with("there is none in it"), "{none}");
        let gone = why(&dir.path().join("gone"), &key);
        assert!(gone.contains("/gone: No such file"), "{gone}");
        fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        assert!(why(&certificate, &key).contains("a.key"));
    }
}
