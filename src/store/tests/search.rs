//! Runs by filter, beside looking at every one of them.

use super::*;
use crate::access::Globs;
use crate::event::Within;
use crate::job::flow::Place;
use crate::unit::Reason;

const JOBS: [&str; 5] = ["a", "b", "db-1", "db-2", "@exec"];
const NODES: [&str; 3] = ["n0", "n1", "n2"];

/// 200 runs of all kinds, whose clock was once set back; some retried, some with two attempts.
fn filled(dir: &TempDir) -> Ledger {
    let (mut ledger, _) = open(dir);
    ledger.apply(&[jobs(&JOBS[..4], 0)]).unwrap();
    for id in 1..=200_u64 {
        let i = id as usize;
        let node = NODES[i / 3 % 3];
        let mut opening = open_run(id, JOBS[i % 5], &[node]);
        let queued = at(if id < 150 { id as i64 } else { id as i64 - 60 });
        let Record::OpenRun { at, trigger, scheduled_at, retry_of, within, plan, .. } =
            &mut opening
        else {
            unreachable!()
        };
        // Flows that are never over; latest first is not the order of their parts' places.
        *plan = [1, 8].contains(&id).then(|| "{}".to_owned());
        let place = Place { slot: 9 - i as u32 % 9, part: 1, rescue: 0 };
        *within = i.is_multiple_of(13).then_some(Within {
            flow: RunId(if i.is_multiple_of(2) { 1 } else { 8 }),
            place,
            missing: 0,
            succeeded: 0,
        });
        (*at, *trigger, *scheduled_at) = (queued, Trigger::ALL[i * 7 % 11 % 5], None);
        *retry_of = id.is_multiple_of(40).then(|| RunId(id / 40 * 10));
        ledger.apply(&[opening]).unwrap();
        if i.is_multiple_of(4) {
            ledger.apply(&[close_unit(10 * id, Outcome::Unreachable)]).unwrap();
            let again = unit(10 * id + 1, node, 2);
            ledger.apply(&[Record::Retry { run: RunId(id), unit: again }]).unwrap();
        }
        let reason = Reason::Overlap;
        match i % 7 {
            0 => {}
            1 => {
                ledger.apply(&[Record::StartRun { run: RunId(id), at: queued }]).unwrap();
            }
            2 => ledger.apply(&[close_run(id, RunEnd::Failed)]).unwrap(),
            3 => ledger.apply(&[close_run(id, RunEnd::Cancelled)]).unwrap(),
            4 => ledger.apply(&[close_run(id, RunEnd::Skipped { reason })]).unwrap(),
            _ => ledger.apply(&[close_run(id, RunEnd::Succeeded)]).unwrap(),
        }
    }
    ledger
}

fn filters() -> Vec<RunFilter> {
    let word = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
    let jobs = [None, Some("a"), Some("@exec"), Some("nobody")];
    let globs = [&[][..], &["db-*"], &["*"], &["b", "e*"], &["none"]];
    let states = [
        &[][..],
        &["failed"],
        &["queued", "running", "running"],
        &["running", "skipped", "lost"],
        &["succeeded", "failed"],
        &["'; drop"],
    ];
    let triggers = [&[][..], &[Trigger::Retry], &[Trigger::Exec, Trigger::Manual], &Trigger::ALL];
    let nodes = [None, Some("n1"), Some("nowhere")];
    let times = [(None, None), (Some(40), None), (None, Some(120)), (Some(90), Some(100))];
    let mut all = Vec::new();
    for (i, job) in jobs.iter().enumerate() {
        for (j, globs) in globs.iter().enumerate() {
            for states in states {
                for triggers in triggers {
                    for (k, node) in nodes.iter().enumerate() {
                        let (since, until) = times[(i + j + k + states.len()) % times.len()];
                        all.push(RunFilter {
                            job: job.map(str::to_owned),
                            jobs: Globs::new(*globs).unwrap(),
                            states: word(states),
                            triggers: triggers.to_vec(),
                            node: node.map(str::to_owned),
                            since: since.map(at),
                            until: until.map(at),
                            retry_of: (i + j + k == 5).then_some(RunId(10)),
                            flow: (i + j + k == 3).then_some(RunId(8)),
                            no_parts: (i + k) % 3 == 1,
                        });
                    }
                }
            }
        }
    }
    let retries = (1..=6).map(|n| Some(RunId(10 * n)));
    all.extend(retries.map(|retry_of| RunFilter { retry_of, ..RunFilter::default() }));
    let flows = [1, 8, 9].map(|flow| Some(RunId(flow)));
    all.extend(flows.into_iter().map(|flow| RunFilter { flow, ..RunFilter::default() }));
    all.push(RunFilter { no_parts: true, ..RunFilter::default() });
    all
}

