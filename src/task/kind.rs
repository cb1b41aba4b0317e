//! The types of parameters: which [`Arg`]s each accepts, and what the worker gets to read.

use std::time::Duration;

use crate::arg::Arg;

/// What a parameter takes, as written in YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Text or an integer: a port, a user's name or number.
    Word,
    Flag,
    /// A positive number of seconds.
    Seconds,
    /// Permission bits: an integer, or its octal digits as text.
    Mode,
    /// A list of words.
    Words,
    /// One text or a list of them.
    Texts,
    /// Names of environment variables to words.
    Env,
    /// One exit code or a list of them.
    Codes,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `{host, remotepath, mountpoint, excludes}`.
    Mount,
}

/// A parameter's value once it is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    Seconds(Duration),
    Mode(u32),
    Texts(Vec<String>),
    Env(Vec<(String, String)>),
    Codes(Vec<i32>),
    Mount(Mount),
}

/// A file system of another machine, to be mounted over sshfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is: `user@host` or `host`.
    pub host: String,
    pub remotepath: String,
    pub mountpoint: String,
    /// Nodes that are left alone, by name, address or host.
    pub excludes: Vec<String>,
}

impl Kind {
    /// What a message says the parameter takes.
    pub fn expects(self) -> String {
        match self {
            Kind::Text => "a string".into(),
            Kind::Word => "a string or an integer".into(),
            Kind::Flag => "true or false".into(),
            Kind::Seconds => "a positive number of seconds".into(),
            Kind::Mode => "permission bits such as 0755 or \"0755\"".into(),
            Kind::Words => "a list of strings or integers".into(),
            Kind::Texts => "a string or a list of strings".into(),
            Kind::Env => "a mapping of variables to strings or integers".into(),
            Kind::Codes => "an exit code (0 to 255) or a list of them".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Mount => {
                "a mapping with host, remotepath, mountpoint and, optionally, excludes".into()
            }
        }
    }

    /// The value, or what is there instead: `a list`, `the mode 99999`.
    pub(super) fn read(self, arg: &Arg) -> Result<Value, String> {
        match self {
            Kind::Text => text(arg).map(Value::Text),
            Kind::Word => word(arg).map(Value::Text),
            Kind::Flag => match arg {
                Arg::Bool(value) => Ok(Value::Flag(*value)),
                other => Err(found(other)),
            },
            Kind::Seconds => seconds(arg).map(Value::Seconds),
            Kind::Mode => mode(arg).map(Value::Mode),
            Kind::Words => match arg {
                Arg::List(items) => each(items, word).map(Value::Texts),
                other => Err(found(other)),
            },
            Kind::Texts => match arg {
                Arg::List(items) => each(items, text).map(Value::Texts),
                one => text(one).map(|text| Value::Texts(vec![text])),
            },
            Kind::Env => env(arg).map(Value::Env),
            Kind::Codes => match arg {
                Arg::List(items) => each(items, code).map(Value::Codes),
                one => code(one).map(|code| Value::Codes(vec![code])),
            },
            Kind::Choice(words) => {
                let text = text(arg)?;
                if words.contains(&text.as_str()) {
                    Ok(Value::Text(text))
                } else {
                    Err(format!("{text:?}"))
                }
            }
            Kind::Mount => mount(arg).map(Value::Mount),
        }
    }
}

fn found(arg: &Arg) -> String {
    match arg {
        Arg::Bool(_) => "a boolean (text that reads as one must be quoted)".into(),
        Arg::Float(_) => "a number with a fraction (quote it to keep its digits)".into(),
        other => other.kind().into(),
    }
}

/// Text for a command line, which ends at the first NUL.
fn text(arg: &Arg) -> Result<String, String> {
    match arg {
        Arg::Str(text) if text.contains('\0') => Err("a string with a NUL byte in it".into()),
        Arg::Str(text) => Ok(text.clone()),
        other => Err(found(other)),
    }
}

fn word(arg: &Arg) -> Result<String, String> {
    match arg {
        Arg::Int(number) => Ok(number.to_string()),
        other => text(other),
    }
}

