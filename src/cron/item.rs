//! One item of a field's list: what is refused, and what to write instead.

use std::fmt::{self, Write};
use std::ops::Range;

/// What a field may hold.
pub(super) struct Field {
    pub name: &'static str,
    min: u32,
    max: u32,
    /// The first stands for `min`.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

pub(super) const FIELDS: [Field; 5] = [
    Field { name: "minute", min: 0, max: 59, names: &[] },
    Field { name: "hour", min: 0, max: 23, names: &[] },
    Field { name: "day of month", min: 1, max: 31, names: &[] },
    Field { name: "month", min: 1, max: 12, names: &MONTHS },
    Field { name: "weekday", min: 0, max: 7, names: &WEEKDAYS },
];

impl Field {
    pub fn is_weekday(&self) -> bool {
        self.max == 7
    }

    /// What may stand here, for a message.
    fn values(&self) -> String {
        let numbers = format!("{}-{}", self.min, self.max);
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!("{numbers} or {first}-{last}"),
            _ => numbers,
        }
    }

    /// A value as the user writes values: as a name if they used one.
    fn write(&self, number: u32, named: bool) -> String {
        match named {
            true => self.names[(number - self.min) as usize % self.names.len()].to_string(),
            false => number.to_string(),
        }
    }

    fn write_range(&self, first: u32, last: u32, named: bool) -> String {
        match first == last {
            true => self.write(first, named),
            false => format!("{}-{}", self.write(first, named), self.write(last, named)),
        }
    }
}

/// Why an item is refused; the span counts from the item's start.
pub(super) struct Refusal {
    pub message: String,
    pub span: Range<usize>,
}

/// Appends the item to `plain`, its names as numbers and the weekday's `*` as `0-6`; or says why
/// not.
pub(super) fn check(field: &Field, item: &str, plain: &mut String) -> Result<(), Refusal> {
    if item.is_empty() {
        let message = "a value is missing; a list is written like 1,2,3".to_string();
        return Err(Refusal { message, span: 0..0 });
    }
    let mut reader = Reader { field, item, at: 0 };
    if reader.take('*') {
        plain.push_str(if field.is_weekday() { "0-6" } else { "*" });
    } else {
        let start = reader.value()?;
        let end = if reader.take('-') { Some(reader.value()?) } else { None };
        match end {
            None if reader.rest().starts_with('/') => return Err(reader.step_without_range(start)),
            None => append(plain, format_args!("{}", start.number)),
            Some(end) => {
                let last =
                    if end.is_named_sunday(field) && start.number != 0 { 7 } else { end.number };
                if start.number > last {
                    return Err(reader.backwards(start, last));
                }
                append(plain, format_args!("{}-{last}", start.number));
            }
        }
    }
    if reader.take('/') {
        let step = reader.step()?;
        append(plain, format_args!("/{step}"));
    }
    reader.end()
}

fn append(plain: &mut String, text: fmt::Arguments) {
    plain.write_fmt(text).expect("a string takes any text");
}

/// Text of the user's in a message: what would not print is escaped, what is long is cut.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[derive(Clone, Copy)]
struct Value {
    number: u32,
    named: bool,
}

impl Value {
    fn is_named_sunday(self, field: &Field) -> bool {
        field.is_weekday() && self.named && self.number == 0
    }
}

