//! Frames: bytes of any kind for every type of message that travels.

use std::fmt::Debug;
use std::time::Duration;

use jiff::Timestamp;
use loom::access::{Globs, Role};
use loom::arg::{Arg, MAX_DEPTH};
use loom::config::{self, Config};
use loom::protocol::control::{
    Answer, Catalog, Command, Counters, FromParent, News, Refusal, Reply, Request, Status, Who, Why,
};
use loom::protocol::cookie::Rights;
use loom::protocol::frame::{self, CAP, CONFIG_CAP, FrameError, Inbox};
use loom::protocol::message::{Endpoint, FromWorker, Output, Report, Sink, ToWorker, UnitOrder};
use loom::unit::{Canceller, Kill, Outcome, Reason, RunId, UnitId};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::meter::{MB, bounded};
use crate::mutate;
use crate::runner::fuzz;

const HEADER: usize = 4;

fn order(args: Vec<Arg>) -> ToWorker {
    ToWorker::Run(Box::new(UnitOrder {
        unit: UnitId(7),
        run: RunId(3),
        job: "nightly".into(),
        attempt: 1,
        node: Endpoint {
            name: "web1".into(),
            host: "127.0.0.1".into(),
            user: "root".into(),
            port: Some(22),
            identity: None,
            control: "/run/loom/1".into(),
        },
        task: "loom.run".into(),
        kwargs: vec![("warn_only".into(), Arg::Bool(true))],
        args,
        timeout: Some(Duration::from_millis(1500)),
        kill_grace: Duration::from_secs(5),
        cookie: "c0ffee".into(),
        sweep: vec!["a".into(), "b".into()],
        password: None,
        python: Some(loom::python::Python::new(vec!["/srv/tasks".into()])),
        output: Sink {
            file: "/state/output/7".into(),
            max_bytes: 1000,
            log: None,
            echo: Some("web1 | ".into()),
        },
    }))
}

fn args() -> Vec<Arg> {
    let map = Arg::Map(vec![(Arg::Int(1), Arg::Null), (Arg::Str("k".into()), Arg::Float(0.5))]);
    vec![Arg::Str("true".into()), Arg::List(vec![map, Arg::Bool(false)]), Arg::Int(-1)]
}

fn done(outcome: Outcome) -> FromWorker {
    let output = Output { inline: b"x".to_vec(), file: None, bytes: 1, truncated: false };
    let report = Report { outcome, detail: Some("because".into()), result: None, output };
    FromWorker::Done { unit: UnitId(7), report }
}

fn loaded() -> Config {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("loom.yaml", "nodesfile: nodes.yaml\njobspath: .\n");
    write("nodes.yaml", "web[1-3]: {user: root, tags: web, password: {command: [pass, web]}}\n");
    write(
        "jobs.yaml",
        "jobs:\n  j: {task: loom.run, args: [uptime], kwargs: {chdir: /tmp}, targets: '@web'}\n",
    );
    let path = dir.path().join("loom.yaml");
    config::load(path.to_str().unwrap()).unwrap_or_else(|e| panic!("{e:?}")).config
}

