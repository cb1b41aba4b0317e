//! What a test injects, for the table that `make faults` prints.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

/// All faults there are, in the table's order.
const FAULTS: &str = include_str!("../faults/faults.txt");

/// Lives as long as its test, and reports at its end how that went.
pub struct Fault {
    name: &'static str,
    since: Instant,
    skipped: bool,
}

impl Fault {
    /// `name`: a line of `faults.txt`. Several tests may share one.
    #[must_use = "it reports when it is dropped"]
    pub fn new(name: &'static str) -> Fault {
        assert!(FAULTS.lines().any(|line| line == name), "{name:?} is not in faults.txt");
        Fault { name, since: Instant::now(), skipped: false }
    }

    /// It cannot be injected on this machine. The caller returns.
    pub fn skip(mut self, reason: &str) {
        self.skipped = true;
        super::skip::skip(self.name, reason);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        let result = match (std::thread::panicking(), self.skipped) {
            (true, _) => "FAILED",
            (false, true) => "skipped",
            (false, false) => "held",
        };
        let Some(file) = std::env::var_os("LOOM_FAULTS") else { return };
        let line = format!("{result}\t{:.1}\t{}\n", self.since.elapsed().as_secs_f64(), self.name);
        let file = OpenOptions::new().create(true).append(true).open(file);
        let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
        // No panic in a panic.
        written.unwrap_or_else(|e| eprintln!("LOOM_FAULTS: {e}: {line}"));
    }
}