fn fits(filter: &RunFilter, run: &RunRow) -> bool {
    let RunFilter { job, jobs, states, triggers, node, since, until, retry_of, flow, no_parts } =
        filter;
    let within = run.within.map(|(flow, _)| flow);
    let place = NODES[run.run.0 as usize / 3 % 3];
    job.as_ref().is_none_or(|job| *job == run.job)
        && (jobs.is_all() || run.job != "@exec" && jobs.matches(&run.job))
        && (states.is_empty() || states.iter().any(|word| word == run.state.word()))
        && (triggers.is_empty() || triggers.contains(&run.trigger))
        && node.as_ref().is_none_or(|node| node == place)
        && since.is_none_or(|since| run.queued_at >= since)
        && until.is_none_or(|until| run.queued_at < until)
        && retry_of.is_none_or(|of| run.retry_of == Some(of))
        && flow.is_none_or(|flow| within == Some(flow))
        && !(*no_parts && within.is_some())
}

#[test]
fn what_is_found_is_what_fits() {
    let dir = statedir();
    let _ledger = filled(&dir);
    let reader = Reader::open(dir.path()).unwrap();
    let all = reader.runs(None, None, 1000).unwrap();
    assert_eq!(all.len(), 200);
    let mut some = 0;
    for filter in filters() {
        let wanted: Vec<&RunRow> = all.iter().filter(|run| fits(&filter, run)).collect();
        let found = reader.runs_where(&filter, None, 1000).unwrap();
        assert!(found.iter().eq(wanted.iter().copied()), "{filter:?}: {found:?}");
        some += usize::from(!found.is_empty());
        // The same by pages.
        let (mut before, mut paged) = (None, Vec::new());
        loop {
            let page = reader.runs_where(&filter, before, 3).unwrap();
            assert!(page.len() <= 3);
            let Some(last) = page.last() else { break };
            before = Some(last.run);
            paged.extend(page);
        }
        assert_eq!(paged, found, "{filter:?}");
    }
    assert!(some > 100, "only {some} of the filters find anything");
}

/// The clock is set back in the middle: by so little that no epoch ends, or far.
#[test]
fn times_are_found_whatever_the_clock_has_done() {
    for (back, epoch) in [(59, 0), (1000, 1)] {
        let dir = statedir();
        let (mut ledger, _) = open(&dir);
        let mut records = vec![Record::Epoch(epoch)];
        for id in 1..=300_u64 {
            let mut opening = open_run(id, "a", &[]);
            let Record::OpenRun { at: queued, scheduled_at, .. } = &mut opening else {
                unreachable!()
            };
            let second = 10 * id as i64 - if id > 150 { back } else { 0 };
            (*queued, *scheduled_at) = (at(second), None);
            records.push(opening);
        }
        ledger.apply(&records).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        let all = reader.runs(None, None, 1000).unwrap();
        for since in (-500..3500).step_by(151) {
            for span in [7, 300] {
                let (since, until) = (Some(at(since)), Some(at(since + span)));
                for (since, until) in [(since, until), (since, None), (None, until)] {
                    let filter = RunFilter { since, until, ..RunFilter::default() };
                    let found = reader.runs_where(&filter, None, 1000).unwrap();
                    let wanted = all.iter().filter(|run| fits(&filter, run));
                    assert!(found.iter().eq(wanted), "{filter:?}, set back by {back} s");
                }
            }
        }
    }
}

