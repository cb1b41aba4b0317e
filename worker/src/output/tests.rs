//! The forms of a unit's output, and the files they end up in.

use super::forms::{Forms, LONGEST};
use super::*;
use loom::protocol::message::INLINE_OUTPUT;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

fn finish(output: Output) -> (message::Output, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(output.finish(std::future::pending()))
}

fn lines(log: &Path) -> Vec<String> {
    let log = String::from_utf8(std::fs::read(log).unwrap()).unwrap();
    log.split_inclusive('\n').map(str::to_owned).collect()
}

struct Kept {
    dir: TempDir,
    output: message::Output,
}

fn keep(max_bytes: u64, write: impl FnOnce(&mut Output)) -> Kept {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a/b/unit.log");
    let mut output = Output::new(Sink { file, max_bytes, log: None, echo: None });
    write(&mut output);
    let (output, troubles) = finish(output);
    assert!(troubles.is_empty(), "{troubles:?}");
    Kept { dir, output }
}

fn tail(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".tail");
    name.into()
}

/// The bytes of one stream, from its entries.
fn text(log: &[u8], stream: &str) -> Vec<u8> {
    let mut text = Vec::new();
    for entry in log.split_inclusive(|&b| b == b'\n') {
        let mut fields = entry.splitn(4, |&b| b == b' ');
        let time = std::str::from_utf8(fields.next().unwrap()).unwrap();
        time.parse::<Timestamp>().unwrap();
        let of = fields.next().unwrap();
        let tag = fields.next().unwrap();
        let line = fields.next().unwrap();
        assert!(line.len() <= LONGEST + 1);
        if of == stream.as_bytes() {
            text.extend_from_slice(line.strip_suffix(b"\n").unwrap());
            text.extend_from_slice(if tag == b"F" { b"\n" } else { b"" });
        }
    }
    text
}

