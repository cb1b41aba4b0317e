//! A process's output as it comes: kept line by line, and waited on.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

/// A handle on the lines read so far; clones share them.
#[derive(Clone, Default)]
pub struct Log {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

impl Log {
    /// Reads `from` to its end on a thread of its own.
    pub fn follow(from: impl Read + Send + 'static) -> Log {
        let log = Log::default();
        let writer = log.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
                writer.push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
            writer.end();
        });
        log
    }

    fn push(&self, line: String) {
        self.shared.0.lock().unwrap().lines.push(line);
        self.shared.1.notify_all();
    }

    fn end(&self) {
        self.shared.0.lock().unwrap().ended = true;
        self.shared.1.notify_all();
    }

    /// How many lines there are now: where to look from, for what comes after.
    pub fn mark(&self) -> usize {
        self.shared.0.lock().unwrap().lines.len()
    }

    pub fn lines(&self) -> Vec<String> {
        self.shared.0.lock().unwrap().lines.clone()
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// The first line at or after `mark` that satisfies `wanted`; `None` when the time or the
    /// log is over without one.
    pub fn find(
        &self,
        mark: usize,
        within: Duration,
        mut wanted: impl FnMut(&str) -> bool,
    ) -> Option<String> {
        let end = Instant::now() + within;
        let mut seen = mark;
        let mut state = self.shared.0.lock().unwrap();
        loop {
            if let Some(line) = state.lines.iter().skip(seen).find(|line| wanted(line)) {
                return Some(line.clone());
            }
            seen = seen.max(state.lines.len());
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The first line that contains `part`, from the beginning; panics with the whole log.
    pub fn wait_for(&self, part: &str, within: Duration) -> String {
        self.wait_after(0, part, within)
    }

    /// The first line at or after `mark` that contains `part`; panics with the whole log.
    pub fn wait_after(&self, mark: usize, part: &str, within: Duration) -> String {
        match self.find(mark, within, |line| line.contains(part)) {
            Some(line) => line,
            None => panic!("no line with {part:?} after line {mark} of:\n{}", self.text()),
        }
    }
}
