//! What a flow is to do: slot by slot, its numbers in words.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use super::{Screen, count, cut, escape};
use crate::api::flow::{OnFailure, Plan, Planned};
use crate::config::folding::fold;
use crate::config::show_duration;
use crate::job::flow::own_name;

/// A job's own lines are this deep, those about it deeper by as much.
const INDENT: usize = 2;

/// Of the flow of this name, which its own jobs' names begin with. Lines, each with its end.
pub fn plan(flow: &str, plan: &Plan, screen: &Screen) -> String {
    let mut lines = String::new();
    for (number, parts) in (1..).zip(&plan.slots) {
        let slot = screen.paint.bold(&format!("slot {number}"));
        // A String can be written to, here and below.
        let _ = writeln!(lines, "{slot}");
        parts.iter().for_each(|part| job(&mut lines, flow, part, INDENT, screen));
    }
    lines
}

/// `2 slots, 3 jobs, 116 units on 116 nodes`; rescues are not among them.
pub fn size(plan: &Plan) -> String {
    let parts: Vec<&Planned> = plan.slots.iter().flatten().collect();
    let targets = || parts.iter().flat_map(|part| &part.targets);
    let nodes: HashSet<&String> = targets().collect();
    let [slots, jobs] = [count(plan.slots.len(), "slot"), count(parts.len(), "job")];
    let [units, nodes] = [count(targets().count(), "unit"), count(nodes.len(), "node")];
    format!("{slots}, {jobs}, {units} on {nodes}")
}

fn job(lines: &mut String, flow: &str, part: &Planned, depth: usize, screen: &Screen) {
    let name = escape(own_name(flow, &part.job).unwrap_or(&part.job));
    let command = part.command.as_ref().map_or(String::new(), |command| {
        let command = format!(": {}", escape(command));
        match screen.width {
            Some(width) => cut(&command, width.saturating_sub(depth + name.len())),
            None => command,
        }
    });
    let _ = writeln!(lines, "{:depth$}{}{command}", "", screen.paint.bold(&name));
    let below = depth + INDENT;
    let words = [at_once(part), Some(needed(part)), limits(part)];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let words = words.join("; ");
    let mut hosts = escape(&fold(&part.targets));
    if let Some(width) = screen.width {
        hosts = cut(&hosts, width.saturating_sub(below + words.len() + 5).max(20));
    }
    let on = if part.targets.is_empty() { "no nodes" } else { &hosts };
    let _ = writeln!(lines, "{:below$}on {on}: {words}", "");
    let Some(follows) = on_failure(part.on_failure) else { return };
    let _ = writeln!(lines, "{:below$}{follows}", "");
    if let Some(rescue) = &part.rescue {
        job(lines, flow, rescue, below + INDENT, screen);
    }
}

/// `50 at a time`, `all 10 at once`, `first 1, then 10, then 50 at a time`; nothing of a single
/// node.
pub fn at_once(part: &Planned) -> Option<String> {
    let total = part.targets.len();
    if total < 2 {
        return None;
    }
    let mut left = total;
    let mut words = Vec::new();
    let last = part.at_once.len().saturating_sub(1);
    for (number, step) in part.at_once.iter().enumerate() {
        let step = *step as usize;
        words.push(match (number, left) {
            (0, _) if step >= left => format!("all {left} at once"),
            (_, 1) => "then the last one".to_owned(),
            (_, left) if step >= left => format!("then the other {left} at once"),
            (0, _) if last == 0 => format!("{step} at a time"),
            (number, _) if number == last => format!("then {step} at a time"),
            (0, _) => format!("first {step}"),
            (_, _) => format!("then {step}"),
        });
        left = left.saturating_sub(step);
        if left == 0 {
            break;
        }
    }
    Some(words.join(", "))
}

/// `8 of 10 must succeed`, `all 100 must succeed`.
pub fn needed(part: &Planned) -> String {
    match (part.needed as usize, part.targets.len()) {
        (_, 0) => "nothing to do".to_owned(),
        (1, 1) => "it must succeed".to_owned(),
        (needed, total) if needed >= total => format!("all {total} must succeed"),
        (needed, total) => format!("{needed} of {total} must succeed"),
    }
}

