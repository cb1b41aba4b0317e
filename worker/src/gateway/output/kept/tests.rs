//! What is read of output that a real writer has written.

use super::super::written::{Written, written};
use super::*;
use crate::ssh::{Receive, Stream};
use proptest::prelude::*;
use std::fs;

fn whole(kept: &Kept) -> Vec<u8> {
    let mut bytes = vec![0; kept.size() as usize + 1];
    let read = kept.read_at(&mut bytes, 0).unwrap();
    assert_eq!(read as u64, kept.size());
    bytes.truncate(read);
    bytes
}

fn said(kept: Kept, offset: u64) -> Vec<u8> {
    kept.text(offset).collect::<io::Result<Vec<_>>>().unwrap().concat()
}

fn numbers(upto: u64) -> impl FnOnce(&mut crate::output::Output) {
    move |output| (0..upto).for_each(|i| output.line(Stream::Stdout, &format!("{i:06}")))
}

#[test]
fn little_is_read_from_the_row_and_more_from_its_file() {
    let little = written(1 << 20, numbers(10));
    let kept = little.kept();
    assert_eq!(whole(&kept), little.report.inline);
    assert_eq!(said(kept, 0).len(), 70);

    let more = written(1 << 20, numbers(10_000));
    let kept = more.kept();
    assert_eq!(whole(&kept), fs::read(more.file("")).unwrap());
    assert_eq!(kept.dropped(), Dropped::Nothing);
    assert_eq!(said(kept, 0).len(), 70_000);

    assert!(written(1 << 20, |_| ()).open().unwrap().is_none());
}

#[test]
fn of_too_much_the_whole_is_the_head_and_the_tail_and_says_what_lies_between() {
    const COUNT: u64 = 10_000;
    let unit = written(100_000, numbers(COUNT));
    assert!(unit.report.truncated);
    let kept = unit.kept();
    let files = [unit.file(""), unit.file(".tail")].map(|file| fs::read(file).unwrap());
    assert_eq!(whole(&kept), files.concat());
    let Dropped::Bytes(dropped) = kept.dropped() else { panic!("{:?}", kept.dropped()) };
    let files = files.concat();
    let entry = files.iter().position(|&b| b == b'\n').unwrap() as u64 + 1;
    let seams = lines(&files).filter(|(_, line)| matches!(line, Line::Seam { .. }));
    assert_eq!(seams.count(), 1);
    let text = said(kept, 0);
    assert_eq!(text.len() as u64 / 7 + dropped / entry, COUNT);
    assert!(text.starts_with(b"000000\n000001\n") && text.ends_with(b"009998\n009999\n"));
}

#[test]
fn a_tail_without_a_seam_is_shown_all_the_same() {
    let unit = written(100_000, numbers(10_000));
    let tail = fs::read(unit.file(".tail")).unwrap();
    let seam = tail.iter().position(|&b| b == b'\n').unwrap() + 1;
    fs::write(unit.file(".tail"), &tail[seam..]).unwrap();
    let kept = unit.kept();
    assert_eq!(kept.dropped(), Dropped::Unknown);
    assert!(said(kept, 0).ends_with(b"009998\n009999\n"));
}

#[test]
fn what_a_worker_left_that_died_is_all_read() {
    let unit = written(1 << 20, numbers(3_000));
    let head = fs::read(unit.file("")).unwrap();
    let entry = head.len() / 3_000;
    let seam = |from: usize| format!("2024-01-01T00:00:00Z stderr P:from={from} \n");
    let part = |from: usize, to: usize| &head[entry * from..entry * to];
    let tail = |from, to| [seam(entry * from).as_bytes(), part(from, to)].concat();
    let put = |parts: [&[u8]; 3]| {
        for (suffix, part) in ["", ".tail.old", ".tail"].iter().zip(parts) {
            fs::write(unit.file(suffix), part).unwrap();
        }
        unit.kept()
    };
    // Nothing dropped, each way of being in the middle of joining, and something dropped.
    let (old, new) = (tail(1_000, 2_000), tail(2_000, 3_000));
    let is_whole = |kept: Kept| {
        assert_eq!(whole(&kept), head);
        assert_eq!(kept.dropped(), Dropped::Nothing);
    };
    is_whole(put([part(0, 1_000), &old, &new]));
    is_whole(put([part(0, 1_500), &old, &new]));
    is_whole(put([part(0, 2_000), b"", &new]));
    is_whole(put([&head[..entry * 2_000 + 7], b"", &new]));
    is_whole(put([&head, b"", &new]));
    is_whole(put([part(0, 1_000), &tail(1_000, 2_100), &new]));
    let kept = put([part(0, 900), b"", &new]);
    assert_eq!(kept.dropped(), Dropped::Bytes(1_100 * entry as u64));
    assert_eq!(whole(&kept), [part(0, 900), &new].concat());
    // The seam of a tail that was just begun is not there yet.
    assert_eq!(whole(&put([part(0, 900), b"", &new[..10]])), part(0, 900));
}

