//! Webhooks, against servers that answer and servers that do not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use loom::job::hooks::{Action, Url};

use super::{AMPLE, Rig, firing};
use crate::harness::SOON;
use crate::harness::process::mentioning;

const TOKEN: &str = "sesam-4711-oeffne-dich";

struct Request {
    /// The first line and the headers, as they came.
    head: String,
    body: Vec<u8>,
}

/// Answers each connection in turn, in a thread that ends with the last answer. Instead of `None`
/// it says nothing until the test is over.
struct Server {
    at: SocketAddr,
    requests: Receiver<Request>,
    hold: Sender<()>,
}

fn serve(answers: Vec<Option<String>>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (to, requests) = channel();
    let (hold, held) = channel::<()>();
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            let Some(request) = read(&stream) else { continue };
            let _ = to.send(request);
            match answer {
                Some(answer) => drop((&stream).write_all(answer.as_bytes())),
                None => drop(held.recv_timeout(SOON)),
            }
        }
    });
    Server { at, requests, hold }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut from = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

fn answer(status: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"))
}

fn redirect(status: &str, to: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status}\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
}

fn post(rig: &mut Rig, url: String, timeout: Duration, body: &[u8]) {
    rig.fire(firing("backup", Action::Webhook(Url(url)), timeout, body));
}

/// Of posting to a path with a token; the token is in no failure.
fn result(at: SocketAddr, timeout: Duration) -> Result<(), String> {
    let mut rig = Rig::new();
    post(&mut rig, format!("http://{at}/{TOKEN}?key={TOKEN}"), timeout, b"{}\n");
    let result = rig.result();
    if let Err(why) = &result {
        assert!(!why.contains(TOKEN), "{why}");
    }
    result
}

#[test]
fn the_json_is_posted() {
    let server = serve(vec![answer("204 No Content")]);
    let mut rig = Rig::new();
    let body: Vec<u8> = (0..1_000_000u32).map(|n| b'a' + (n % 26) as u8).collect();
    let url = format!("http://user:pass@{}/hooks/{TOKEN}?key={TOKEN}", server.at);
    post(&mut rig, url, AMPLE, &body);
    assert_eq!(rig.result(), Ok(()));
    let request = server.requests.recv_timeout(SOON).unwrap();
    assert!(request.body == body, "{} bytes", request.body.len());
    let head = request.head.to_ascii_lowercase();
    let line = format!("post /hooks/{TOKEN}?key={TOKEN} http/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    for header in [
        "content-type: application/json\r\n",
        concat!("user-agent: loom/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "authorization: basic dxnlcjpwyxnz\r\n",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
}

#[test]
fn an_answer_that_is_no_success_is_a_failure() {
    for status in
        ["500 Internal Server Error", "404 Not Found", "303 See Other", "304 Not Modified"]
    {
        let server = serve(vec![answer(status)]);
        let at = server.at;
        assert_eq!(result(at, AMPLE), Err(format!("http://{at}/… answered {status}")));
    }
    // What the server says besides the number is not repeated.
    let server = serve(vec![answer("500 \u{1b}[31mboo")]);
    let why = result(server.at, AMPLE).unwrap_err();
    assert!(!why.contains("boo"), "{why}");
}

#[test]
fn garbage_is_no_answer() {
    for garbage in ["SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0", "HTTP/1.1 abc\r\n\r\n", ""] {
        let server = serve(vec![Some(garbage.to_owned())]);
        let why = result(server.at, AMPLE).unwrap_err();
        assert!(why.starts_with(&format!("http://{}/…: ", server.at)), "{garbage:?}: {why}");
    }
    // Not a word of it is TLS.
    let server = serve(vec![]);
    let mut rig = Rig::new();
    post(&mut rig, format!("https://{}/{TOKEN}", server.at), AMPLE, b"{}");
    let why = rig.failure();
    assert!(why.starts_with(&format!("https://{}/…: ", server.at)), "{why}");
    assert!(!why.contains(TOKEN), "{why}");
}

#[test]
fn nobody_there_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let why = result(at, AMPLE).unwrap_err();
    assert_eq!(why, format!("http://{at}/…: Connection refused (os error 111)"));
}

#[test]
fn no_url_is_shown_even_if_it_is_none() {
    for url in
        [format!("http://[{TOKEN}"), format!("http://h/{TOKEN} x"), format!("ftp://h/{TOKEN}")]
    {
        let mut rig = Rig::new();
        post(&mut rig, url.clone(), AMPLE, b"{}");
        let why = rig.failure();
        assert!(!why.is_empty());
        // A URL that has no host has nothing but a host.
        assert!(url.contains('[') || !why.contains(TOKEN), "{url}: {why}");
    }
}

#[test]
fn who_is_slow_is_given_up_and_the_token_was_nowhere_to_be_seen() {
    // Of this test alone, so that no other's process is found.
    let token = format!("{TOKEN}-slow");
    let server = serve(vec![None]);
    let mut rig = Rig::new();
    post(&mut rig, format!("http://{}/{token}", server.at), Duration::from_secs(4), b"{}");
    let mut request = None;
    rig.turn_until("the request", |_| {
        request = request.take().or_else(|| server.requests.try_recv().ok());
        request.is_some()
    });
    assert!(request.is_some_and(|request| request.head.contains(&token)));
    // By now it runs, and knows the URL.
    assert_ne!(mentioning(b"loom: webhook"), []);
    assert_eq!(mentioning(token.as_bytes()), []);
    assert_eq!(rig.failure(), "it took longer than 4s and was ended");
    let _ = server.hold.send(());
}

#[test]
fn it_follows_to_the_same_host_with_the_same_json() {
    for status in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let server = serve(vec![redirect(status, "/there?x=1"), answer("200 OK")]);
        assert_eq!(result(server.at, AMPLE), Ok(()), "{status}");
        let (first, second) = (server.requests.recv().unwrap(), server.requests.recv().unwrap());
        assert!(second.head.starts_with("POST /there?x=1 HTTP/1.1\r\n"), "{}", second.head);
        assert_eq!(first.body, second.body);
    }
}

#[test]
fn it_follows_nowhere_else_and_not_for_ever() {
    let other = serve(vec![answer("200 OK")]);
    let elsewhere = format!("http://{}/", other.at);
    for to in
        [elsewhere.as_str(), "https://127.0.0.1/", "http://localhost/", "//127.0.0.2/", "there"]
    {
        let server = serve(vec![redirect("308 Permanent Redirect", to)]);
        let why = result(server.at, AMPLE).unwrap_err();
        assert!(why.ends_with("but Loom follows to the same host only"), "{to}: {why}");
    }
    assert!(other.requests.try_recv().is_err());
    let server = serve(vec![redirect("302 Found", "/again"); 4]);
    let why = result(server.at, AMPLE).unwrap_err();
    assert_eq!(why, format!("http://{}/… redirects more than 3 times", server.at));
    assert_eq!(server.requests.iter().count(), 4);
}
