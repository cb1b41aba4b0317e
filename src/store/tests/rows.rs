//! Records in, rows out.

use super::*;
use crate::unit::{Canceller, Kill, Reason};

#[test]
fn a_unit_s_life_is_read_back_as_it_was_told() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger
        .apply(&[
            jobs(&["backup"], 0),
            open_run(1, "backup", &["a", "b"]),
            Record::StartRun { run: RunId(1), at: at(2) },
            start_unit(10),
            Record::OnNode { unit: UnitId(10), remote_pgid: 4711 },
        ])
        .unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.open_units_page(9999).unwrap().len(), 2);
    ledger
        .apply(&[
            close_unit(10, Outcome::Failed { exit: Some(3) }),
            Record::Retry { run: RunId(1), unit: unit(12, "a", 2) },
            start_unit(12),
            close_unit(12, Outcome::Succeeded),
            close_unit(11, Outcome::Unreachable),
            close_run(1, RunEnd::Failed),
        ])
        .unwrap();
    let run = reader.run(RunId(1)).unwrap().unwrap();
    assert_eq!(
        run,
        RunRow {
            run: RunId(1),
            job: "backup".to_string(),
            trigger: Trigger::Schedule,
            scheduled_at: Some(at(1)),
            epoch: 0,
            queued_at: at(1),
            started_at: Some(at(2)),
            finished_at: Some(at(300)),
            state: RunState::Done(RunEnd::Failed),
            by: None,
            retry_of: None,
            within: None,
            command: None,
        }
    );
    let units = reader.units(RunId(1)).unwrap();
    let states: Vec<_> = units.iter().map(|u| (u.unit.0, u.attempt, u.state.clone())).collect();
    assert_eq!(
        states,
        [
            (10, 1, UnitState::Done(Outcome::Failed { exit: Some(3) })),
            (11, 1, UnitState::Done(Outcome::Unreachable)),
            (12, 2, UnitState::Done(Outcome::Succeeded)),
        ]
    );
    assert_eq!(units[0].remote_pgid, Some(4711));
    assert_eq!(units[0].worker_pid, Some(77));
    let Output { inline, file, bytes, truncated } = reader.output(UnitId(10)).unwrap().unwrap();
    assert_eq!((inline.as_slice(), file, bytes, truncated), (&b"out"[..], None, 3, false));
    assert_eq!(units[0].output, Kept { inline: 3, file: None, bytes: 3, truncated: false });
    assert_eq!(reader.unit(UnitId(12)).unwrap().as_ref(), Some(&units[2]));
    assert_eq!(
        (reader.unit(UnitId(13)).unwrap(), reader.output(UnitId(13)).unwrap()),
        (None, None)
    );
    assert_eq!(units[1].started_at, None);
    assert!(reader.open_units_page(9999).unwrap().is_empty());
}

#[test]
fn a_run_says_who_asked_for_it_and_what_it_goes_back_to() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for (id, trigger) in (1..).zip(Trigger::ALL) {
        let mut opening = open_run(id, "@exec", &["n"]);
        let Record::OpenRun { trigger: set_off, by, retry_of, command, .. } = &mut opening else {
            unreachable!()
        };
        *set_off = trigger;
        *by = Some("ann".to_string());
        *retry_of = Some(RunId(90 + id));
        *command = Some("uptime".to_string());
        ledger.apply(&[opening]).unwrap();
        let run = Reader::open(dir.path()).unwrap().run(RunId(id)).unwrap().unwrap();
        assert_eq!(run.trigger, trigger);
        assert_eq!((run.by.as_deref(), run.retry_of), (Some("ann"), Some(RunId(90 + id))));
        assert_eq!(run.command.as_deref(), Some("uptime"));
    }
}

#[test]
fn every_outcome_and_every_end_survives_the_way() {
    let by = |by, kill| Outcome::Cancelled { by, kill };
    let mut outcomes = vec![
        Outcome::Succeeded,
        Outcome::Failed { exit: None },
        Outcome::Failed { exit: Some(255) },
        Outcome::Signaled { signal: 9 },
        Outcome::Unreachable,
        Outcome::TimedOut { kill: Kill::Confirmed },
        Outcome::TimedOut { kill: Kill::Unconfirmed },
        by(Canceller::Shutdown, Kill::Unconfirmed),
        by(Canceller::User("user:ann\n".to_string()), Kill::Confirmed),
        Outcome::Crashed,
        Outcome::Lost,
    ];
    outcomes.extend(Reason::ALL.map(|reason| Outcome::Skipped { reason }));
    let mut ends = vec![RunEnd::Succeeded, RunEnd::Failed, RunEnd::Cancelled, RunEnd::Lost];
    ends.extend(Reason::ALL.map(|reason| RunEnd::Skipped { reason }));

    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    for (i, outcome) in (1..).zip(&outcomes) {
        ledger.apply(&[open_run(i, "j", &["n"]), close_unit(10 * i, outcome.clone())]).unwrap();
    }
    for (i, end) in (1..).zip(&ends) {
        ledger.apply(&[close_run(i, *end)]).unwrap();
    }
    let reader = Reader::open(dir.path()).unwrap();
    for (i, outcome) in (1..).zip(outcomes) {
        assert_eq!(reader.units(RunId(i)).unwrap()[0].state, UnitState::Done(outcome));
    }
    for (i, end) in (1..).zip(ends) {
        assert_eq!(reader.run(RunId(i)).unwrap().unwrap().state, RunState::Done(end));
    }
}

