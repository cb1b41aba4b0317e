//! Host sets: `db[1-3,5]` stands for db1, db2, db3 and db5.
//!
//! ClusterShell's notation for numbers: ranges and lists, steps (`[1-9/2]`), zeros that are kept
//! (`n[01-20]`), several brackets in one name, several sets joined by commas. Expanded in the
//! order written, each name once.

use std::collections::HashSet;
use std::ops::Range;

/// The most names that one text may stand for, names that it repeats included.
pub const MAX_NAMES: usize = 10_000;
/// The most bytes that these names may have together: every one of them is as long as all that
/// stands around its numbers.
pub const MAX_BYTES: usize = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HostSetError {
    pub message: String,
    /// In bytes of the text.
    pub span: Range<usize>,
}

fn error<T>(span: Range<usize>, message: impl Into<String>) -> Result<T, HostSetError> {
    Err(HostSetError { message: message.into(), span })
}

/// A text without brackets and commas stands for itself.
pub fn expand(text: &str) -> Result<Vec<String>, HostSetError> {
    let mut names = Vec::new();
    let mut seen = HashSet::new();
    let mut size = Size::default();
    for part in split(text, 0..text.len())? {
        let trimmed = part.start + leading_blanks(&text[part.clone()])..part.end;
        let trimmed = trimmed.start..trimmed.start + text[trimmed].trim_end().len();
        if trimmed.is_empty() {
            return error(part, "a name is missing here");
        }
        let set = set(text, trimmed)?;
        size = size.and(Size::of(&set));
        size.check(0..text.len())?;
        for name in set {
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
    }
    Ok(names)
}

fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

fn too_many<T>(span: Range<usize>) -> Result<T, HostSetError> {
    error(span, format!("stands for more than {MAX_NAMES} names"))
}

/// What a list of names takes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    names: usize,
    bytes: usize,
}

impl Size {
    fn of(names: &[String]) -> Size {
        Size { names: names.len(), bytes: names.iter().map(String::len).sum() }
    }

    fn and(self, more: Size) -> Size {
        Size { names: self.names + more.names, bytes: self.bytes + more.bytes }
    }

    /// Of each of these names with each of the others behind it. Neither list is longer than the
    /// text it was written in or than was checked.
    fn times(self, more: Size) -> Size {
        Size {
            names: self.names * more.names,
            bytes: self.bytes * more.names + more.bytes * self.names,
        }
    }

    fn check(self, span: Range<usize>) -> Result<(), HostSetError> {
        if self.names > MAX_NAMES {
            return too_many(span);
        }
        if self.bytes > MAX_BYTES {
            return error(span, format!("stands for names of more than {} MiB", MAX_BYTES >> 20));
        }
        Ok(())
    }
}

