//! The executables of our children, found beside our own.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Opened once: replacing the file beneath a running daemon cannot mix two versions.
#[derive(Debug)]
pub struct Executable {
    name: &'static str,
    file: File,
}

impl Executable {
    /// Looks beside our own executable, then in `../lib/loom` and `../libexec/loom`.
    pub fn find(name: &'static str) -> io::Result<Executable> {
        let own = std::env::current_exe()?;
        let dir = own.parent().unwrap_or(Path::new("/"));
        let places = ["", "../lib/loom", "../libexec/loom"].map(|p| dir.join(p).join(name));
        for place in &places {
            match File::open(place) {
                Ok(file) => return Ok(Executable { name, file }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(io::Error::new(e.kind(), format!("{}: {e}", place.display())));
                }
            }
        }
        let places: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{name} is in none of {}", places.join(", ")),
        ))
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        // A child is not this daemon and must not report for it.
        command.arg0(self.name).env_remove("NOTIFY_SOCKET");
        command
    }
}
