//! What became of an instant.

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

fn covering(dir: &TempDir, second: i64, epoch: Option<u32>) -> Covered {
    Reader::open(dir.path()).unwrap().covering("j", at(second), epoch).unwrap()
}

fn ids(runs: &[RunRow]) -> Vec<u64> {
    runs.iter().map(|run| run.run.0).collect()
}

#[test]
fn an_instant_has_its_run_its_gap_or_nothing() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let left_out =
        Gap { node: Some("b".to_string()), run: Some(RunId(5)), ..gap(Reason::Overlap, 5, 5) };
    let paused = gap(Reason::Paused, 10, 20);
    let other = open_run(6, "other", &["a"]);
    ledger
        .apply(&[
            open_run(5, "j", &["a"]),
            Record::Gap(left_out.clone()),
            Record::Gap(paused.clone()),
            Record::Gap(gap(Reason::Deadline, 21, 21)),
            other,
        ])
        .unwrap();
    let run = covering(&dir, 5, None);
    assert_eq!((ids(&run.runs), run.gaps), (vec![5], vec![left_out]));
    for second in [10, 15, 20] {
        let covered = Covered { runs: Vec::new(), gaps: vec![paused.clone()] };
        assert_eq!(covering(&dir, second, None), covered);
    }
    assert_eq!(covering(&dir, 21, Some(0)).gaps[0].reason, Reason::Deadline);
    for second in [4, 6, 9, 22] {
        assert_eq!(covering(&dir, second, None), Covered::default(), "{second}");
    }
    assert_eq!(covering(&dir, 15, Some(1)), Covered::default());
}

#[test]
fn an_instant_that_came_twice_has_both_its_records() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let mut again = open_run(7, "j", &["a"]);
    let Record::OpenRun { scheduled_at, epoch, .. } = &mut again else { unreachable!() };
    (*scheduled_at, *epoch) = (Some(at(5)), 1);
    let down = Gap { epoch: 2, ..gap(Reason::DaemonDown, 3, 9) };
    let reaching = gap(Reason::LedgerDown, 2, 8);
    ledger
        .apply(&[
            open_run(5, "j", &["a"]),
            again,
            Record::Gap(down.clone()),
            Record::Gap(gap(Reason::Deadline, 6, 6)),
            Record::Gap(reaching.clone()),
        ])
        .unwrap();
    let all = covering(&dir, 5, None);
    assert_eq!((ids(&all.runs), all.gaps), (vec![5, 7], vec![reaching.clone(), down]));
    let second = covering(&dir, 5, Some(1));
    assert_eq!((ids(&second.runs), second.gaps), (vec![7], vec![]));
    assert!(covering(&dir, 8, None).gaps.contains(&reaching), "one that began within hides none");
}

#[test]
fn the_gaps_of_many_nodes_hide_none_of_the_job() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let down = gap(Reason::DaemonDown, 1, 9999);
    ledger.apply(&[Record::Gap(down.clone())]).unwrap();
    for i in 0..500 {
        let node = Some(format!("n{}", i % 5));
        ledger
            .apply(&[Record::Gap(Gap { node, ..gap(Reason::Overlap, 100 + i, 100 + i) })])
            .unwrap();
    }
    assert_eq!(covering(&dir, 800, None).gaps, [down]);
}

#[test]
fn what_lies_next_to_an_instant_is_told() {
    let dir = statedir();
    let (mut ledger, _) = open(&dir);
    let (paused, late) = (gap(Reason::Paused, 10, 20), gap(Reason::Deadline, 40, 40));
    let of_a_node = Gap { node: Some("b".to_string()), ..gap(Reason::Overlap, 24, 24) };
    let mut manual = open_run(25, "j", &[]);
    let Record::OpenRun { trigger, scheduled_at, .. } = &mut manual else { unreachable!() };
    (*trigger, *scheduled_at) = (Trigger::Manual, None);
    ledger
        .apply(&[
            open_run(5, "j", &[]),
            Record::Gap(paused.clone()),
            Record::Gap(of_a_node),
            manual,
            open_run(26, "other", &[]),
            open_run(30, "j", &[]),
            Record::Gap(late.clone()),
        ])
        .unwrap();
    let reader = Reader::open(dir.path()).unwrap();
    let near = |second| {
        let Neighbours { before, after } = reader.neighbours("j", at(second)).unwrap();
        let show = |account: Option<Account>| {
            account.map_or("nothing".to_string(), |account| match account {
                Account::Run(run) => format!("run {}", run.run),
                Account::Gap(gap) => gap.reason.as_str().to_string(),
            })
        };
        format!("{} | {}", show(before), show(after))
    };
    assert_eq!(near(1), "nothing | run 5");
    assert_eq!(near(5), "nothing | paused");
    assert_eq!(near(7), "run 5 | paused");
    assert_eq!(near(15), "run 5 | run 30", "it is within one");
    assert_eq!(near(25), "paused | run 30");
    assert_eq!(near(35), "run 30 | deadline");
    assert_eq!(near(50), "deadline | nothing");
}
