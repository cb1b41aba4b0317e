//! Tasks, each on a real node: the native ones, and what an interpreter asks for.

mod fabric;
mod files;
mod hostile;
mod local;
mod python;
mod system;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use loom::arg::Arg;
use loom::password::Password;
use loom::protocol::message::{Report, UnitOrder};
use tempfile::TempDir;

use crate::rig::{Rig, Worker, current_user};

const PASSWORD: &str = "let me in";

/// A login shell reads its user's profile, which is nothing to rely on: on a developer's machine
/// it talks, and waits for locks.
const LOGIN: &str = "SetEnv HOME=/nonexistent";

fn login_rig() -> Rig {
    Rig::new(&current_user(), LOGIN)
}

fn text(text: &str) -> Arg {
    Arg::Str(text.into())
}

fn order(rig: &Rig, task: &str, args: &[&str], kwargs: &[(&str, Arg)]) -> UnitOrder {
    let kwargs = kwargs.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    UnitOrder { kwargs: kwargs.collect(), ..rig.order(task, args) }
}

/// By a worker of its own.
fn run(rig: &Rig, task: &str, args: &[&str], kwargs: &[(&str, Arg)]) -> Report {
    Worker::start().run(order(rig, task, args, kwargs))
}

fn with_password(password: &str, order: UnitOrder) -> UnitOrder {
    UnitOrder { password: Some(Password::Literal(password.into())), ..order }
}

/// A node whose sudo asks for [`PASSWORD`] each time and gives nobody other rights.
struct Asking {
    rig: Rig,
    bin: TempDir,
}

impl Asking {
    fn new() -> Asking {
        let bin = tempfile::Builder::new().prefix("loom-sudo").tempdir().unwrap();
        let sudo = bin.path().join("sudo");
        fs::write(&sudo, stand_in(&bin.path().join("options").display().to_string())).unwrap();
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{LOGIN} PATH={}:/usr/bin:/bin", bin.path().display());
        Asking { rig: Rig::new(&current_user(), &path), bin }
    }

    /// What it was called with, but for the prompt: a line for each call.
    fn options(&self) -> String {
        fs::read_to_string(self.bin.path().join("options")).unwrap_or_default()
    }
}

fn stand_in(options: &str) -> String {
    format!(
        r#"#!/bin/sh
options=
while [ "$1" != -- ]; do
    if [ "$1" = -p ]; then
        prompt=$2
        shift
    else
        options="$options $1"
    fi
    shift
done
shift
echo "$options" >>'{options}'
printf %s "$prompt" >&2
read -r given
[ "$given" = '{PASSWORD}' ] || {{ echo 'Sorry, try again.' >&2; exit 1; }}
exec "$@"
"#
    )
}
