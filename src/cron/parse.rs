//! An expression -> its fields. Checks the shape and each item (`item`), then lets the `cron` crate
//! read what the lists mean.

use std::ops::Range;

use cron::TimeUnitSpec;

use super::fields::Fields;
use super::item::{self, Field};
use super::{CronError, NEVER};

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// The fields, and whether it is a wildcard schedule.
pub(super) fn parse(expr: &str) -> Result<(Fields, bool), CronError> {
    let words = words(expr);
    match words.as_slice() {
        [only, ..] if expr[only.clone()].starts_with('@') => {
            // Alone it has been read before.
            let nickname = match &expr[only.clone()] {
                NEVER => "",
                name => resolve(name).map_err(|message| refuse(only, message))?,
            };
            match words.get(1) {
                Some(more) => {
                    Err(refuse(more, format!("nothing may follow {}", &expr[only.clone()])))
                }
                None => parse(nickname),
            }
        }
        [minute, hour, day, month, weekday] => {
            parse_fields(expr, [minute, hour, day, month, weekday])
        }
        _ => Err(wrong_count(expr, &words)),
    }
}

fn parse_fields(expr: &str, words: [&Range<usize>; 5]) -> Result<(Fields, bool), CronError> {
    let (mut others, mut weekdays) = (String::with_capacity(expr.len()), String::new());
    for (field, word) in item::FIELDS.iter().zip(words) {
        let plain = if field.is_weekday() { &mut weekdays } else { &mut others };
        check_list(field, &expr[word.clone()], word.start, plain)?;
        plain.push(' ');
    }
    let starred = words.map(|word| expr[word.clone()].starts_with('*'));
    let [minute_star, hour_star, day_star, _, weekday_star] = starred;
    let fields = read(&weekdays, &others, !day_star && !weekday_star)
        .map_err(|error| refuse(&(words[0].start..words[4].end), error))?;
    if !fields.can_fire() {
        let message = format!(
            "never fires: month {} has no day {}",
            item::shown(&expr[words[3].clone()]),
            item::shown(&expr[words[2].clone()])
        );
        return Err(refuse(&(words[2].start..words[3].end), message));
    }
    Ok((fields, minute_star || hour_star))
}

/// Appends one field to `plain`, checked, with its names as numbers.
fn check_list(
    field: &Field,
    word: &str,
    start: usize,
    plain: &mut String,
) -> Result<(), CronError> {
    let mut at = start;
    for token in word.split(',') {
        if at > start {
            plain.push(',');
        }
        item::check(field, token, plain).map_err(|refusal| CronError {
            message: format!("{}: {}", field.name, refusal.message),
            span: at + refusal.span.start..at + refusal.span.end,
        })?;
        at += token.len() + 1;
    }
    Ok(())
}

/// The crate's six fields start with the seconds. There the weekdays are read, as numbers from 0:
/// its own weekday field counts from Sunday = 1.
fn read(weekdays: &str, others: &str, either_day: bool) -> Result<Fields, String> {
    let six = [weekdays, others, "*"].concat();
    let read = cron::Schedule::try_from(six).map_err(|error| error.to_string())?;
    let weekdays = bits(read.seconds());
    Ok(Fields {
        minutes: bits(read.minutes()),
        hours: bits(read.hours()) as u32,
        days: bits(read.days_of_month()) as u32,
        months: bits(read.months()) as u16,
        // 7 is Sunday too.
        weekdays: (weekdays & 0x7f | weekdays >> 7) as u8,
        either_day,
    })
}

fn bits(values: &impl TimeUnitSpec) -> u64 {
    values.iter().fold(0, |bits, value| bits | 1 << value)
}

fn resolve(nickname: &str) -> Result<&'static str, String> {
    if let Some((_, fields)) = NICKNAMES.iter().find(|(name, _)| *name == nickname) {
        return Ok(fields);
    }
    if nickname.eq_ignore_ascii_case("@reboot") {
        return Err("@reboot names no time: a job has no boot to wait for".to_string());
    }
    let known = || NICKNAMES.iter().map(|(name, _)| *name).chain([NEVER]);
    let near = known()
        .map(|name| (name, strsim::jaro_winkler(name, &nickname.to_ascii_lowercase())))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .filter(|(_, likeness)| *likeness > 0.85);
    let shown = item::shown(nickname);
    Err(match near {
        Some((name, _)) => format!("unknown {shown}; write {name} instead"),
        None => {
            let known: Vec<_> = known().collect();
            format!("unknown {shown}; known are {}", known.join(", "))
        }
    })
}

fn wrong_count(expr: &str, words: &[Range<usize>]) -> CronError {
    let form = "minute, hour, day of month, month, weekday";
    match words {
        [] => refuse(&(0..expr.len()), format!("empty; write five fields: {form}")),
        [first, .., last] if words.len() > 5 => {
            let seconds = words.len() == 6 && &expr[first.clone()] == "0";
            let hint = if seconds { "; leave out the first" } else { ", without seconds or years" };
            let span = if seconds { first.clone() } else { words[5].start..last.end };
            refuse(&span, format!("{} fields, but there are five: {form}{hint}", words.len()))
        }
        [first, ..] => {
            let span = first.start..words[words.len() - 1].end;
            refuse(&span, format!("only {} of five fields: {form}", words.len()))
        }
    }
}

fn refuse(span: &Range<usize>, message: String) -> CronError {
    CronError { message, span: span.clone() }
}

/// The stretches between blanks, tabs and line ends.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::with_capacity(5);
    let mut rest = 0;
    for word in text.split(|c: char| c.is_ascii_whitespace()) {
        if !word.is_empty() {
            words.push(rest..rest + word.len());
        }
        rest += word.len() + 1;
    }
    words
}