/// A valid frame's body of each kind of message.
fn valid() -> Vec<Vec<u8>> {
    fn body(message: &impl Serialize) -> Vec<u8> {
        frame::encode(message, CONFIG_CAP).unwrap()[HEADER..].to_vec()
    }
    let by = Canceller::User("eve".into());
    let cancelled = Outcome::Cancelled { by: by.clone(), kill: Kill::Unconfirmed };
    let request = |command| Request {
        id: 1,
        who: Who::Token("loom_00".into()),
        key: Some("k".into()),
        command,
    };
    let jobs = Globs::new(["web-*"]).unwrap();
    let status = Status {
        paused: false,
        stopping: false,
        runs: 1,
        units: Default::default(),
        workers: 2,
        busy: 1,
        min_workers: 0,
        max_workers: 10,
        connected: vec!["web1".into()],
        backlog: 4,
        trouble: Some("disk full".into()),
        reload_trouble: None,
        counters: Counters { units: vec![("lost".into(), 3)], ..Counters::default() },
    };
    vec![
        body(&order(args())),
        body(&ToWorker::Hello { version: 1 }),
        body(&ToWorker::Cancel { unit: UnitId(1), by }),
        body(&ToWorker::Shutdown),
        body(&FromWorker::Hello { version: 1, pid: 2 }),
        body(&ToWorker::Rejoined { unit: UnitId(1), trouble: Some("refused".into()) }),
        body(&ToWorker::RightsKept { unit: UnitId(1) }),
        body(&FromWorker::Rights { unit: UnitId(1), rights: Rights::User("www".into()) }),
        body(&FromWorker::Leaving { unit: UnitId(1) }),
        body(&FromWorker::Rejoin { unit: UnitId(1), anew: true }),
        body(&FromWorker::Heartbeat),
        body(&FromWorker::Started { unit: UnitId(1), remote_pgid: Some(7) }),
        body(&FromWorker::Swept { unit: UnitId(1) }),
        body(&done(cancelled)),
        body(&done(Outcome::Signaled { signal: 9 })),
        body(&request(Command::Run {
            job: "j".into(),
            on: Some("@web".into()),
            args: vec![("chdir".into(), Arg::Str("/".into()))],
            retry_of: Some(RunId(1)),
        })),
        body(&request(Command::AddToken { name: "t".into(), role: Role::Viewer, jobs })),
        body(&request(Command::Cancel { run: RunId(1) })),
        body(&Reply { id: 1, answer: Ok(Answer::Status(Box::new(status))) }),
        body(&Reply { id: 1, answer: Err(Refusal { why: Why::Unknown, text: "no".into() }) }),
        body(&FromParent::News(News::Missed {
            job: "j".into(),
            node: None,
            first_at: Timestamp::UNIX_EPOCH,
            last_at: Timestamp::UNIX_EPOCH,
            count: 1,
            reason: Reason::Paused,
        })),
        body(&FromParent::Catalog(Catalog::End)),
        body(&args()),
        body(&loaded()),
    ]
}

/// As one type: garbage, or a message that is the same after another journey.
fn read_as<T: DeserializeOwned + Serialize + Debug>(body: &[u8]) {
    let Ok(message) = bounded(&body, memory(body), || frame::decode::<T>(body)) else { return };
    let again = frame::encode(&message, CONFIG_CAP).expect("it has just come out of a frame");
    let copy: T = frame::decode(&again[HEADER..]).expect("what was encoded");
    // What has no equality, as a NaN, still has its bytes.
    assert_eq!(frame::encode(&copy, CONFIG_CAP).unwrap(), again, "{message:?}");
}

/// A length may promise one cap; a list in memory is larger than its frame, some times over.
fn memory(body: &[u8]) -> usize {
    let cap = if body.len() <= CAP { CAP } else { CONFIG_CAP };
    cap + 24 * body.len() + 8 * MB
}

fn read(body: &[u8]) {
    read_as::<ToWorker>(body);
    read_as::<FromWorker>(body);
    read_as::<Request>(body);
    read_as::<Reply>(body);
    read_as::<FromParent>(body);
    read_as::<Config>(body);
    read_as::<Vec<Arg>>(body);
    read_as::<Outcome>(body);
}

#[test]
fn random_bytes_are_garbage_or_a_message() {
    fuzz(prop::collection::vec(any::<u8>(), 0..400), |body| read(&body));
}

#[test]
fn mutated_frames_are_garbage_or_a_message() {
    let valid = valid();
    let input = (0..valid.len(), mutate::ops(&["web1", "\0\0\0\0\0\0\0\0", "\x05\0\0\0"]));
    fuzz(input, |(which, ops)| {
        let mut body = valid[which].clone();
        mutate::apply(&mut body, &ops);
        read(&body);
    });
}

