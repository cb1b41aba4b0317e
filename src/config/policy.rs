//! The rules of a job, one reader for each kind of key: `overlap`, `parallel`, `retries`, `log`
//! and their like. Where they stand, in a job or in `defaults`, is no concern of theirs.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::diagnostic::{is_invisible, quoted};
use super::fields::{self, Fields};
use super::report::Report;
use super::scalar;
use super::yaml::Item;
use crate::job::Job;
use crate::job::log_path::{LogPath, Misplaced, PLACEHOLDERS};
use crate::job::policy::{
    MAX_ATTEMPTS, MAX_DELAY, MAX_STEPS, Missed, NoShare, Overlap, Parallel, Retries, RetryOn, Share,
};

const MAX_LOCKS: usize = 20;

/// The keys of `retries`.
const RETRIES: [&str; 5] = ["attempts", "delay", "backoff", "jitter", "on"];

pub fn overlap(item: Item<'_>, report: &mut Report) -> Option<Overlap> {
    one_of(item, "overlap", &Overlap::ALL.map(|overlap| (overlap.as_str(), overlap)), report)
}

pub fn missed(item: Item<'_>, report: &mut Report) -> Option<Missed> {
    one_of(item, "missed", &Missed::ALL.map(|missed| (missed.as_str(), missed)), report)
}

fn one_of<T: Copy>(
    item: Item<'_>,
    what: &str,
    known: &[(&str, T)],
    report: &mut Report,
) -> Option<T> {
    let written = fields::text(item, what, report)?;
    let found = known.iter().find(|(word, _)| *word == written).map(|(_, value)| *value);
    if found.is_none() {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let hint = report.hints.did_you_mean(written, words.iter().copied());
        let message = format!("{what} is {}, not {}{hint}", either(&words), report.show(item));
        report.error(item, message);
    }
    found
}

