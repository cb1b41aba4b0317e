//! How records are cut into transactions makes no difference to the books.

use proptest::collection::vec;
use proptest::prelude::*;

use super::thread::LIMIT;
use super::*;
use crate::store::scribe::Scribe;
use crate::store::shared::Shared;
use crate::unit::{Kill, Reason};

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Succeeded),
        Just(Outcome::Lost),
        Just(Outcome::TimedOut { kill: Kill::Unconfirmed }),
        (0..4).prop_map(|exit| Outcome::Failed { exit: Some(exit) }),
    ]
}

/// Ids from so small a range that many records contradict earlier ones.
fn any_record() -> impl Strategy<Value = Record> {
    let job = || prop_oneof![Just("a"), Just("b")];
    prop_oneof![
        (1..6u64, job()).prop_map(|(run, job)| open_run(run, job, &["x", "y"])),
        (1..6u64, 1..3u32).prop_map(|(run, attempt)| Record::Retry {
            run: RunId(run),
            unit: unit(10 * run + 5 + u64::from(attempt), "x", attempt)
        }),
        (1..6u64).prop_map(|run| Record::StartRun { run: RunId(run), at: at(7) }),
        (10..60u64).prop_map(start_unit),
        (10..60u64, any_outcome()).prop_map(|(unit, outcome)| close_unit(unit, outcome)),
        (1..6u64).prop_map(|run| close_run(run, RunEnd::Failed)),
        (job(), 0..3i64, 0..9i64, 1..9u64).prop_map(|(job, first, length, count)| {
            Record::Gap(Gap {
                job: job.to_string(),
                node: None,
                first_at: at(first),
                last_at: at(first + length),
                count,
                epoch: 0,
                reason: Reason::Overlap,
                run: None,
            })
        }),
        (job(), 0..9i64)
            .prop_map(|(job, at_)| Record::Accounted { job: job.to_string(), through: at(at_) }),
        (0..99i64).prop_map(|second| jobs(&["a", "b"][..1 + second as usize % 2], second)),
        (0..4u32).prop_map(Record::Epoch),
        any::<bool>().prop_map(Record::Paused),
        (10..60u64).prop_map(|unit| Record::Swept {
            node: "x".to_string(),
            cookies: vec![format!("c-{unit}")]
        }),
    ]
}

/// The books after the records came in groups of these sizes.
fn books(records: &[Record], sizes: &[usize]) -> Vec<Vec<rusqlite::types::Value>> {
    let dir = statedir();
    let mut scribe = Scribe::new(open(&dir).0, Shared::new(LIMIT).unwrap());
    scribe.ledger.conn.pragma_update(None, "synchronous", "OFF").unwrap();
    let mut rest = records.iter().cloned();
    for size in sizes.iter().cycle() {
        scribe.pending.extend(rest.by_ref().take(*size));
        if scribe.pending.is_empty() {
            break;
        }
        while !scribe.pending.is_empty() {
            scribe.step().unwrap();
        }
    }
    dump(&scribe.ledger.conn)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_chunks_give_the_same_books(
        records in vec(any_record(), 1..80),
        sizes in vec(1..40usize, 1..5),
    ) {
        prop_assert_eq!(books(&records, &sizes), books(&records, &[1]));
    }
}
