//! What became of a due instant, in sentences that an operator understands. Words only: what there
//! is to tell is found elsewhere.

pub mod flow;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loom::api::run::{Run, Tally};
use loom::config::show_duration;
use loom::store::Gap;
use loom::unit::Reason;

use super::when::show;

/// A run that begins later than this after it was due is late.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// Names that are listed, at most.
const NAMED: usize = 5;

/// A run of the same job that was under way, and where; a flow without saying where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillRan {
    pub run: u64,
    pub since: Timestamp,
    pub nodes: Vec<String>,
}

/// What explains a gap, besides its reason.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    pub still_ran: Vec<StillRan>,
    /// The job's.
    pub deadline: Option<String>,
    /// Who switched the job off, and when, if it still is.
    pub switched_off: Option<(String, Timestamp)>,
    /// Of a run that is a flow's.
    pub course: Option<flow::Course>,
}

/// A run of the instant, and the nodes it lacks.
pub fn of_run(
    run: &Run,
    due: Timestamp,
    gaps: &[Gap],
    around: &Circumstances,
    zone: &TimeZone,
) -> String {
    let id = run.id;
    let units = fared(&run.units);
    let reason = run.reason.as_deref();
    let mut text = match run.state.as_str() {
        "queued" => format!("Run {id} is queued; nothing of it has begun yet: {units}."),
        "running" => format!("Run {id} is under way: {units}."),
        "skipped" => {
            let reason = reason.and_then(by_word).map(|reason| meaning(reason, around, zone));
            let why = reason.unwrap_or_else(|| "no reason is known".to_owned());
            format!("Run {id} was skipped: {why}.")
        }
        "lost" => format!(
            "It ran, and how it ended is not known: run {id} was lost when a connection or the \
             daemon went away: {units}."
        ),
        "cancelled" => format!("It ran, and run {id} was cancelled: {units}."),
        state => format!("It ran, and run {id} {state}: {units}."),
    };
    if let Some(begun) = run.started_at
        && begun.duration_since(due) >= LATE
    {
        let late = show_duration(begun.duration_since(due).unsigned_abs());
        text.push_str(&format!(" It began at {}, {late} after it was due.", show(begun, zone)));
    }
    if let Some(course) = &around.course {
        text.push_str(&flow::sentences(run, course));
    }
    for (reason, nodes) in by_reason(gaps) {
        let (nodes, why) = (names(&nodes), meaning(reason, around, zone));
        text.push_str(&format!(" It left out {nodes}: {why}."));
    }
    text
}

/// An instant that was not run anywhere.
pub fn of_gap(gap: &Gap, around: &Circumstances, zone: &TimeZone) -> String {
    let mut text = format!("It did not run: {}.", meaning(gap.reason, around, zone));
    if gap.count > 1 {
        let (first, last) = (show(gap.first_at, zone), show(gap.last_at, zone));
        let count = gap.count;
        text.push_str(&format!(
            " The same holds for {count} due instants, from {first} to {last}."
        ));
    }
    text
}

fn meaning(reason: Reason, around: &Circumstances, zone: &TimeZone) -> String {
    match reason {
        Reason::Overlap if around.still_ran.is_empty() => "the job still ran there".to_owned(),
        Reason::Overlap => {
            let each = around.still_ran.iter().map(|still| {
                let StillRan { run, since, nodes } = still;
                let on = match nodes.is_empty() {
                    true => String::new(),
                    false => format!(", on {}", names(nodes)),
                };
                format!("run {run}, since {}{on}", show(*since, zone))
            });
            format!("the job still ran ({})", each.collect::<Vec<_>>().join("; "))
        }
        Reason::Disabled => match &around.switched_off {
            Some((by, at)) => format!("the job was switched off by {by} at {}", show(*at, zone)),
            None => "the job was switched off".to_owned(),
        },
        Reason::DaemonDown => "the daemon did not run then".to_owned(),
        Reason::Deadline => {
            let deadline = around.deadline.as_ref();
            let by = deadline.map_or(String::new(), |by| format!(" (its `deadline` is {by})"));
            format!("it was noticed too late to be worth running{by}")
        }
        Reason::ClockJump => "the machine's clock was set past it".to_owned(),
        Reason::NoTargets => "the job had no nodes to run on".to_owned(),
        Reason::Removed => {
            "the job, or the node, was taken out of the configuration before it could begin".into()
        }
        Reason::Paused => "all schedules were paused".to_owned(),
        Reason::LedgerDown => {
            "the ledger could not be written, and nothing starts that cannot be recorded".to_owned()
        }
        Reason::Constraint => {
            "the run could no longer succeed, or a step of its `parallel` had failed".to_owned()
        }
    }
}

fn by_word(word: &str) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == word)
}

