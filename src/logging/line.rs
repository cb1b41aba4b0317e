//! What one event looks like, as text or as JSON: on one line whatever is in it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use env_logger::fmt::Formatter;
use jiff::Zoned;
use log::{Level, Record};
use serde::{Deserialize, Serialize};

use super::escape::{Escaped, Quoted};
use super::fields::Fields;

/// `log_format` in loom.yaml.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    #[default]
    Text,
    /// An object a line.
    Json,
}

impl Format {
    pub const ALL: [Format; 2] = [Format::Text, Format::Json];

    pub fn as_str(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

static JSON: AtomicBool = AtomicBool::new(false);

/// From the next line on.
pub fn set_format(format: Format) {
    JSON.store(format == Format::Json, Ordering::Relaxed);
}

fn format() -> Format {
    if JSON.load(Ordering::Relaxed) { Format::Json } else { Format::Text }
}

pub struct Event<'a> {
    pub level: Level,
    pub area: &'a str,
    pub message: String,
    pub fields: Fields,
}

impl<'a> Event<'a> {
    pub fn of(record: &'a Record<'a>) -> Event<'a> {
        Event {
            level: record.level(),
            area: area(record.target()),
            message: record.args().to_string(),
            fields: Fields::of(record.key_values()),
        }
    }

    /// What the log has to say about itself, where no event can be logged.
    pub fn note(message: String) -> Event<'static> {
        Event { level: Level::Warn, area: "logging", message, fields: Fields::default() }
    }

    /// `2026-11-20T07:01:00.042+01:00 INFO  config: the message`, or JSON; with a newline.
    pub fn line(&self) -> String {
        self.line_in(format(), &Zoned::now())
    }

    fn line_in(&self, format: Format, now: &Zoned) -> String {
        match format {
            Format::Text => format!("{} {:<5} {}\n", time(now), self.level, self.sentence()),
            Format::Json => format!("{}\n", self.json(now)),
        }
    }

    /// Without time and level where somebody else writes them, and without a newline.
    pub fn body(&self, now: &Zoned) -> String {
        match format() {
            Format::Text => self.sentence(),
            Format::Json => self.json(now),
        }
    }

    fn sentence(&self) -> String {
        format!("{}: {}{}", Escaped(self.area), Escaped(&self.message), self.fields.tail())
    }

    fn json(&self, now: &Zoned) -> String {
        format!(
            r#"{{"time":"{}","level":"{}","area":{},"message":{}{}}}"#,
            time(now),
            self.level.as_str().to_ascii_lowercase(),
            Quoted(self.area),
            Quoted(&self.message),
            self.fields.json(),
        )
    }
}

fn time(now: &Zoned) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

pub fn write(out: &mut Formatter, record: &Record) -> io::Result<()> {
    out.write_all(Event::of(record).line().as_bytes())
}

/// [`Event::note`] as a line.
pub fn note(message: String) -> String {
    Event::note(message).line()
}

/// The part of Loom that speaks, as docs/operation.md lists them; other crates keep their names.
pub fn area(target: &str) -> &str {
    match target.strip_prefix("loom::") {
        Some(path) => path.split("::").next().unwrap_or(path),
        None => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::seconds;
    use crate::unit::{Outcome, RunId, UnitId};
    use log::kv::{ToValue, Value};
    use std::time::Duration;

    fn now() -> Zoned {
        "2026-11-20T07:01:03.042+01:00[Europe/Berlin]".parse().unwrap()
    }

    fn lines(message: &str, fields: &[(&str, Value)]) -> [String; 2] {
        let record = |format| {
            let args = format_args!("{message}").to_string();
            let record = Record::builder()
                .level(Level::Warn)
                .target("loom::unit")
                .key_values(&fields)
                .build();
            Event { message: args, ..Event::of(&record) }.line_in(format, &now())
        };
        [record(Format::Text), record(Format::Json)]
    }

    #[test]
    fn text_is_a_sentence_with_the_numbers_behind_it_and_json_has_all_fields() {
        let (run, unit, outcome) = (RunId(12), UnitId(40), Outcome::Failed { exit: Some(3) });
        let took = seconds(Duration::from_micros(1_204_300));
        let [text, json] = lines(
            "disk on web1: failed, exit 3, after 1.2s",
            &[
                ("job", "disk".to_value()),
                ("node", "web1".to_value()),
                ("run", run.to_value()),
                ("unit", unit.to_value()),
                ("attempt", 2.to_value()),
                ("worker", 4711u32.to_value()),
                ("outcome", outcome.to_value()),
                ("seconds", took.to_value()),
            ],
        );
        assert_eq!(
            text,
            "2026-11-20T07:01:03.042+01:00 WARN  unit: disk on web1: failed, exit 3, after 1.2s \
             (run 12, unit 40, attempt 2, worker 4711)\n"
        );
        assert_eq!(
            json,
            "{\"time\":\"2026-11-20T07:01:03.042+01:00\",\"level\":\"warn\",\"area\":\"unit\",\
             \"message\":\"disk on web1: failed, exit 3, after 1.2s\",\"job\":\"disk\",\
             \"node\":\"web1\",\"run\":12,\"unit\":40,\"attempt\":2,\"worker\":4711,\
             \"outcome\":\"failed\",\"seconds\":1.204}\n"
        );
    }

    #[test]
    fn what_is_not_known_and_the_first_attempt_are_left_out() {
        let (none, attempt) = (None::<u32>, 1u32);
        let fields = [("worker", none.to_value()), ("attempt", attempt.to_value())];
        let [text, json] = lines("x", &fields);
        assert!(text.ends_with(" unit: x\n"), "{text}");
        assert!(json.ends_with("\"message\":\"x\",\"attempt\":1}\n"), "{json}");
    }

    #[test]
    fn no_value_breaks_or_forges_a_line() {
        let nasty = "a\n\"},{\u{202e}\x1b";
        let fields = [
            ("job", nasty.to_value()),
            ("run", nasty.to_value()),
            ("level", "info".to_value()),
            ("job", "twice".to_value()),
        ];
        let [text, json] = lines(nasty, &fields);
        for line in [&text, &json] {
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains(['\u{202e}', '\x1b']), "{line}");
        }
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "time": "2026-11-20T07:01:03.042+01:00", "level": "warn", "area": "unit",
                "message": nasty, "job": nasty, "run": nasty,
            })
        );
    }

    #[test]
    fn areas_are_loom_s_own_modules() {
        assert_eq!(area("loom::config::watch"), "config");
        assert_eq!(area("loom::unit"), "unit");
        assert_eq!(area("jiff::tz"), "jiff::tz");
    }
}