#[test]
fn rubbish_is_left_out_and_counted() {
    let unit = written(1 << 20, numbers(1_000));
    let mut log = fs::read(unit.file("")).unwrap();
    log.splice(0..0, b"rubbish\n\n".iter().copied());
    log.extend(vec![b'x'; 200_000]);
    log.extend(b"\n2024-01-01T00:00:00Z stdout F the end\n2024-01-01T00:00:00Z stdout F ");
    fs::write(unit.file(""), log).unwrap();
    let kept = unit.kept();
    assert_eq!(kept.tail(1).unwrap(), kept.size() - 30 - 38);
    let mut text = kept.text(0);
    let said = text.by_ref().collect::<io::Result<Vec<_>>>().unwrap().concat();
    assert!(said.ends_with(b"000999\nthe end\n"));
    assert!((3..=6).contains(&text.damaged()), "{}", text.damaged());
}

#[test]
fn a_line_is_one_however_many_entries_it_has() {
    let long = "x".repeat(100_000);
    let unit = written(1 << 20, |output| {
        output.line(Stream::Stdout, "one");
        output.line(Stream::Stderr, "two");
        output.line(Stream::Stdout, &long);
        output.line(Stream::Stderr, "four");
        output.receive(Stream::Stdout, long.as_bytes()).unwrap();
    });
    let last = |count| {
        let kept = unit.kept();
        let offset = kept.tail(count).unwrap();
        String::from_utf8(said(kept, offset)).unwrap()
    };
    assert_eq!(last(0), "");
    assert!(last(2).contains("four") && last(2).len() < 100_020);
    assert_eq!(last(3).len(), 200_006);
    assert_eq!(last(4), format!("two\n{}", last(3)));
    assert_eq!(last(5), format!("one\n{}", last(4)));
    assert_eq!(last(u64::MAX), last(5));
}

#[test]
fn one_stream_has_last_lines_of_its_own() {
    let unit = written(1 << 20, |output| {
        for i in 0..10_000 {
            let stream = if i % 1000 == 0 { Stream::Stderr } else { Stream::Stdout };
            output.line(stream, &i.to_string());
        }
    });
    let last = |stream, count| {
        let kept = unit.kept().only(stream);
        let offset = kept.tail(count).unwrap();
        String::from_utf8(said(kept, offset)).unwrap()
    };
    assert_eq!(last(Stream::Stderr, 0), "");
    assert_eq!(last(Stream::Stderr, 2), "8000\n9000\n");
    assert_eq!(last(Stream::Stderr, 10), last(Stream::Stderr, 100));
    assert!(last(Stream::Stderr, 100).starts_with("0\n1000\n2000\n"));
    assert_eq!(last(Stream::Stdout, 2), "9998\n9999\n");
    assert_eq!(last(Stream::Stdout, 20_000).lines().count(), 9_990);
}

fn dropping() -> Written {
    written(40_000, numbers(3_000))
}

#[test]
fn the_last_lines_begin_where_they_begin() {
    let units = [written(1 << 20, numbers(10)), written(1 << 20, numbers(5_000)), dropping()];
    for unit in units {
        let all = said(unit.kept(), 0);
        let lines: Vec<&[u8]> = all.split_inclusive(|&b| b == b'\n').collect();
        for count in [0, 1, 2, 9, 10, 11, 100, 4_999, 5_000, 6_000] {
            let kept = unit.kept();
            let offset = kept.tail(count as u64).unwrap();
            let wanted = &lines[lines.len().saturating_sub(count)..];
            assert_eq!(said(kept, offset), wanted.concat(), "{count}");
        }
    }
}

#[test]
fn a_place_in_the_whole_is_a_place_to_follow_from() {
    let unit = dropping();
    let kept = unit.kept();
    let Dropped::Bytes(dropped) = kept.dropped() else { panic!("{:?}", kept.dropped()) };
    let head = fs::metadata(unit.file("")).unwrap().len();
    let tail = fs::read(unit.file(".tail")).unwrap();
    let seam = tail.iter().position(|&b| b == b'\n').unwrap() as u64 + 1;
    let at = |offset| kept.cursor(offset).at;
    assert_eq!((at(0), at(7), at(head - 1)), (0, 7, head - 1));
    assert_eq!((at(head), at(head + seam)), (head + dropped, head + dropped));
    assert_eq!(at(kept.size()), head + dropped + tail.len() as u64 - seam);
    assert_eq!(at(kept.size() + 5), at(kept.size()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn ranges_one_after_the_other_are_the_whole(
        lines in 0..2_000u64,
        max in 1_000..100_000u64,
        sizes in proptest::collection::vec(1..5_000usize, 1..20),
    ) {
        let unit = written(max, numbers(lines));
        let Some(kept) = unit.open().unwrap() else { return Ok(()) };
        let all = whole(&kept);
        let mut joined = Vec::new();
        for size in sizes.iter().cycle() {
            let mut range = vec![0; *size];
            let read = kept.read_at(&mut range, joined.len() as u64).unwrap();
            joined.extend_from_slice(&range[..read]);
            if read < *size {
                break;
            }
        }
        prop_assert!(joined == all);
        prop_assert_eq!(kept.read_at(&mut [0; 9], kept.size() + 5).unwrap(), 0);
    }
}
