//! The log: what env_logger lets through (`RUST_LOG`, by default `info`), an event a line, as text
//! or as JSON, to a rotating file, to stdout or to syslog.
//!
//! Set up once for the process. A log that cannot be written is no reason to stop or to wait:
//! lines are dropped, counted, and the count is logged when writing works again.

mod escape;
mod fields;
mod file;
mod line;
pub mod printed;
mod stdout;
mod syslog;

use std::io::{self, Write};
use std::panic;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use env_logger::{Builder, Target};
use log::{LevelFilter, error};
use nix::unistd::{Gid, Uid};

pub use escape::{Escaped, is_invisible};
pub use fields::seconds;
pub use file::{KEEP, LogFile, MAX_BYTES};
pub use line::{Format, area, set_format};
use stdout::Stdout;
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

static LOG: OnceLock<Mutex<Output>> = OnceLock::new();

#[derive(Debug)]
enum Output {
    Stdout(Stdout),
    File(LogFile),
    Syslog(Syslog),
}

/// Opens the sink and makes it the process's log; panics are logged from then on.
///
/// # Errors
/// The sink cannot be opened. A second call fails with `AlreadyExists`.
pub fn init(sink: &Sink) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info).parse_default_env();
    let output = match sink {
        Sink::Stdout => Output::Stdout(Stdout::open()?),
        Sink::File(path) => Output::File(LogFile::open(path)?),
        Sink::Syslog { tag } => Output::Syslog(Syslog::connect(syslog::SOCKET, tag)?),
    };
    match sink {
        Sink::Stdout | Sink::File(_) => builder.format(line::write),
        Sink::Syslog { tag } => {
            let tag = tag.clone();
            builder.format(move |out, record| syslog::write(out, &tag, record))
        }
    };
    let again = || io::Error::from(io::ErrorKind::AlreadyExists);
    LOG.set(Mutex::new(output)).map_err(|_| again())?;
    builder.target(Target::Pipe(Box::new(Door))).try_init().map_err(|_| again())?;
    panic::set_hook(Box::new(|info| error!("{info}")));
    Ok(())
}

/// Begins a new log file, keeping the old one as `.1`; reopens the path if somebody else has
/// moved the file away. Nothing to do for the other sinks.
pub fn rotate() {
    match output().as_deref_mut() {
        Some(Output::File(file)) => file.rotate(),
        Some(Output::Stdout(_) | Output::Syslog(_)) | None => {}
    }
}

/// For a daemon that is about to become that user.
pub fn hand_over(uid: Uid, gid: Gid) -> io::Result<()> {
    match output().as_deref_mut() {
        Some(Output::File(file)) => file.hand_over(uid, gid),
        Some(Output::Stdout(_) | Output::Syslog(_)) | None => Ok(()),
    }
}

/// Goes on writing what stdout has not taken so far; never waits. To be called now and then.
pub fn flush() {
    match output().as_deref_mut() {
        Some(Output::Stdout(stdout)) => stdout.flush(),
        Some(Output::File(_) | Output::Syslog(_)) | None => {}
    }
}

/// At the end of the process: gives whoever reads stdout a second for what is left.
pub fn finish() {
    match output().as_deref_mut() {
        Some(Output::Stdout(stdout)) => stdout.finish(Duration::from_secs(1)),
        Some(Output::File(_) | Output::Syslog(_)) | None => {}
    }
}

fn output() -> Option<MutexGuard<'static, Output>> {
    LOG.get().map(|output| output.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Through it env_logger hands over a whole event at a time.
#[derive(Debug)]
struct Door;

impl Write for Door {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        match output().as_deref_mut() {
            Some(Output::Stdout(stdout)) => stdout.line(event),
            Some(Output::File(file)) => file.line(event),
            Some(Output::Syslog(syslog)) => syslog.event(event),
            None => {}
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
