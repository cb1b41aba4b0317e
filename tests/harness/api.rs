//! Asking a daemon over its local socket, without any of Loom's own code.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::{SOON, Site};

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// GET of a path below `/api/v1/`.
pub fn get(site: &Site, path: &str) -> io::Result<Answer> {
    ask(site, "GET", path, None)
}

/// One request on a connection of its own; `path` is below `/api/v1/`.
pub fn ask(site: &Site, method: &str, path: &str, body: Option<Value>) -> io::Result<Answer> {
    ask_with(site, method, path, &[], body)
}

/// [`ask`], with more headers.
pub fn ask_with(
    site: &Site,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> io::Result<Answer> {
    let mut stream = connect(site)?;
    let more = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let more: String = more.collect();
    let body = body.map_or(String::new(), |body| body.to_string());
    let length = body.len();
    write!(
        stream,
        "{method} /api/v1/{path} HTTP/1.0\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n{body}"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, body: body.to_owned() })
}

pub fn connect(site: &Site) -> io::Result<UnixStream> {
    // The link's own path may be too long for an address.
    let stream = UnixStream::connect(std::fs::read_link(site.statedir().join("api.sock"))?)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    Ok(stream)
}
