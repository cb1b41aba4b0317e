//! The mail a person gets. Text from nodes and manifests is escaped: none of it can add a header
//! or steer a terminal.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;

use super::account::{Account, Unit, cut};
use super::flow::{Flow, Part};
use crate::config::diagnostic::escape;
use crate::job::flow::FLOW;
use crate::job::hooks::Occasion;
use crate::unit::Outcome;

/// Named in the subject; the others are counted.
const NODES_IN_SUBJECT: usize = 3;

/// Told one by one in the mail; and so many jobs of a flow.
const UNITS: usize = 50;

const LONGEST_SUBJECT: usize = 200;

/// In bytes; a mail's line may have 998.
const LONGEST_LINE: usize = 900;

/// Headers and text, for `sendmail -t`, which adds who sends it and when.
pub fn message(to: &str, account: &Account) -> Vec<u8> {
    // The configuration refuses control characters in an address; here they could do harm.
    let to: String = to.chars().filter(|c| !c.is_control()).collect();
    let headline = headline(account);
    let subject = cut(&format!("Loom: {headline}"), LONGEST_SUBJECT);
    let mut text = format!("To: {to}\nSubject: {}\n", encoded(&subject));
    text.push_str("Auto-Submitted: auto-generated\nMIME-Version: 1.0\n");
    text.push_str("Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n");
    for line in body(account, &headline).lines() {
        push_wrapped(&mut text, line);
    }
    text.into_bytes()
}

/// What has happened, in a sentence without its full stop.
fn headline(account: &Account) -> String {
    let job = escape(account.job.name);
    let nodes = ill_nodes(account);
    let slot = account.flow.as_ref().and_then(reached);
    let slot = slot.map(|slot| format!(" in slot {slot}")).unwrap_or_default();
    let on = if nodes.is_empty() { slot } else { format!("{slot} on {nodes}") };
    let lost = account.run.as_ref().is_some_and(|run| run.state == "lost");
    let mut headline = match account.occasion {
        Occasion::Start => format!("{job} has begun"),
        Occasion::Success => format!("{job} succeeded"),
        Occasion::Failure if lost => format!("{job} was lost{on}"),
        Occasion::Failure => format!("{job} failed{on}"),
        Occasion::Recovery => format!("{job} has recovered"),
        Occasion::Late => format!("{job} is late"),
        Occasion::Unreachable => format!("{job} could not reach {nodes}"),
        Occasion::Missed => match &account.gap {
            Some(gap) => {
                let on = gap.node.map(|node| format!(" on {}", escape(node))).unwrap_or_default();
                let times =
                    if gap.count == 1 { String::new() } else { format!(" {} times", gap.count) };
                format!("{job} was not run{times}{on}: {}", gap.reason)
            }
            None => format!("{job} was not run"),
        },
    };
    if let Some(run) = &account.run {
        let _ = write!(headline, " (run {})", run.id);
    }
    headline
}

/// The last slot of which something has begun.
fn reached(flow: &Flow) -> Option<usize> {
    flow.slots
        .iter()
        .rposition(|slot| slot.iter().any(|part| part.state.is_some()))
        .map(|at| at + 1)
}

