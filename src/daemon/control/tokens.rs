//! Tokens: made, and revoked.

use std::fs::File;
use std::io::Read;

use jiff::Timestamp;

use super::permits::Person;
use super::{Daemon, conflict, invalid, unavailable};
use crate::access::{Globs, Role, TokenHash};
use crate::protocol::control::{Answer, Refusal};
use crate::store::{Record, TokenRow};

/// What every token begins with, so that one that has leaked is known for what it is.
const PREFIX: &str = "loom_";
/// Random bytes in it.
const SIZE: usize = 32;
const LONGEST_NAME: usize = 64;
/// All of a token's globs together: each request is judged by them.
const LONGEST_GLOBS: usize = 4096;

impl Daemon {
    /// The secret, which is kept nowhere.
    pub(super) fn add_token(
        &mut self,
        person: &Person,
        name: &str,
        role: Role,
        jobs: &Globs,
    ) -> Result<Answer, Refusal> {
        check_name(name).map_err(invalid)?;
        if jobs.iter().map(str::len).sum::<usize>() > LONGEST_GLOBS {
            let text = format!("the globs for jobs take more than {LONGEST_GLOBS} bytes");
            return Err(invalid(text));
        }
        if self.tokens.contains_key(name) {
            return Err(conflict(&format!("there is a token {name:?}; revoke it first")));
        }
        let secret =
            secret().map_err(|e| unavailable(&format!("no random numbers are to be had: {e}")))?;
        let row = TokenRow {
            name: name.to_owned(),
            hash: TokenHash::of(&secret),
            role,
            jobs: jobs.clone(),
            created_at: Timestamp::now(),
            created_by: person.name.clone(),
            revoked_at: None,
        };
        self.tokens.insert(name.to_owned(), row.clone());
        self.engine.ledger.submit(Record::Token(row));
        Ok(Answer::Token(secret))
    }

    /// Whether there was one.
    pub(super) fn revoke_token(&mut self, name: &str) -> bool {
        let found = self.tokens.remove(name).is_some();
        if found {
            let (name, at) = (name.to_owned(), Timestamp::now());
            self.engine.ledger.submit(Record::RevokeToken { name, at });
        }
        found
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name for a token: it takes 1 to {LONGEST_NAME} letters, digits, `.`, `_`, \
         `-` and `@`"
    ))
}

fn secret() -> std::io::Result<String> {
    let mut bytes = [0; SIZE];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(PREFIX.to_owned(), |text, byte| text + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_random_and_known_by_its_beginning() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with("loom_") && one.len() == 5 + 64);
    }

    #[test]
    fn names_of_tokens_are_plain() {
        for good in ["ci", "bob@example.com", "a.b_c-1"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in ["", "a b", "ö", "a/b", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
