//! Event streams, and bodies as they come.

use std::io::Read;
use std::time::Duration;

use super::super::{Class, Frame, Route};
use super::{SOON, chunk, on_socket, on_tcp, problem, stream};

fn events() -> Route {
    Route::to(["events"]).with("job", "a")
}

fn frame(id: &str, event: &str, data: &str) -> Frame {
    Frame { id: Some(id.to_owned()), event: event.to_owned(), data: data.to_owned() }
}

#[test]
fn events_have_names_ids_and_lines() {
    let text = ": hello\n\nid: 7\nevent: run_ended\ndata: {\"a\":\ndata: 1}\n\r\n\
                retry: 9\nid\nevent:x\ndata:y\n\n";
    // Cut anywhere.
    let (one, two) = text.split_at(23);
    let dir = tempfile::tempdir().unwrap();
    let script = vec![vec![stream() + &chunk(one) + &chunk(two)]];
    let (client, requests) = on_socket(dir.path(), script);
    let mut events = client.events(&events());
    let first = events.next().unwrap().unwrap();
    assert_eq!(first, frame("7", "run_ended", "{\"a\":\n1}"));
    assert_eq!(first.read::<serde_json::Value>().unwrap(), serde_json::json!({"a": 1}));
    assert_eq!(events.next().unwrap().unwrap(), frame("", "x", "y"));
    let request = requests.recv_timeout(SOON).unwrap().to_lowercase();
    assert!(request.contains("accept: text/event-stream\r\n"), "{request}");
    assert!(!request.contains("last-event-id"), "{request}");
}

#[test]
fn a_lost_stream_goes_on_from_its_last_event() {
    let event = |id: u32| chunk(&format!("id: {id}\ndata: {id}\n\n"));
    let script = vec![
        // Lost in the middle of an event.
        vec![stream() + &event(1) + &chunk("id: 2\ndata: 2\n")],
        // Lost before the answer, and unavailable for a moment.
        vec![String::new()],
        vec![problem(503, "not yet")],
        // Ended in good order.
        vec![stream() + &event(2) + "0\r\n\r\n"],
        vec![stream() + &event(3)],
    ];
    let (client, requests) = on_tcp(script, "t");
    let ids: Vec<String> =
        client.events(&events()).take(3).map(|frame| frame.unwrap().data).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let asked: Vec<Option<String>> = requests
        .iter()
        .take(5)
        .map(|request| {
            let lines = request.lines().map(str::to_lowercase);
            lines.filter_map(|line| Some(line.strip_prefix("last-event-id: ")?.to_owned())).next()
        })
        .collect();
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(asked, [None, some("1"), some("1"), some("1"), some("2")]);
}

#[test]
fn an_id_alone_is_a_place_to_go_on_from() {
    let script = vec![
        // A message that is no event, and half of another.
        vec![stream() + &chunk("id: 5\n\nid: 6\n")],
        vec![stream() + &chunk("id: 7\ndata: 7\n\nid: 9\n\n:\n\n")],
        vec![stream() + &chunk("data: 9\n\n")],
    ];
    let (client, requests) = on_tcp(script, "t");
    let mut events = client.events(&events());
    assert_eq!(events.next().unwrap().unwrap().data, "7");
    assert_eq!(events.last_id(), Some("7"));
    assert_eq!(events.next().unwrap().unwrap().data, "9");
    let asked = |id: &str| {
        requests
            .iter()
            .take(1)
            .all(|request| request.to_lowercase().contains(&format!("last-event-id: {id}\r\n")))
    };
    assert!(!asked("") && asked("5") && asked("9"));
}

#[test]
fn a_refusal_ends_a_stream_at_once() {
    let (client, _requests) = on_tcp(vec![vec![problem(404, "no such run")]], "t");
    let mut events = client.events(&events());
    assert_eq!(events.next().unwrap().unwrap_err().class(), Class::Unknown);
    assert!(events.next().is_none());
}

#[test]
fn a_daemon_that_does_not_come_back_is_given_up() {
    let first = stream() + &chunk("id: 1\ndata: 1\n\n");
    let (client, _requests) = on_tcp(vec![vec![first]], "t");
    let mut events = client.events(&events()).give_up_after(Duration::from_millis(500));
    events.next().unwrap().unwrap();
    let failure = events.next().unwrap().unwrap_err();
    assert_eq!(failure.class(), Class::Unreachable, "{failure}");
    assert_eq!(events.last_id(), Some("1"));
    assert!(events.next().is_none());
}

#[test]
fn a_body_is_read_as_it_comes() {
    let (client, _requests) =
        on_tcp(vec![vec![stream() + &chunk("ab") + &chunk("c") + "0\r\n\r\n"]], "t");
    let mut text = String::new();
    client.bytes(&events()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "abc");
}