#[test]
fn little_output_comes_back_inline_and_makes_no_file() {
    let kept = keep(1 << 20, |output| {
        output.receive(Stream::Stdout, b"one\ntw").unwrap();
        output.receive(Stream::Stderr, b"three").unwrap();
        output.receive(Stream::Stdout, b"o\n").unwrap();
    });
    assert_eq!(text(&kept.output.inline, "stdout"), b"one\ntwo\n");
    assert_eq!(text(&kept.output.inline, "stderr"), b"three");
    assert_eq!((kept.output.bytes, kept.output.truncated), (13, false));
    assert!(kept.output.file.is_none());
    assert_eq!(kept.dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn more_goes_to_a_private_file_byte_for_byte() {
    let binary: Vec<u8> = (0..200_000u32).map(|i| (i * 7 % 256) as u8).collect();
    let kept = keep(1 << 20, |output| {
        for chunk in binary.chunks(777) {
            output.receive(Stream::Stdout, chunk).unwrap();
        }
    });
    let file = kept.output.file.unwrap();
    assert_eq!(text(&std::fs::read(&file).unwrap(), "stdout"), binary);
    assert!(kept.output.inline.is_empty());
    assert!(!kept.output.truncated && !tail(&file).exists());
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn a_long_line_is_split_and_put_together_again() {
    let line = [vec![b'x'; 10 << 20], vec![b'\n']].concat();
    let kept = keep(64 << 20, |output| {
        output.receive(Stream::Stdout, &line).unwrap();
    });
    let log = std::fs::read(kept.output.file.unwrap()).unwrap();
    assert_eq!(text(&log, "stdout"), line);
}

#[test]
fn of_too_much_the_head_and_the_end_are_kept_within_the_limit() {
    const MAX: u64 = 100_000;
    let kept = keep(MAX, |output| {
        for i in 0..100_000 {
            output.receive(Stream::Stdout, format!("{i}\n").as_bytes()).unwrap();
        }
    });
    let file = kept.output.file.unwrap();
    let (head, end) = (std::fs::read(&file).unwrap(), std::fs::read(tail(&file)).unwrap());
    assert!(kept.output.truncated);
    assert!((head.len() + end.len()) as u64 <= MAX);
    assert!(text(&head, "stdout").starts_with(b"0\n1\n2\n"));
    assert!(text(&end, "stdout").ends_with(b"\n99998\n99999\n"));
    assert!(end.len() as u64 >= MAX / 4 - 100);
    assert_eq!(file.parent().unwrap().read_dir().unwrap().count(), 2);
}

#[test]
fn what_just_fits_is_one_file_again() {
    let kept = keep(100_000, |output| {
        for i in 0..1_500 {
            output.receive(Stream::Stdout, format!("{i:010}\n").as_bytes()).unwrap();
        }
    });
    let file = kept.output.file.unwrap();
    let log = std::fs::read(&file).unwrap();
    assert!(log.len() > 50_000, "{} bytes do not reach the tail", log.len());
    assert_eq!(text(&log, "stdout").len(), 1_500 * 11);
    assert!(!kept.output.truncated && !tail(&file).exists());
}

#[test]
fn a_link_in_place_of_the_file_is_not_followed_and_said() {
    let dir = TempDir::new().unwrap();
    let (file, victim) = (dir.path().join("unit.log"), dir.path().join("victim"));
    std::fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, &file).unwrap();
    let mut output = Output::new(Sink { file, max_bytes: 1 << 20, log: None, echo: None });
    output.receive(Stream::Stdout, &[b'x'; INLINE_OUTPUT]).unwrap();
    output.receive(Stream::Stdout, b"\n").unwrap();
    let (output, troubles) = finish(output);
    assert!(output.truncated && output.file.is_none());
    assert!(troubles[0].starts_with("its output could not be kept: "), "{troubles:?}");
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
}

/// What the plain log has of these pieces.
fn plain(pieces: &[(Stream, &str)]) -> String {
    let dir = TempDir::new().unwrap();
    let (file, log) = (dir.path().join("unit.log"), dir.path().join("job.log"));
    let sink = Sink { file, max_bytes: 1 << 20, log: Some(log.clone()), echo: None };
    let mut output = Output::new(sink);
    for (stream, text) in pieces {
        output.receive(*stream, text.as_bytes()).unwrap();
    }
    let (output, troubles) = finish(output);
    assert!(troubles.is_empty() && !output.truncated, "{troubles:?}");
    lines(&log).concat()
}

#[test]
fn the_plain_log_has_whole_lines_in_the_order_they_ended() {
    use Stream::{Stderr, Stdout};
    assert_eq!(
        plain(&[(Stdout, "o"), (Stderr, "err\n\n"), (Stdout, "ut\nend"), (Stderr, "e")]),
        "err\n\nout\nend\ne\n"
    );
    assert_eq!(plain(&[(Stdout, "\x1b[31mred\r\n")]), "\x1b[31mred\r\n");
    let long = "x".repeat(LONGEST * 2 + 5);
    assert_eq!(plain(&[(Stdout, &long), (Stdout, "y\nz\n")]), format!("{long}y\nz\n"));
    assert_eq!(plain(&[(Stdout, &long[..LONGEST * 2])]), format!("{}\n", &long[5..]));
    // The only way a line is broken: too long to be held back, and the other stream speaks.
    let broken = plain(&[(Stdout, &long[..LONGEST + 1]), (Stderr, "e\n"), (Stdout, "z\n")]);
    assert_eq!(broken, format!("{}\ne\nxz\n", &long[..LONGEST]));
}

#[test]
fn a_plain_log_that_cannot_be_written_costs_nothing_else() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("unit.log");
    let log = Some(dir.path().to_owned());
    let mut output = Output::new(Sink { file, max_bytes: 1 << 20, log, echo: None });
    for _ in 0..10_000 {
        output.receive(Stream::Stdout, b"a line\n").unwrap();
    }
    let (output, troubles) = finish(output);
    assert_eq!(text(&std::fs::read(output.file.unwrap()).unwrap(), "stdout").len(), 70_000);
    assert_eq!((troubles.len(), output.truncated), (1, false));
    assert!(troubles[0].contains("appended to"), "{troubles:?}");
}

fn sink(dir: &TempDir) -> Sink {
    Sink { file: dir.path().join("unit.log"), max_bytes: 1 << 20, log: None, echo: None }
}

/// Runs a unit that says all this, each after what is awaited of the files, and goes on.
fn live<T>(sink: Sink, unit: impl AsyncFnOnce(&mut Output) -> T) -> (Output, T) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut output = Output::new(sink);
    let told = runtime.block_on(output.live().beside(unit(&mut output)));
    (output, told)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn has(file: &Path, end: &str) -> bool {
    std::fs::read(file).is_ok_and(|log| log.ends_with(end.as_bytes()))
}

#[test]
fn a_line_of_a_unit_that_goes_on_is_in_its_file_a_second_later() {
    let dir = TempDir::new().unwrap();
    let sink = sink(&dir);
    let file = sink.file.clone();
    let (output, ()) = live(sink, async |output| {
        let begun = Instant::now();
        output.line(Stream::Stdout, "one");
        until("the first is there", || has(&file, " stdout F one\n")).await;
        assert!(begun.elapsed() >= Duration::from_secs(1), "nothing was held back");
        output.line(Stream::Stderr, "two");
        until("the second is there", || has(&file, " stderr F two\n")).await;
        output.line(Stream::Stdout, "three");
    });
    let (output, troubles) = finish(output);
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!(text(&output.inline, "stdout"), b"one\nthree\n");
    assert_eq!(text(&output.inline, "stderr"), b"two\n");
    // Whoever has followed the file so far goes on in the row.
    assert_eq!(std::fs::read(&file).unwrap(), output.inline);
    assert_eq!((output.file, output.truncated), (Some(file), false));
}

#[test]
fn a_line_is_shown_before_it_ends_and_stays_one_line_in_the_plain_log() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("job.log");
    let sink = Sink { log: Some(log.clone()), ..sink(&dir) };
    let file = sink.file.clone();
    let (output, ()) = live(sink, async |output| {
        output.receive(Stream::Stdout, b"10%").unwrap();
        until("the beginning is there", || has(&file, " stdout P 10%\n")).await;
        assert!(!log.exists());
        output.receive(Stream::Stdout, b"\r20%").unwrap();
        output.receive(Stream::Stderr, b"err\n").unwrap();
        until("more of it is there", || has(&file, " stdout P \r20%\n")).await;
        assert_eq!(std::fs::read(&log).unwrap(), b"err\n");
        output.receive(Stream::Stdout, b"\n$ ").unwrap();
        until("the prompt is there", || has(&file, " stdout P $ \n")).await;
    });
    let (output, troubles) = finish(output);
    assert!(troubles.is_empty(), "{troubles:?}");
    assert_eq!(text(&output.inline, "stdout"), b"10%\r20%\n$ ");
    assert_eq!(lines(&log), ["err\n", "10%\r20%\n", "$ \n"]);
    let tags = lines(&file).into_iter().map(|line| line.split(' ').nth(2).unwrap().to_owned());
    assert_eq!(tags.collect::<String>(), "PFPFP", "nothing is written twice");
}

