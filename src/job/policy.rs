//! The rules a job sets for its runs: overlap, shares, retries, missed work. Values only; what
//! follows from them is decided in `run`, `dispatch` and `timetable`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::unit::Outcome;

/// What happens when a job comes due on a node where it still runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overlap {
    /// The node is left out, which the ledger says.
    #[default]
    Skip,
    /// One waits; a further one is left out.
    Queue,
    /// They run beside each other.
    Allow,
}

impl Overlap {
    pub const ALL: [Overlap; 3] = [Overlap::Skip, Overlap::Queue, Overlap::Allow];

    /// As written in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Overlap::Skip => "skip",
            Overlap::Queue => "queue",
            Overlap::Allow => "allow",
        }
    }
}

/// What happens to instants that passed while no daemon ran.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missed {
    #[default]
    Skip,
    /// The latest is made up for, if it lies within the job's deadline.
    Once,
}

impl Missed {
    pub const ALL: [Missed; 2] = [Missed::Skip, Missed::Once];

    /// As written in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Missed::Skip => "skip",
            Missed::Once => "once",
        }
    }
}

/// A number of units, or a part of a run's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Share {
    /// 1 or more.
    Count(u32),
    /// 1 to 100.
    Percent(u8),
}

impl Share {
    /// Of `total`, rounded up: how many must succeed. At most `total`.
    pub fn at_least(self, total: usize) -> usize {
        match self {
            Share::Count(count) => (count as usize).min(total),
            Share::Percent(percent) => (total * usize::from(percent)).div_ceil(100),
        }
    }

    /// Of `total`, rounded down but 1 at least: how many may run at once.
    pub fn at_most(self, total: usize) -> usize {
        match self {
            Share::Count(count) => count as usize,
            Share::Percent(percent) => total * usize::from(percent) / 100,
        }
        .max(1)
    }
}

/// What a text should be that is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoShare(pub &'static str);

/// `2`, or `50%`.
impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Share, NoShare> {
        let text = text.trim();
        let (digits, is_percentage) = match text.strip_suffix('%') {
            Some(digits) => (digits.trim_end(), true),
            None => (text, false),
        };
        let is_whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number: Option<u64> = digits.parse().ok().filter(|_| is_whole);
        Err(NoShare(match number {
            Some(percent @ 1..=100) if is_percentage => return Ok(Share::Percent(percent as u8)),
            Some(_) if is_percentage => "a percentage from 1% to 100%",
            Some(count) => match u32::try_from(count) {
                Ok(1..) => return Ok(Share::Count(count as u32)),
                Ok(0) => "a count of 1 or more",
                Err(_) => "a count of targets",
            },
            None => "a whole number like 2 or a whole percentage like 50%",
        }))
    }
}

/// As written in a manifest.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Count(count) => write!(f, "{count}"),
            Share::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// The most steps of one `parallel`.
pub const MAX_STEPS: usize = 20;

/// How many units of a run may be under way at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parallel {
    /// At least one. Before the last, so many units begin and end, and the next step comes only if
    /// the constraint holds for all that have ended; with the last, as many as are left go on in a
    /// sliding window.
    pub steps: Vec<Share>,
}

impl Parallel {
    /// Units at once, step by step, each 1 or more.
    pub fn at_once(&self, total: usize) -> Vec<usize> {
        self.steps.iter().map(|share| share.at_most(total)).collect()
    }
}

impl From<Share> for Parallel {
    fn from(share: Share) -> Parallel {
        Parallel { steps: vec![share] }
    }
}

/// As written in a manifest.
impl fmt::Display for Parallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [share] = self.steps[..] {
            return share.fmt(f);
        }
        let steps: Vec<String> = self.steps.iter().map(Share::to_string).collect();
        write!(f, "[{}]", steps.join(", "))
    }
}

/// Outcomes after which a unit may be tried again. What was lost may still be running: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RetryOn {
    Unreachable,
    Failed,
    Signaled,
    TimedOut,
    Crashed,
}

impl RetryOn {
    pub const ALL: [RetryOn; 5] = [
        RetryOn::Unreachable,
        RetryOn::Failed,
        RetryOn::Signaled,
        RetryOn::TimedOut,
        RetryOn::Crashed,
    ];

    /// As written in a manifest; the outcome's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            RetryOn::Unreachable => "unreachable",
            RetryOn::Failed => "failed",
            RetryOn::Signaled => "signaled",
            RetryOn::TimedOut => "timed out",
            RetryOn::Crashed => "crashed",
        }
    }

    pub fn of(outcome: &Outcome) -> Option<RetryOn> {
        match outcome {
            Outcome::Unreachable => Some(RetryOn::Unreachable),
            Outcome::Failed { .. } => Some(RetryOn::Failed),
            Outcome::Signaled { .. } => Some(RetryOn::Signaled),
            Outcome::TimedOut { .. } => Some(RetryOn::TimedOut),
            Outcome::Crashed => Some(RetryOn::Crashed),
            Outcome::Succeeded
            | Outcome::Cancelled { .. }
            | Outcome::Lost
            | Outcome::Skipped { .. } => None,
        }
    }
}

/// The most attempts on one node.
pub const MAX_ATTEMPTS: u32 = 100;

/// How often, and how soon, a unit is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    /// In all, the first included; 1 or more.
    pub attempts: u32,
    /// Before the second attempt.
    pub delay: Duration,
    /// What each further delay is multiplied by; 1 or more.
    pub backoff: f64,
    /// Up to this part of a delay is added or taken away, 0 to 100 percent.
    pub jitter: u8,
    pub on: BTreeSet<RetryOn>,
}

/// However often it is multiplied, a delay is not longer.
pub const MAX_DELAY: Duration = Duration::from_secs(3600);

impl Default for Retries {
    fn default() -> Retries {
        Retries {
            attempts: 1,
            delay: Duration::from_secs(10),
            backoff: 2.0,
            jitter: 10,
            on: BTreeSet::from([RetryOn::Unreachable]),
        }
    }
}
