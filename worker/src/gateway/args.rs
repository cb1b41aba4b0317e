//! Arguments of tasks: from JSON to what a task is called with.

use loom::arg::{Arg, MAX_DEPTH};
use serde_json::{Number, Value};

use super::problem::{Error, Result};

type Convert<T> = std::result::Result<T, String>;

/// `what`: the argument, as a message calls it.
pub fn arg(what: &str, value: &Value) -> Result<Arg> {
    // Their depth is bounded: the parser of JSON gives up beyond 128 levels.
    let arg = convert(value).map_err(|why| Error::invalid(format!("{what}: {why}")))?;
    if arg.depth() > MAX_DEPTH {
        return Err(Error::invalid(format!("{what} is nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(arg)
}

/// `args` by position.
pub fn list(values: &[Value]) -> Result<Vec<Arg>> {
    (1..).zip(values).map(|(nth, value)| arg(&format!("argument {nth}"), value)).collect()
}

/// By name.
pub fn named<'a>(
    values: impl IntoIterator<Item = (&'a String, &'a Value)>,
) -> Result<Vec<(String, Arg)>> {
    let entry = |(name, value): (&String, &Value)| {
        if name.is_empty() {
            return Err(Error::invalid("an argument has an empty name"));
        }
        Ok((name.clone(), arg(&format!("argument {name:?}"), value)?))
    };
    values.into_iter().map(entry).collect()
}

fn convert(value: &Value) -> Convert<Arg> {
    Ok(match value {
        Value::Null => Arg::Null,
        Value::Bool(yes) => Arg::Bool(*yes),
        Value::Number(number) => convert_number(number)?,
        Value::String(text) => Arg::Str(text.clone()),
        Value::Array(items) => Arg::List(items.iter().map(convert).collect::<Convert<_>>()?),
        Value::Object(entries) => {
            let entry = |(name, value)| Ok((Arg::Str(String::clone(name)), convert(value)?));
            Arg::Map(entries.iter().map(entry).collect::<Convert<_>>()?)
        }
    })
}

fn convert_number(number: &Number) -> Convert<Arg> {
    if let Some(number) = number.as_i64() {
        return Ok(Arg::Int(number));
    }
    // As configurations have it.
    if number.is_u64() {
        return Ok(Arg::Str(number.to_string()));
    }
    match number.as_f64() {
        // It may have been an integer, of which the parser has left the first digits only.
        Some(float) if float.abs() >= u64::MAX as f64 => {
            Err(format!("{number} is beyond 64 bits; write it in quotes"))
        }
        Some(float) => Ok(Arg::Float(float)),
        None => Err(format!("{number} is no number that can be passed on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_become_what_a_manifest_would_make_of_them() {
        let value = json!({"a": [1, -2.5, "x", null, true], "b": u64::MAX});
        let text = |text: &str| Arg::Str(text.to_owned());
        let items = vec![Arg::Int(1), Arg::Float(-2.5), text("x"), Arg::Null, Arg::Bool(true)];
        let expected = Arg::Map(vec![
            (text("a"), Arg::List(items)),
            (text("b"), text("18446744073709551615")),
        ]);
        assert_eq!(arg("x", &value).unwrap(), expected);
    }

    #[test]
    fn what_would_not_arrive_as_it_was_written_is_refused_by_name() {
        let nested = |levels: usize| (1..levels).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(arg("x", &nested(MAX_DEPTH)).unwrap().depth(), MAX_DEPTH);
        let detail = |result: Result<Arg>| result.unwrap_err().0.detail;
        assert_eq!(detail(arg("x", &nested(MAX_DEPTH + 1))), "x is nested deeper than 64 levels");
        let large: Value = serde_json::from_str("123456789012345678901").unwrap();
        assert!(detail(arg("x", &large)).ends_with("is beyond 64 bits; write it in quotes"));
        let unnamed = [(String::new(), json!(1))];
        assert!(named(unnamed.iter().map(|(name, value)| (name, value))).is_err());
    }
}
