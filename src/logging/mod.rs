//! The log: what env_logger lets through (`RUST_LOG`, by default `info`), an event a line, to a
//! rotating file, to stdout or to syslog.
//!
//! Set up once for the process. A log that cannot be written is no reason to stop: lines are
//! dropped, counted, and the count is logged when writing works again.

mod file;
mod line;
mod syslog;

use std::io::{self, Write};
use std::panic;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use env_logger::{Builder, Target};
use log::{LevelFilter, error};
use nix::unistd::{Gid, Uid};

pub use file::{KEEP, LogFile, MAX_BYTES};
pub use line::{Escaped, area};
use syslog::Syslog;

/// Where the log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    Stdout,
    File(PathBuf),
    /// The tag is what each line begins with, usually `loom`.
    Syslog {
        tag: String,
    },
}

static FILE: OnceLock<Shared> = OnceLock::new();

/// Opens the sink and makes it the process's log; panics are logged from then on.
///
/// # Errors
/// The sink cannot be opened. A second call fails with `AlreadyExists`.
pub fn init(sink: &Sink) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info).parse_default_env();
    match sink {
        Sink::Stdout => {
            builder.target(Target::Stdout).format(line::write);
        }
        Sink::File(path) => {
            let file = FILE.get_or_init(|| Shared(Arc::default()));
            *file.get() = Some(LogFile::open(path)?);
            builder.target(Target::Pipe(Box::new(file.clone()))).format(line::write);
        }
        Sink::Syslog { tag } => {
            let writer = Syslog::connect(syslog::SOCKET)?;
            let tag = tag.clone();
            builder
                .target(Target::Pipe(Box::new(writer)))
                .format(move |out, record| syslog::write(out, &tag, record));
        }
    }
    builder.try_init().map_err(|e| io::Error::new(io::ErrorKind::AlreadyExists, e))?;
    panic::set_hook(Box::new(|info| error!("{info}")));
    Ok(())
}

/// Begins a new log file, keeping the old one as `.1`; reopens the path if somebody else has
/// moved the file away. Nothing to do for the other sinks.
pub fn rotate() {
    if let Some(file) = FILE.get()
        && let Some(file) = file.get().as_mut()
    {
        file.rotate();
    }
}

/// For a daemon that is about to become that user.
pub fn hand_over(uid: Uid, gid: Gid) -> io::Result<()> {
    match FILE.get().map(Shared::get) {
        Some(mut file) => file.as_mut().map_or(Ok(()), |file| file.hand_over(uid, gid)),
        None => Ok(()),
    }
}

/// The one file, known to env_logger and to [`rotate`].
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Option<LogFile>>>);

impl Shared {
    fn get(&self) -> MutexGuard<'_, Option<LogFile>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// env_logger hands over a whole line at a time.
impl Write for Shared {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(file) = self.get().as_mut() {
            file.line(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
