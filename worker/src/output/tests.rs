//! The forms of a unit's output, and the files they end up in.

use super::*;
use loom::protocol::message::INLINE_OUTPUT;
use std::path::{Path, PathBuf};
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