/// `of 3 nodes 1 succeeded, 2 failed`
fn fared(tally: &Tally) -> String {
    let Tally { total, succeeded, failed, cancelled, lost, skipped, open } = *tally;
    let parts = [
        (succeeded, "succeeded"),
        (failed, "failed"),
        (cancelled, "cancelled"),
        (lost, "lost"),
        (skipped, "skipped"),
        (open, "still open"),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(count, _)| *count > 0).collect();
    let nodes = if total == 1 { "node" } else { "nodes" };
    match parts[..] {
        [] => "on no node".to_owned(),
        [(_, word)] if total == 1 => format!("its one node {word}"),
        [(_, word)] => format!("all {total} {nodes} {word}"),
        _ => {
            let each = parts.iter().map(|(count, word)| format!("{count} {word}"));
            format!("of {total} {nodes} {}", each.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Gaps of single nodes: the nodes that share a reason.
fn by_reason(gaps: &[Gap]) -> Vec<(Reason, Vec<String>)> {
    let mut found: Vec<(Reason, Vec<String>)> = Vec::new();
    for gap in gaps {
        let Some(node) = gap.node.clone() else { continue };
        match found.iter_mut().find(|(reason, _)| *reason == gap.reason) {
            Some((_, nodes)) => nodes.push(node),
            None => found.push((gap.reason, vec![node])),
        }
    }
    found
}

/// `a, b and c`; not all of many.
fn names(names: &[String]) -> String {
    match names {
        [] => "no node".to_owned(),
        [one] => one.clone(),
        many if many.len() > NAMED => {
            format!("{} and {} more", many[..NAMED].join(", "), many.len() - NAMED)
        }
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn due() -> Timestamp {
        at("2026-11-20T02:00:00Z")
    }

    fn run(state: &str, units: Tally) -> Run {
        Run {
            id: 12,
            job: "a".to_owned(),
            trigger: "schedule".to_owned(),
            by: None,
            retry_of: None,
            command: None,
            scheduled_at: Some(due()),
            queued_at: due(),
            started_at: Some(due()),
            finished_at: None,
            state: state.to_owned(),
            reason: None,
            units,
            flow: None,
        }
    }

    fn gap(node: Option<&str>, reason: Reason) -> Gap {
        Gap {
            job: "a".to_owned(),
            node: node.map(str::to_owned),
            first_at: due(),
            last_at: due(),
            count: 1,
            epoch: 0,
            reason,
            run: None,
        }
    }

    #[test]
    fn a_run_is_told_with_its_nodes_and_those_left_out() {
        let none = Circumstances::default();
        let say =
            |run: &Run, gaps: &[Gap], around| of_run(run, due(), gaps, around, &TimeZone::UTC);
        let fine = run("succeeded", Tally { total: 3, succeeded: 3, ..Tally::default() });
        assert_eq!(say(&fine, &[], &none), "It ran, and run 12 succeeded: all 3 nodes succeeded.");
        let mixed = Tally { total: 3, succeeded: 1, failed: 2, ..Tally::default() };
        let late = Run { started_at: Some(at("2026-11-20T02:05:10Z")), ..run("failed", mixed) };
        assert_eq!(
            say(&late, &[], &none),
            "It ran, and run 12 failed: of 3 nodes 1 succeeded, 2 failed. It began at 2026-11-20 \
             02:05:10 UTC, 5m10s after it was due."
        );
        let still = StillRan {
            run: 11,
            since: at("2026-11-20T01:00:00Z"),
            nodes: vec!["web1".to_owned(), "web2".to_owned()],
        };
        let around = Circumstances { still_ran: vec![still], ..Circumstances::default() };
        let one = run("running", Tally { total: 1, open: 1, ..Tally::default() });
        let gaps = [gap(Some("web1"), Reason::Overlap), gap(Some("web2"), Reason::Overlap)];
        assert_eq!(
            say(&one, &gaps, &around),
            "Run 12 is under way: its one node still open. It left out web1 and web2: the job \
             still ran (run 11, since 2026-11-20 01:00 UTC, on web1 and web2)."
        );
        let skipped =
            Run { reason: Some("constraint".to_owned()), ..run("skipped", Tally::default()) };
        let expected = "Run 12 was skipped: the run could no longer succeed, or a step of its \
                        `parallel` had failed.";
        assert_eq!(say(&skipped, &[], &none), expected);
    }

    #[test]
    fn every_reason_of_a_gap_says_what_it_means() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let around = Circumstances {
            deadline: Some("3h".to_owned()),
            switched_off: Some(("bob".to_owned(), at("2026-11-19T10:00:00Z"))),
            ..Circumstances::default()
        };
        let say = |reason| of_gap(&gap(None, reason), &around, &zone);
        for reason in Reason::ALL {
            let text = say(reason);
            assert!(text.starts_with("It did not run: ") && text.ends_with('.'), "{text}");
        }
        let off = "It did not run: the job was switched off by bob at 2026-11-19 11:00 CET.";
        assert_eq!(say(Reason::Disabled), off);
        assert!(say(Reason::Deadline).contains("`deadline` is 3h"));
        let long =
            Gap { last_at: at("2026-11-20T06:00:00Z"), count: 5, ..gap(None, Reason::DaemonDown) };
        assert_eq!(
            of_gap(&long, &around, &zone),
            "It did not run: the daemon did not run then. The same holds for 5 due instants, from \
             2026-11-20 03:00 CET to 2026-11-20 07:00 CET."
        );
    }

    #[test]
    fn of_many_names_some_are_told() {
        let all = |count: usize| (1..=count).map(|n| format!("n{n}")).collect::<Vec<_>>();
        assert_eq!(names(&all(1)), "n1");
        assert_eq!(names(&all(3)), "n1, n2 and n3");
        assert_eq!(names(&all(7)), "n1, n2, n3, n4, n5 and 2 more");
    }
}