#[test]
fn an_instant_is_run_once_in_each_epoch() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(1, "j", &["n"])]).unwrap();
    let mut again = open_run(2, "j", &["n"]);
    let Record::OpenRun { scheduled_at, epoch, .. } = &mut again else { unreachable!() };
    *scheduled_at = Some(at(1));
    *epoch = 1;
    ledger.apply(&[Record::Epoch(1), again.clone()]).unwrap();
    let Record::OpenRun { run, epoch, units, .. } = &mut again else { unreachable!() };
    (*run, *epoch) = (RunId(3), 0);
    units.clear();
    assert!(ledger.apply(&[again]).unwrap_err().is_refusal());
    ledger.close().unwrap();
    assert_eq!(open(&dir).1.epoch, 1);
}

#[test]
fn what_contradicts_the_books_is_refused_and_leaves_no_trace() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(1, "j", &["n"]), close_unit(10, Outcome::Crashed)]).unwrap();
    let before = dump(&ledger.conn);
    for wrong in [
        open_run(1, "other", &[]),
        close_unit(10, Outcome::Succeeded),
        close_unit(99, Outcome::Succeeded),
        start_unit(10),
        Record::Retry { run: RunId(1), unit: unit(11, "n", 1) },
        Record::Retry { run: RunId(9), unit: unit(11, "n", 1) },
        Record::StartRun { run: RunId(9), at: at(0) },
        close_run(9, RunEnd::Failed),
        Record::Accounted { job: "nobody".to_string(), through: at(0) },
        open_run(2, "j", &["n", "n"]),
    ] {
        let good = open_run(5, "good", &[]);
        let error = ledger.apply(&[good, wrong.clone()]).unwrap_err();
        assert!(error.is_refusal(), "{wrong:?}: {error}");
        assert_eq!(dump(&ledger.conn), before, "{wrong:?}");
    }
}

#[test]
fn a_gap_grows_in_place_and_accounts_for_its_instants() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let gap = |node: Option<&str>, last, count| Gap {
        job: "j".to_string(),
        node: node.map(str::to_string),
        first_at: at(60),
        last_at: at(last),
        count,
        epoch: 0,
        reason: Reason::Disabled,
        run: None,
    };
    ledger.apply(&[jobs(&["j"], 0), Record::Gap(gap(None, 60, 1))]).unwrap();
    ledger.apply(&[Record::Gap(gap(Some("n"), 180, 3)), Record::Gap(gap(None, 120, 2))]).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.gaps("j", 10).unwrap(), [gap(Some("n"), 180, 3), gap(None, 120, 2)]);
    assert_eq!(reader.jobs().unwrap()[0].accounted_through, at(120));
    ledger.apply(&[Record::Accounted { job: "j".to_string(), through: at(30) }]).unwrap();
    assert_eq!(reader.jobs().unwrap()[0].accounted_through, at(30));
}

#[test]
fn jobs_come_change_go_and_return() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[jobs(&["a", "b"], 0), open_run(5, "a", &[])]).unwrap();
    let row = |name: &str, schedule, first, through, removed: Option<i64>| JobRow {
        entry: entry(name, schedule),
        first_seen: at(first),
        accounted_through: at(through),
        removed_at: removed.map(at),
    };
    let every = "* * * * *";
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.jobs().unwrap(), [row("a", every, 0, 5, None), row("b", every, 0, 0, None)]);

    let changed = vec![entry("a", "@daily"), entry("c", every)];
    ledger.apply(&[Record::Jobs { jobs: changed, at: at(10) }]).unwrap();
    ledger.apply(&[jobs(&["b", "c"], 20)]).unwrap();
    assert_eq!(
        reader.jobs().unwrap(),
        [
            row("a", "@daily", 0, 10, Some(20)),
            row("b", every, 0, 20, None),
            row("c", every, 10, 10, None),
        ]
    );
    ledger.close().unwrap();
    assert_eq!(open(&dir).1.jobs, reader.jobs().unwrap());
}

fn rights(unit: u64, cookie: &str) -> Record {
    Record::Rights { unit: UnitId(unit), cookie: cookie.to_owned() }
}

