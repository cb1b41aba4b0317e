//! What a subcommand shows: tables, times, colours; on a terminal, or for whoever reads a pipe.
//!
//! On a terminal tables are cut to its width, times are relative and outcomes have colours. In a
//! pipe nothing is cut, times are exact and nothing has colours. Text that comes from elsewhere is
//! escaped here, so that it can neither steer a terminal nor hide.

mod paint;
pub mod plan;
mod table;
mod time;

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use serde::Serialize;

pub use paint::{Paint, Tone};
pub use table::{Cell, Column, Table, cut};
pub use time::{ago, exact, lasted};

use crate::client::Failure;
pub use crate::config::diagnostic::escape;
use crate::config::folding::fold;

/// In place of what is not there.
pub const NOTHING: &str = "-";

/// Where stdout leads.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// The terminal's columns; `None` in a pipe.
    pub width: Option<usize>,
    pub paint: Paint,
    /// What times are relative to.
    pub now: Timestamp,
}

impl Screen {
    pub fn stdout() -> Screen {
        let width = io::stdout().is_terminal().then(|| {
            let size = terminal_size::terminal_size();
            size.map_or(80, |(terminal_size::Width(columns), _)| usize::from(columns))
        });
        Screen { width, paint: Paint::for_stdout(), now: Timestamp::now() }
    }

    /// A pipe, at that time.
    pub fn pipe(now: Timestamp) -> Screen {
        Screen { width: None, paint: Paint::never(), now }
    }

    pub fn is_terminal(&self) -> bool {
        self.width.is_some()
    }

    /// Relative on a terminal, else exact.
    pub fn when(&self, time: Timestamp) -> String {
        if self.is_terminal() { ago(self.now, time) } else { exact(time) }
    }

    pub fn maybe_when(&self, time: Option<Timestamp>) -> String {
        time.map_or_else(|| NOTHING.to_owned(), |time| self.when(time))
    }

    /// Both, where there is room: `2026-11-21T03:00:00+01:00, 3m ago`.
    pub fn when_in_full(&self, time: Timestamp) -> String {
        match self.is_terminal() {
            true => format!("{}, {}", exact(time), ago(self.now, time)),
            false => exact(time),
        }
    }
}

/// To stdout. Who does not want to read any more is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::odd(format!("stdout cannot be written: {e}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// To stdout, as JSON.
pub fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::odd(e.to_string()))?;
    print(&(text + "\n"))
}

/// A few names as they are written; many as a host set.
pub fn names(names: &[String], between: &str) -> String {
    const FEW: usize = 5;
    if names.len() > FEW { fold(names) } else { names.join(between) }
}

/// `1 job`, `2 jobs`.
pub fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
