//! A small HTTP client, over whatever stream: one request at a time, bodies whole or piece by piece.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// For one read of a response. It only bounds a failure.
const PATIENCE: Duration = Duration::from_secs(90);

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

#[derive(Debug, Clone)]
pub enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// What is sent with every request; each request has a connection of its own, see [`Connection`].
#[derive(Debug, Clone)]
pub struct Client {
    address: Address,
    headers: Vec<(String, String)>,
}

impl Client {
    pub fn unix(path: &Path) -> Client {
        Client { address: Address::Unix(path.to_owned()), headers: Vec::new() }
    }

    pub fn tcp(address: SocketAddr) -> Client {
        Client { address: Address::Tcp(address), headers: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Client {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn bearer(self, token: &str) -> Client {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    pub fn connect(&self) -> Connection {
        let stream: Box<dyn Stream> = match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        };
        Connection { stream: BufReader::new(stream), headers: self.headers.clone() }
    }

    /// The response's head; its body is yet to be read.
    pub fn open(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        let mut connection = self.connect();
        let head = connection.send(method, path, body).unwrap();
        Response { head, connection }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.connect().request("GET", path, None)
    }

    /// Without `body`, none is sent at all.
    pub fn post(&self, path: &str, body: Option<Value>) -> Answer {
        self.connect().request("POST", path, body.as_ref())
    }
}

/// Kept alive between requests.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    headers: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Connection {
    pub fn request(&mut self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let head = self.send(method, path, body).unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(&head, bytes.len()).unwrap() {
            bytes.extend(piece);
        }
        Answer { head, body: bytes }
    }

    fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Head> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            request.push_str("Content-Type: application/json\r\n");
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.as_deref().unwrap_or_default());
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.head()
    }

    fn head(&mut self) -> io::Result<Head> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Head { status, headers });
            }
            let (name, value) = line.split_once(':').expect("a header has a colon");
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    /// What comes next of a body of which `had` bytes were read; `None` at its end.
    fn piece(&mut self, head: &Head, had: usize) -> io::Result<Option<Vec<u8>>> {
        if head.header("transfer-encoding") == Some("chunked") {
            let size = usize::from_str_radix(self.line()?.trim(), 16).expect("a chunk has a size");
            let mut chunk = vec![0; size];
            self.stream.read_exact(&mut chunk)?;
            self.line()?;
            return Ok((size > 0).then_some(chunk));
        }
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        if had >= length {
            return Ok(None);
        }
        let mut rest = vec![0; length - had];
        self.stream.read_exact(&mut rest)?;
        Ok(Some(rest))
    }
}

/// A response whose body is read as it comes.
pub struct Response {
    pub head: Head,
    connection: Connection,
}

impl Response {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The next piece of a body that comes in chunks; `None` at its end. An error if the connection
    /// ends before, or says nothing for too long.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.connection.piece(&self.head, 0)
    }
}

/// A response, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub head: Head,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{} is no JSON: {e}: {}", self.status(), self.text()))
    }

    /// The body of a success, as what it should be.
    pub fn of<T: DeserializeOwned>(&self) -> T {
        assert!(self.status() < 300, "{}: {}", self.status(), self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The sentence of a problem with this status.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status(), status, "{}", self.text());
        assert_eq!(self.head.header("content-type"), Some("application/problem+json"));
        let problem: loom::api::problem::Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, status);
        problem.detail
    }
}
