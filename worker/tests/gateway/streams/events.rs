//! What happens, as it happens.

use loom::access::Role;
use loom::protocol::control::{News, Switched};
use loom::unit::{Reason, RunEnd, RunId};

use super::reader::{Event, Reader};
use super::stage::most_memory;
use crate::gateway::http::Client;
use crate::gateway::rig::{Rig, at};

const EVENTS: &str = "/api/v1/events";
/// What the gateway remembers.
const KEPT: u64 = 10_000;

fn rig() -> Rig {
    let rig = Rig::local(&[], &[]);
    rig.heard();
    rig
}

fn started(run: u64, job: &str) -> News {
    News::RunStarted { run: RunId(run), job: job.to_owned(), at: at("2026-01-01T00:00:00Z") }
}

fn ended(run: u64, job: &str) -> News {
    let (end, at) = (RunEnd::Succeeded, at("2026-01-01T00:00:00Z"));
    News::RunEnded { run: RunId(run), job: job.to_owned(), at, end, units: 1, succeeded: 1 }
}

/// A word that all of them see, which ends what a test looks at.
fn last(rig: &Rig) {
    rig.tell(News::Paused(true));
}

fn words(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match event.json().get("run") {
        Some(run) => format!("{} {run}", event.name),
        None => event.name.clone(),
    };
    events.iter().map(word).collect()
}

/// Of a reader of this query: what it is told of two runs of two jobs, and more.
fn seen(query: &str) -> Vec<String> {
    let rig = rig();
    let mut reader = Reader::open(&rig.client, &format!("{EVENTS}?{query}"));
    let mut all = Reader::open(&rig.client, EVENTS);
    let (job, node, count) = ("db/dump".to_owned(), None, 3);
    let (first_at, last_at) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
    let off = Some(Switched { by: "user:a".to_owned(), at: first_at });
    rig.tell(started(1, "db/dump"));
    rig.tell(started(2, "web"));
    rig.tell(ended(1, "db/dump"));
    rig.tell(News::Missed { job, node, first_at, last_at, count, reason: Reason::Paused });
    rig.tell(News::Switched { job: "web".to_owned(), off });
    rig.tell(News::Resync);
    last(&rig);
    rig.tell(News::Resync);
    assert_eq!(
        words(&all.until(|event| event.name == "paused")),
        ["run_started 1", "run_started 2", "run_ended 1", "missed", "switched", "resync", "paused"]
    );
    let mut events = reader.until(|event| event.name == "resync");
    events.extend(reader.until(|event| event.name == "resync"));
    events.retain(|event| event.name != "resync");
    words(&events)
}

#[test]
fn a_reader_is_told_what_it_asks_for() {
    assert_eq!(seen("job=web"), ["run_started 2", "switched"]);
    assert_eq!(seen("job=db/*"), ["run_started 1", "run_ended 1", "missed"]);
    assert_eq!(seen("job=db%2Fdump"), ["run_started 1", "run_ended 1", "missed"]);
    assert_eq!(seen("run=2"), ["run_started 2"]);
    assert_eq!(seen("types=run_ended,paused"), ["run_ended 1", "paused"]);
    assert_eq!(seen("job=web&types=run_ended"), [""; 0]);
}

#[test]
fn who_comes_back_is_told_what_came_after() {
    let rig = rig();
    let mut first = Reader::open(&rig.client, EVENTS);
    (1..=5).for_each(|run| rig.tell(started(run, "a")));
    let events = first.until(|event| event.json()["run"] == 5);
    let id = |n: usize| events[n].id.clone().unwrap();
    drop(first);
    rig.tell(started(6, "a"));
    let mut again = Reader::resume(&rig.client, EVENTS, Some(&id(2)));
    let seen = again.until(|event| event.json()["run"] == 6);
    assert_eq!(words(&seen), ["run_started 4", "run_started 5", "run_started 6"]);
    // What a browser says of itself is newer than what its address says.
    let (path, client) = (format!("{EVENTS}?after={}", id(0)), rig.client.clone());
    let mut again = Reader::open(&client, &path);
    assert_eq!(words(&again.until(|event| event.json()["run"] == 2)), ["run_started 2"]);
    let mut again = Reader::resume(&client, &path, Some(&id(4)));
    assert_eq!(words(&again.until(|event| event.json()["run"] == 6)), ["run_started 6"]);
}

#[test]
fn who_is_cut_off_before_anything_has_happened_misses_nothing() {
    let rig = rig();
    let mut first = Reader::open(&rig.client, EVENTS);
    first.until_moved();
    let id = first.last_id().unwrap().to_owned();
    drop(first);
    rig.tell(started(1, "a"));
    let mut again = Reader::resume(&rig.client, EVENTS, Some(&id));
    assert_eq!(words(&again.until(|_| true)), ["run_started 1"]);
}

#[test]
fn silence_is_broken_by_a_comment() {
    let rig = rig();
    let mut reader = Reader::open(&rig.client, EVENTS);
    reader.until_comment();
    last(&rig);
    assert_eq!(words(&reader.until(|_| true)), ["paused"]);
}

