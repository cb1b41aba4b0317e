//! What a job wants to have told, and to whom. Values only: `crate::hook` decides and
//! `daemon::hooks` acts.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Occasion {
    /// The first unit of a run has begun.
    Start,
    Success,
    /// The run failed or was lost. One that was cancelled, by a person or by the daemon's own
    /// stop, is an occasion for nothing.
    Failure,
    /// A success after a failure, besides `Success`.
    Recovery,
    /// Due instants were not run, whatever the reason but `disabled` and `paused`.
    Missed,
    /// A run has not begun a minute after it was due.
    Late,
    /// A run found nodes unreachable, to the last of its attempts.
    Unreachable,
}

impl Occasion {
    pub const ALL: [Occasion; 7] = [
        Occasion::Start,
        Occasion::Success,
        Occasion::Failure,
        Occasion::Recovery,
        Occasion::Missed,
        Occasion::Late,
        Occasion::Unreachable,
    ];

    /// The key in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::Start => "on_start",
            Occasion::Success => "on_success",
            Occasion::Failure => "on_failure",
            Occasion::Recovery => "on_recovery",
            Occasion::Missed => "on_missed",
            Occasion::Late => "on_late",
            Occasion::Unreachable => "on_unreachable",
        }
    }
}

/// By occasion, in the order written.
pub type Hooks = BTreeMap<Occasion, Vec<Hook>>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hook {
    pub action: Action,
    /// Whether the job's args and kwargs are told, too; they may hold secrets.
    pub arguments: bool,
    pub timeout: Duration,
}

pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Run by /bin/sh on this machine, with the JSON on its stdin.
    Command(String),
    /// The JSON is posted there.
    Webhook(Url),
    /// Through sendmail, as cron does.
    Mail(String),
}

/// A URL that may carry a token: only its scheme and host are ever shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url(pub String);

impl Url {
    /// `https://host/…`
    pub fn shown(&self) -> String {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("", &self.0));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        format!("{scheme}://{host}/…")
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}
