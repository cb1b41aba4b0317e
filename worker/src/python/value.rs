//! How values cross to the interpreter and back: a tagged text that both sides read with a few
//! lines, since importing Python's json would take a third of the interpreter's start.
//!
//! `n` null, `t` and `f` booleans, `iDIGITS;` an integer, `dDIGITS;` a number, `sBYTES:TEXT` a
//! string in UTF-8, `l…e` a list, `m…e` a mapping: key, value, key, value. The other half is
//! `loom_bridge/value.py`.

use std::time::Duration;

use loom::arg::{Arg, MAX_DEPTH};

pub fn encode(value: &Arg) -> Vec<u8> {
    let mut to = Vec::new();
    put(value, &mut to);
    to
}

fn put(value: &Arg, to: &mut Vec<u8>) {
    match value {
        Arg::Null => to.push(b'n'),
        Arg::Bool(true) => to.push(b't'),
        Arg::Bool(false) => to.push(b'f'),
        Arg::Int(number) => to.extend(format!("i{number};").bytes()),
        // `inf` and `NaN` are read by Python's float() as they are written here.
        Arg::Float(number) => to.extend(format!("d{number:?};").bytes()),
        Arg::Str(text) => {
            to.extend(format!("s{}:", text.len()).bytes());
            to.extend(text.bytes());
        }
        Arg::List(items) => {
            to.push(b'l');
            items.iter().for_each(|item| put(item, to));
            to.push(b'e');
        }
        Arg::Map(entries) => {
            to.push(b'm');
            for (key, value) in entries {
                put(key, to);
                put(value, to);
            }
            to.push(b'e');
        }
    }
}

/// The one value that `bytes` is. Whatever else it is says where it stops to be one.
pub fn decode(bytes: &[u8]) -> Result<Arg, String> {
    let mut reader = Reader { bytes, at: 0, room: MAX_VALUES };
    let value = reader.value(0).and_then(|value| match reader.at == bytes.len() {
        true => Some(value),
        false => None,
    });
    value.ok_or_else(|| format!("no value at byte {} of {}", reader.at, bytes.len()))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// For so many more values.
    room: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Arg> {
        if depth > MAX_DEPTH {
            return None;
        }
        self.room = self.room.checked_sub(1)?;
        let tag = *self.bytes.get(self.at)?;
        self.at += 1;
        match tag {
            b'n' => Some(Arg::Null),
            b't' => Some(Arg::Bool(true)),
            b'f' => Some(Arg::Bool(false)),
            b'i' => self.until(b';')?.parse().ok().map(Arg::Int),
            b'd' => self.until(b';')?.parse().ok().map(Arg::Float),
            b's' => {
                let length: usize = self.until(b':')?.parse().ok()?;
                let text = self.bytes.get(self.at..self.at.checked_add(length)?)?;
                self.at += length;
                Some(Arg::Str(String::from_utf8(text.to_vec()).ok()?))
            }
            b'l' => {
                let mut items = Vec::new();
                while !self.ends() {
                    items.push(self.value(depth + 1)?);
                }
                Some(Arg::List(items))
            }
            b'm' => {
                let mut entries = Vec::new();
                while !self.ends() {
                    let key = self.value(depth + 1)?;
                    entries.push((key, self.value(depth + 1)?));
                }
                Some(Arg::Map(entries))
            }
            _ => None,
        }
    }

    /// Steps over the end of a list or mapping, if that comes next.
    fn ends(&mut self) -> bool {
        let ends = self.bytes.get(self.at) == Some(&b'e');
        self.at += usize::from(ends);
        ends
    }

    /// What is before the next `end`, which is stepped over.
    fn until(&mut self, end: u8) -> Option<&str> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().take(MAX_DIGITS).position(|byte| *byte == end)?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).ok()
    }
}

/// Of one packet from the interpreter. A value takes many times the room of the byte that it was;
/// no request has more than a few dozen.
const MAX_VALUES: usize = 10_000;
/// Of a number, and of what ends it.
const MAX_DIGITS: usize = 400;

/// A mapping whose keys are text, as requests and replies are.
pub fn map<const N: usize>(entries: [(&str, Arg); N]) -> Arg {
    Arg::Map(entries.into_iter().map(|(key, value)| (Arg::Str(key.into()), value)).collect())
}

pub fn text(text: impl Into<String>) -> Arg {
    Arg::Str(text.into())
}

/// What is in a mapping, by name and by type; anything else is as good as missing.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a Arg);

impl<'a> Fields<'a> {
    pub fn get(self, name: &str) -> Option<&'a Arg> {
        let Arg::Map(entries) = self.0 else { return None };
        entries.iter().find(|(key, _)| matches!(key, Arg::Str(key) if key == name)).map(|e| &e.1)
    }

    pub fn text(self, name: &str) -> Option<&'a str> {
        match self.get(name) {
            Some(Arg::Str(text)) => Some(text),
            _ => None,
        }
    }

    pub fn int(self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Arg::Int(number)) => Some(*number),
            _ => None,
        }
    }

    pub fn flag(self, name: &str) -> bool {
        matches!(self.get(name), Some(Arg::Bool(true)))
    }

    pub fn seconds(self, name: &str) -> Option<Duration> {
        let seconds = match self.get(name) {
            Some(Arg::Int(number)) => *number as f64,
            Some(Arg::Float(number)) => *number,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Arg> {
        let leaf = prop_oneof![
            Just(Arg::Null),
            any::<bool>().prop_map(Arg::Bool),
            any::<i64>().prop_map(Arg::Int),
            any::<i32>().prop_map(|n| Arg::Float(f64::from(n) / 7.0)),
            any::<f64>().prop_filter("equal to itself", |n| !n.is_nan()).prop_map(Arg::Float),
            ".{0,20}".prop_map(Arg::Str),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Arg::List),
                proptest::collection::vec((inner.clone(), inner), 0..5).prop_map(Arg::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(value in any_value()) {
            prop_assert_eq!(decode(&encode(&value)).unwrap(), value);
        }

        #[test]
        fn whatever_comes_is_a_value_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        /// Of the format's own letters, which get further.
        #[test]
        fn whatever_looks_like_one_is_a_value_or_refused(text in "[ntfidslme0-9:;. ]{0,60}") {
            let _ = decode(text.as_bytes());
        }
    }

    #[test]
    fn what_is_no_value_says_where() {
        for (bytes, at) in [(&b""[..], 0), (b"x", 1), (b"nn", 1), (b"s5:abc", 3), (b"s-1:", 4)] {
            assert!(decode(bytes).unwrap_err().starts_with(&format!("no value at byte {at} ")));
        }
        assert!(decode(&[b'l'; 1000]).is_err());
        let many = |values: usize| decode(&[b"l", &vec![b'n'; values][..], b"e"].concat());
        assert!(many(MAX_VALUES - 1).is_ok());
        assert!(many(MAX_VALUES).is_err());
    }
}
