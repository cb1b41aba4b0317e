//! One argument given outside a file, on a command line: read as a manifest's `args` and `kwargs`
//! read theirs.
//!
//! What begins with a quote or a bracket is YAML as a manifest would have it there; all else is one
//! plain scalar to its last byte: nobody who writes `--arg note=#12: done` means a comment or a
//! mapping. The value is made for JSON, in which it travels to the daemon.

use std::path::Path;

use serde_json::{Map, Number, Value};

use super::compose;
use super::diagnostic::quoted;
use super::report::Hints;
use super::scalar::{self, Reading};
use super::source::Sources;
use super::yaml::{Anchors, CoreTag, Item, Kind, MAX_NODES};
use crate::arg::{Arg, MAX_DEPTH};

/// The value, and what is worth a warning about it.
pub fn read_argument(text: &str) -> Result<(Value, Vec<String>), String> {
    let mut warnings = Vec::new();
    let value = match text.trim_start().chars().next() {
        Some('"' | '\'' | '[' | '{') => of_yaml(text, &mut warnings)?,
        Some(_) | None => scalar(text, true, None, &mut warnings)?,
    };
    Ok((value, warnings))
}

fn of_yaml(text: &str, warnings: &mut Vec<String>) -> Result<Value, String> {
    let file = Sources::default().add(Path::new("--arg"));
    let parsed = compose::parse(file, text, &Anchors::default(), MAX_NODES, &mut Hints::default());
    let remedy = "to pass it as text, put it in quotes as YAML has them";
    if let Some(problem) = parsed.problems.first() {
        return Err(format!("{} is not YAML: {}; {remedy}", quoted(text), problem.message));
    }
    let root = parsed.root.ok_or_else(|| format!("{} is not YAML; {remedy}", quoted(text)))?;
    if usize::from(root.node.depth) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    value(root.item(), warnings)
}

fn value(item: Item<'_>, warnings: &mut Vec<String>) -> Result<Value, String> {
    match &item.node.kind {
        Kind::Scalar { text, plain, tag } => scalar(text, *plain, *tag, warnings),
        Kind::List(_) => item.items().map(|inner| value(inner, warnings)).collect(),
        Kind::Map(_) => {
            let mut map = Map::new();
            for (key, inner) in item.entries() {
                let name = key.text().ok_or("a key is a single value")?;
                map.insert(name.to_owned(), value(inner, warnings)?);
            }
            Ok(Value::Object(map))
        }
        Kind::Unknown => Err("it cannot be read".to_owned()),
    }
}

fn scalar(
    text: &str,
    plain: bool,
    tag: Option<CoreTag>,
    warnings: &mut Vec<String>,
) -> Result<Value, String> {
    let Reading { arg, warning } =
        scalar::read(text, plain, tag).map_err(|problem| format!("{} {problem}", quoted(text)))?;
    warnings.extend(warning.map(|warning| format!("{} {warning}", quoted(text))));
    match arg {
        Arg::Null => Ok(Value::Null),
        Arg::Bool(flag) => Ok(Value::Bool(flag)),
        Arg::Int(number) => Ok(Value::from(number)),
        Arg::Float(number) => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("{} cannot be sent: JSON has no such number", quoted(text))),
        Arg::Str(text) => Ok(Value::String(text)),
        Arg::List(_) | Arg::Map(_) => unreachable!("a scalar is read as a scalar"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        read_argument(text).unwrap().0
    }

    #[test]
    fn scalars_are_read_as_in_a_manifest() {
        assert_eq!(read("yes"), json!(true));
        assert_eq!(read("0755"), json!(493));
        assert_eq!(read("1_000"), json!(1000));
        assert_eq!(read("1.5"), json!(1.5));
        assert_eq!(read("~"), Value::Null);
        assert_eq!(read(""), Value::Null);
        assert_eq!(read("df -h /"), json!("df -h /"));
        assert_eq!(read(" two  blanks "), json!(" two  blanks "));
        assert_eq!(read("#12: done"), json!("#12: done"));
        assert_eq!(read("- *x &y !z"), json!("- *x &y !z"));
    }

    #[test]
    fn quotes_make_text_and_brackets_make_lists() {
        assert_eq!(read("'yes'"), json!("yes"));
        assert_eq!(read("\"a\\tb\""), json!("a\tb"));
        assert_eq!(read("[--keep, 7, 'no']"), json!(["--keep", 7, "no"]));
        assert_eq!(read("{LC_ALL: C, N: 0x10}"), json!({"LC_ALL": "C", "N": 16}));
    }

    #[test]
    fn what_cannot_be_read_or_sent_is_said() {
        let mistake = |text| read_argument(text).unwrap_err();
        assert!(mistake("[1, 2").contains("is not YAML"), "{}", mistake("[1, 2"));
        assert!(mistake("[x] done").contains("put it in quotes"), "{}", mistake("[x] done"));
        assert!(mistake(".inf").contains("JSON has no such number"));
        let unclosed = "[".repeat(90);
        assert!(mistake(&unclosed).contains("not YAML"));
        let deep = "[".repeat(70) + &"]".repeat(70);
        assert_eq!(mistake(&deep), "nested deeper than 64 levels");
        let (value, warnings) = read_argument("2026-11-21").unwrap();
        assert_eq!(value, json!("2026-11-21"));
        assert!(warnings[0].contains("date"), "{warnings:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_a_mistake(text in "[\\[{\"']?\\PC{0,30}") {
            let _ = read_argument(&text);
        }

        #[test]
        fn text_in_single_quotes_is_that_text(text in "[ -~]{0,30}") {
            let quoted = format!("'{}'", text.replace('\'', "''"));
            prop_assert_eq!(read(&quoted), json!(text));
        }
    }
}
