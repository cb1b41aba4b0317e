//! Reads the fields of a mapping into Rust values, reporting what does not fit.
//!
//! Every reader answers `None` after it has reported, so that the caller goes on to the next
//! field and all mistakes of a file are told at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::diagnostic::{is_invisible, quoted};
use super::report::Report;
use super::scalar;
use super::yaml::Item;

/// A mapping whose keys are known.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    pub map: Item<'a>,
}

impl<'a> Fields<'a> {
    /// Reports every key that is not among `known`. `what` completes "… is a mapping".
    pub fn open(map: Item<'a>, what: &str, known: &[&str], report: &mut Report) -> Option<Self> {
        Fields::open_but(map, what, known, |_| None, report)
    }

    /// As [`open`](Self::open); of a key that is not known, `misplaced` may say why it does not
    /// belong here.
    pub fn open_but(
        map: Item<'a>,
        what: &str,
        known: &[&str],
        misplaced: impl Fn(&str) -> Option<String>,
        report: &mut Report,
    ) -> Option<Self> {
        if map.is_unknown() {
            return None;
        }
        if !map.is_mapping() {
            report.error(map, format!("{what} is a mapping of settings, not {}", map.kind()));
            return None;
        }
        for (key, _) in map.entries() {
            let Some(name) = key.text() else {
                report.error(key, "a key is a single word");
                continue;
            };
            if known.contains(&name) {
                continue;
            }
            if let Some(message) = misplaced(name) {
                report.error(key, message);
            } else {
                let hint = report.hints.did_you_mean(name, known.iter().copied());
                let message = format!("unknown key {}{hint}", report.show(key));
                match hint.is_empty() {
                    true => report.error_noting(
                        key,
                        message,
                        format!("the keys of {what} are {}", known.join(", ")),
                    ),
                    false => report.error(key, message),
                }
            }
        }
        Some(Fields { map })
    }

    /// The value, unless the key is absent or its value is empty.
    pub fn get(&self, key: &str) -> Option<Item<'a>> {
        self.key_and_value(key).map(|(_, value)| value).filter(|v| !v.is_null())
    }

    pub fn key_and_value(&self, key: &str) -> Option<(Item<'a>, Item<'a>)> {
        self.map.entries().find(|(k, _)| k.text() == Some(key))
    }

    /// As [`get`](Self::get); its absence is an error at `owner`.
    pub fn require(
        &self,
        key: &str,
        owner: Item<'a>,
        what: &str,
        report: &mut Report,
    ) -> Option<Item<'a>> {
        match self.key_and_value(key) {
            Some((_, value)) if !value.is_null() => return Some(value),
            Some((key_item, _)) => report.error(key_item, format!("{} has no value", quoted(key))),
            None => report.error(owner, format!("{what} has no {}", quoted(key))),
        }
        None
    }
}

/// A single value, as written.
pub fn text<'a>(item: Item<'a>, what: &str, report: &mut Report) -> Option<&'a str> {
    let text = item.text();
    if text.is_none() && !item.is_unknown() {
        report.error(item, format!("{what} is a single value, not {}", item.kind()));
    }
    text.filter(|text| is_short(item, text, what, report))
}

/// An alias repeats a long text at no cost to the file.
const MAX_TEXT: usize = 4096;

fn is_short(item: Item<'_>, text: &str, what: &str, report: &mut Report) -> bool {
    let short = text.len() <= MAX_TEXT;
    if !short {
        report.error(item, format!("{what} is longer than {MAX_TEXT} bytes"));
    }
    short
}

fn parsed<T>(
    item: Item<'_>,
    what: &str,
    expected: &str,
    report: &mut Report,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let written = text(item, what, report)?;
    let value = parse(written);
    if value.is_none() {
        report.error(item, format!("{what} is {expected}, not {}", report.show(item)));
    }
    value
}

fn ranged<T: PartialOrd + Copy>(
    item: Item<'_>,
    what: &str,
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(T) -> String,
    report: &mut Report,
) -> Option<T> {
    if range.contains(&value) {
        return Some(value);
    }
    let (low, high) = (show(*range.start()), show(*range.end()));
    report.error(item, format!("{what} is {low} to {high}, not {}", show(value)));
    None
}

pub fn number<T>(
    item: Item<'_>,
    what: &str,
    range: RangeInclusive<T>,
    report: &mut Report,
) -> Option<T>
where
    T: Copy + Into<u64> + TryFrom<u64>,
{
    let digits = |text: &str| scalar::digits(&text.replace('_', "")).ok();
    let value: u64 = parsed(item, what, "a whole number", report, digits)?;
    let range = (*range.start()).into()..=(*range.end()).into();
    T::try_from(ranged(item, what, value, &range, |n| n.to_string(), report)?).ok()
}

pub fn duration(
    item: Item<'_>,
    what: &str,
    range: RangeInclusive<Duration>,
    report: &mut Report,
) -> Option<Duration> {
    let expected = "a duration like 90, 90s, 5m, 1h30m or 2d";
    let value = parsed(item, what, expected, report, scalar::duration)?;
    ranged(item, what, value, &range, show_duration, report)
}

