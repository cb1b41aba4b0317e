//! What this process is to the kernel and to its descendants.

use std::io;

use nix::sys::prctl;

/// No core dump, no ptrace, no reading of /proc/PID/mem by others of the same user: for processes
/// that hold passwords.
pub fn undumpable() -> io::Result<()> {
    Ok(prctl::set_dumpable(false)?)
}
