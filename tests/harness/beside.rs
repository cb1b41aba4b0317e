//! The executable with other children beside it than the real ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::Site;
use super::site::loom_executable;

/// `loom` with another worker beside it.
pub struct Beside {
    dir: TempDir,
}

impl Beside {
    /// No worker at all. A link: a copy of the executable takes its time.
    pub fn nothing() -> Beside {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::hard_link(loom_executable(), dir.path().join("loom")).unwrap();
        Beside { dir }
    }

    pub fn the_real_one() -> Beside {
        let beside = Beside::nothing();
        fs::hard_link(loom_executable().with_file_name("loom-worker"), beside.worker()).unwrap();
        beside
    }

    /// A shell in place of the worker: it is run through a descriptor that it does not inherit,
    /// so that a script cannot stand there.
    pub fn a_shell() -> Beside {
        let beside = Beside::nothing();
        fs::copy("/bin/bash", beside.worker()).unwrap();
        beside
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn worker(&self) -> PathBuf {
        self.dir.path().join("loom-worker")
    }

    /// The real worker, and this executable in place of the gateway.
    pub fn with_gateway(executable: &str) -> Beside {
        let beside = Beside::the_real_one();
        fs::copy(executable, beside.dir.path().join("loom-gateway")).unwrap();
        beside
    }

    pub fn loom(&self, site: &Site) -> Command {
        site.adapt(Command::new(self.dir.path().join("loom")), &["-n"])
    }

    /// [`Beside::loom`] whose workers do what the script says, with their orders on descriptor
    /// 3 and the daemon's ear on 4.
    pub fn scripted(&self, site: &Site, script: &str) -> Command {
        let file = self.dir.path().join("script");
        fs::write(&file, script).unwrap();
        let mut loom = self.loom(site);
        // A shell without arguments reads this first.
        loom.env("BASH_ENV", &file);
        loom
    }
}