#[test]
fn no_search_sorts_or_looks_at_all_there_is() {
    use crate::store::read::Query;
    let dir = statedir();
    let ledger = filled(&dir);
    for filter in filters().iter().filter(|filter| filter.is_possible()) {
        let query = Query::of(filter, (0, i64::MAX));
        let mut explain =
            ledger.conn.prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql)).unwrap();
        let plan: Vec<String> = explain
            .query_map(rusqlite::params_from_iter(&query.values), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let plan = plan.join("\n");
        let mut bad = ["TEMP B-TREE", "SCAN"].iter().filter(|bad| plan.contains(**bad));
        // A flow has few parts, in the order of their places.
        let sorts = filter.flow.is_some() && filter.retry_of.is_none();
        let bad = bad.find(|bad| **bad == "SCAN" || !sorts);
        assert_eq!(bad, None, "{}\n{plan}", query.sql);
    }
}

#[test]
fn the_last_run_of_each_job_is_found_at_once() {
    let dir = statedir();
    let _ledger = filled(&dir);
    let reader = Reader::open(dir.path()).unwrap();
    let last = reader.last_runs(&["a", "db-2", "nobody"]).unwrap();
    let ids: Vec<_> = last.iter().map(|(job, run)| (job.as_str(), run.run.0)).collect();
    assert_eq!(ids, [("a", 200), ("db-2", 198)]);
    assert!(reader.last_runs(&[]).unwrap().is_empty());
    // Of those in a state, all of it or nothing.
    let jobs = ["a", "db-2", "nobody"];
    for run in last.values() {
        let state = run.state.word();
        let expected: Vec<_> = last.values().filter(|run| run.state.word() == state).collect();
        let found = reader.last_runs_in(&jobs, &[state, "lost"]).unwrap();
        assert!(found.values().eq(expected), "{state}");
    }
    assert!(reader.last_runs_in(&jobs, &["lost"]).unwrap().is_empty());
}

#[test]
fn a_run_is_tallied_by_the_last_attempt_on_each_node() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let by = crate::unit::Canceller::Shutdown;
    let ends = [
        Outcome::Succeeded,
        Outcome::Failed { exit: Some(1) },
        Outcome::Signaled { signal: 9 },
        Outcome::TimedOut { kill: crate::unit::Kill::Confirmed },
        Outcome::Crashed,
        Outcome::Cancelled { by, kill: crate::unit::Kill::Confirmed },
        Outcome::Lost,
        Outcome::Skipped { reason: Reason::Overlap },
        Outcome::Unreachable,
        Outcome::Unreachable,
    ];
    let nodes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    ledger.apply(&[open_run(1, "j", &nodes), open_run(9, "j", &["a"])]).unwrap();
    for (unit, end) in (10..).zip(ends) {
        ledger.apply(&[close_unit(unit, end)]).unwrap();
    }
    // Two were tried again: one succeeds, the other waits.
    let again = |id, node| Record::Retry { run: RunId(1), unit: unit(id, node, 2) };
    ledger.apply(&[again(100, "i"), again(101, "b"), close_unit(100, Outcome::Succeeded)]).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let tallies = reader.tallies(&[RunId(1), RunId(9), RunId(77)]).unwrap();
    let first =
        Tally { total: 10, succeeded: 2, failed: 4, cancelled: 1, lost: 1, skipped: 1, open: 1 };
    let ninth = Tally { total: 1, open: 1, ..Tally::default() };
    assert!(tallies.into_iter().eq([(RunId(1), first), (RunId(9), ninth)]));
}
