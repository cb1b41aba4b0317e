//! A daemon's API that says what a test wants it to say, behind a real unix socket: answers, event
//! streams, and connections that are lost in the middle of either.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::harness::{SOON, until};

pub struct Api {
    socket: PathBuf,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET /runs/7?wait=1`, without what every path begins with.
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: Value,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let of = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        of.map(|(_, value)| value.as_str())
    }
}

pub enum Reply {
    Json(u16, Value),
    Bytes(Vec<u8>),
    Events(Vec<Step>),
    /// Not a byte.
    Hangup,
}

#[derive(Clone)]
pub enum Step {
    /// Its id is the number of it in the stream, as the test counts.
    Event(u64, Value),
    Wait(Gate),
    Hangup,
}

/// Closed until it is opened, or the test has failed anyway.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        let _ = self.0.1.wait_timeout_while(open, SOON, |open| !*open).unwrap();
    }
}

impl Api {
    pub fn start(dir: &Path, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Api {
        let socket = dir.join("scripted");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, answer) = (asked.clone(), Arc::new(answer));
        // It goes with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer, stream) = (log.clone(), answer.clone(), stream.unwrap());
                thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Api { socket, asked }
    }

    pub fn host(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    pub fn asked(&self, line: &str) -> Vec<Asked> {
        let all = self.asked.lock().unwrap();
        all.iter().filter(|asked| asked.line.starts_with(line)).cloned().collect()
    }

    /// The first request that begins so, once there is one.
    pub fn wait_for(&self, line: &str) -> Asked {
        until(line, SOON, || self.asked(line).into_iter().next())
    }
}

fn serve(stream: UnixStream, log: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) {
    stream.set_read_timeout(Some(SOON)).unwrap();
    let Some(asked) = read(&stream) else { return };
    log.lock().unwrap().push(asked.clone());
    // Who asked may be gone.
    let _ = write(stream, answer(&asked));
}

fn read(stream: &UnixStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut words = first.split_whitespace();
    let line = format!("{} {}", words.next()?, words.next()?.strip_prefix("/api/v1")?);
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Asked { line, headers, body })
}

fn write(mut to: UnixStream, reply: Reply) -> std::io::Result<()> {
    let (status, kind, body) = match reply {
        Reply::Hangup => return Ok(()),
        Reply::Json(status, value) if status >= 400 => {
            (status, "application/problem+json", value.to_string().into_bytes())
        }
        Reply::Json(status, value) => (status, "application/json", value.to_string().into_bytes()),
        Reply::Bytes(bytes) => (200, "text/plain", bytes),
        Reply::Events(steps) => return stream(to, steps),
    };
    let length = body.len();
    write!(
        to,
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    to.write_all(&body)
}

fn stream(mut to: UnixStream, steps: Vec<Step>) -> std::io::Result<()> {
    let kind = "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close";
    write!(to, "HTTP/1.1 200 OK\r\n{kind}\r\n\r\n")?;
    for step in steps {
        match step {
            Step::Event(id, event) => {
                let name = event["type"].as_str().unwrap().to_owned();
                let text = format!("event: {name}\nid: {id}\ndata: {event}\n\n");
                write!(to, "{:x}\r\n{text}\r\n", text.len())?;
                to.flush()?;
            }
            Step::Wait(gate) => gate.pass(),
            Step::Hangup => return Ok(()),
        }
    }
    write!(to, "0\r\n\r\n")
}

const AT: &str = "2024-02-29T23:59:59.5Z";

pub fn line(unit: u64, node: &str, text: &str) -> Value {
    said(unit, node, "stdout", text, false)
}

pub fn said(unit: u64, node: &str, stream: &str, text: &str, partial: bool) -> Value {
    json!({"type": "line", "unit": unit, "node": node, "at": AT, "stream": stream, "text": text,
           "partial": partial})
}

pub fn unit(id: u64, node: &str, outcome: &str, exit: Option<i32>) -> Value {
    let summary = match exit.filter(|exit| *exit > 0) {
        Some(exit) => format!("{outcome}, exit {exit}"),
        None => outcome.to_owned(),
    };
    json!({"type": "unit", "id": id, "run": 7, "node": node, "attempt": 1, "state": "done",
           "outcome": outcome, "summary": summary, "exit": exit, "started_at": AT,
           "finished_at": AT, "output_bytes": 9, "output_truncated": false})
}

pub fn running(id: u64, node: &str) -> Value {
    json!({"id": id, "run": 7, "node": node, "attempt": 1, "state": "running", "started_at": AT,
           "output_bytes": 0, "output_truncated": false})
}

/// Of run 7 of the job `hello`; `open` if it is still to end.
pub fn run(state: &str, total: usize) -> Value {
    let over = !matches!(state, "queued" | "running");
    json!({"type": "run", "id": 7, "job": "hello", "trigger": "manual", "queued_at": AT,
           "started_at": AT, "finished_at": over.then_some(AT), "state": state,
           "units": {"total": total, "succeeded": 0, "failed": 0, "cancelled": 0, "lost": 0,
                     "skipped": 0, "open": 0}})
}

pub fn detail(state: &str, units: &[Value]) -> Value {
    let mut run = run(state, units.len());
    run["nodes"] = json!(units);
    run["gaps"] = json!([]);
    run
}

pub fn problem(status: u16, detail: &str) -> Reply {
    let problem = json!({"type": "about:blank", "title": "x", "status": status, "detail": detail});
    Reply::Json(status, problem)
}
