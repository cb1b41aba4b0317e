//! The original that the Python bridge is compared with, where `make fabric` has put it.

use std::path::{Path, PathBuf};

/// Its interpreter, with fab-classic; nothing if it is not installed. Tests that need it skip.
pub fn python() -> Option<PathBuf> {
    let python = below("bin/python");
    python.exists().then_some(python)
}

/// What a test that is skipped for want of it says.
pub const MISSING: &str = "fab-classic is not installed: run `make fabric`";

/// What else is installed there.
pub fn below(path: &str) -> PathBuf {
    // Either package's tests look here.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.ancestors().find(|dir| dir.join("Cargo.lock").exists());
    workspace.unwrap_or(package).join("target/fabric").join(path)
}
