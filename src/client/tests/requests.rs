//! Requests and their answers.

use std::time::{Duration, Instant};

use serde_json::{Value, json as value};

use super::super::{Class, Client, Options, Route};
use super::{SOON, answer, client, json, on_socket, on_tcp, problem};

fn jobs() -> Route {
    Route::to(["jobs"])
}

#[test]
fn an_answer_comes_over_the_socket_and_no_token_goes_there() {
    let dir = tempfile::tempdir().unwrap();
    let (client, requests) = on_socket(dir.path(), vec![vec![json(r#"{"a": 1}"#); 2]]);
    let route = Route::to(["jobs", "a/b c", "run"]).with("at", "2026-11-21T03:00:00+01:00");
    assert_eq!(client.get::<Value>(&route).unwrap(), value!({"a": 1}));
    let request = requests.recv_timeout(SOON).unwrap();
    let line = "GET /api/v1/jobs/a%2Fb%20c/run?at=2026-11-21T03%3A00%3A00%2B01%3A00 HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
    // The connection serves again.
    client.get::<Value>(&route.maybe("cursor", Some("x"))).unwrap();
    assert!(requests.recv_timeout(SOON).unwrap().contains("&cursor=x HTTP"));
}

#[test]
fn the_token_goes_over_tcp_and_is_never_shown() {
    let (client, requests) = on_tcp(vec![vec![json("[]")]], "loom_secret");
    client.get::<Value>(&jobs()).unwrap();
    let request = requests.recv_timeout(SOON).unwrap();
    assert!(request.to_lowercase().contains("authorization: bearer loom_secret\r\n"), "{request}");
    assert!(!format!("{client:?}").contains("secret"));
}

#[test]
fn problems_are_told_in_the_daemons_words_and_classed() {
    for (status, class) in [
        (400, Class::Usage),
        (401, Class::Refused),
        (403, Class::Refused),
        (404, Class::Unknown),
        (409, Class::Failed),
        (503, Class::Failed),
    ] {
        let (client, _requests) = on_tcp(vec![vec![problem(status, "no\u{1b}[2J\nsuch")]], "t");
        let failure = client.get::<Value>(&jobs()).unwrap_err();
        assert_eq!(failure.class(), class);
        assert_eq!(failure.to_string(), "no\\u{1b}[2J\nsuch");
        assert_eq!(failure.problem().unwrap().status, status);
    }
}

#[test]
fn what_does_not_speak_as_a_daemon_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = answer("502 Bad Gateway", "text/html", "<h1>oh</h1>");
    let (client, _requests) =
        on_socket(dir.path(), vec![vec![gateway], vec!["SSH-2.0-x\r\n".into()]]);
    let failure = client.get::<Value>(&jobs()).unwrap_err();
    assert_eq!(failure.class(), Class::Unreachable);
    assert!(failure.to_string().contains("502 Bad Gateway"), "{failure}");
    let failure = client.get::<Value>(&jobs()).unwrap_err();
    assert!(failure.to_string().contains("no HTTP"), "{failure}");
}

#[test]
fn nobody_there_is_said_with_where_was_looked_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api");
    let host = format!("unix:{}", path.display());
    let told = || client(&host, None).get::<Value>(&jobs()).unwrap_err();
    assert!(told().to_string().contains("api: there is no such socket"), "{}", told());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let failure = told();
    assert_eq!(failure.class(), Class::Unreachable);
    assert!(failure.to_string().starts_with("no daemon runs here (looked at "), "{failure}");
    assert!(failure.why().ends_with("api: nobody listens there"), "{}", failure.why());
    let failure = client("https://nowhere.invalid", Some("t")).get::<Value>(&jobs()).unwrap_err();
    let text = failure.to_string();
    assert!(text.starts_with("https://nowhere.invalid cannot be reached: "), "{text}");
    // By its configuration, which is not there either.
    let candidates = dir.path().join("loom.yaml").display().to_string();
    let options = Options { candidates, ..Options::default() };
    let failure = Client::connect(&options).unwrap().get::<Value>(&jobs()).unwrap_err();
    assert!(failure.to_string().contains("\nthere is no configuration"), "{failure}");
}

#[test]
fn a_get_is_made_again_when_the_connection_is_lost_and_a_post_only_with_a_key() {
    // A connection that is closed after the request, and then one that answers.
    let lost_then = |answer: String| vec![vec![String::new()], vec![answer]];
    let (client, requests) = on_tcp(lost_then(json("1")), "t");
    assert_eq!(client.get::<u8>(&jobs()).unwrap(), 1);
    assert_eq!(requests.iter().take(2).count(), 2);

    let (client, requests) = on_tcp(lost_then(json("2")), "t");
    let body = value!({"wait": 0});
    assert_eq!(client.post::<_, u8>(&jobs(), &body, Some("k1")).unwrap(), 2);
    for request in requests.iter().take(2) {
        assert!(request.to_lowercase().contains("idempotency-key: k1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n{\"wait\":0}"), "{request}");
    }

    let (client, requests) = on_tcp(lost_then(json("3")), "t");
    let failure = client.post::<_, u8>(&jobs(), &body, None).unwrap_err();
    assert_eq!(failure.class(), Class::Unreachable);
    assert!(failure.to_string().contains("was lost"), "{failure}");
    assert_eq!(requests.try_iter().count(), 1);
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,".to_owned();
    let (client, _requests) = on_tcp(vec![vec![half], vec![json("[1]")]], "t");
    assert_eq!(client.get::<Vec<u8>>(&jobs()).unwrap(), [1]);
}

#[test]
fn a_refusal_before_the_body_is_read_is_heard() {
    use std::io::{BufRead, BufReader, Write};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines();
        // The head, and nothing of the body.
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        (&stream).write_all(problem(403, "not you").as_bytes()).unwrap();
    });
    let client = client(&format!("unix:{}", path.display()), None);
    // Far more than a socket keeps.
    let failure = client.post::<_, Value>(&jobs(), &"x".repeat(4 << 20), None).unwrap_err();
    assert_eq!(failure.class(), Class::Refused, "{failure}");
    server.join().unwrap();
}