#[test]
fn a_unit_that_does_not_run_gets_no_rights() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(1, "j", &["a", "b"]), start_unit(10)]).unwrap();
    ledger.apply(&[close_unit(10, Outcome::Succeeded)]).unwrap();
    for unit in [10, 11, 12] {
        let refused = ledger.apply(&[rights(unit, "c+s")]);
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{unit}: {refused:?}");
    }
    drop(ledger);
    let nodes = open(&dir).1.unswept;
    assert_eq!(nodes.into_iter().collect::<Vec<_>>(), [("b".to_owned(), vec!["c-11".to_owned()])]);
}

#[test]
fn what_was_open_is_lost_at_the_next_start_and_remembered_until_swept() {
    let dir = statedir();
    let (mut ledger, first) = open(&dir);
    assert_eq!((first.next_run, first.next_unit), (RunId(1), UnitId(1)));
    ledger
        .apply(&[
            open_run(1, "j", &["a", "b", "c", "d"]),
            start_unit(10),
            start_unit(11),
            rights(10, "c-10+s"),
            rights(10, "c-10+s7777+s"),
            rights(11, "c-11+s"),
            close_unit(11, Outcome::TimedOut { kill: Kill::Unconfirmed }),
            close_unit(12, Outcome::TimedOut { kill: Kill::Confirmed }),
        ])
        .unwrap();
    drop(ledger);

    let (mut ledger, second) = Ledger::open(dir.path(), at(900)).unwrap();
    assert!(second.lost_runs.keys().eq(&[RunId(1)]));
    assert_eq!(second.lost_units, [UnitId(10), UnitId(13)]);
    assert_eq!((second.next_run, second.next_unit), (RunId(2), UnitId(14)));
    assert_eq!(second.ledger_id, first.ledger_id);
    let nodes: Vec<_> = second.unswept.iter().map(|(n, c)| (n.as_str(), c[0].as_str())).collect();
    assert_eq!(nodes, [("a", "c-10+s7777+s"), ("b", "c-11+s"), ("d", "c-13")]);

    let reader = Reader::open(dir.path()).unwrap();
    let run = reader.run(RunId(1)).unwrap().unwrap();
    assert_eq!((run.state, run.finished_at), (RunState::Done(RunEnd::Lost), Some(at(900))));
    let units = reader.units(RunId(1)).unwrap();
    assert_eq!(units[0].state, UnitState::Done(Outcome::Lost));
    assert_eq!(units[0].detail.as_deref(), Some("the daemon ended while it was running"));
    assert_eq!(units[3].detail.as_deref(), Some("the daemon ended while it was queued"));

    for (node, cookies) in second.unswept {
        ledger.apply(&[Record::Swept { node, cookies }]).unwrap();
    }
    drop(ledger);
    let (_ledger, third) = open(&dir);
    assert!(third.unswept.is_empty() && third.lost_units.is_empty() && third.lost_runs.is_empty());
}

#[test]
fn what_a_task_returned_is_read_as_it_was_written() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let wild = "a\0b\x1b[2J\r\n☃\u{202e}".repeat(200);
    let results = [Some(wild), Some(String::new()), None];
    let mut records = vec![open_run(1, "j", &["a", "b", "c"])];
    for (unit, returned) in (10..).zip(&results) {
        let mut closing = close_unit(unit, Outcome::Succeeded);
        let Record::CloseUnit { result, .. } = &mut closing else { unreachable!() };
        result.clone_from(returned);
        records.push(closing);
    }
    ledger.apply(&records).unwrap();
    let units = Reader::open(dir.path()).unwrap().units(RunId(1)).unwrap();
    assert_eq!(units.into_iter().map(|unit| unit.result).collect::<Vec<_>>(), results);
}

#[test]
fn one_job_is_found_by_its_name_and_the_units_of_one_node() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let entry = |name: &str| JobEntry {
        name: name.to_string(),
        schedule: "@daily".to_string(),
        timezone: None,
    };
    let all = |names: &[&str], second| Record::Jobs {
        jobs: names.iter().map(|name| entry(name)).collect(),
        at: at(second),
    };
    ledger.apply(&[all(&["a", "b"], 1), all(&["b"], 2)]).unwrap();
    ledger.apply(&[open_run(3, "b", &["n1", "n2"]), open_run(4, "b", &["n2"])]).unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.job("a").unwrap().unwrap().removed_at, Some(at(2)));
    assert_eq!(reader.job("b").unwrap().unwrap().entry, entry("b"));
    assert_eq!(reader.job("c").unwrap(), None);
    let units = |node: &str, limit| -> Vec<u64> {
        let units = reader.units_of_node(node, limit).unwrap();
        units.into_iter().map(|unit| unit.unit.0).collect()
    };
    assert_eq!((units("n2", 9), units("n2", 1), units("n3", 9)), (vec![40, 31], vec![40], vec![]));
}
