//! Accepting connections, and serving HTTP on each.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loom::protocol::control::Serve;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, oneshot, watch};
use tower::ServiceExt;

use super::auth::Origin;
use super::body::{Until, With};
use super::crowd::{Crowd, Place};
use super::patience::{Patient, linger};
use super::problem::Error;
use super::tls::Tls;
use super::{App, routes};

/// Connections at a time.
const CONNECTIONS: usize = 512;
/// Of those who have no place, so many are told so at a time; the others just find it closed.
const REFUSALS: usize = 32;
/// For a request's line and headers, and between two requests.
const HEADER_TIME: Duration = Duration::from_secs(20);
const HEADERS: usize = 64;
/// For line and headers together, in bytes.
const HEADER_SIZE: usize = 32 << 10;
/// A client that takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Until a silent connection is probed, between probes, and how many may go unanswered: of one
/// that died without a word we would otherwise not know while there is nothing to tell it.
const PROBE: (u32, u32, u32) = (60, 10, 3);
/// After a failed accept: descriptors may be short.
const PAUSE: Duration = Duration::from_millis(100);
/// For what is being answered when the parent goes; it waits a little longer for us.
const FAREWELL: Duration = Duration::from_millis(800);

struct Server {
    router: Router,
    crowd: Crowd,
    refusals: Semaphore,
    /// Closed when nothing more is answered.
    open: watch::Receiver<()>,
}

/// Until `parent` is gone. What it has said last is told to whoever waits for it.
pub async fn serve(
    listener: OwnedFd,
    app: App,
    parent: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let (close, open) = watch::channel(());
    let server = Rc::new(Server::new(routes::router(app.clone()), CONNECTIONS, open));
    let gone = tokio::select! {
        gone = parent => gone,
        failed = accept(&server, listener, app) => return failed,
    };
    drop(close);
    let _ = tokio::time::timeout(FAREWELL, server.crowd.dispersed()).await;
    gone
}

/// Does not return but with an error that ends the gateway.
async fn accept(server: &Rc<Server>, listener: OwnedFd, app: App) -> io::Result<()> {
    match app.hello.serve.clone() {
        Serve::Local { uid } => {
            let listener = net::UnixListener::from(listener);
            listener.set_nonblocking(true)?;
            accept_local(server, &UnixListener::from_std(listener)?, uid).await
        }
        Serve::Remote { tls, .. } => {
            let listener = std::net::TcpListener::from(listener);
            listener.set_nonblocking(true)?;
            let tls = tls.map(|(certificate, key)| Rc::new(Tls::new(app, certificate, key)));
            accept_remote(server, &TcpListener::from_std(listener)?, tls).await
        }
    }
}

async fn accept_local(server: &Rc<Server>, listener: &UnixListener, uid: u32) -> ! {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Ok(peer) = stream.peer_cred().map(|peer| peer.uid()) else { continue };
        if peer != uid && peer != 0 {
            continue;
        }
        let Some((place, leave)) = server.crowd.enter() else {
            server.refuse(stream);
            continue;
        };
        let (server, origin) = (server.clone(), Origin::Local { uid: peer });
        tokio::task::spawn_local(async move {
            server.serve(Patient::new(stream, PATIENCE), origin, place, leave).await;
        });
    }
}

async fn accept_remote(server: &Rc<Server>, listener: &TcpListener, tls: Option<Rc<Tls>>) -> ! {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let Some((place, leave)) = server.crowd.enter() else {
            // Nothing can be said before the handshake, for which there is no place.
            if tls.is_none() {
                server.refuse(stream);
            }
            continue;
        };
        prepare(&stream);
        let (server, tls) = (server.clone(), tls.clone());
        let origin = Origin::Remote { peer, tls: tls.is_some() };
        let patient = |stream| Patient::new(stream, PATIENCE);
        tokio::task::spawn_local(async move {
            match tls {
                None => server.serve(patient(stream), origin, place, leave).await,
                Some(tls) => {
                    let mut leave = leave;
                    let shaken = tokio::select! {
                        shaken = tls.accept(stream, patient) => shaken,
                        _ = &mut leave => None,
                    };
                    if let Some(stream) = shaken {
                        server.serve(stream, origin, place, leave).await;
                    }
                }
            }
        });
    }
}

/// What cannot be set only makes it slower to notice that somebody is gone.
fn prepare(stream: &TcpStream) {
    let (idle, between, probes) = PROBE;
    let _ = stream.set_nodelay(true);
    let _ = setsockopt(stream, sockopt::KeepAlive, &true);
    let _ = setsockopt(stream, sockopt::TcpKeepIdle, &idle);
    let _ = setsockopt(stream, sockopt::TcpKeepInterval, &between);
    let _ = setsockopt(stream, sockopt::TcpKeepCount, &probes);
    let _ = setsockopt(stream, sockopt::TcpUserTimeout, &(PATIENCE.as_millis() as u32));
}

