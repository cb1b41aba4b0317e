//! One record for each due instant.

use super::*;
use crate::unit::Reason;

fn gap(reason: Reason, first: i64, last: i64) -> Gap {
    Gap {
        job: "j".to_string(),
        node: None,
        first_at: at(first),
        last_at: at(last),
        count: (last - first) as u64 + 1,
        epoch: 0,
        reason,
        run: None,
    }
}

fn refusal(ledger: &mut Ledger, record: Record) -> String {
    let error = ledger.apply(&[record]).unwrap_err();
    assert!(error.is_refusal(), "{error}");
    error.to_string()
}

#[test]
fn an_instant_within_a_gap_is_not_run() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let paused = gap(Reason::Paused, 10, 20);
    let of_one_node = Gap { node: Some("n".to_string()), ..gap(Reason::Overlap, 30, 30) };
    ledger.apply(&[Record::Gap(paused), Record::Gap(of_one_node)]).unwrap();
    for covered in [10, 15, 20] {
        let why = refusal(&mut ledger, open_run(covered, "j", &["n"]));
        assert!(why.contains("covered by a gap: paused"), "{why}");
    }
    for free in [9, 21, 30] {
        ledger.apply(&[open_run(free, "j", &["n"])]).unwrap();
    }
    ledger.apply(&[open_run(15, "other", &["n"])]).unwrap();
    let manual = Record::OpenRun {
        run: RunId(99),
        job: "j".to_string(),
        trigger: Trigger::Manual,
        scheduled_at: None,
        epoch: 0,
        at: at(15),
        by: None,
        retry_of: None,
        command: None,
        within: None,
        plan: None,
        units: Vec::new(),
    };
    ledger.apply(&[manual]).unwrap();
}

#[test]
fn an_instant_that_is_covered_gets_no_gap_of_its_own() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(5, "j", &["n"]), Record::Gap(gap(Reason::Disabled, 10, 20))]).unwrap();
    let why = refusal(&mut ledger, Record::Gap(gap(Reason::Deadline, 5, 5)));
    assert!(why.contains("covered by run 5"), "{why}");
    let why = refusal(&mut ledger, Record::Gap(gap(Reason::Deadline, 12, 12)));
    assert!(why.contains("disabled"), "{why}");
    let next_epoch = Gap { epoch: 1, ..gap(Reason::Deadline, 12, 12) };
    let of_a_node = Gap { node: Some("n".to_string()), ..gap(Reason::Overlap, 5, 5) };
    ledger.apply(&[Record::Gap(next_epoch), Record::Gap(of_a_node)]).unwrap();
}

#[test]
fn a_gap_that_reaches_further_is_written_even_over_what_is_covered() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    ledger.apply(&[open_run(5, "j", &["n"]), Record::Gap(gap(Reason::LedgerDown, 4, 7))]).unwrap();
    ledger.apply(&[Record::Gap(gap(Reason::LedgerDown, 4, 9))]).unwrap();
    let gaps = Reader::open(dir.path()).unwrap().gaps("j", 9).unwrap();
    assert_eq!(gaps, [gap(Reason::LedgerDown, 4, 9)]);
}