/// `skip, queue or allow`
fn either(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => one.to_string(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// A count or a percentage.
pub fn share(item: Item<'_>, what: &str, report: &mut Report) -> Option<Share> {
    match fields::text(item, what, report)?.parse() {
        Ok(share) => Some(share),
        Err(NoShare(expected)) => {
            report.error(item, format!("{what} is {expected}, not {}", report.show(item)));
            None
        }
    }
}

/// A count or a percentage, or steps of them.
pub fn parallel(item: Item<'_>, what: &str, report: &mut Report) -> Option<Parallel> {
    if !item.is_list() {
        return share(item, what, report).map(Parallel::from);
    }
    let steps: Vec<Item<'_>> = item.items().collect();
    if steps.is_empty() || steps.len() > MAX_STEPS {
        let message = format!("{what} has 1 to {MAX_STEPS} steps, not {}", steps.len());
        report.error(item, message);
        return None;
    }
    let of_step = format!("a step of {what}");
    let read = |step: &Item<'_>| share(*step, &of_step, report);
    let steps: Vec<Option<Share>> = steps.iter().map(read).collect();
    Some(Parallel { steps: steps.into_iter().collect::<Option<_>>()? })
}

/// Lays what is written over the retries there are; a number alone is the attempts.
pub fn retries(item: Item<'_>, retries: &mut Retries, report: &mut Report) {
    if item.text().is_some() {
        retries.attempts = attempts(item, "retries", report).unwrap_or(retries.attempts);
        return;
    }
    let Some(fields) = Fields::open(item, "retries", &RETRIES, report) else { return };
    if let Some(item) = fields.get("attempts") {
        retries.attempts = attempts(item, "attempts", report).unwrap_or(retries.attempts);
    }
    if let Some(item) = fields.get("delay") {
        let range = Duration::from_secs(1)..=MAX_DELAY;
        retries.delay = fields::duration(item, "delay", range, report).unwrap_or(retries.delay);
    }
    if let Some(item) = fields.get("backoff") {
        retries.backoff = backoff(item, report).unwrap_or(retries.backoff);
    }
    if let Some(item) = fields.get("jitter") {
        retries.jitter = jitter(item, report).unwrap_or(retries.jitter);
    }
    if let Some(item) = fields.get("on") {
        retries.on = outcomes(item, report);
    }
}

/// In all, the first included.
pub fn attempts(item: Item<'_>, what: &str, report: &mut Report) -> Option<u32> {
    match fields::number(item, what, 0..=u32::MAX, report)? {
        0 => {
            let message =
                format!("{what} counts the first attempt too: 1 means no retry, 0 would be never");
            report.error(item, message);
            None
        }
        count @ 1..=MAX_ATTEMPTS => Some(count),
        count => {
            report.error(item, format!("{what} is 1 to {MAX_ATTEMPTS}, not {count}"));
            None
        }
    }
}

fn backoff(item: Item<'_>, report: &mut Report) -> Option<f64> {
    let text = fields::text(item, "backoff", report)?;
    let plain = text.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    let factor = text.parse::<f64>().ok().filter(|f| plain && (1.0..=10.0).contains(f));
    if factor.is_none() {
        let message = format!("backoff is a number from 1 to 10, not {}", report.show(item));
        report.error(item, message);
    }
    factor
}

fn jitter(item: Item<'_>, report: &mut Report) -> Option<u8> {
    let text = fields::text(item, "jitter", report)?;
    let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
    let percent = scalar::digits(digits).ok().filter(|percent| *percent <= 100);
    if percent.is_none() {
        let message = format!("jitter is a percentage from 0% to 100%, not {}", report.show(item));
        report.error(item, message);
    }
    percent.map(|percent| percent as u8)
}

/// What may be tried again; blanks, hyphens and underscores are one.
fn outcomes(item: Item<'_>, report: &mut Report) -> BTreeSet<RetryOn> {
    let mut on = BTreeSet::new();
    let written = fields::texts(item, "on", report);
    if written.is_empty() && item.is_list() && item.items().next().is_none() {
        report.error(item, "on names no outcome; leave retries out to try nothing again");
    }
    for (item, text) in written {
        let word = text.trim().replace(['_', '-'], " ").to_lowercase();
        if let Some(outcome) = RetryOn::ALL.into_iter().find(|known| known.as_str() == word) {
            on.insert(outcome);
            continue;
        }
        let shown = report.show(item);
        let message = match &*word {
            "lost" => format!("{shown} is never retried: what was lost may still be running"),
            "cancelled" | "canceled" => {
                format!("{shown} is never retried: whoever cancelled a unit wants it ended")
            }
            "skipped" => {
                format!("{shown} is never retried: there was a reason not to run the unit")
            }
            "succeeded" => format!("{shown} is never retried: the unit has done its work"),
            _ => {
                let known = RetryOn::ALL.map(RetryOn::as_str);
                let hint = report.hints.did_you_mean(&word, known);
                format!("on takes {}, not {shown}{hint}", known.join(", "))
            }
        };
        report.error(item, message);
    }
    on
}

/// Sorted, each once.
pub fn locks(item: Item<'_>, report: &mut Report) -> Vec<String> {
    let mut locks = fields::words(item, "locks", "lock", MAX_LOCKS, report);
    locks.sort();
    locks
}

/// A template of a path, relative to `base`.
pub fn log(item: Item<'_>, base: &Path, report: &mut Report) -> Option<LogPath> {
    if item.is_mapping() {
        report.error(item, "log is a path; one that begins with \"{\" must be quoted");
        return None;
    }
    let text = fields::text(item, "log", report)?;
    let problem = if names_directory(text) {
        Some("names no file")
    } else if text.contains(|c: char| c.is_control() || is_invisible(c)) {
        Some("contains a control character")
    } else {
        None
    };
    if let Some(problem) = problem {
        report.error(item, format!("log {} {problem}", report.show(item)));
        return None;
    }
    match LogPath::parse(text) {
        Ok(_) => {}
        Err(Misplaced::Stray(at)) => {
            let place = report.within(item, at);
            report.error(place, "a brace without its other half; log takes {job}, {node}, {date}");
            return None;
        }
        Err(Misplaced::Unknown(at)) => {
            let word = &text[at.start + 1..at.end - 1];
            let hint = match report.hints.nearest(word, PLACEHOLDERS) {
                Some(near) => format!("; did you mean {{{near}}}?"),
                None => "; log takes {job}, {node}, {date}".to_string(),
            };
            let message = format!("unknown placeholder {}{hint}", quoted(&text[at.clone()]));
            report.error(report.within(item, at), message);
            return None;
        }
    }
    let path = fields::path(item, "log", base, report)?;
    let whole = path.to_str().and_then(|path| LogPath::parse(path).ok());
    // Its own text was good: it is the directory before it that is not.
    if whole.is_none() {
        let base = quoted(&base.to_string_lossy());
        report.error(item, format!("log is relative to {base}, a name that cannot be used here"));
    }
    whole
}

fn names_directory(text: &str) -> bool {
    matches!(text.rsplit('/').next(), Some("" | "." | ".."))
}

/// What is allowed but probably not meant, once a job is complete. Told where the job says it.
pub fn warn(job: &Job, fields: &Fields<'_>, report: &mut Report) {
    if let (Some(Share::Count(count)), Some(item)) = (job.success, fields.get("success"))
        && count as usize > job.targets.len()
        && !job.targets.is_empty()
    {
        let all = job.targets.len();
        let message = format!("success is {count}, but there are only {all} targets: all of them");
        report.warning(item, message);
    }
    if let (Some(parallel), Some(item)) = (&job.parallel, fields.get("parallel"))
        && let Some(message) = narrows(parallel, job.targets.len())
    {
        report.warning(item, message);
    }
    if let Some(item) = fields.get("retries").filter(|item| item.is_mapping())
        && job.retries.attempts == 1
        && item.entries().all(|(key, _)| {
            key.text().is_some_and(|key| key != "attempts" && RETRIES.contains(&key))
        })
    {
        report.warning(item, "without attempts nothing is tried again; write attempts: 3, say");
    }
    if !job.splay.is_zero()
        && let Some(item) = fields.get("splay").or(fields.get("schedule"))
        && let Some(interval) = shortest_interval(job)
        && job.splay > interval
    {
        let (splay, interval) = (fields::show_duration(job.splay), fields::show_duration(interval));
        report.warning(
            item,
            format!("splay ({splay}) is longer than from one instant to the next ({interval})"),
        );
    }
}

/// What is odd about steps of which one is narrower than the one before. Those that come to the
/// same number, as small percentages of few targets do, are not.
pub fn narrows(parallel: &Parallel, targets: usize) -> Option<String> {
    let at_once = parallel.at_once(targets).into_iter().map(|at_once| at_once.min(targets));
    let steps: Vec<(&Share, usize)> = parallel.steps.iter().zip(at_once).collect();
    let pair = steps.windows(2).find(|pair| pair[1].1 < pair[0].1)?;
    let show = |(share, at_once): (&Share, usize)| match share {
        Share::Count(count) => count.to_string(),
        Share::Percent(_) => format!("{share} ({at_once})"),
    };
    let (wide, narrow) = (show(pair[0]), show(pair[1]));
    Some(format!("parallel narrows, from {wide} to {narrow} at once; steps are there to widen"))
}

/// Between some of its fires, the same ones whatever the day.
fn shortest_interval(job: &Job) -> Option<Duration> {
    const SOME: usize = 10;
    let next = |after: &Timestamp| job.schedule.next_after(&TimeZone::UTC, *after);
    let fires = std::iter::successors(Some(Timestamp::UNIX_EPOCH), next).skip(1);
    let fires: Vec<Timestamp> = fires.take(SOME).collect();
    let between = fires.windows(2).map(|pair| pair[1].duration_since(pair[0]).unsigned_abs());
    between.min()
}
