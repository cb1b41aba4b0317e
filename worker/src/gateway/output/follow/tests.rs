//! Following files that a real writer writes, finished and unfinished ones.

use super::super::written::{UNIT, Written, sink, written};
use super::*;
use crate::ssh::{Receive, Stream};
use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const START: Cursor = Cursor { unit: UNIT, at: 0 };
/// Of an entry with a text of six bytes.
const ENTRY: u64 = 30 + 8 + 2 + 6 + 1;

/// The rest, by a follower that goes on with a written cursor each time.
fn rest(dir: &OutputDir, mut at: Cursor, row: &Output) -> (Vec<u8>, u64) {
    let (mut text, mut dropped) = (Vec::new(), 0);
    for _ in 0..10_000 {
        let mut follower = Follower::new(dir.clone(), at);
        follower.end(row);
        let batch = follower.poll().unwrap();
        text.extend(texts(&batch));
        dropped += bytes(batch.dropped);
        let last = batch.entries().last().map(|(_, cursor)| cursor);
        assert!(last.is_none_or(|last| last == follower.cursor()) || batch.damaged > 0);
        at = follower.cursor().to_string().parse().unwrap();
        assert_eq!(at, follower.cursor());
        if batch.done {
            return (text, dropped);
        }
    }
    panic!("there is no end");
}

fn texts(batch: &Batch) -> Vec<u8> {
    let entries = batch.entries().map(|(entry, _)| match entry.partial {
        true => entry.text.to_vec(),
        false => [entry.text, b"\n"].concat(),
    });
    entries.collect::<Vec<_>>().concat()
}

fn bytes(dropped: Dropped) -> u64 {
    match dropped {
        Dropped::Nothing => 0,
        Dropped::Bytes(bytes) => bytes,
        Dropped::Unknown => panic!("the seam says how much"),
    }
}

fn numbers(output: &mut crate::output::Output, upto: u64) {
    (0..upto).for_each(|i| output.line(Stream::Stdout, &format!("{i:06}")));
}

#[test]
fn what_has_ended_is_followed_to_its_end() {
    let from = |unit: &Written, at| rest(&unit.output(), Cursor { unit: UNIT, at }, &unit.report);
    let little = written(1 << 20, |output| numbers(output, 3));
    assert_eq!(from(&little, 0), (b"000000\n000001\n000002\n".to_vec(), 0));
    assert_eq!(from(&little, 2 * ENTRY), (b"000002\n".to_vec(), 0));
    assert_eq!(from(&little, 3 * ENTRY), (vec![], 0));
    assert_eq!(from(&little, u64::MAX), (vec![], 0));

    let more = written(4 << 20, |output| numbers(output, 30_000));
    let (text, dropped) = from(&more, 0);
    assert_eq!((text.len(), dropped), (210_000, 0));

    let much = written(100_000, |output| numbers(output, 30_000));
    let (text, dropped) = from(&much, 0);
    assert!(dropped > 0 && text.ends_with(b"029998\n029999\n"));
    assert_eq!(text.len() as u64 / 7 + dropped / ENTRY, 30_000);
    // From within what was dropped.
    let (text, dropped) = from(&much, 20_000 * ENTRY);
    assert_eq!(text.len() as u64 / 7 + dropped / ENTRY, 10_000);

    assert_eq!(from(&written(1 << 20, |_| ()), 0), (vec![], 0));
    fs::remove_file(more.file("")).unwrap();
    assert_eq!(from(&more, 0), (vec![], 0));
}

#[test]
fn one_look_takes_a_bounded_part() {
    let unit = written(64 << 20, |output| numbers(output, 30_000));
    let mut follower = Follower::new(unit.output(), START);
    let mut looks = 0;
    loop {
        let batch = follower.poll().unwrap();
        assert!(batch.bytes.len() <= LIMIT && !batch.done);
        looks += 1;
        if !batch.more {
            break;
        }
    }
    assert!(looks > 30_000 * ENTRY as usize / LIMIT);
    assert_eq!(follower.cursor().at, 30_000 * ENTRY);
}

