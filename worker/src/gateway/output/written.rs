//! Output that a real writer has written, for the tests: so the formats cannot drift apart.

use std::io;
use std::path::PathBuf;

use loom::protocol::message::{self, Sink, output_file};
use loom::unit::UnitId;
use tempfile::TempDir;

use super::{Kept, OutputDir};
use crate::output::Output;

pub const UNIT: UnitId = UnitId(7);

pub struct Written {
    pub dir: TempDir,
    /// As the unit's row has it.
    pub report: message::Output,
}

pub fn written(max_bytes: u64, write: impl FnOnce(&mut Output)) -> Written {
    let dir = TempDir::new().unwrap();
    let mut output = Output::new(sink(&dir, max_bytes));
    write(&mut output);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (report, troubles) = runtime.block_on(output.finish(std::future::pending()));
    assert!(troubles.is_empty(), "{troubles:?}");
    Written { dir, report }
}

pub fn sink(dir: &TempDir, max_bytes: u64) -> Sink {
    Sink { file: dir.path().join(output_file(UNIT)), max_bytes, log: None, echo: None }
}

impl Written {
    pub fn output(&self) -> OutputDir {
        OutputDir::new(self.dir.path())
    }

    pub fn file(&self, suffix: &str) -> PathBuf {
        self.dir.path().join(format!("{}{suffix}", output_file(UNIT).display()))
    }

    pub fn open(&self) -> io::Result<Option<Kept>> {
        Kept::open(&self.output(), UNIT, Some(&self.report))
    }

    pub fn kept(&self) -> Kept {
        self.open().unwrap().expect("something is kept")
    }
}