impl Server {
    fn new(router: Router, connections: usize, open: watch::Receiver<()>) -> Server {
        let (crowd, refusals) = (Crowd::new(connections), Semaphore::new(REFUSALS));
        Server { router, crowd, refusals, open }
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        origin: Origin,
        place: Place,
        leave: oneshot::Receiver<()>,
    ) {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(origin);
            let (router, busy, open) = (self.router.clone(), place.busy(), self.open.clone());
            async move {
                let response = router.oneshot(request.map(Body::new)).await?;
                let response = response.map(|body| match body.size_hint().exact() {
                    Some(_) => body,
                    None => Body::new(Until::new(body, closed(open))),
                });
                Ok::<_, Infallible>(response.map(|body| With::new(body, busy)))
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME);
        http.max_headers(HEADERS).max_header_size(HEADER_SIZE).max_buf_size(2 * HEADER_SIZE);
        let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
        // That a client goes away is no news.
        tokio::select! {
            _ = &mut served => return,
            _ = leave => return,
            () = closed(self.open.clone()) => served.as_mut().graceful_shutdown(),
        }
        let _ = served.await;
    }

    fn refuse(self: &Rc<Self>, mut stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let server = self.clone();
        tokio::task::spawn_local(async move {
            let Ok(_place) = server.refusals.try_acquire() else { return };
            let told = async {
                let error = Error::unavailable("there are too many connections");
                let _ = stream.write_all(error.raw().as_bytes()).await;
                linger(stream).await;
            };
            let _ = tokio::time::timeout(PAUSE * 10, told).await;
        });
    }
}

async fn closed(mut open: watch::Receiver<()>) {
    while open.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::task::{LocalSet, spawn_local};
    use tokio_stream::StreamExt;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// Answers at once under `/`, never under `/never`, and without an end under `/endless`.
    fn server(connections: usize) -> (watch::Sender<()>, Rc<Server>) {
        let endless = async || {
            let ticks = tokio_stream::iter(0..).throttle(Duration::from_secs(1));
            Body::from_stream(ticks.map(|_| Ok::<_, Infallible>("tick")))
        };
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/endless", get(endless))
            .route("/never", get(std::future::pending::<String>));
        let (close, open) = watch::channel(());
        (close, Rc::new(Server::new(router, connections, open)))
    }

    /// Somebody who has connected; `None`, if there is no place.
    fn connect(server: &Rc<Server>) -> Option<DuplexStream> {
        let (ours, theirs) = duplex(1 << 16);
        let (place, leave) = server.crowd.enter()?;
        let (server, origin) = (server.clone(), Origin::Local { uid: 0 });
        spawn_local(async move { server.serve(ours, origin, place, leave).await });
        Some(theirs)
    }

    /// What is said until the connection ends.
    async fn heard(mut stream: DuplexStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    async fn answered(stream: &mut DuplexStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"here") {
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_to_the_end_of_the_headers_is_hung_up_on() {
        let test = async {
            let (_close, server) = server(2);
            let mut slow = connect(&server).unwrap();
            let begun = tokio::time::Instant::now();
            let speaking = async {
                for byte in REQUEST.iter().cycle().filter(|byte| **byte != b'\r') {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if slow.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                }
            };
            tokio::time::timeout(HEADER_TIME * 2, speaking).await.unwrap();
            assert!(begun.elapsed() >= HEADER_TIME, "{:?}", begun.elapsed());
            let silent = connect(&server).unwrap();
            assert_eq!(tokio::time::timeout(HEADER_TIME * 2, heard(silent)).await.unwrap(), "");
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_go_on_for_days_and_is_nobodys_place() {
        let test = async {
            let (_close, server) = server(1);
            let mut endless = connect(&server).unwrap();
            endless.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let two_days = tokio::time::Instant::now() + Duration::from_secs(2 * 86_400);
            let mut bytes = Vec::new();
            while tokio::time::Instant::now() < two_days {
                bytes.clear();
                assert!(endless.read_buf(&mut bytes).await.unwrap() > 0);
            }
            assert!(connect(&server).is_none());
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn who_is_idle_makes_room_for_who_is_not() {
        let test = async {
            let (_close, server) = server(1);
            let mut first = connect(&server).unwrap();
            first.write_all(REQUEST).await.unwrap();
            answered(&mut first).await;
            let mut second = connect(&server).unwrap();
            second.write_all(REQUEST).await.unwrap();
            answered(&mut second).await;
            assert_eq!(heard(first).await, "");
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_place_is_told_so() {
        let test = async {
            let (_close, server) = server(1);
            let (ours, mut theirs) = duplex(1 << 16);
            theirs.write_all(REQUEST).await.unwrap();
            server.refuse(ours);
            let told = heard(theirs).await;
            assert!(told.starts_with("HTTP/1.1 503 ") && told.contains("urn:loom:"), "{told}");
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn at_the_end_what_is_being_answered_is_and_the_rest_is_not_waited_for() {
        let test = async {
            let (close, server) = server(8);
            let asked = async |path: &str| {
                let mut stream = connect(&server).unwrap();
                let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                stream
            };
            let (idle, endless) = (connect(&server).unwrap(), asked("/endless").await);
            let last = asked("/").await;
            // They have begun to be answered.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            drop(close);
            let begun = Instant::now();
            server.crowd.dispersed().await;
            assert!(begun.elapsed() < FAREWELL, "{:?}", begun.elapsed());
            assert!(heard(last).await.ends_with("here"));
            assert!(heard(endless).await.ends_with("0\r\n\r\n"));
            assert_eq!(heard(idle).await, "");
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_an_answer_is_waited_for() {
        let test = async {
            let (close, server) = server(8);
            let mut never = connect(&server).unwrap();
            never.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(close);
            let waited = tokio::time::timeout(FAREWELL, server.crowd.dispersed()).await;
            assert!(waited.is_err());
        };
        LocalSet::new().run_until(test).await;
    }
}