/// As it would be written.
pub fn show_duration(duration: Duration) -> String {
    let (mut rest, mut text) = (duration.as_secs(), String::new());
    for (unit, seconds) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        if rest >= seconds {
            text.push_str(&format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if text.is_empty() { "0s".to_string() } else { text }
}

pub fn size(
    item: Item<'_>,
    what: &str,
    range: RangeInclusive<u64>,
    report: &mut Report,
) -> Option<u64> {
    let expected = "a size like 512k, 10MB or 5GB";
    let value = parsed(item, what, expected, report, scalar::size)?;
    ranged(item, what, value, &range, show_size, report)
}

/// In the largest unit that leaves no fraction.
fn show_size(bytes: u64) -> String {
    let units = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let fits = units.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    fits.map_or(format!("{bytes} bytes"), |(name, unit)| format!("{}{name}", bytes / unit))
}

pub fn flag(item: Item<'_>, what: &str, report: &mut Report) -> Option<bool> {
    parsed(item, what, "true or false", report, scalar::flag)
}

/// A list of single values; one alone stands for a list of one. Lists inside it, as aliases
/// bring them in, are flattened.
pub fn texts<'a>(item: Item<'a>, what: &str, report: &mut Report) -> Vec<(Item<'a>, &'a str)> {
    let mut all = Vec::new();
    for item in leaves(item, what, report) {
        if item.is_null() || item.is_mapping() {
            report.error(item, format!("{what} holds single values, not {}", item.kind()));
        } else if let Some(text) = item.text()
            && is_short(item, text, what, report)
        {
            all.push((item, text));
        }
    }
    all
}

/// Single words, at most so many, each once, in the order written; `one` of them is what a
/// message calls it.
pub fn words(
    item: Item<'_>,
    what: &str,
    one: &str,
    at_most: usize,
    report: &mut Report,
) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let written = texts(item, what, report);
    if written.len() > at_most {
        report.error(item, format!("more than {at_most} {what}"));
        return words;
    }
    for (item, word) in written {
        let sound = unsafe_for_ssh(word).is_none() && !word.contains(['@', ',', '[', ']']);
        if !sound {
            report.error(item, format!("{one} {} is not a single word", report.show(item)));
        } else if !words.iter().any(|known| known == word) {
            words.push(word.to_string());
        }
    }
    words
}

/// What a list and the lists inside it hold; anything else is a list of itself.
pub fn leaves<'a>(item: Item<'a>, what: &str, report: &mut Report) -> Vec<Item<'a>> {
    let mut all = Vec::new();
    let mut visits = MAX_VISITS;
    gather(item, &mut visits, &mut all);
    if visits == 0 {
        report.error(item, format!("{what} has more than {MAX_VISITS} entries"));
    }
    all
}

/// Aliases to lists of aliases multiply.
const MAX_VISITS: usize = 100_000;

fn gather<'a>(item: Item<'a>, visits: &mut usize, all: &mut Vec<Item<'a>>) {
    if *visits == 0 {
        return;
    }
    *visits -= 1;
    if item.is_list() {
        item.items().for_each(|inner| gather(inner, visits, all));
    } else {
        all.push(item);
    }
}

/// A path: `~` expanded, made absolute against `base`.
pub fn path(item: Item<'_>, what: &str, base: &Path, report: &mut Report) -> Option<PathBuf> {
    let written = text(item, what, report)?;
    match expand_home(written) {
        Ok(path) => {
            let joined = base.join(path);
            Some(std::path::absolute(&joined).unwrap_or(joined))
        }
        Err(message) => {
            report.error(item, format!("{what}: {message}"));
            None
        }
    }
}

/// `~` and `~/…` are the user's own home; `~name` is another user's.
pub fn expand_home(path: &str) -> Result<PathBuf, impl Display + use<>> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(PathBuf::from(path)) };
    let (user, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let home = match user {
        "" => std::env::var_os("HOME").filter(|h| !h.is_empty()).map(PathBuf::from).or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|u| u.dir)
        }),
        user => nix::unistd::User::from_name(user).ok().flatten().map(|u| u.dir),
    };
    let unknown = || format!("the home directory of \"~{user}\" is not known");
    home.map(|home| if rest.is_empty() { home } else { home.join(rest) }).ok_or_else(unknown)
}

/// What ssh could take for something else: refused in names, users and addresses alike.
pub fn unsafe_for_ssh(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("is empty")
    } else if text.starts_with('-') {
        Some("begins with \"-\", which ssh would take for an option")
    } else if text.contains(char::is_whitespace) {
        Some("contains a blank")
    } else if text.contains(|c: char| c.is_control() || is_invisible(c)) {
        Some("contains a control character")
    } else if text.contains('%') {
        Some("contains \"%\", which ssh would expand")
    } else {
        None
    }
}
