//! The client against servers that answer what a test has written down, on a socket and by TCP.

mod requests;
mod streams;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{Client, Options};

/// For what takes milliseconds.
const SOON: Duration = Duration::from_secs(20);

/// A server's part: connection by connection, what it sends for each request. Each string is sent
/// as it is; a connection is closed after its last.
type Script = Vec<Vec<String>>;

/// A request as it arrived: head and body.
type Requests = Receiver<String>;

fn on_socket(dir: &Path, script: Script) -> (Client, Requests) {
    let path = dir.join("api");
    let listener = UnixListener::bind(&path).unwrap();
    let requests = serve(script, move || listener.accept().unwrap().0);
    (client(&format!("unix:{}", path.display()), None), requests)
}

fn on_tcp(script: Script, token: &str) -> (Client, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = serve(script, move || listener.accept().unwrap().0);
    (client(&format!("http://{address}/"), Some(token)), requests)
}

fn client(host: &str, token: Option<&str>) -> Client {
    let token = token.map(|token| token.to_owned().into());
    let options = Options { host: Some(host.to_owned()), token, ..Options::default() };
    Client::connect(&options).unwrap()
}

/// Ends with its script, or with the test's process.
fn serve<S: Read + Write>(
    script: Script,
    mut accept: impl FnMut() -> S + Send + 'static,
) -> Requests {
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answers in script {
            let mut stream = BufReader::new(accept());
            for answer in answers {
                let Some(request) = read(&mut stream) else { break };
                // The test may have seen enough.
                let _ = sender.send(request);
                let _ = stream.get_mut().write_all(answer.as_bytes());
            }
        }
    });
    requests
}

fn read(stream: &mut impl BufRead) -> Option<String> {
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(request + &String::from_utf8(body).unwrap())
}

fn answer(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
}

fn json(body: &str) -> String {
    answer("200 OK", "application/json", body)
}

fn problem(status: u16, detail: &str) -> String {
    let body = serde_json::json!({
        "type": "urn:loom:x", "title": "X", "status": status, "detail": detail,
    });
    answer(&format!("{status} X"), "application/problem+json", &body.to_string())
}

/// A stream that goes on; chunks are what follows.
fn stream() -> String {
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_owned()
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}