/// In pieces of any size, with headers that lie.
#[test]
fn streams_end_in_messages_or_an_error() {
    let valid = valid();
    let chunk = (0..valid.len(), prop::option::of(any::<u32>()), 1usize..3000);
    fuzz(prop::collection::vec(chunk, 0..12), |chunks| {
        let mut stream = Vec::new();
        for (which, lie, _) in &chunks {
            stream.extend(lie.unwrap_or(valid[*which].len() as u32).to_le_bytes());
            stream.extend(&valid[*which]);
        }
        let sizes: Vec<usize> = chunks.iter().map(|(_, _, size)| *size).collect();
        bounded(&stream, 2 * CAP + 24 * stream.len() + 8 * MB, || {
            let (mut inbox, mut rest, mut sizes) =
                (Inbox::default(), stream.as_slice(), sizes.iter().cycle());
            while !rest.is_empty() {
                let size = sizes.next().map_or(1, |size| *size).min(rest.len());
                let (mut now, later) = rest.split_at(size);
                inbox.fill(&mut now).unwrap();
                rest = later;
                loop {
                    match inbox.take::<ToWorker>() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(FrameError::Garbage(_) | FrameError::TooLarge { .. }) => return,
                        Err(FrameError::Io(e)) => panic!("nothing was read: {e}"),
                    }
                }
            }
        });
        let mut from = stream.as_slice();
        while let Ok(Some(_)) = frame::read::<ToWorker>(&mut from, CAP) {}
    });
}

/// Lists in lists, by the bytes.
fn nested(levels: usize, map: bool) -> Vec<u8> {
    let level: &[u8] = match map {
        true => &[6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        false => &[5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    };
    let mut body = level.repeat(levels);
    body.extend([0; 4]);
    body.extend([0; 4].repeat(if map { levels } else { 0 }));
    body
}

#[test]
fn nesting_is_bounded_where_frames_are_read() {
    for map in [false, true] {
        for (levels, read) in
            [(1, true), (MAX_DEPTH, true), (MAX_DEPTH + 1, false), (80_000, false)]
        {
            let body = nested(levels, map);
            let decoded = bounded(&levels, memory(&body), || frame::decode::<Arg>(&body));
            assert_eq!(decoded.is_ok(), read, "{levels} levels");
        }
    }
    // Within an order, in place of its last argument.
    let frame = frame::encode(&order(vec![Arg::Int(0x1234_5678_9abc)]), CAP).unwrap();
    let mark = [&2u32.to_le_bytes()[..], &0x1234_5678_9abc_u64.to_le_bytes()].concat();
    let at = frame.windows(mark.len()).position(|bytes| bytes == mark).unwrap();
    let mut body = frame[HEADER..].to_vec();
    body.splice(at - HEADER..at - HEADER + mark.len(), nested(80_000, false));
    let decoded = bounded(&"an order", memory(&body), || frame::decode::<ToWorker>(&body));
    assert!(matches!(decoded, Err(FrameError::Garbage(_))));
    // After all of that the next is read as ever.
    read(&valid()[0]);
}

#[test]
fn lengths_that_lie_take_no_memory() {
    let lies = [u64::MAX, i64::MAX as u64, 1 << 40, (CONFIG_CAP as u64) + 1, CAP as u64 + 1];
    for body in valid() {
        for lie in lies {
            for at in 0..body.len().saturating_sub(8) {
                let mut body = body.clone();
                body[at..at + 8].copy_from_slice(&lie.to_le_bytes());
                let _ = bounded(&at, memory(&body), || frame::decode::<ToWorker>(&body));
                let _ = bounded(&at, memory(&body), || frame::decode::<Config>(&body));
                let _ = bounded(&at, memory(&body), || frame::decode::<FromWorker>(&body));
                let _ = bounded(&at, memory(&body), || frame::decode::<Reply>(&body));
            }
        }
        for announced in [u32::MAX, CAP as u32 + 1] {
            let mut stream = announced.to_le_bytes().to_vec();
            stream.extend(&body);
            let read = || frame::read::<ToWorker>(&mut stream.as_slice(), CAP);
            assert!(matches!(bounded(&announced, MB, read), Err(FrameError::TooLarge { .. })));
        }
        // Allowed, and never sent: only what has come takes room.
        let mut stream = (CONFIG_CAP as u32).to_le_bytes().to_vec();
        stream.extend(&body);
        let read = || frame::read::<Config>(&mut stream.as_slice(), CONFIG_CAP);
        assert!(bounded(&"short", MB, read).is_err());
    }
}

/// 8 bytes a pair in the frame; the most that a message grows.
#[test]
fn a_frame_full_of_empty_values_is_bounded() {
    let mut body = ((CAP - 8) as u64 / 8).to_le_bytes().to_vec();
    body.resize(CAP, 0);
    let pairs = bounded(&"pairs", memory(&body), || frame::decode::<Vec<(Arg, Arg)>>(&body));
    assert_eq!(pairs.unwrap().len(), (CAP - 8) / 8);
}
