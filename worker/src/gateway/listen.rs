//! Accepting connections, and serving HTTP on each.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::time::Duration;

use axum::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use loom::protocol::control::Serve;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::App;
use super::auth::Origin;
use super::routes;

/// For a request's line and headers.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// After a failed accept: descriptors may be short.
const PAUSE: Duration = Duration::from_millis(100);

/// Does not return but with an error that ends the gateway.
pub async fn accept(listener: OwnedFd, app: App) -> io::Result<()> {
    match app.hello.serve.clone() {
        Serve::Local { uid } => {
            let listener = net::UnixListener::from(listener);
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let peer = stream.peer_cred()?.uid();
                        if peer == uid || peer == 0 {
                            serve(stream, Origin::Local { uid: peer }, &app);
                        }
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        Serve::Remote { .. } => {
            let listener = std::net::TcpListener::from(listener);
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => serve(stream, Origin::Remote, &app),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
    }
}

fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, origin: Origin, app: &App) {
    let router = routes::router(app.clone()).layer(Extension(origin));
    let service = TowerToHyperService::new(router);
    tokio::task::spawn_local(async move {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
        // That a client goes away is no news.
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    });
}