/// `n3, n4 and 7 more`: where the run went wrong. A node that is in several slots is named once.
fn ill_nodes(account: &Account) -> String {
    // Of nodes that could not be reached, no others are listed.
    let is_ill =
        |unit: &&Unit| !matches!(unit.outcome, Outcome::Succeeded | Outcome::Skipped { .. });
    let all = account.counts.as_ref().map_or(0, |counts| match account.occasion {
        Occasion::Unreachable => counts.unreachable,
        Occasion::Start
        | Occasion::Success
        | Occasion::Failure
        | Occasion::Recovery
        | Occasion::Missed
        | Occasion::Late => counts.ill(),
    });
    let mut seen = BTreeSet::new();
    let ill: Vec<&Unit> = account.units.iter().filter(is_ill).collect();
    let unlisted = all.saturating_sub(ill.len());
    let ill: Vec<&Unit> = ill.into_iter().filter(|unit| seen.insert(unit.node)).collect();
    let named = ill.iter().take(NODES_IN_SUBJECT).map(|unit| escape(unit.node));
    let named: Vec<String> = named.collect();
    match (ill.len() + unlisted).saturating_sub(named.len()) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn body(account: &Account, headline: &str) -> String {
    let mut text = format!("{headline}.\n");
    if let Some(counts) = &account.counts {
        let what = match (&account.flow, counts.total) {
            (None, 1) => "node in all",
            (None, _) => "nodes in all",
            (Some(_), 1) => "unit in all",
            (Some(_), _) => "units in all",
        };
        let begun = counts.succeeded + counts.ill() + counts.skipped;
        let left = counts.total.saturating_sub(begun);
        let counts = [
            ("succeeded", counts.succeeded),
            ("failed", counts.failed),
            ("signaled", counts.signaled),
            ("unreachable", counts.unreachable),
            ("timed out", counts.timed_out),
            ("cancelled", counts.cancelled),
            ("crashed", counts.crashed),
            ("lost", counts.lost),
            ("skipped", counts.skipped),
            ("not begun", if account.flow.is_some() { left } else { 0 }),
            (what, counts.total),
        ];
        let told = counts.iter().filter(|(_, count)| *count > 0);
        let told: Vec<String> = told.map(|(word, count)| format!("{count} {word}")).collect();
        let _ = writeln!(text, "\n{}.", told.join(", "));
    }
    if let Some(flow) = &account.flow {
        push_slots(&mut text, flow);
    }
    push_units(&mut text, account);
    text.push('\n');
    push_facts(&mut text, account);
    if account.suppressed > 0 {
        let held = account.suppressed;
        let _ = writeln!(text, "\nHeld back by notify_interval since the last of these: {held}");
    }
    // A mail reader takes what follows "-- " for a signature.
    let _ =
        writeln!(text, "\n-- \nLoom on {}: {}", escape(account.host), account.occasion.as_str());
    text
}

/// A line for each job that has begun or would have.
fn push_slots(text: &mut String, flow: &Flow) {
    text.push('\n');
    let mut left = UNITS;
    let mut more = 0;
    for (number, slot) in (1..).zip(&flow.slots) {
        let mut head = format!("Slot {number}");
        for part in slot {
            let mut next = Some(part);
            while let Some(part) = next {
                next = part.rescue.as_deref();
                if left == 0 {
                    more += 1;
                    continue;
                }
                left -= 1;
                let _ = writeln!(text, "{head:<10} {}", part_line(part));
                head.clear();
                if next.is_some() {
                    head.push_str("  rescue");
                }
            }
        }
    }
    if more > 0 {
        let _ = writeln!(text, "and {more} more jobs");
    }
}

/// `web: failed, 40 of 100 (run 14)`.
fn part_line(part: &Part) -> String {
    let job = escape(part.job);
    let Some(state) = part.state else { return format!("{job}: not begun") };
    let Some(run) = part.run else {
        return match part.reason {
            Some(reason) => format!("{job}: {state}, {reason}"),
            None if state == "done" => format!("{job}: done in an earlier run"),
            None => format!("{job}: {state}"),
        };
    };
    let reason = part.reason.map(|reason| format!(", {reason}")).unwrap_or_default();
    format!("{job}: {state}{reason}, {} of {} (run {run})", part.succeeded, part.total)
}

fn push_units(text: &mut String, account: &Account) {
    let ill: Vec<&Unit> = account.units.iter().filter(|unit| !unit.outcome.is_success()).collect();
    if !ill.is_empty() {
        text.push('\n');
    }
    for unit in ill.iter().take(UNITS) {
        let job = unit.job.map(|job| format!(", {}", escape(job))).unwrap_or_default();
        let outcome = escape(&unit.outcome.to_string());
        let _ = write!(text, "  {}{job}: {outcome}", escape(unit.node));
        if unit.attempt > 1 {
            let _ = write!(text, ", attempt {}", unit.attempt);
        }
        if let Some(seconds) = unit.seconds {
            let _ = write!(text, ", after {seconds} s");
        }
        text.push('\n');
        if let Some(detail) = &unit.detail {
            for line in detail.lines().filter(|line| !line.trim().is_empty()) {
                let _ = writeln!(text, "      {}", escape(line));
            }
        }
    }
    let all = account.counts.as_ref().map_or(0, |counts| match account.occasion {
        Occasion::Unreachable => counts.unreachable,
        Occasion::Start
        | Occasion::Success
        | Occasion::Failure
        | Occasion::Recovery
        | Occasion::Missed
        | Occasion::Late => counts.ill() + counts.skipped,
    });
    match all.saturating_sub(ill.len().min(UNITS)) {
        0 => {}
        more => {
            let _ = writeln!(text, "  and {more} more");
        }
    }
}

fn push_facts(text: &mut String, account: &Account) {
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {}", escape(value));
    };
    if let Some(gap) = &account.gap {
        if gap.count > 1 {
            fact("First due", &moment(gap.first_at));
            fact("Last due", &moment(gap.last_at));
        } else {
            fact("Due", &moment(gap.first_at));
        }
    }
    if let Some(run) = &account.run {
        let moments = [
            ("Due", run.scheduled_at),
            ("Queued", Some(run.queued_at)),
            ("Began", run.started_at),
            ("Ended", run.finished_at),
        ];
        for (name, at) in moments {
            if let Some(at) = at {
                fact(name, &moment(at));
            }
        }
        fact("Trigger", run.trigger);
        if let Some(flow) = &run.flow {
            fact("Flow", &flow.to_string());
        }
    }
    if account.job.task != FLOW {
        fact("Task", account.job.task);
    }
    match account.job.timezone {
        Some(zone) => fact("Schedule", &format!("{} ({zone})", account.job.schedule)),
        None => fact("Schedule", account.job.schedule),
    }
    if let Some(args) = &account.job.args {
        fact("Args", &args.to_string());
    }
    if let Some(kwargs) = &account.job.kwargs {
        fact("Kwargs", &kwargs.to_string());
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A line of text as lines of a mail.
fn push_wrapped(text: &mut String, line: &str) {
    let mut rest = line;
    while rest.len() > LONGEST_LINE {
        let end = rest.floor_char_boundary(LONGEST_LINE);
        text.push_str(&rest[..end]);
        text.push('\n');
        rest = &rest[end..];
    }
    text.push_str(rest);
    text.push('\n');
}

/// As RFC 2047 has it, where it is not ASCII: words of at most 75 characters, each on a line of
/// its own.
fn encoded(subject: &str) -> String {
    if subject.is_ascii() && !subject.contains("=?") {
        return subject.to_owned();
    }
    /// Less than allowed, for "Subject: " stands before the first.
    const WORD: usize = 75 - "Subject: =?UTF-8?Q??=".len();
    let mut words = vec![String::new()];
    for c in subject.chars() {
        let mut bytes = [0; 4];
        let piece: String = match c {
            ' ' => "_".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => c.encode_utf8(&mut bytes).bytes().map(|byte| format!("={byte:02X}")).collect(),
        };
        match words.last_mut() {
            Some(word) if word.len() + piece.len() <= WORD => word.push_str(&piece),
            _ => words.push(piece),
        }
    }
    let words: Vec<String> = words.iter().map(|word| format!("=?UTF-8?Q?{word}?=")).collect();
    words.join("\n ")
}
