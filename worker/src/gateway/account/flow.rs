//! What became of a flow, in sentences: how it was begun, which of its jobs did not do what they
//! should and what followed from that, and how it can go on. Words only, as in [`super`].

use loom::api::flow::{OnFailure, Part, Resumed};
use loom::api::run::Run;

use super::NAMED;

/// What is told of a run of a flow, besides the run.
#[derive(Debug, Clone, Default)]
pub struct Course {
    pub slots: Vec<Vec<Part>>,
    pub resumed: Option<Resumed>,
    /// The run that has taken it up.
    pub taken_up: Option<Run>,
}

/// To be told behind what there is to tell of any run; each sentence with a blank before it.
pub fn sentences(run: &Run, course: &Course) -> String {
    let Course { slots, resumed, taken_up } = course;
    let mut told = vec![cause(run, resumed.as_ref())];
    let first = resumed.as_ref().map_or(1, |resumed| resumed.slot as usize);
    let has_begun = |parts: &Vec<Part>| parts.iter().any(|part| part.run.is_some());
    let begun = slots.iter().rposition(has_begun).map_or(first, |at| first.max(at + 1));
    // It failed where nothing could run, if all that ran did what it should.
    let is_bad = |part: &Part| part.run.as_ref().is_some_and(|run| run.state != "succeeded");
    let went_on =
        slots.get(begun - 1).is_some_and(|parts| has_begun(parts) && !parts.iter().any(is_bad));
    let nowhere = run.state == "failed" && went_on && begun < slots.len();
    let reached = begun + usize::from(nowhere);
    let mut notable = Vec::new();
    for (slot, parts) in (1..).zip(slots).skip(first - 1).take(reached + 1 - first) {
        for (number, part) in (0..).zip(parts) {
            let before = resumed.as_ref().filter(|resumed| resumed.slot as usize == slot);
            let before = before.and_then(|resumed| resumed.done.get(number)).map_or(0, Vec::len);
            let had_its_turn = run.state == "failed" || slot < reached;
            notable.extend(trouble(slot, part, before, had_its_turn));
        }
    }
    let more = notable.len().saturating_sub(NAMED);
    told.extend(notable.into_iter().take(NAMED));
    if more > 0 {
        told.push(format!("So did {more} more of its jobs; `loom show {}` has all.", run.id));
    }
    told.extend(whereabouts(run, reached, slots.len()));
    match taken_up {
        Some(later) => told.push(format!("Run {} took it up, and {}.", later.id, fate(later))),
        None if ["failed", "cancelled", "lost"].contains(&run.state.as_str()) => {
            told.push(format!("`loom flow retry {}` takes up what is left of it.", run.id));
        }
        None => {}
    }
    told.into_iter().map(|sentence| format!(" {sentence}")).collect()
}

fn cause(run: &Run, resumed: Option<&Resumed>) -> String {
    let by = run.by.as_deref().unwrap_or("somebody");
    match (run.trigger.as_str(), run.retry_of, resumed) {
        ("retry", Some(of), Some(resumed)) => {
            format!("It takes up run {of} from slot {}, which {by} asked for.", resumed.slot)
        }
        ("schedule", ..) => "It was begun because it was due.".to_owned(),
        _ => format!("It was begun because {by} asked for it."),
    }
}

/// Where it ended, unless it came to its end.
fn whereabouts(run: &Run, reached: usize, slots: usize) -> Option<String> {
    let place = format!("slot {reached} of {slots}");
    match run.state.as_str() {
        "running" => Some(format!("It is in {place}.")),
        "failed" => Some(format!("That ended it in {place}.")),
        "cancelled" => Some(format!("It was cancelled in {place}.")),
        "lost" => {
            Some(format!("It was interrupted in {place}; nothing of it is run again by itself."))
        }
        _ => None,
    }
}

fn fate(run: &Run) -> String {
    match run.state.as_str() {
        "queued" | "running" => "is under way".to_owned(),
        "cancelled" | "lost" | "skipped" => format!("was {}", run.state),
        state => state.to_owned(),
    }
}

