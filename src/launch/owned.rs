//! State directory, pidfile and log, made so that the user the daemon runs as can go on with them.
//!
//! Where possible they are made as that user, who can then do no more than with hands of their
//! own. What takes root's rights is made by root and handed over, if it was root who asked for it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use anyhow::{Context, Result};

use crate::config::Settings;
use crate::logging::{self, Sink};
use crate::sys::dirs;
use crate::sys::pidfile::{Pidfile, PidfileError};
use crate::sys::privileges::Identity;

pub fn statedir(settings: &Settings, user: Option<&Identity>) -> Result<()> {
    let path = &settings.statedir;
    let Some(user) = user else { return dirs::private(path).context("state directory") };
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
    match user.as_user(|| dirs::private(path))? {
        Err(e) if is_denied(&e) && !missing.is_empty() && is_roots_word(&settings.file) => {
            dirs::private(path)?;
            for made in missing {
                chown(made, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
            }
            Ok(())
        }
        other => other.with_context(|| format!("state directory, as user {}", user.name())),
    }
}

pub fn pidfile(path: &Path, user: Option<&Identity>) -> Result<Pidfile> {
    let Some(user) = user else { return Ok(Pidfile::lock(path)?) };
    match user.as_user(|| Pidfile::lock(path))? {
        Err(PidfileError::Io { source, .. }) if is_denied(&source) => {
            let pidfile = Pidfile::lock(path)?;
            pidfile.hand_over(user.uid, user.gid)?;
            Ok(pidfile)
        }
        other => Ok(other?),
    }
}

pub fn log(sink: &Sink, user: Option<&Identity>) -> Result<()> {
    let Some(user) = user else { return Ok(logging::init(sink)?) };
    match user.as_user(|| logging::init(sink))? {
        Err(e) if is_denied(&e) => {
            logging::init(sink)?;
            Ok(logging::hand_over(user.uid, user.gid)?)
        }
        other => Ok(other?),
    }
}

fn is_denied(e: &io::Error) -> bool {
    e.kind() == ErrorKind::PermissionDenied
}

/// Else the user could have root make directories anywhere, by writing so into the file.
fn is_roots_word(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
}