#[test]
fn a_file_that_was_cut_or_damaged_is_followed_to_its_end() {
    let unit = written(1 << 20, |output| numbers(output, 1_000));
    let mut log = fs::read(unit.file("")).unwrap();
    log.splice(0..0, b"rubbish\n".iter().copied());
    log.extend(vec![b'x'; 700_000]);
    fs::write(unit.file(""), &log).unwrap();
    let mut follower = Follower::new(unit.output(), START);
    follower.end(&unit.report);
    let mut damaged = 0;
    for _ in 0..9 {
        let batch = follower.poll().unwrap();
        damaged += batch.damaged;
        if batch.done {
            break;
        }
    }
    assert_eq!(follower.cursor().at, log.len() as u64);
    assert!(damaged >= 2, "{damaged}");
    assert!(follower.poll().unwrap().done);
}

#[test]
fn an_entry_that_is_being_written_is_waited_for() {
    let unit = written(1 << 20, |output| numbers(output, 100));
    let log = fs::read(unit.file("")).unwrap();
    let mut follower = Follower::new(unit.output(), START);
    let mut text = Vec::new();
    for cut in [0, 10, ENTRY as usize, 3 * ENTRY as usize - 1, 3 * ENTRY as usize, log.len()] {
        fs::write(unit.file(""), &log[..cut]).unwrap();
        let batch = follower.poll().unwrap();
        assert_eq!((batch.damaged, batch.done), (0, false));
        text.extend(texts(&batch));
        assert_eq!(text.len() / 7, cut / ENTRY as usize);
    }
    follower.end(&unit.report);
    assert!(follower.poll().unwrap().done);
}

struct Running {
    dir: TempDir,
    writer: thread::JoinHandle<Output>,
    go_on: mpsc::Sender<()>,
}

impl Running {
    /// A real writer that goes on with each number it is sent for.
    fn new(max_bytes: u64, steps: Vec<(Stream, Vec<u8>)>) -> Running {
        let dir = TempDir::new().unwrap();
        let sink = sink(&dir, max_bytes);
        let (go_on, gone) = mpsc::channel();
        let writer = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let mut output = crate::output::Output::new(sink);
                let live = output.live();
                let task = async {
                    for (stream, text) in steps {
                        while let Err(mpsc::TryRecvError::Empty) = gone.try_recv() {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                        for chunk in text.chunks(30_000) {
                            output.room().await;
                            output.receive(stream, chunk).unwrap();
                        }
                    }
                };
                live.beside(task).await;
                output.finish(std::future::pending()).await.0
            })
        });
        Running { dir, writer, go_on }
    }

    fn follower(&self) -> Follower {
        Follower::new(OutputDir::new(self.dir.path()), START)
    }
}

/// Looks until this much text has come.
fn follow(follower: &mut Follower, wanted: usize) -> Vec<u8> {
    let begun = Instant::now();
    let mut text = Vec::new();
    while text.len() < wanted {
        let batch = follower.poll().unwrap();
        assert_eq!(batch.dropped, Dropped::Nothing);
        assert!(!batch.done);
        text.extend(texts(&batch));
        if !batch.more {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}", text.len());
            thread::sleep(Duration::from_millis(5));
        }
    }
    text
}

