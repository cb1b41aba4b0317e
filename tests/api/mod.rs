//! The API as it is met with from outside: real daemons, real sockets, requests written by hand.

mod control;
mod guard;
mod jobs;
mod killed;
mod people;
mod schemathesis;
mod tls;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::{Value, json};

use crate::harness::{SOON, Site};

/// An address that no other test listens on, in this process or another.
fn address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let pid = std::process::id();
    let ip = Ipv4Addr::new(127, 64 | (pid >> 16) as u8, (pid >> 8) as u8, pid as u8 | 1);
    (ip, NEXT.fetch_add(1, Ordering::Relaxed)).into()
}

/// A site without nodes that listens at the address, without TLS.
fn listening(address: SocketAddr) -> Site {
    let site = Site::empty();
    site.settings(&format!("listen: {address}\n"));
    site
}

/// Where a daemon is spoken with.
#[derive(Clone)]
enum Place {
    Local(std::path::PathBuf),
    Remote { address: SocketAddr, token: Option<String> },
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: String,
}

impl Place {
    fn local(site: &Site) -> Place {
        Place::Local(site.statedir().join("api.sock"))
    }

    fn remote(address: SocketAddr, token: &str) -> Place {
        Place::Remote { address, token: Some(token.to_owned()) }
    }

    fn stranger(address: SocketAddr) -> Place {
        Place::Remote { address, token: None }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], None)
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.ask("POST", path, &headers, Some(&body.to_string()))
    }

    fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, &[], None)
    }

    /// On a connection of its own. A path without a slash is one below `/api/v1`.
    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        self.try_ask(method, path, headers, body)
            .unwrap_or_else(|e| panic!("no answer to {method} {path}: {e}"))
    }

    fn try_ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> io::Result<Answer> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") };
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.host());
        }
        if let Place::Remote { token: Some(token), .. } = self {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            head += &format!("content-length: {}\r\n", body.len());
        }
        self.exchange(format!("{head}\r\n{}", body.unwrap_or_default()).as_bytes())
    }

    fn host(&self) -> String {
        match self {
            Place::Local(_) => "localhost".to_owned(),
            Place::Remote { address, .. } => address.to_string(),
        }
    }

    /// Sends these bytes, and reads to the end of the connection.
    fn exchange(&self, request: &[u8]) -> io::Result<Answer> {
        match self {
            Place::Local(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SOON))?;
                stream.set_write_timeout(Some(SOON))?;
                exchange(stream, request)
            }
            Place::Remote { address, .. } => exchange(connect(*address)?, request),
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Answer> {
    // It may be answered, and closed, before all of it was taken.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    Answer::parse(&bytes).ok_or_else(|| {
        read.err().unwrap_or_else(|| io::Error::other(format!("{} bytes of it", bytes.len())))
    })
}

impl Answer {
    /// `None`, if it is not whole.
    fn parse(bytes: &[u8]) -> Option<Answer> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        let answer = Answer { status, headers: headers.collect(), body: body.to_owned() };
        let length = answer.header("content-length").map(str::parse);
        (length.is_none_or(|length| length == Ok(body.len()))).then_some(answer)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The JSON of an answer with this status.
    fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The detail of a problem with this status, which is one in every respect.
    fn problem(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert!(problem["type"].as_str().unwrap().starts_with("urn:loom:"), "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Makes a token over the unix socket, as one does with `loom token add`.
fn token(site: &Site, name: &str, role: &str, jobs: &[&str]) -> String {
    let request = json!({ "name": name, "role": role, "jobs": jobs });
    let made = Place::local(site).post("tokens", &request).expect(201);
    made["token"].as_str().unwrap().to_owned()
}
