//! The private directory for sockets: control sockets of the masters, and the askpass socket.
//!
//! Paths stay short, since a socket's may not exceed 107 bytes. A daemon's directory is named
//! after its state directory, whose lock it holds: what is in it from before is a dead one's.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{geteuid, getpid};

use crate::sys::dirs;

/// Removed, with all in it, when dropped.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
}

impl RuntimeDir {
    /// For the daemon that owns this state directory.
    pub fn of_daemon(statedir: &Path) -> io::Result<RuntimeDir> {
        let mut hasher = DefaultHasher::new();
        statedir.hash(&mut hasher);
        RuntimeDir::make(format!("{:08x}", hasher.finish() as u32))
    }

    /// For one `loom once`.
    pub fn of_process() -> io::Result<RuntimeDir> {
        RuntimeDir::make(format!("once-{}", getpid()))
    }

    fn make(name: String) -> io::Result<RuntimeDir> {
        let base = base();
        dirs::private(&base)?;
        let path = base.join(name);
        match fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
        dirs::private(&path)?;
        Ok(RuntimeDir { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RuntimeDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// systemd's `RuntimeDirectory=`, else /run/loom for root, else below `XDG_RUNTIME_DIR`.
fn base() -> PathBuf {
    let given = |name| std::env::var_os(name).filter(|v: &std::ffi::OsString| !v.is_empty());
    if let Some(list) = given("RUNTIME_DIRECTORY") {
        return std::env::split_paths(&list).next().unwrap_or_default();
    }
    let uid = geteuid();
    if uid.is_root() {
        return PathBuf::from("/run/loom");
    }
    match given("XDG_RUNTIME_DIR") {
        Some(dir) => Path::new(&dir).join("loom"),
        None => std::env::temp_dir().join(format!("loom-{uid}")),
    }
}