#[test]
fn a_line_that_was_shown_is_split_where_any_other_is() {
    let dir = TempDir::new().unwrap();
    let log = dir.path().join("job.log");
    let mut forms = Forms::new(Sink { log: Some(log.clone()), ..sink(&dir) });
    let long = "x".repeat(LONGEST * 2 + 5);
    for part in [&long[..LONGEST], &long[LONGEST..], "\n"] {
        forms.add(Stream::Stdout, part.as_bytes());
        forms.show(Instant::now() + Duration::from_secs(2));
    }
    let (output, troubles) = finish(Output { forms: Rc::new(RefCell::new(forms)) });
    assert!(troubles.is_empty(), "{troubles:?}");
    let kept = std::fs::read(output.file.unwrap()).unwrap();
    assert_eq!(text(&kept, "stdout"), format!("{long}\n").as_bytes());
    assert_eq!(lines(&log), [format!("{long}\n")]);
}

#[test]
fn nothing_is_due_when_nothing_waits() {
    let dir = TempDir::new().unwrap();
    let mut forms = Forms::new(sink(&dir));
    assert_eq!(forms.due(), None);
    forms.add(Stream::Stdout, b"one\n");
    let due = forms.due().expect("a line waits");
    forms.add(Stream::Stderr, b"tw");
    assert_eq!(forms.due(), Some(due), "the first counts");
    forms.show(due - Duration::from_millis(1));
    assert_eq!(forms.due(), Some(due));
    forms.show(due);
    let later = forms.due().expect("half a line waits");
    assert!(later > due);
    forms.show(later);
    assert_eq!(forms.due(), None);
    // There is a file now, and whole lines do not wait any more.
    forms.add(Stream::Stderr, b"o\nthree\n");
    assert_eq!(forms.due(), None);
    forms.add(Stream::Stdout, b"half of it");
    let half = forms.due().expect("half a line waits");
    std::thread::sleep(Duration::from_millis(2));
    forms.add(Stream::Stdout, b", and\nanother half");
    assert!(forms.due().unwrap() > half, "it began later");
    forms.end();
    assert_eq!(forms.due(), None);
}

#[test]
fn little_output_is_safe_from_whatever_happens_to_its_file() {
    let dir = TempDir::new().unwrap();
    let sink = sink(&dir);
    std::os::unix::fs::symlink(dir.path().join("victim"), &sink.file).unwrap();
    let mut forms = Forms::new(sink);
    forms.add(Stream::Stdout, b"a line\n");
    forms.show(Instant::now() + Duration::from_secs(2));
    let (output, troubles) = finish(Output { forms: Rc::new(RefCell::new(forms)) });
    assert_eq!(text(&output.inline, "stdout"), b"a line\n");
    assert!(!output.truncated && output.file.is_none());
    assert!(troubles[0].starts_with("its output could not be written while it ran: "));
    assert!(!dir.path().join("victim").exists());
}

#[test]
fn the_tail_begins_with_where_it_goes_on() {
    const LINES: u64 = 20_000;
    let kept = keep(100_000, |output| {
        for i in 0..LINES {
            output.receive(Stream::Stdout, format!("{i:010}\n").as_bytes()).unwrap();
        }
    });
    let end = lines(&tail(&kept.output.file.unwrap()));
    let (_, from) = end[0].trim_end().split_once(" stderr P:from=").expect("a seam");
    let from: u64 = from.parse().unwrap();
    let entry = end[1].len() as u64;
    assert_eq!(from % entry, 0);
    assert!(end[1].ends_with(&format!(" {:010}\n", from / entry)), "{}", end[1]);
    assert_eq!(from + entry * (end.len() as u64 - 1), entry * LINES, "there is one seam");
}
