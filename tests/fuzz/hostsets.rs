//! Host sets: bounded, and what a model expands them to that knows no more than the notation.

use loom::config::hostset::{MAX_NAMES, expand};
use proptest::prelude::*;

use crate::meter::{KB, MB, bounded};
use crate::mutate;
use crate::runner::fuzz;

const WORDS: &[&str] = &[
    "[",
    "]",
    ",",
    "-",
    "/",
    "[1-3]",
    "[01-10]",
    "[1-9/2]",
    "[1-10000]",
    "0",
    "9",
    "00",
    "\u{feff}",
    "18446744073709551615",
    "18446744073709551614",
    "４",
    "[1-3",
    "1-",
    "-1",
    " ",
    "\t",
    "web",
    "ß",
];

/// All names there may be, some times over, and the pieces of the text.
fn read(text: &str) -> Option<Vec<String>> {
    let expanded = bounded(&text, 16 * MB + 64 * text.len(), || expand(text));
    match expanded {
        Ok(names) => {
            assert!(!names.is_empty() && names.len() <= MAX_NAMES, "{}", names.len());
            Some(names)
        }
        Err(e) => {
            assert!(text.get(e.span.clone()).is_some(), "{e:?} points nowhere");
            assert!(!e.message.is_empty());
            None
        }
    }
}

/// A part of a name, and what it stands for.
type Part = (String, Vec<String>);

fn number() -> impl Strategy<Value = Part> {
    let single = (0u64..200, 1usize..4).prop_map(|(n, width)| {
        let text = format!("{n:0width$}");
        (text.clone(), vec![text])
    });
    let range = (0u64..120, 0u64..12, 1u64..4, 1usize..5, any::<bool>()).prop_map(
        |(first, more, step, width, padded)| {
            let last = first + more;
            // With zeros both ends have the same number of digits.
            let width = if padded { width.max(last.to_string().len()) } else { 0 };
            let step_text = if step == 1 { String::new() } else { format!("/{step}") };
            let numbers = (first..=last).step_by(step as usize);
            (
                format!("{first:0width$}-{last:0width$}{step_text}"),
                numbers.map(|n| format!("{n:0width$}")).collect(),
            )
        },
    );
    prop_oneof![single, range]
}

fn part() -> impl Strategy<Value = Part> {
    let literal = "[a-z.-]{1,3}".prop_map(|text| (text.clone(), vec![text]));
    let brackets = prop::collection::vec(number(), 1..4).prop_map(|numbers| {
        let (texts, names): (Vec<_>, Vec<_>) = numbers.into_iter().unzip();
        (format!("[{}]", texts.join(",")), names.concat())
    });
    prop_oneof![literal, brackets]
}

fn set() -> impl Strategy<Value = Part> {
    prop::collection::vec(part(), 1..4).prop_map(|parts| {
        let text = parts.iter().map(|(text, _)| text.as_str()).collect();
        let names = parts.iter().fold(vec![String::new()], |names, (_, more)| {
            let longer = |name: &String| more.iter().map(|m| format!("{name}{m}")).collect();
            names.iter().flat_map(|name| -> Vec<String> { longer(name) }).collect()
        });
        (text, names)
    })
}

/// The names once each, and how many were written.
fn sets() -> impl Strategy<Value = (Part, usize)> {
    let comma = prop::sample::select(vec![",", ", ", " ,  "]);
    (prop::collection::vec(set(), 1..4), comma).prop_map(|(sets, comma)| {
        let texts: Vec<_> = sets.iter().map(|(text, _)| text.as_str()).collect();
        let mut names: Vec<String> = Vec::new();
        for name in sets.iter().flat_map(|(_, names)| names) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let written = sets.iter().map(|(_, names)| names.len()).sum();
        ((texts.join(comma), names), written)
    })
}

#[test]
fn valid_sets_are_what_the_model_says() {
    fuzz(sets(), |((text, names), written)| {
        match read(&text) {
            Some(expanded) => assert_eq!(expanded, names, "{text}"),
            None => assert!(written > MAX_NAMES, "{text} is refused"),
        }
        // What has been expanded stands for itself.
        if let Some(expanded) = read(&names.join(",")) {
            assert_eq!(expanded, names);
        }
    });
}

#[test]
fn mutated_and_random_sets_are_expanded_or_explained() {
    let mutated = mutate::text(sets().prop_map(|((text, _), _)| text), WORDS);
    let random = prop::collection::vec(prop::sample::select(WORDS), 0..20);
    let random = random.prop_map(|words| words.concat());
    fuzz(prop_oneof![mutated, random, "(?s:.{0,40})"], |text| drop(read(&text)));
}

#[test]
fn sets_made_to_hurt() {
    let long = "x".repeat(100 * KB);
    for text in [
        "",
        ",",
        "[]",
        "[-]",
        "[1-]",
        "[0-18446744073709551614]",
        "[18446744073709551614]",
        "[0-18446744073709551614/18446744073709551614]",
        "[1-9/18446744073709551615]",
        "[1-10000][1-2]",
        "[1-10000],[10001-20000]",
        &"[1-10]".repeat(1000),
        &"[1]".repeat(10_000),
        &"a,".repeat(100_000),
        &"[".repeat(100_000),
        &"[1-100],".repeat(10_000),
        &format!("[{}]", "1,".repeat(100_000)),
        &format!("[{}1]", "0".repeat(100_000)),
        &format!("[{0}1-{0}9]", "0".repeat(30)),
        &format!("{long}[1-10000]"),
        &format!("[1-10000]{long}"),
        &format!("{long}[1-10000],").repeat(3),
        &long,
        "\u{202e}[1-2]\0",
        "[１-３]",
        "[1-3]\u{301}",
    ] {
        read(text);
    }
}
