//! Why a daemon was not asked, or did not answer as was hoped.

use std::fmt;

use crate::api::problem::Problem;
use crate::config::diagnostic::escape;

/// What is shown is for a person: one sentence, escaped. Boxed, since it is rare.
#[derive(Debug)]
pub struct Failure(Box<Kind>);

#[derive(Debug)]
enum Kind {
    /// The daemon's own word.
    Problem(Problem),
    /// Nobody is there: the sentence, and the reason alone.
    Nobody(String, String),
    /// Whoever is there does not speak with us as a daemon does, or not in time.
    Unreachable(String),
    /// The connection was lost before the answer was complete.
    Lost(String),
    /// What was asked for makes no sense, or cannot be sent.
    Usage(String),
    /// A token is missing, or cannot be used.
    Refused(String),
    /// There is no such thing.
    Unknown(String),
    /// All else.
    Odd(String),
}

/// What kind of failure it is, as far as anybody has to act differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It was understood, and cannot be done or was not done.
    Failed,
    /// It makes no sense.
    Usage,
    /// Not by this person: role or token.
    Refused,
    /// There is no daemon, or none that answers.
    Unreachable,
    /// There is no such job, run, node or token.
    Unknown,
}

impl Failure {
    pub(super) fn nobody(text: String, why: String) -> Failure {
        Failure(Box::new(Kind::Nobody(text, why)))
    }

    pub fn unreachable(text: impl Into<String>) -> Failure {
        Failure(Box::new(Kind::Unreachable(text.into())))
    }

    pub fn lost(text: impl Into<String>) -> Failure {
        Failure(Box::new(Kind::Lost(text.into())))
    }

    pub fn usage(text: impl Into<String>) -> Failure {
        Failure(Box::new(Kind::Usage(text.into())))
    }

    pub fn refused(text: impl Into<String>) -> Failure {
        Failure(Box::new(Kind::Refused(text.into())))
    }

    pub fn unknown(text: impl Into<String>) -> Failure {
        Failure(Box::new(Kind::Unknown(text.into())))
    }

    pub fn odd(text: impl Into<String>) -> Failure {
        Failure(Box::new(Kind::Odd(text.into())))
    }

    pub fn class(&self) -> Class {
        match &*self.0 {
            Kind::Problem(problem) => match problem.status {
                400 | 413 | 414 | 415 | 422 => Class::Usage,
                401 | 403 => Class::Refused,
                404 => Class::Unknown,
                _ => Class::Failed,
            },
            Kind::Nobody(..) | Kind::Unreachable(_) | Kind::Lost(_) => Class::Unreachable,
            Kind::Usage(_) => Class::Usage,
            Kind::Refused(_) => Class::Refused,
            Kind::Unknown(_) => Class::Unknown,
            Kind::Odd(_) => Class::Failed,
        }
    }

    /// What the daemon said, if it was the daemon.
    pub fn problem(&self) -> Option<&Problem> {
        match &*self.0 {
            Kind::Problem(problem) => Some(problem),
            Kind::Nobody(..)
            | Kind::Unreachable(_)
            | Kind::Lost(_)
            | Kind::Usage(_)
            | Kind::Refused(_)
            | Kind::Unknown(_)
            | Kind::Odd(_) => None,
        }
    }

    /// The reason, for who says in a sentence of their own what it means.
    pub fn why(&self) -> String {
        match &*self.0 {
            Kind::Nobody(_, why) => escape(why),
            Kind::Problem(_)
            | Kind::Unreachable(_)
            | Kind::Lost(_)
            | Kind::Usage(_)
            | Kind::Refused(_)
            | Kind::Unknown(_)
            | Kind::Odd(_) => self.to_string(),
        }
    }

    /// The same request may well be answered a moment later.
    pub fn is_passing(&self) -> bool {
        matches!(*self.0, Kind::Lost(_))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure(Box::new(Kind::Problem(problem)))
    }
}

/// Lines stay lines: a refused reload has one for each mistake.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match &*self.0 {
            Kind::Problem(problem) => &problem.detail,
            Kind::Nobody(text, _)
            | Kind::Unreachable(text)
            | Kind::Lost(text)
            | Kind::Usage(text)
            | Kind::Refused(text)
            | Kind::Unknown(text)
            | Kind::Odd(text) => text,
        };
        let mut between = "";
        for line in text.trim_end_matches('\n').split('\n') {
            write!(f, "{between}{}", escape(line))?;
            between = "\n";
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
