//! Where a password comes from, and the one function that fetches it.
//!
//! A configuration holds sources, not passwords (but for literals, which are masked wherever
//! they could be printed). The process that needs the password resolves the source itself: the
//! askpass helper for a login, the worker for sudo. The scheduler never waits for a command.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Clone, Deserialize, Serialize)]
pub enum Password {
    Literal(#[serde(serialize_with = "expose")] SecretString),
    /// The first line of this file.
    File(PathBuf),
    /// The first line this command prints; no shell is involved.
    Command(Vec<String>),
    /// The first line of this file in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// Frames between our own processes are the only place a secret is serialized to.
fn expose<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose_secret())
}

/// Longest first line that is taken for a password.
const LONGEST: u64 = 4096;

impl Password {
    /// Fetches the password. Blocks: a command runs until it ends, with our own stderr.
    pub fn resolve(&self) -> io::Result<SecretString> {
        match self {
            Password::Literal(secret) => Ok(secret.clone()),
            Password::File(path) => first_line_of(path),
            Password::Command(argv) => printed_by(argv),
            Password::Credential(name) => {
                let dir = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                    io::Error::other(format!(
                        "credential {name:?}: $CREDENTIALS_DIRECTORY is not set; \
                         was this daemon started by systemd with LoadCredential=?"
                    ))
                })?;
                first_line_of(&Path::new(&dir).join(name))
            }
        }
    }
}

fn first_line_of(path: &Path) -> io::Result<SecretString> {
    let say = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    first_line(File::open(path).map_err(say)?).map_err(say)
}

fn printed_by(argv: &[String]) -> io::Result<SecretString> {
    let (program, args) =
        argv.split_first().ok_or_else(|| io::Error::other("an empty password command"))?;
    let say = |e: io::Error| io::Error::new(e.kind(), format!("{program}: {e}"));
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(say)?;
    let line = first_line(child.stdout.take().expect("a pipe was asked for"));
    let status = child.wait().map_err(say)?;
    if !status.success() {
        return Err(io::Error::other(format!("{program}: {status}")));
    }
    line.map_err(say)
}

fn first_line(from: impl Read) -> io::Result<SecretString> {
    let mut line = String::new();
    BufReader::new(from.take(LONGEST)).read_line(&mut line)?;
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    if line.is_empty() {
        return Err(io::Error::other("its first line is empty"));
    }
    Ok(line.into())
}

/// Never shows a literal.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Password::Literal(_) => f.write_str("Literal(***)"),
            Password::File(path) => write!(f, "File({})", path.display()),
            Password::Command(argv) => write!(f, "Command({:?}, …)", argv.first()),
            Password::Credential(name) => write!(f, "Credential({name:?})"),
        }
    }
}

/// Two literals are equal when their text is; needed to see what a reload changed.
impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Password::Literal(a), Password::Literal(b)) => a.expose_secret() == b.expose_secret(),
            (Password::File(a), Password::File(b)) => a == b,
            (Password::Command(a), Password::Command(b)) => a == b,
            (Password::Credential(a), Password::Credential(b)) => a == b,
            (
                Password::Literal(_)
                | Password::File(_)
                | Password::Command(_)
                | Password::Credential(_),
                _,
            ) => false,
        }
    }
}