fn each<T>(items: &[Arg], read: fn(&Arg) -> Result<T, String>) -> Result<Vec<T>, String> {
    items
        .iter()
        .enumerate()
        .map(|(i, item)| read(item).map_err(|found| format!("{found} as item {}", i + 1)))
        .collect()
}

fn seconds(arg: &Arg) -> Result<Duration, String> {
    let seconds = match arg {
        Arg::Int(number) => *number as f64,
        Arg::Float(number) => *number,
        other => return Err(other.kind().into()),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err(format!("{seconds}")),
    }
}

fn mode(arg: &Arg) -> Result<u32, String> {
    const BITS: u32 = 0o7777;
    match arg {
        Arg::Int(number) if written_in_decimal(*number) => {
            Err(format!("the decimal number {number}: write 0{number}"))
        }
        Arg::Int(number) => u32::try_from(*number)
            .ok()
            .filter(|bits| *bits <= BITS)
            .ok_or_else(|| format!("the integer {number}")),
        Arg::Str(digits) => u32::from_str_radix(digits.strip_prefix("0o").unwrap_or(digits), 8)
            .ok()
            .filter(|bits| *bits <= BITS && !digits.starts_with('+'))
            .ok_or_else(|| format!("{digits:?}")),
        other => Err(other.kind().into()),
    }
}

/// 755 is not 0755, and as bits it makes no sense for any file.
fn written_in_decimal(number: i64) -> bool {
    (0o1000..1000).contains(&number) && number.to_string().bytes().all(|digit| digit < b'8')
}

fn code(arg: &Arg) -> Result<i32, String> {
    match arg {
        Arg::Int(number @ 0..=255) => Ok(*number as i32),
        Arg::Int(number) => Err(format!("{number}")),
        other => Err(other.kind().into()),
    }
}

fn env(arg: &Arg) -> Result<Vec<(String, String)>, String> {
    let Arg::Map(entries) = arg else { return Err(found(arg)) };
    entries
        .iter()
        .map(|(key, value)| {
            let name = text(key).map_err(|found| format!("{found} as a variable's name"))?;
            if !is_variable(&name) {
                return Err(format!("{name:?}, which no shell takes for a variable's name"));
            }
            let value = word(value).map_err(|found| format!("{found} as the value of {name}"))?;
            Ok((name, value))
        })
        .collect()
}

/// POSIX: letters, digits and `_`, no digit first.
fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn mount(arg: &Arg) -> Result<Mount, String> {
    let Arg::Map(entries) = arg else { return Err(found(arg)) };
    let mut excludes = Vec::new();
    let [mut host, mut remotepath, mut mountpoint] = [None, None, None];
    for (key, value) in entries {
        let key = text(key).map_err(|found| format!("{found} as a key"))?;
        let place = match key.as_str() {
            "host" => &mut host,
            "remotepath" => &mut remotepath,
            "mountpoint" => &mut mountpoint,
            "excludes" => {
                excludes = names(value).map_err(|found| format!("{found} as excludes"))?;
                continue;
            }
            other => return Err(format!("the unknown key {other:?}")),
        };
        *place = Some(field(value).map_err(|found| format!("{found} as {key}"))?);
    }
    let need = |field: Option<String>, name| field.ok_or_else(|| format!("one without {name}"));
    let mount = Mount {
        host: need(host, "host")?,
        remotepath: need(remotepath, "remotepath")?,
        mountpoint: need(mountpoint, "mountpoint")?,
        excludes,
    };
    if !mount.mountpoint.starts_with('/') {
        return Err(format!("the mountpoint {:?}, which is not absolute", mount.mountpoint));
    }
    Ok(mount)
}

fn names(arg: &Arg) -> Result<Vec<String>, String> {
    match arg {
        Arg::Null => Ok(Vec::new()),
        Arg::List(items) => each(items, text),
        one => text(one).map(|name| vec![name]),
    }
}

/// Text that becomes a field of fstab, which knows lines and blanks.
fn field(arg: &Arg) -> Result<String, String> {
    let text = text(arg)?;
    if text.is_empty() {
        return Err("an empty string".into());
    }
    if text.chars().any(char::is_control) {
        return Err("a string with control characters".into());
    }
    Ok(text)
}