#[test]
fn nothing_is_an_answer() {
    let empty = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    let (client, requests) = on_tcp(vec![vec![empty]], "t");
    client.delete::<()>(&Route::to(["tokens", "ci"])).unwrap();
    assert!(requests.recv_timeout(SOON).unwrap().starts_with("DELETE /api/v1/tokens/ci HTTP"));
}

#[test]
fn lists_are_read_page_by_page_and_no_further_than_wanted() {
    let pages = || {
        vec![vec![
            json(r#"{"items": [1, 2], "next": "a b"}"#),
            json(r#"{"items": [3], "next": "c"}"#),
            json(r#"{"items": [4]}"#),
        ]]
    };
    let (client, requests) = on_tcp(pages(), "t");
    let route = jobs().with("limit", 2);
    assert_eq!(client.list::<u8>(&route, usize::MAX).unwrap(), [1, 2, 3, 4]);
    let lines: Vec<String> =
        requests.iter().take(3).map(|r| r.lines().next().unwrap().into()).collect();
    assert_eq!(lines[1], "GET /api/v1/jobs?limit=2&cursor=a%20b HTTP/1.1");
    let (client, requests) = on_tcp(pages(), "t");
    assert_eq!(client.list::<u8>(&route, 2).unwrap(), [1, 2]);
    assert_eq!(requests.try_iter().count(), 1);
    // An error ends it.
    let (client, _requests) = on_tcp(vec![vec![pages()[0][0].clone(), problem(503, "no")]], "t");
    assert_eq!(client.list::<u8>(&route, 9).unwrap_err().to_string(), "no");
    assert_eq!(client.pages::<u8>(&route).take(9).filter(Result::is_err).count(), 1);
}

#[test]
fn an_answer_is_waited_for_no_longer_than_allowed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = Some(format!("http://{}", listener.local_addr().unwrap()));
    let patience = Some(Duration::from_millis(200));
    let token = Some("t".to_owned().into());
    let options = Options { host, token, patience, ..Options::default() };
    let client = Client::connect(&options).unwrap();
    let begun = Instant::now();
    let failure = client.get::<Value>(&jobs()).unwrap_err();
    assert!(failure.to_string().contains("in time"), "{failure}");
    assert!(begun.elapsed() < SOON);
    // Who asks to wait is waited for.
    let begun = Instant::now();
    client.get::<Value>(&jobs().wait(1)).unwrap_err();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}