/// `5m at most, 3 attempts`.
fn limits(part: &Planned) -> Option<String> {
    let time = part.timeout.map(|seconds| format!("{} at most", time(seconds)));
    let attempts = (part.attempts > 1).then(|| format!("up to {} attempts", part.attempts));
    let words: Vec<String> = [time, attempts].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn time(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time.subsec_nanos() == 0 => show_duration(time),
        Ok(_) | Err(_) => format!("{seconds}s"),
    }
}

/// Nothing where it simply stops.
fn on_failure(what: OnFailure) -> Option<&'static str> {
    match what {
        OnFailure::Stop => None,
        OnFailure::Continue => Some("if it fails, the flow goes on"),
        OnFailure::Rescue => Some("if it fails, this mends it:"),
        OnFailure::RescueAndStop => Some("if it fails, the flow stops after this:"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn part(job: &str, total: usize, needed: u32, at_once: &[u32]) -> Planned {
        Planned {
            job: job.to_owned(),
            command: None,
            targets: (1..=total).map(|n| format!("fe{n}")).collect(),
            success: "100%".to_owned(),
            needed,
            parallel: None,
            at_once: at_once.to_vec(),
            timeout: None,
            attempts: 1,
            on_failure: OnFailure::Stop,
            rescue: None,
        }
    }

    #[test]
    fn the_numbers_in_words() {
        let at_once = |total: usize, steps: &[u32]| at_once(&part("a", total, 0, steps));
        assert_eq!(at_once(100, &[50]).as_deref(), Some("50 at a time"));
        assert_eq!(at_once(10, &[10]).as_deref(), Some("all 10 at once"));
        assert_eq!(at_once(1, &[1]), None);
        assert_eq!(at_once(0, &[1]), None);
        assert_eq!(
            at_once(100, &[1, 10, 50]).as_deref(),
            Some("first 1, then 10, then 50 at a time")
        );
        assert_eq!(at_once(10, &[1, 10]).as_deref(), Some("first 1, then the other 9 at once"));
        assert_eq!(at_once(3, &[2, 2, 2]).as_deref(), Some("first 2, then the last one"));
        assert_eq!(at_once(3, &[3, 1]).as_deref(), Some("all 3 at once"));
        let needed = |total, needed| super::needed(&part("a", total, needed, &[1]));
        assert_eq!(needed(10, 8), "8 of 10 must succeed");
        assert_eq!(needed(100, 100), "all 100 must succeed");
        assert_eq!(needed(1, 1), "it must succeed");
        assert_eq!(needed(0, 0), "nothing to do");
    }

    #[test]
    fn a_plan_is_told_slot_by_slot() {
        let install = Planned {
            command: Some("install pkg1\necho done".to_owned()),
            timeout: Some(300.0),
            attempts: 3,
            ..part("@flow/pkg1", 10, 8, &[10])
        };
        let back = part("back", 1, 1, &[1]);
        let restart = Planned {
            timeout: Some(1.5),
            on_failure: OnFailure::RescueAndStop,
            rescue: Some(Box::new(back)),
            ..part("restart", 100, 100, &[50])
        };
        let other = Planned { on_failure: OnFailure::Continue, ..part("\u{1b}[2J", 2, 1, &[2]) };
        let whole = Plan {
            any_host: false,
            resumed: None,
            slots: vec![vec![install, other], vec![restart]],
        };
        let screen = Screen::pipe(Timestamp::UNIX_EPOCH);
        assert_eq!(
            plan("@flow", &whole, &screen),
            "\
slot 1
  pkg1: install pkg1\\necho done
    on fe[1-10]: all 10 at once; 8 of 10 must succeed; 5m at most, up to 3 attempts
  \\u{1b}[2J
    on fe[1-2]: all 2 at once; 1 of 2 must succeed
    if it fails, the flow goes on
slot 2
  restart
    on fe[1-100]: 50 at a time; all 100 must succeed; 1.5s at most
    if it fails, the flow stops after this:
      back
        on fe1: it must succeed
"
        );
        assert_eq!(size(&whole), "2 slots, 3 jobs, 112 units on 100 nodes");
    }

    #[test]
    fn a_terminal_is_not_overrun() {
        let long = Planned {
            command: Some("x".repeat(200)),
            targets: (0..60).map(|n| format!("h{}", n * n)).collect(),
            ..part("a", 60, 60, &[7])
        };
        let whole = Plan { any_host: false, resumed: None, slots: vec![vec![long]] };
        let screen = Screen { width: Some(80), ..Screen::pipe(Timestamp::UNIX_EPOCH) };
        for line in plan("f", &whole, &screen).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
