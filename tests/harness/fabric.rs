//! The original that the Python bridge is compared with, where `make fabric` has put it.

use std::path::{Path, PathBuf};

/// Its interpreter, with fab-classic; nothing if it is not installed. Tests that need it skip.
pub fn python() -> Option<PathBuf> {
    let python = below("bin/python");
    python.exists().then_some(python)
}

/// The directories whose modules are fabtools and cuisine.
pub fn libraries() -> [PathBuf; 2] {
    ["libraries/fabtools-0.20.0", "libraries/cuisine-0.7.15/src"].map(below)
}

/// What a test that is skipped for want of it says.
pub const MISSING: &str = "fab-classic is not installed: run `make fabric`";

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fabric").join(path)
}
