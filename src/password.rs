//! Where a password comes from, and the one function that fetches it.
//!
//! A configuration holds sources, not passwords (but for literals, which are masked wherever
//! they could be printed). The process that needs the password resolves the source itself: the
//! askpass helper for a login, the worker for sudo. The scheduler never waits for a command.

use std::fmt;
use std::path::PathBuf;

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
