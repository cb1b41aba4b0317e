//! The log to the local syslog: one datagram an event, never waiting for it.
//!
//! Not libc's syslog(), which blocks while the syslog daemon does.

use std::io::{self, ErrorKind, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;

use env_logger::fmt::Formatter;
use jiff::Zoned;
use log::{Level, Record};

use super::line::Event;

pub const SOCKET: &str = "/dev/log";
/// Facility `daemon`.
const DAEMON: u8 = 3 << 3;

pub fn write(out: &mut Formatter, tag: &str, record: &Record) -> io::Result<()> {
    out.write_all(datagram(tag, &Event::of(record)).as_bytes())
}

/// As syslog daemons have always read it: `<30>Nov 20 07:01:00 loom[4711]: area: message`, or an
/// object of JSON behind the tag.
fn datagram(tag: &str, event: &Event) -> String {
    let now = Zoned::now();
    format!(
        "<{}>{} {tag}[{}]: {}",
        DAEMON | severity(event.level),
        now.strftime("%b %e %H:%M:%S"),
        process::id(),
        event.body(&now)
    )
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[derive(Debug)]
pub struct Syslog {
    path: PathBuf,
    tag: String,
    socket: UnixDatagram,
    lost: u64,
}

impl Syslog {
    pub fn connect(path: impl AsRef<Path>, tag: &str) -> io::Result<Syslog> {
        let (path, tag) = (path.as_ref().to_owned(), tag.to_owned());
        let socket = connect(&path)
            .map_err(|e| io::Error::new(e.kind(), format!("syslog at {}: {e}", path.display())))?;
        Ok(Syslog { path, tag, socket, lost: 0 })
    }

    /// Sends one event, or counts it as lost.
    pub fn event(&mut self, event: &[u8]) {
        if self.make_up_for_lost_events().is_err() || self.send(event).is_err() {
            self.lost += 1;
        }
    }

    /// A syslog daemon that was restarted has a new socket behind the same name.
    fn send(&mut self, event: &[u8]) -> io::Result<()> {
        match self.socket.send(event) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => {
                self.socket = connect(&self.path)?;
                self.socket.send(event)?;
            }
            other => drop(other?),
        }
        Ok(())
    }

    fn make_up_for_lost_events(&mut self) -> io::Result<()> {
        if self.lost > 0 {
            let note = Event::note(format!("{} log lines were lost", self.lost));
            let note = datagram(&self.tag, &note);
            self.send(note.as_bytes())?;
            self.lost = 0;
        }
        Ok(())
    }
}

fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn next(from: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let n = from.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    #[test]
    fn a_restarted_syslog_is_found_again_and_told_what_it_missed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let listen = || UnixDatagram::bind(&path).unwrap();
        let first = listen();
        let mut syslog = Syslog::connect(&path, "l2").unwrap();
        syslog.event(b"<30>one");
        assert_eq!(next(&first), "<30>one");
        drop(first);
        fs::remove_file(&path).unwrap();
        syslog.event(b"<30>two");
        let second = listen();
        syslog.event(b"<30>three");
        let note = next(&second);
        assert!(note.starts_with("<28>") && note.contains(" l2["), "{note}");
        assert!(note.ends_with("]: logging: 1 log lines were lost"), "{note}");
        assert_eq!(next(&second), "<30>three");
    }

    #[test]
    fn a_syslog_that_does_not_read_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _listener = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::connect(&path, "l2").unwrap();
        for _ in 0..10_000 {
            syslog.event(&[b'x'; 1000]);
        }
        assert!(syslog.lost > 0);
    }
}