#[test]
fn what_does_not_concern_a_reader_is_not_looked_at_again() {
    let rig = rig();
    let mut reader = Reader::open(&rig.client, &format!("{EVENTS}?job=b"));
    reader.until_moved();
    let begun = reader.last_id().unwrap().to_owned();
    // Twice what is remembered, and the reader keeps up.
    for round in 0..2 * KEPT / 500 {
        (0..500).for_each(|i| rig.tell(started(500 * round + i, "a")));
        if round % 4 == 3 {
            reader.until_moved();
        }
    }
    assert!(reader.bare_ids < 50, "{}", reader.bare_ids);
    let id = reader.last_id().unwrap().to_owned();
    rig.tell(ended(7, "b"));
    let path = format!("{EVENTS}?job=b");
    let mut again = Reader::resume(&rig.client, &path, Some(&id));
    assert_eq!(words(&again.until(|_| true)), ["run_ended 7"]);
    let mut late = Reader::resume(&rig.client, &path, Some(&begun));
    assert_eq!(words(&late.until(|_| true)), ["resync"]);
}

#[test]
fn who_comes_from_another_gateway_is_told_to_look_anew() {
    let (one, other) = (rig(), rig());
    let mut reader = Reader::open(&one.client, EVENTS);
    reader.until_moved();
    let mut lost = Reader::resume(&other.client, EVENTS, reader.last_id());
    assert_eq!(words(&lost.until(|_| true)), ["resync"]);
    last(&other);
    assert_eq!(words(&lost.until(|_| true)), ["paused"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let rig = rig();
    let refused = |query: &str| rig.client.get(&format!("{EVENTS}?{query}")).problem(400);
    assert!(refused("after=yesterday").contains("\"yesterday\" is no place"));
    assert!(refused("types=run_ended,run").contains("there is none \"run\""));
    assert!(refused("job=%5B").contains("neither a name nor a glob"));
    assert!(refused("run=x").contains("run"));
    assert!(refused("jobs=a").contains("jobs"));
}

#[test]
fn a_limited_token_sees_its_jobs_and_what_concerns_none() {
    let rig = Rig::remote(&[], &[]);
    rig.heard();
    let client = |name: &str, jobs: &[&str]| -> Client {
        rig.client.clone().bearer(&rig.token(name, Role::Viewer, jobs))
    };
    let mut web = Reader::open(&client("web", &["web*"]), EVENTS);
    let mut any = Reader::open(&client("any", &["*"]), EVENTS);
    let mut all = Reader::open(&client("all", &[]), EVENTS);
    for (run, job) in [(1, "web"), (2, "db"), (3, "@exec"), (4, "web2")] {
        rig.tell(started(run, job));
    }
    last(&rig);
    let seen = |reader: &mut Reader| words(&reader.until(|event| event.name == "paused"));
    assert_eq!(seen(&mut web), ["run_started 1", "run_started 4", "paused"]);
    assert_eq!(seen(&mut any), ["run_started 1", "run_started 2", "run_started 4", "paused"]);
    assert_eq!(seen(&mut all).len(), 5);
}

#[test]
fn a_revoked_token_is_shown_nothing_more() {
    let rig = Rig::remote(&[], &[]);
    rig.heard();
    let client = rig.client.clone().bearer(&rig.token("gone", Role::Viewer, &[]));
    let mut reader = Reader::open(&client, EVENTS);
    rig.tell(started(1, "a"));
    reader.until(|event| event.name == "run_started");
    let at = at("2026-01-02T00:00:00Z");
    rig.record(&[loom::store::Record::RevokeToken { name: "gone".to_owned(), at }]);
    assert!(reader.next().is_none(), "the stream goes on");
    assert_eq!(client.get(EVENTS).status(), 401);
}

#[test]
fn slow_readers_cost_little_and_go_on_from_now() {
    const READERS: usize = 40;
    let rig = rig();
    let mut slow: Vec<Reader> = (0..READERS).map(|_| Reader::open(&rig.client, EVENTS)).collect();
    let job = "j".repeat(200);
    // What is remembered is there, and counts for nothing.
    (0..KEPT).for_each(|run| rig.tell(started(run, &job)));
    rig.heard();
    let before = most_memory(rig.pid());
    (KEPT..6 * KEPT).for_each(|run| rig.tell(started(run, &job)));
    rig.heard();
    let grown = most_memory(rig.pid()) - before;
    // All of it would be 16 MB for each.
    assert!(grown < READERS as u64 * (1 << 20), "{grown} bytes more for {READERS} readers");
    for reader in &mut slow {
        let seen = reader.until(|event| event.name == "resync");
        let runs = seen.iter().take(seen.len() - 1).map(|event| event.json()["run"].as_u64());
        assert!(runs.eq((0..seen.len() as u64 - 1).map(Some)), "all up to there");
        assert!(seen.len() < KEPT as usize, "that is not slow");
    }
    last(&rig);
    for reader in &mut slow {
        assert_eq!(words(&reader.until(|_| true)), ["paused"]);
    }
}
