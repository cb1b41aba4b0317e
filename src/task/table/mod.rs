//! The table of native tasks, a room for each family.
//!
//! What stands here is all that is said of them: `loom check` and the worker take the parameters
//! from it, `loom tasks` and the page of the documentation their texts.

mod fabric;
mod loom;
mod system;

use super::{Call, Default, Form, Kind, Param, Problem, Task};

pub static TASKS: &[Task] = &[
    loom::RUN,
    loom::SCRIPT,
    fabric::RUN,
    fabric::SUDO,
    fabric::LOCAL,
    fabric::PUT,
    fabric::GET,
    fabric::REBOOT,
    system::GETHOSTIP,
    system::RUN_DAEMON_CMD,
    system::MOUNT,
    system::UNMOUNT,
    system::ADD_SSHFS_MOUNT,
];

const fn positional(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Param {
    Param { name, kind, default, doc, form: Form::Positional }
}

const fn keyword(name: &'static str, kind: Kind, default: Default, doc: &'static str) -> Param {
    Param { name, kind, default, doc, form: Form::Keyword }
}

const BECOME: Param = keyword("become", Kind::Flag, Default::Flag(false), "runs it through sudo");

fn no_rule(_: &Call) -> Result<(), Problem> {
    Ok(())
}
