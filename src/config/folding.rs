//! Names -> host set: db1, db2, db3 and db5 are shown as `db[1-3,5]`, the reverse of
//! [`super::hostset`].
//!
//! What it makes, [`super::hostset::expand`] turns into the same names again, as long as they are
//! names that a node can have and not too many for it. Zeros that pad a number are kept, steps are
//! not sought. Like ClusterShell it folds each number of a name: `r[1-2]n[1-2]`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

/// The names as one host set, in the order of their numbers; nothing for no names.
pub fn fold<S: AsRef<str>>(names: &[S]) -> String {
    let mut shapes: BTreeMap<Shape, Vec<Vec<Numbers>>> = BTreeMap::new();
    for name in names {
        let (shape, numbers) = take_apart(name.as_ref());
        let sets = numbers.into_iter().map(|number| vec![number]).collect();
        shapes.entry(shape).or_default().push(sets);
    }
    let mut sets = Vec::new();
    for (shape, members) in shapes {
        for member in merge(members, shape.0.len() - 1) {
            sets.push(shape.with(&member));
        }
    }
    sets.join(",")
}

/// What stands around a name's numbers: one text more than there are numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shape(Vec<String>);

/// One number as it is written; a set of them in the order of their values, each once.
type Numbers = Vec<Number>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Number {
    value: u64,
    text: String,
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        self.value.cmp(&other.value).then_with(|| self.text.cmp(&other.text))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    /// Digits that a host set can have between brackets.
    fn read(text: &str) -> Option<Number> {
        let value = text.parse().ok().filter(|value| *value < u64::MAX && text.len() <= 32)?;
        Some(Number { value, text: text.to_owned() })
    }

    /// The one after it in a range that begins with `first`, which says to how many digits all of
    /// the range are padded.
    fn after(&self, first: &str) -> String {
        let width = if first.starts_with('0') { first.len() } else { 0 };
        format!("{:0width$}", self.value + 1)
    }
}

fn take_apart(name: &str) -> (Shape, Numbers) {
    let (mut shape, mut numbers) = (vec![String::new()], Vec::new());
    let mut rest = name;
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit();
        let digits = rest.find(|c| !is_digit(c)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(digits);
        let (text, behind) = behind.split_at(behind.find(is_digit).unwrap_or(behind.len()));
        match Number::read(run) {
            Some(number) => {
                numbers.push(number);
                shape.push(text.to_owned());
            }
            // No digits, or more than a number has.
            None => {
                let last = shape.last_mut().expect("there is one from the start");
                last.push_str(run);
                last.push_str(text);
            }
        }
        rest = behind;
    }
    (Shape(shape), numbers)
}

/// Sets that differ in one number only become one, the last number first. What comes out stands
/// for the same names, none of them twice.
fn merge(mut members: Vec<Vec<Numbers>>, places: usize) -> Vec<Vec<Numbers>> {
    for place in (0..places).rev() {
        let mut alike: HashMap<Vec<Numbers>, Numbers> = HashMap::new();
        for mut member in members {
            let numbers = std::mem::take(&mut member[place]);
            alike.entry(member).or_default().extend(numbers);
        }
        members = alike
            .into_iter()
            .map(|(mut member, mut numbers)| {
                numbers.sort();
                numbers.dedup();
                member[place] = numbers;
                member
            })
            .collect();
    }
    members.sort();
    members.dedup();
    members
}

impl Shape {
    fn with(&self, sets: &[Numbers]) -> String {
        let mut text = self.0[0].clone();
        for (numbers, literal) in sets.iter().zip(&self.0[1..]) {
            text.push_str(&written(numbers));
            text.push_str(literal);
        }
        text
    }
}

/// `7`, or `[1-3,5]`.
fn written(numbers: &Numbers) -> String {
    if let [number] = &numbers[..] {
        return number.text.clone();
    }
    // The ranges so far, and by the text that would go on with one, which.
    let mut ranges: Vec<(&str, &str)> = Vec::new();
    let mut open: HashMap<String, usize> = HashMap::new();
    for number in numbers {
        let range = match open.remove(&number.text) {
            Some(range) => {
                ranges[range].1 = &number.text;
                range
            }
            None => {
                ranges.push((&number.text, &number.text));
                ranges.len() - 1
            }
        };
        open.entry(number.after(ranges[range].0)).or_insert(range);
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| if first == last { first.into() } else { format!("{first}-{last}") })
        .collect();
    format!("[{}]", texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hostset::expand;
    use proptest::prelude::*;

    fn folded(names: &str) -> String {
        fold(&names.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn names_fold_as_clustershell_folds_them() {
        assert_eq!(folded(""), "");
        assert_eq!(folded("web1"), "web1");
        assert_eq!(folded("db1 db2 db3 db5"), "db[1-3,5]");
        assert_eq!(folded("db10 db9 db2"), "db[2,9-10]");
        assert_eq!(folded("web2 db1 web1 mail"), "db1,mail,web[1-2]");
        assert_eq!(folded("r1n1.lan r1n2.lan r2n1.lan r2n2.lan"), "r[1-2]n[1-2].lan");
        assert_eq!(folded("r1n1 r1n2 r2n1"), "r1n[1-2],r2n1");
        assert_eq!(folded("10.0.0.2 10.0.0.1"), "10.0.0.[1-2]");
        assert_eq!(folded("7 8"), "[7-8]");
        assert_eq!(folded("web1 web1 web2"), "web[1-2]");
    }

    #[test]
    fn zeros_that_pad_are_kept() {
        assert_eq!(folded("n08 n09 n10 n11"), "n[08-11]");
        assert_eq!(folded("n098 n099 n100 n101"), "n[098-101]");
        assert_eq!(folded("n8 n08 n9 n09 n10"), "n[08-10,8-9]");
        assert_eq!(folded("n0 n1"), "n[0-1]");
        assert_eq!(folded("n00 n0"), "n[0,00]");
    }

    #[test]
    fn what_is_no_number_of_a_host_set_stays_text() {
        let long = format!("n{}1 n{}2", "0".repeat(40), "0".repeat(40));
        assert_eq!(folded(&long), long.replace(' ', ","));
        assert_eq!(folded("a18446744073709551615"), "a18446744073709551615");
        assert_eq!(folded("a18446744073709551614 a18446744073709551613").matches('-').count(), 1);
    }

    #[test]
    fn thousands_of_names_take_no_time() {
        let all: Vec<String> = (1..=20_000).map(|n| format!("n{}", 2 * n)).collect();
        assert!(fold(&all).starts_with("n[2,4,6,"));
    }

    proptest! {
        #[test]
        fn expanding_gives_the_names_back(
            names in prop::collection::vec("[ab]?[0-9]{1,3}|[ab]{1,2}|[ab][0-2]{1,2}[-.c][0-2]{1,2}d?|0{0,3}[0-9]{18,22}", 1..40)
        ) {
            let mut given = names.clone();
            given.sort();
            given.dedup();
            let mut expanded = expand(&fold(&names)).unwrap();
            expanded.sort();
            prop_assert_eq!(expanded, given);
        }
    }
}
