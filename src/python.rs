//! How a job's Python task is run: by which interpreter, with which modules, on whose Fabric.
//!
//! Every job has these settings; a native task does without them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::password::Password;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Python {
    /// A path, or a name that is looked up in PATH.
    pub interpreter: String,
    /// Directories whose modules can be imported, in this order; absolute.
    pub path: Vec<PathBuf>,
    pub bridge: Bridge,
    /// What a task's `prompt()` and `confirm()` are answered with, by their text.
    pub answers: Vec<(String, Password)>,
}

/// Whose `fabric` a task imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bridge {
    /// Ours, which works over the unit's own ssh master.
    Loom,
    /// The one that is installed beside the interpreter, with connections of its own.
    FabClassic,
}

/// The interpreter, unless the configuration names another.
const INTERPRETER: &str = "python3";

impl Python {
    /// With modules from these directories, and nothing else said.
    pub fn new(path: Vec<PathBuf>) -> Python {
        let answers = Vec::new();
        Python { interpreter: INTERPRETER.into(), path, bridge: Bridge::Loom, answers }
    }
}

impl Bridge {
    pub const ALL: [Bridge; 2] = [Bridge::Loom, Bridge::FabClassic];

    /// As it is written in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Bridge::Loom => "loom",
            Bridge::FabClassic => "fab-classic",
        }
    }
}
