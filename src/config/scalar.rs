//! What a scalar means: the YAML 1.1 reading that the original gave `args` and `kwargs`, and the
//! durations and sizes of settings.

use std::time::Duration;

use super::yaml::CoreTag;
use crate::arg::Arg;

/// The value, and what is worth a warning about it.
#[derive(Debug, PartialEq)]
pub struct Reading {
    pub arg: Arg,
    pub warning: Option<&'static str>,
}

/// Reads a scalar as YAML 1.1 did; `Err` says what a tag's promise wants.
pub fn read(text: &str, plain: bool, tag: Option<CoreTag>) -> Result<Reading, &'static str> {
    let sure = |arg| Ok(Reading { arg, warning: None });
    let wanted = |arg: Option<Arg>, what| arg.map_or(Err(what), sure);
    match tag {
        Some(CoreTag::Str) => sure(Arg::Str(text.to_string())),
        Some(CoreTag::Null) => sure(Arg::Null),
        Some(CoreTag::Bool) => wanted(flag(text).map(Arg::Bool), "is not a boolean"),
        Some(CoreTag::Int) => wanted(integer(text), "is not an integer"),
        Some(CoreTag::Float) => {
            let whole = text.replace('_', "").parse().ok().map(Arg::Float);
            wanted(float(text).map(Arg::Float).or(whole), "is not a number")
        }
        None if !plain => sure(Arg::Str(text.to_string())),
        None => Ok(untagged(text)),
    }
}

fn untagged(text: &str) -> Reading {
    let arg = match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Arg::Null),
        _ => flag(text).map(Arg::Bool),
    };
    let arg = arg.or_else(|| integer(text)).or_else(|| float(text).map(Arg::Float));
    let warning = match arg {
        None if is_sexagesimal(text) => {
            Some("is passed as text; YAML 1.1 took it for a number of base 60: quote it")
        }
        None if is_date(text) => Some("is passed as text; YAML 1.1 took it for a date: quote it"),
        _ => None,
    };
    Reading { arg: arg.unwrap_or_else(|| Arg::Str(text.to_string())), warning }
}

/// YAML 1.1's booleans, but for the single letters, which no parser took.
pub fn flag(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Binary, octal with a leading 0, decimal, hexadecimal, all with `_` between digits.
fn integer(text: &str) -> Option<Arg> {
    let (negative, unsigned) = sign(text);
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'b', ..] => (2, &unsigned[2..]),
        [b'0', b'x', ..] => (16, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        [b'0'..=b'9', ..] => (10, unsigned),
        _ => return None,
    };
    if !digits.chars().all(|c| c == '_' || c.is_digit(radix)) {
        return None;
    }
    let digits = digits.replace('_', "");
    if digits.is_empty() {
        return (radix == 8).then_some(Arg::Int(0));
    }
    let minus = if negative { "-" } else { "" };
    if let Ok(value) = i64::from_str_radix(&format!("{minus}{digits}"), radix) {
        return Some(Arg::Int(value));
    }
    let decimal = if radix == 10 { Some(digits) } else { decimal(&digits, radix) };
    Some(Arg::Str(format!("{minus}{}", decimal?)))
}

/// Of a number beyond 64 bits; none of sane length needs more than 128.
fn decimal(digits: &str, radix: u32) -> Option<String> {
    u128::from_str_radix(digits, radix).ok().map(|n| n.to_string())
}

/// A number with a point. An exponent needs its sign: `1.0e5` was text in YAML 1.1.
fn float(text: &str) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let signed = |value: f64| Some(if negative { -value } else { value });
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return signed(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|b| b == b'_' || b.is_ascii_digit());
    let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let shaped = digits(whole)
        && digits(fraction)
        && (starts(whole) || whole.is_empty() && starts(fraction));
    let scaled = exponent.is_none_or(|e| {
        e.strip_prefix(['+', '-'])
            .is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
    });
    if !shaped || !scaled {
        return None;
    }
    signed(unsigned.replace('_', "").parse().ok()?)
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn is_sexagesimal(text: &str) -> bool {
    let (_, unsigned) = sign(text);
    let mut parts = unsigned.split(':');
    let first = parts.next().unwrap_or("");
    let mut rest = 0;
    let sixtieths = |part: &str| {
        let whole = part.split('.').next().unwrap_or("");
        matches!(whole.len(), 1 | 2)
            && whole.parse::<u8>().is_ok_and(|n| n < 60)
            && part.bytes().all(|b| b == b'.' || b == b'_' || b.is_ascii_digit())
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.bytes().all(|b| b == b'_' || b.is_ascii_digit())
        && parts.inspect(|_| rest += 1).all(sixtieths)
        && rest > 0
}

/// `2026-11-21`, and whatever time of day follows it.
fn is_date(text: &str) -> bool {
    let (date, rest) = text.split_at(text.find(['T', 't', ' ']).unwrap_or(text.len()));
    let parts: Vec<&str> = date.split('-').collect();
    let number = |part: &str, lengths: &[usize]| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    matches!(parts[..], [y, m, d] if number(y, &[4]) && number(m, &[1, 2]) && number(d, &[1, 2]))
        && (rest.is_empty() || rest[1..].trim_start().starts_with(|c: char| c.is_ascii_digit()))
}

/// `90`, `90s`, `5m`, `1h30m`, `2d`: whole numbers, larger units first.
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    if let Ok(seconds) = digits(text) {
        return Some(Duration::from_secs(seconds));
    }
    let (mut rest, mut total, mut smallest) = (text, 0u64, u64::MAX);
    while !rest.is_empty() {
        let at = rest.find(|c: char| !c.is_ascii_digit())?;
        let count = digits(&rest[..at]).ok()?;
        let unit = rest[at..].chars().next()?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        if seconds >= smallest {
            return None;
        }
        smallest = seconds;
        total = total.checked_add(count.checked_mul(seconds)?)?;
        rest = &rest[at + 1..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(total))
}

/// `5GB`, `512k`, `10MiB`: powers of 1000, with an `i` of 1024; a bare number is bytes.
pub fn size(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count = digits(&text[..at]).ok()?;
    let unit = text[at..].trim_start().to_ascii_lowercase();
    let letters = unit.strip_suffix('b').unwrap_or(&unit);
    let (letter, base) = match letters.strip_suffix('i') {
        Some(letter) if !letter.is_empty() => (letter, 1024u64),
        Some(_) => return None,
        None => (letters, 1000),
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|l| *l == letter)?;
    count.checked_mul(base.checked_pow(power as u32)?)
}

/// A whole number in decimal; no sign.
pub fn digits(text: &str) -> Result<u64, ()> {
    match !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().map_err(drop),
        false => Err(()),
    }
}