struct Reader<'a> {
    field: &'a Field,
    item: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.item[self.at..]
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len_utf8() } else { 0 };
        found
    }

    /// The longest run of such characters.
    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let run = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.at += run.len();
        run
    }

    fn value(&mut self) -> Result<Value, Refusal> {
        let start = self.at;
        let digits = self.run(|c| c.is_ascii_digit());
        if !digits.is_empty() {
            let number = digits.parse().unwrap_or(u32::MAX);
            return match (self.field.min..=self.field.max).contains(&number) {
                true => Ok(Value { number, named: false }),
                false => Err(self.outside(start, number)),
            };
        }
        let word = self.run(char::is_alphabetic);
        if word.is_empty() {
            return Err(self.no_value(start));
        }
        let names = self.field.names;
        match names.iter().position(|name| name.eq_ignore_ascii_case(word)) {
            Some(place) => Ok(Value { number: self.field.min + place as u32, named: true }),
            None => Err(self.unknown_name(start, word)),
        }
    }

    fn step(&mut self) -> Result<u32, Refusal> {
        let start = self.at;
        let digits = self.run(|c| c.is_ascii_digit());
        let most = self.field.max;
        match digits.parse::<u32>() {
            Ok(step) if (1..=most).contains(&step) => Ok(step),
            _ if digits.is_empty() => {
                let found = match self.rest() {
                    "" => String::new(),
                    rest => format!(", not `{}`", shown(rest)),
                };
                Err(self.refuse(start..self.item.len(), format!("a step is a number{found}")))
            }
            _ => {
                let message = format!("the step {} is not one of 1-{most}", shown(digits));
                Err(self.refuse(start..self.at, message))
            }
        }
    }

    /// Nothing may follow.
    fn end(&self) -> Result<(), Refusal> {
        let Some(stray) = self.rest().chars().next() else { return Ok(()) };
        let read = shown(&self.item[..self.at]);
        let fixed = |from: &str, to: &str| shown(&self.item.replacen(from, to, 1));
        let message = match stray {
            '-' if read.contains('-') => {
                format!("a range has two ends, but `{}` follows {read}", shown(self.rest()))
            }
            '/' => format!("a second step follows {read}"),
            ';' => format!("unexpected `;` after {read}; write {} instead", fixed(";", ",")),
            '0'..='9' if read == "*" => {
                format!("unexpected `{stray}` after *; write {} instead", fixed("*", "*/"))
            }
            '\u{2010}'..='\u{2015}' | '\u{2212}' => format!(
                "`{stray}` is a dash, not a hyphen; write {} instead",
                fixed(&stray.to_string(), "-")
            ),
            _ => match foreign(stray) {
                Some(why) => why.to_string(),
                None => format!("unexpected `{}` after {read}", shown(self.rest())),
            },
        };
        let span = if stray == '-' || stray == '/' || stray.is_alphanumeric() {
            self.at..self.item.len()
        } else {
            self.at..self.at + stray.len_utf8()
        };
        Err(self.refuse(span, message))
    }

    fn refuse(&self, span: Range<usize>, message: String) -> Refusal {
        Refusal { message, span }
    }

    fn outside(&self, start: usize, number: u32) -> Refusal {
        let hint = match (self.field.name, number) {
            ("minute", 60) => "; write 0 for the full hour",
            ("hour", 24) => "; write 0 for midnight",
            _ => "",
        };
        let written = &self.item[start..self.at];
        let message = format!("{} is not one of {}{hint}", shown(written), self.field.values());
        self.refuse(start..self.at, message)
    }

    fn no_value(&self, start: usize) -> Refusal {
        let Some(found) = self.rest().chars().next() else {
            let message = format!("a value is missing after {}", shown(self.item));
            return self.refuse(start..start, message);
        };
        let message = match foreign(found) {
            Some(why) => why.to_string(),
            None => {
                format!("expected {}, not `{}`", self.field.values(), shown(self.rest()))
            }
        };
        self.refuse(start..start + found.len_utf8(), message)
    }

    fn unknown_name(&self, start: usize, word: &str) -> Refusal {
        let lower = word.to_lowercase();
        let is_name = |word: &str| self.field.names.contains(&word);
        let quartz = match word {
            "L" | "W" | "H" | "LW" => word.chars().next().and_then(foreign),
            _ => lower.strip_suffix('l').filter(|name| is_name(name)).and(foreign('L')),
        };
        let start_of = self.field.names.iter().find(|name| lower.starts_with(**name));
        let near = || self.field.names.iter().find(|name| strsim::levenshtein(name, &lower) == 1);
        let message = match (quartz, start_of.or_else(near)) {
            (Some(why), _) => why.to_string(),
            (None, Some(name)) => format!("unknown name {}; write {name} instead", shown(word)),
            (None, None) => format!("{} is not one of {}", shown(word), self.field.values()),
        };
        self.refuse(start..self.at, message)
    }

    fn step_without_range(&self, start: Value) -> Refusal {
        let (first, last) = match start.number {
            0 | 7 if self.field.is_weekday() => (0, 6),
            number => (number, self.field.max),
        };
        let range = self.field.write_range(first, last, start.named);
        let message = format!(
            "a step needs a range or * before it; write {}{} instead",
            if first == last { format!("{range}-{range}") } else { range },
            shown(self.rest())
        );
        self.refuse(0..self.item.len(), message)
    }

    fn backwards(&self, start: Value, last: u32) -> Refusal {
        let field = self.field;
        let (first, named) = (start.number, start.named);
        let before = field.write_range(first, field.max, named);
        let parts = match (field.is_weekday(), first, last) {
            (true, 7, _) => vec![field.write_range(0, last, named)],
            (true, _, 0) => vec![before],
            (true, _, _) => vec![before, field.write_range(1, last, named)],
            (false, _, _) => vec![before, field.write_range(field.min, last, named)],
        };
        let ranges = parts.join(",");
        let instead = match self.rest().starts_with('/') {
            true => format!("write the values of {ranges} one by one"),
            false => format!("write {ranges} instead"),
        };
        let range = shown(&self.item[..self.at]);
        self.refuse(0..self.at, format!("the range {range} runs backwards; {instead}"))
    }
}

/// What other schedulers write and crontab(5) has no word for.
fn foreign(sign: char) -> Option<&'static str> {
    match sign {
        '?' => Some("`?` is not crontab's; write * instead"),
        'L' => Some(
            "`L` (the last) is not crontab's; write 28-31 or a week like 25-31 and let the task \
             look at the date",
        ),
        'W' => Some("`W` (the nearest working day) is not crontab's; write the days themselves"),
        '#' => Some(
            "`#` (the nth weekday) is not crontab's; write */7 as the weekday with the days 1-7 \
             for the first Sunday, or let the task look at the date",
        ),
        'H' => Some("`H` (a hash of the name) is not crontab's; write a number"),
        '~' => Some("`~` (a random value) is not crontab's; write a number"),
        _ => None,
    }
}
