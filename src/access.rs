//! Who may do what: roles, the jobs that a token is limited to, and what is kept of a token.
//!
//! Words and comparisons only. What each role may do is decided where it is done, by the parent;
//! how a token is made and sent is the command line's and the gateway's affair.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::job::EXEC;
use crate::job::flow::FLOW;

/// Each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Also runs jobs as they are written, cancels, retries, switches jobs on and off.
    Operator,
    /// Everything: commands of their own, other arguments, pause, reload, stop, tokens.
    Admin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

    /// The word used on the command line, in the API and in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {given:?}; expected viewer, operator or admin{hint}")]
pub struct UnknownRole {
    given: String,
    hint: String,
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Role, UnknownRole> {
        if let Some(role) = Role::ALL.into_iter().find(|role| role.as_str() == word) {
            return Ok(role);
        }
        let given = word.to_lowercase();
        let distance = |role: &Role| strsim::damerau_levenshtein(&given, role.as_str());
        let near = Role::ALL.into_iter().min_by_key(distance).filter(|role| distance(role) <= 2);
        let hint = near.map_or(String::new(), |role| format!(" (did you mean {role}?)"));
        Err(UnknownRole { given: word.to_owned(), hint })
    }
}

/// What is kept of a token: its SHA-256. A token is random and long, so that nothing slower is
/// needed. Comparing two takes the same time whatever they are.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> TokenHash {
        TokenHash(Sha256::digest(token).into())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> TokenHash {
        TokenHash(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for TokenHash {
    fn eq(&self, other: &TokenHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// Jobs by the globs their names match; without any, all jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Globs(Vec<glob::Pattern>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{glob:?} is no glob for jobs: {why}")]
pub struct BadGlob {
    glob: String,
    why: String,
}

impl Globs {
    pub fn new<S: AsRef<str>>(globs: impl IntoIterator<Item = S>) -> Result<Globs, BadGlob> {
        globs.into_iter().map(|glob| pattern(glob.as_ref())).collect::<Result<_, _>>().map(Globs)
    }

    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    pub fn matches(&self, job: &str) -> bool {
        self.is_all() || self.0.iter().any(|glob| glob.matches(job))
    }

    /// What is no job is not for those who are limited to some, whatever their globs match.
    pub fn see(&self, job: &str) -> bool {
        let in_no_manifest =
            job.split('/').next().is_some_and(|first| [EXEC, FLOW].contains(&first));
        self.is_all() || !in_no_manifest && self.matches(job)
    }

    /// As they were written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(glob::Pattern::as_str)
    }
}

impl fmt::Display for Globs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(", "))
    }
}

/// An empty one would match no job, and a list of it would look like no limit at all.
fn pattern(glob: &str) -> Result<glob::Pattern, BadGlob> {
    let bad = |why: &str| BadGlob { glob: glob.to_owned(), why: why.to_owned() };
    if glob.is_empty() {
        return Err(bad("it is empty; `*` stands for any name"));
    }
    glob::Pattern::new(glob).map_err(|e| bad(e.msg))
}

impl TryFrom<Vec<String>> for Globs {
    type Error = BadGlob;

    fn try_from(globs: Vec<String>) -> Result<Globs, BadGlob> {
        Globs::new(globs)
    }
}

impl From<Globs> for Vec<String> {
    fn from(globs: Globs) -> Vec<String> {
        globs.iter().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_read_back_by_their_words() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }

    #[test]
    fn a_role_that_is_none_is_named_with_what_was_meant() {
        let said = |word: &str| word.parse::<Role>().unwrap_err().to_string();
        assert_eq!(
            said("opertor"),
            "there is no role \"opertor\"; expected viewer, operator or admin (did you mean \
             operator?)"
        );
        assert!(said("Admin").ends_with("(did you mean admin?)"));
        assert!(said("root").ends_with("viewer, operator or admin"));
    }

    #[test]
    fn of_a_token_its_digest_is_kept_and_nothing_shows() {
        let hash = TokenHash::of("abc");
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hex: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, known);
        assert_eq!(hash, TokenHash::from_bytes(*hash.as_bytes()));
        assert_ne!(hash, TokenHash::of("abd"));
        assert_eq!(format!("{hash:?}"), "TokenHash(…)");
    }

    #[test]
    fn globs_limit_and_none_of_them_do_not() {
        let globs = Globs::new(["db-*", "web/?"]).unwrap();
        assert!(globs.matches("db-backup") && globs.matches("web/1"));
        assert!(!globs.matches("db") && !globs.matches("web/10") && !globs.matches("DB-x"));
        assert!(Globs::default().matches("anything") && !globs.is_all());
        assert!(globs.iter().eq(["db-*", "web/?"]));
        let text = serde_json::to_string(&globs).unwrap();
        assert_eq!(text, r#"["db-*","web/?"]"#);
        assert_eq!(serde_json::from_str::<Globs>(&text).unwrap(), globs);
    }

    #[test]
    fn a_bad_glob_is_named() {
        let error = Globs::new(["fine", "a[b"]).unwrap_err().to_string();
        assert!(error.starts_with("\"a[b\" is no glob for jobs: "), "{error}");
        assert!(Globs::new([""]).is_err());
        assert!(serde_json::from_str::<Globs>(r#"["a[b"]"#).is_err());
    }
}