/// At the commas that stand outside brackets.
fn split(text: &str, range: Range<usize>) -> Result<Vec<Range<usize>>, HostSetError> {
    let (mut parts, mut start, mut open) = (Vec::new(), range.start, None);
    for (i, c) in text[range.clone()].char_indices() {
        let at = range.start + i;
        match (c, open) {
            ('[', None) => open = Some(at),
            ('[', Some(_)) => return error(at..at + 1, "a bracket inside brackets"),
            (']', Some(_)) => open = None,
            (']', None) => return error(at..at + 1, "a bracket is closed that was never opened"),
            (',', None) => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    if let Some(at) = open {
        return error(at..at + 1, "a bracket is opened and never closed");
    }
    parts.push(start..range.end);
    Ok(parts)
}

/// One set; its brackets are balanced.
fn set(text: &str, range: Range<usize>) -> Result<Vec<String>, HostSetError> {
    let mut names = vec![String::new()];
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        if let Some(inner) = rest.strip_prefix('[') {
            let end = at + 1 + inner.find(']').unwrap_or(inner.len());
            let numbers = numbers(text, at + 1..end)?;
            Size::of(&names).times(Size::of(&numbers)).check(range.clone())?;
            names = names
                .iter()
                .flat_map(|name| numbers.iter().map(move |number| format!("{name}{number}")))
                .collect();
            at = end + 1;
        } else {
            let literal = &rest[..rest.find('[').unwrap_or(rest.len())];
            let more = Size { names: 1, bytes: literal.len() };
            Size::of(&names).times(more).check(range.clone())?;
            names.iter_mut().for_each(|name| name.push_str(literal));
            at += literal.len();
        }
    }
    Ok(names)
}

/// What stands between brackets.
fn numbers(text: &str, range: Range<usize>) -> Result<Vec<String>, HostSetError> {
    let mut all = Vec::new();
    let mut start = range.start;
    for item in text[range.clone()].split(',') {
        let span = start..start + item.len();
        start = span.end + 1;
        let Some((numbers, width)) = numbers_of(item, &span)? else { return too_many(span) };
        all.extend(numbers.map(|n| format!("{n:0width$}")));
        if all.len() > MAX_NAMES {
            return too_many(span);
        }
    }
    Ok(all)
}

type Numbers = (std::iter::StepBy<std::ops::RangeInclusive<u64>>, usize);

/// `3`, `1-3` or `1-9/2`; `None` when there are too many.
fn numbers_of(item: &str, span: &Range<usize>) -> Result<Option<Numbers>, HostSetError> {
    let (bounds, step) = item.split_once('/').unwrap_or((item, "1"));
    let (first, last) = bounds.split_once('-').unwrap_or((bounds, bounds));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|n| digits && *n < u64::MAX)
    };
    let (Some(from), Some(to), Some(step)) = (number(first), number(last), number(step)) else {
        return error(span.clone(), "brackets hold numbers: [1-3,5] or [1-9/2]");
    };
    let padded = |text: &str| text.len() > 1 && text.starts_with('0');
    let width = if padded(first) { first.len() } else { 0 };
    if padded(last) && last.len() != first.len() {
        return error(span.clone(), "write both ends of the range with as many digits");
    }
    if from > to {
        return error(span.clone(), format!("the range runs backwards; write [{last}-{first}]"));
    }
    if step == 0 || item.contains('/') && !bounds.contains('-') {
        return error(span.clone(), "a step is 1 or more, and belongs to a range: [1-9/2]");
    }
    let too_many = (to - from) / step >= MAX_NAMES as u64;
    Ok((!too_many && width <= 32).then(|| ((from..=to).step_by(step as usize), width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> String {
        expand(text).unwrap().join(" ")
    }

    #[test]
    fn sets_expand_as_clustershell_expands_them() {
        assert_eq!(names("web1"), "web1");
        assert_eq!(names("db[1-3,5]"), "db1 db2 db3 db5");
        assert_eq!(names("n[08-11]"), "n08 n09 n10 n11");
        assert_eq!(names("n[098-101]"), "n098 n099 n100 n101");
        assert_eq!(names("[1-9/2]"), "1 3 5 7 9");
        assert_eq!(names("r[1-2]n[1-2].lan"), "r1n1.lan r1n2.lan r2n1.lan r2n2.lan");
        assert_eq!(names("db[1-2], web1,db[2-3]"), "db1 db2 web1 db3");
        assert_eq!(names("[7]"), "7");
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        let mistake = |text: &str| {
            let error = expand(text).unwrap_err();
            format!("{:?} {}", &text[error.span.clone()], error.message)
        };
        assert_eq!(mistake("db[3-1]"), "\"3-1\" the range runs backwards; write [1-3]");
        assert_eq!(mistake("db[1,x]"), "\"x\" brackets hold numbers: [1-3,5] or [1-9/2]");
        assert_eq!(mistake("db[]"), "\"\" brackets hold numbers: [1-3,5] or [1-9/2]");
        assert_eq!(mistake("db[1-3"), "\"[\" a bracket is opened and never closed");
        assert_eq!(mistake("db1]"), "\"]\" a bracket is closed that was never opened");
        assert_eq!(mistake("db[[1]]"), "\"[\" a bracket inside brackets");
        assert_eq!(mistake("a,,b"), "\"\" a name is missing here");
        assert_eq!(mistake("db[1-20000]"), "\"1-20000\" stands for more than 10000 names");
        assert_eq!(
            mistake("a[1-200]b[1-200]"),
            "\"a[1-200]b[1-200]\" stands for more than 10000 names"
        );
        assert_eq!(
            mistake("a[1-6000],a[1-6000]"),
            "\"a[1-6000],a[1-6000]\" stands for more than 10000 names"
        );
        assert!(mistake(&format!("{}[1-10000]", "x".repeat(500))).ends_with("more than 4 MiB"));
        assert!(mistake("db[1-9/0]").contains("a step is 1 or more"));
        assert!(mistake("db[5/2]").contains("belongs to a range"));
        assert!(mistake("db[1-010]").contains("as many digits"));
        assert!(mistake("db[0-18446744073709551615]").contains("brackets hold numbers"));
    }

    proptest! {
        #[test]
        fn any_text_expands_to_a_bounded_list_or_an_error(
            text in "[a-c0-9\\[\\],/ -]{0,40}|\\PC{0,40}"
        ) {
            match expand(&text) {
                Ok(names) => prop_assert!(!names.is_empty() && names.len() <= MAX_NAMES),
                Err(e) => prop_assert!(text.get(e.span).is_some()),
            }
        }
    }
}
