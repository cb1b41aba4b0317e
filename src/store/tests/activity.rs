//! Runs counted by span and state, beside looking at every one of them.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::*;
use crate::access::Globs;
use crate::event::Within;
use crate::job::flow::Place;
use crate::unit::Reason;

const JOBS: [&str; 5] = ["a", "b", "db-1", "db-2", "@exec"];

/// A run every ten seconds, every seventh of them a part of a flow; in the middle the clock is set
/// back, so far that an epoch may end.
fn filled(dir: &TempDir, back: i64, epoch: u32) -> Ledger {
    let (mut ledger, _) = open(dir);
    let mut records = vec![jobs(&JOBS[..4], 0), Record::Epoch(epoch)];
    for id in 1..=300_u64 {
        let i = id as usize;
        let second = 10 * id as i64 - if id > 150 { back } else { 0 };
        let mut opening = open_run(id, JOBS[i % 5], &[]);
        let Record::OpenRun { at: queued, trigger, scheduled_at, within, plan, .. } = &mut opening
        else {
            unreachable!()
        };
        (*queued, *scheduled_at) = (at(second), None);
        *plan = (id == 1).then(|| "{}".to_owned());
        if i.is_multiple_of(7) {
            *trigger = Trigger::Flow;
            let place = Place { slot: i as u32, part: 1, rescue: 0 };
            *within = Some(Within { flow: RunId(1), place, missing: 0, succeeded: 0 });
        }
        records.push(opening);
        match i % 11 {
            // The flow goes on.
            0 | 1 => {}
            2 => records.push(Record::StartRun { run: RunId(id), at: at(second) }),
            3 => records.push(close_run(id, RunEnd::Failed)),
            4 => records.push(close_run(id, RunEnd::Skipped { reason: Reason::Overlap })),
            _ => records.push(close_run(id, RunEnd::Succeeded)),
        }
    }
    ledger.apply(&records).unwrap();
    ledger
}

#[test]
fn every_run_is_counted_once_where_it_was_queued() {
    for (back, epoch) in [(0, 0), (59, 0), (1000, 1)] {
        let dir = statedir();
        let _ledger = filled(&dir, back, epoch);
        let reader = Reader::open(dir.path()).unwrap();
        let all = reader.runs(None, None, 1000).unwrap();
        for globs in [&[][..], &["db-*"], &["*"], &["none"]] {
            let globs = Globs::new(globs).unwrap();
            for (since, until, step) in [(0, 3600, 60), (333, 1234, 100), (1490, 1495, 60)] {
                let spans = Spans {
                    since: at(since),
                    until: at(until),
                    step: SignedDuration::from_secs(step),
                };
                let mut wanted = BTreeMap::new();
                let counts = |run: &&RunRow| {
                    (spans.since..spans.until).contains(&run.queued_at)
                        && run.within.is_none()
                        && globs.see(&run.job)
                };
                for run in all.iter().filter(counts) {
                    let begun = run.queued_at.as_second().div_euclid(step) * step;
                    let word = run.state.word();
                    let place = RunState::WORDS.iter().position(|known| *known == word).unwrap();
                    *wanted.entry((Timestamp::from_second(begun).unwrap(), place)).or_insert(0) +=
                        1;
                }
                let wanted: Vec<SpanCount> = wanted
                    .into_iter()
                    .map(|((at, place), count)| SpanCount {
                        at,
                        state: RunState::WORDS[place],
                        count,
                    })
                    .collect();
                let found = reader.activity(&globs, spans).unwrap();
                assert_eq!(found, wanted, "{globs} {since} {until} {step}, set back by {back} s");
                let none = globs.iter().eq(["none"]) || until - since < 10;
                assert!(none || found.len() > 5, "{found:?}");
            }
        }
    }
}

/// With more jobs than are looked up one by one.
#[test]
fn who_may_see_many_jobs_is_told_of_these() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let names: Vec<String> = (0..200).map(|n| format!("job-{n}")).collect();
    let mut records = vec![jobs(&names.iter().map(String::as_str).collect::<Vec<_>>(), 0)];
    for (id, name) in (1..).zip(&names) {
        records.extend([open_run(id, name, &[]), close_run(id, RunEnd::Succeeded)]);
    }
    ledger.apply(&records).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let step = SignedDuration::from_secs(86400);
    let spans = Spans { since: at(0), until: at(1000), step };
    let found = reader.activity(&Globs::new(["job-1*"]).unwrap(), spans).unwrap();
    assert!(found.iter().all(|span| span.state == "succeeded"));
    assert_eq!(found.iter().map(|span| span.count).sum::<u64>(), 111);
}

#[test]
fn what_did_not_run_is_found_by_when_it_should_have() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let gap = |job: &str, reason, first, last| Gap {
        job: job.to_owned(),
        node: None,
        first_at: at(first),
        last_at: at(last),
        count: 2,
        epoch: 0,
        reason,
        run: None,
    };
    let (paused, overlap) = (gap("a", Reason::Paused, 10, 500), gap("b", Reason::Overlap, 90, 90));
    let on_a_node = Gap { node: Some("n".to_owned()), ..gap("a", Reason::Overlap, 600, 600) };
    let of_a_flow = Gap { run: Some(RunId(7)), ..gap("c", Reason::NoTargets, 100, 100) };
    let all = [&paused, &overlap, &on_a_node, &of_a_flow, &gap("a", Reason::Deadline, 900, 900)];
    ledger.apply(&all.map(|gap| Record::Gap(gap.clone()))).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let missed = |globs: &[&str], since, until| {
        reader.missed(&Globs::new(globs).unwrap(), at(since), at(until)).unwrap()
    };
    assert_eq!(missed(&[], 50, 800), [overlap.clone(), paused.clone()]);
    assert_eq!(missed(&["a"], 50, 800), std::slice::from_ref(&paused));
    assert_eq!(missed(&[], 91, 200), [paused]);
    assert_eq!(missed(&[], 501, 900), []);
}

#[test]
fn nothing_is_looked_at_that_is_not_counted() {
    use crate::store::read::{ALL, MISSED, OTHERS};
    let dir = statedir();
    let ledger = filled(&dir, 0, 0);
    let plan = |sql: &str| -> String {
        let mut explain = ledger.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![0_i64; explain.parameter_count()];
        let read = explain.query_map(rusqlite::params_from_iter(unbound), |row| row.get("detail"));
        read.unwrap().map(Result::unwrap).collect::<Vec<String>>().join("\n")
    };
    assert!(plan(ALL).contains("COVERING INDEX runs_in_time (queued_at>? AND queued_at<?)"));
    for others in OTHERS {
        let plan = plan(&format!("{others} id BETWEEN ?1 AND ?2"));
        assert!(plan.contains("SEARCH") && plan.contains("<?"), "{plan}");
        assert!(!plan.contains("SCAN") && !plan.contains("TEMP"), "{plan}");
    }
    let missed = plan(MISSED);
    assert!(missed.contains("SEARCH gaps USING INDEX gaps_lately (last_at>?)"), "{missed}");
}