/// Of a part that did not do what it should: what it did, and what followed. `before`: nodes on
/// which it had succeeded in an earlier run. `had_its_turn`: without a run, it could run nowhere.
fn trouble(slot: usize, part: &Part, before: usize, had_its_turn: bool) -> Option<String> {
    let Part { planned, run, rescued_by } = part;
    let (job, total) = (&planned.job, planned.targets.len());
    let what = match run {
        Some(run) if !run.is_over() || run.state == "succeeded" => return None,
        Some(run) => {
            let (id, needed) = (run.id, planned.needed);
            let met = run.units.succeeded as usize + before;
            let how = match run.state.as_str() {
                "lost" => ", and how it ended is not known",
                "cancelled" => ", and was cancelled",
                "skipped" => ", and did not begin any more",
                _ => "",
            };
            format!(
                "{job} succeeded on {met} of {total} nodes, and needed {needed}{how} (run {id})"
            )
        }
        // What is left of it was done before.
        None if before >= planned.needed as usize && rescued_by.is_none() => return None,
        None if !had_its_turn && rescued_by.is_none() => return None,
        None => format!("{job} had no node to run on"),
    };
    let by = rescued_by.as_deref();
    let rescue = by.map(|by| (&by.planned.job, by.run.as_ref()));
    let followed = match (planned.on_failure, rescue) {
        (OnFailure::Continue, _) => "; the flow could go on all the same".to_owned(),
        (OnFailure::Stop, _) | (_, None) => String::new(),
        (OnFailure::Rescue | OnFailure::RescueAndStop, Some((job, None))) => {
            format!("; {job}, which was to rescue it, had no node to run on")
        }
        (on_failure, Some((job, Some(run)))) => match (run.state.as_str(), on_failure) {
            ("succeeded", OnFailure::RescueAndStop) => {
                format!("; {job} (run {}) tidied up after it", run.id)
            }
            ("succeeded", _) => format!("; {job} rescued it (run {})", run.id),
            ("queued" | "running", _) => format!("; {job} is to rescue it (run {})", run.id),
            (_, _) => format!("; {job}, which was to rescue it, {} (run {})", fate(run), run.id),
        },
    };
    Some(format!("In slot {slot} {what}{followed}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use loom::api::flow::Planned;
    use loom::api::run::Tally;

    fn run(id: u64, job: &str, state: &str, succeeded: u32) -> Run {
        let over = !["queued", "running"].contains(&state);
        Run {
            id,
            job: job.to_owned(),
            trigger: "manual".to_owned(),
            by: Some("ann".to_owned()),
            retry_of: None,
            command: None,
            scheduled_at: None,
            queued_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: over.then_some(Timestamp::UNIX_EPOCH),
            state: state.to_owned(),
            reason: None,
            units: Tally { succeeded, ..Tally::default() },
            flow: None,
        }
    }

    fn part(job: &str, on_failure: OnFailure, run: Option<Run>) -> Part {
        let planned = Planned {
            job: job.to_owned(),
            command: None,
            targets: (1..=10).map(|n| format!("n{n}")).collect(),
            success: "80%".to_owned(),
            needed: 8,
            parallel: None,
            at_once: vec![10],
            timeout: None,
            attempts: 1,
            on_failure,
            rescue: None,
        };
        Part { planned, run, rescued_by: None }
    }

    fn done(id: u64) -> Vec<Part> {
        vec![part("install", OnFailure::Stop, Some(run(id, "install", "succeeded", 9)))]
    }

    fn to_come() -> Vec<Part> {
        vec![part("check", OnFailure::Stop, None)]
    }

    fn told(run: &Run, second: Part) -> String {
        let slots = vec![done(2), vec![second], to_come()];
        sentences(run, &Course { slots, ..Course::default() })
    }

    #[test]
    fn the_slot_that_ended_it_is_told_with_what_its_job_was_to_do() {
        let bad = part("restart", OnFailure::Stop, Some(run(3, "restart", "failed", 7)));
        assert_eq!(
            told(&run(1, "deploy", "failed", 16), bad),
            " It was begun because ann asked for it. In slot 2 restart succeeded on 7 of 10 nodes, \
             and needed 8 (run 3). That ended it in slot 2 of 3. `loom flow retry 1` takes up what \
             is left of it."
        );
        let lost = part("restart", OnFailure::Stop, Some(run(3, "restart", "lost", 2)));
        let scheduled = Run { trigger: "schedule".to_owned(), ..run(1, "deploy", "lost", 11) };
        assert_eq!(
            told(&scheduled, lost),
            " It was begun because it was due. In slot 2 restart succeeded on 2 of 10 nodes, and \
             needed 8, and how it ended is not known (run 3). It was interrupted in slot 2 of 3; \
             nothing of it is run again by itself. `loom flow retry 1` takes up what is left of it."
        );
        let open = part("restart", OnFailure::Stop, Some(run(3, "restart", "running", 2)));
        let text = told(&run(1, "deploy", "running", 11), open);
        assert_eq!(text, " It was begun because ann asked for it. It is in slot 2 of 3.");
    }

    #[test]
    fn what_could_run_nowhere_is_where_it_ended() {
        let slots = vec![done(2), to_come()];
        let text =
            sentences(&run(1, "deploy", "failed", 9), &Course { slots, ..Course::default() });
        let expected = "In slot 2 check had no node to run on. That ended it in slot 2 of 2.";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn what_followed_a_failure_is_told() {
        let failed = |on_failure| part("restart", on_failure, Some(run(3, "restart", "failed", 7)));
        let rescued = |on_failure, state| {
            let back = part("back", OnFailure::Stop, Some(run(4, "back", state, 0)));
            let by = Part { rescued_by: Some(Box::new(back)), ..failed(on_failure) };
            told(&run(1, "deploy", "failed", 1), by)
        };
        let what = "restart succeeded on 7 of 10 nodes, and needed 8 (run 3); ";
        for (text, followed) in [
            (
                told(&run(1, "deploy", "running", 1), failed(OnFailure::Continue)),
                "the flow could go on",
            ),
            (rescued(OnFailure::Rescue, "succeeded"), "back rescued it (run 4)."),
            (rescued(OnFailure::RescueAndStop, "succeeded"), "back (run 4) tidied up after it."),
            (rescued(OnFailure::Rescue, "failed"), "back, which was to rescue it, failed (run 4)."),
            (rescued(OnFailure::Rescue, "running"), "back is to rescue it (run 4)."),
        ] {
            assert!(text.contains(&format!("{what}{followed}")), "{text}");
        }
    }

    #[test]
    fn one_that_takes_up_another_counts_what_was_done_and_tells_what_took_it_up() {
        let bad = part("restart", OnFailure::Stop, Some(run(3, "restart", "failed", 1)));
        let done = vec![(1..=6).map(|n| format!("n{n}")).collect()];
        let retry =
            Run { trigger: "retry".to_owned(), retry_of: Some(9), ..run(1, "deploy", "failed", 1) };
        let course = Course {
            slots: vec![to_come(), vec![bad]],
            resumed: Some(Resumed { slot: 2, done }),
            taken_up: Some(run(20, "deploy", "succeeded", 3)),
        };
        assert_eq!(
            sentences(&retry, &course),
            " It takes up run 9 from slot 2, which ann asked for. In slot 2 restart succeeded on 7 \
             of 10 nodes, and needed 8 (run 3). That ended it in slot 2 of 2. Run 20 took it up, and \
             succeeded."
        );
    }

    #[test]
    fn of_many_that_failed_some_are_told() {
        let bad = |n| part(&format!("job{n}"), OnFailure::Stop, Some(run(n, "job", "failed", 0)));
        let slots = vec![(1..=8).map(bad).collect()];
        let text =
            sentences(&run(1, "deploy", "failed", 0), &Course { slots, ..Course::default() });
        assert!(text.contains("job5") && !text.contains("job6"), "{text}");
        assert!(text.contains("So did 3 more of its jobs; `loom show 1` has all."), "{text}");
    }
}