#[test]
fn a_unit_is_followed_from_before_its_first_word_to_its_row() {
    use Stream::{Stderr, Stdout};
    let steps = [(Stdout, "one\ntw"), (Stderr, "three\n"), (Stdout, "o\n")];
    let steps = steps.map(|(stream, text)| (stream, text.as_bytes().to_vec()));
    let running = Running::new(1 << 20, steps.to_vec());
    let mut follower = running.follower();
    let batch = follower.poll().unwrap();
    assert!(batch.entries().next().is_none() && !batch.more && !batch.done);
    running.go_on.send(()).unwrap();
    assert_eq!(follow(&mut follower, 6), b"one\ntw");
    running.go_on.send(()).unwrap();
    assert_eq!(follow(&mut follower, 6), b"three\n");
    running.go_on.send(()).unwrap();
    // The row comes before another look, and has the rest.
    let row = running.writer.join().unwrap();
    assert!(!row.inline.is_empty());
    fs::remove_file(row.file.as_ref().unwrap()).unwrap();
    follower.end(&row);
    let batch = follower.poll().unwrap();
    assert_eq!((texts(&batch), batch.done), (b"o\n".to_vec(), true));
}

#[test]
fn a_flood_that_is_kept_whole_is_followed_whole() {
    const LINES: u64 = 6_000;
    let lines: Vec<u8> = (0..LINES).flat_map(|i| format!("{i:06}\n").into_bytes()).collect();
    let steps: Vec<_> = lines.chunks(70).map(|chunk| (Stream::Stdout, chunk.to_vec())).collect();
    for _ in 0..20 {
        // A little more than three quarters: the tail is rotated once, and joined at the end.
        let running = Running::new(LINES * ENTRY * 5 / 4, steps.clone());
        steps.iter().for_each(|_| running.go_on.send(()).unwrap());
        let mut follower = running.follower();
        let mut text = Vec::new();
        let mut look = |follower: &mut Follower| {
            let batch = follower.poll().unwrap();
            assert_eq!(batch.dropped, Dropped::Nothing);
            text.extend(texts(&batch));
            batch.done
        };
        while !running.writer.is_finished() {
            look(&mut follower);
        }
        let row = running.writer.join().unwrap();
        assert!(!row.truncated);
        follower.end(&row);
        while !look(&mut follower) {}
        assert!(text == lines);
        assert_eq!(follower.cursor().at, LINES * ENTRY);
    }
}

#[test]
fn who_is_too_slow_for_a_rotating_tail_is_told_what_he_missed() {
    const LINES: u64 = 200_000;
    let lines = |from, to| (from..to).flat_map(|i: u64| format!("{i:06}\n").into_bytes());
    let steps = (0..20).map(|step| step * LINES / 20);
    let steps = steps.map(|at| (Stream::Stdout, lines(at, at + LINES / 20).collect()));
    let running = Running::new(100_000, steps.collect());
    let mut follower = running.follower();
    (0..20).for_each(|_| running.go_on.send(()).unwrap());
    let (mut next, mut missed) = (0, 0);
    let mut check = |batch: &Batch| {
        assert_eq!((bytes(batch.dropped) % ENTRY, batch.damaged), (0, 0));
        missed += bytes(batch.dropped) / ENTRY;
        next += bytes(batch.dropped) / ENTRY;
        for (entry, cursor) in batch.entries() {
            assert_eq!(entry.text, format!("{next:06}").as_bytes());
            next += 1;
            assert_eq!(cursor.at, next * ENTRY);
        }
    };
    while !running.writer.is_finished() {
        check(&follower.poll().unwrap());
    }
    let row = running.writer.join().unwrap();
    assert!(row.truncated);
    follower.end(&row);
    loop {
        let batch = follower.poll().unwrap();
        check(&batch);
        if batch.done {
            break;
        }
    }
    assert_eq!(next, LINES);
    assert!(missed < LINES);
}

#[test]
fn a_cursor_is_read_as_it_is_written() {
    let cursor = Cursor { unit: UnitId(7), at: 4096 };
    assert_eq!(cursor.to_string(), "7:4096");
    assert_eq!("7:4096".parse(), Ok(cursor));
    for text in
        ["", "7", "7:", ":1", "7:1:2", "+7:1", "7:-1", "x:1", " 7:1", "7:99999999999999999999"]
    {
        let error = text.parse::<Cursor>().unwrap_err();
        assert!(error.to_string().ends_with("as in 7:4096"), "{error}");
    }
}
