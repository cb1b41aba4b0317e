//! A unit's cookie: `LOOM_UNIT` in the environment of all that it starts on a node, by which what
//! it leaves behind is found.
//!
//! It also tells with whose rights that runs, since only with them can it be found and ended:
//! `LEDGER-UNIT`, with `-s` behind it for root's, `-sHEX` for those of the user so written.
//!
//! What a Python task does is known when it does it. Rights that it gets by the way are not in its
//! environment, but are added where the cookie is kept for a sweep: `COOKIE+s`, `COOKIE+sHEX`, one
//! for each.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::unit::UnitId;

/// A kept cookie is not longer; root's rights then stand for all that were added.
const MAX_KEPT: usize = 400;

/// Whose rights a task's commands get on the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rights {
    /// The user's who is logged in.
    Own,
    /// Root's, through sudo.
    Root,
    /// This user's, through sudo; as sudo's `-u` takes it.
    User(String),
}

/// Letters, digits and `-` only. `ledger` sets it apart from those of all other daemons.
pub fn cookie(ledger: &str, unit: UnitId, rights: &Rights) -> String {
    match word(rights) {
        None => format!("{ledger}-{unit}"),
        Some(word) => format!("{ledger}-{unit}-{word}"),
    }
}

/// The kept cookie, if something of its unit gets these rights, too.
pub fn with(kept: &str, rights: &Rights) -> String {
    let Some(word) = word(rights) else { return kept.to_owned() };
    if kept.split('+').skip(1).any(|known| known == word) {
        return kept.to_owned();
    }
    let longer = format!("{kept}+{word}");
    if longer.len() <= MAX_KEPT { longer } else { format!("{}+s", in_environment(kept)) }
}

/// What of a kept cookie its unit's processes carry.
pub fn in_environment(kept: &str) -> &str {
    kept.split('+').next().unwrap_or(kept)
}

/// All with which is to be looked for what the unit has left. Root sees what the others would.
pub fn all_rights(kept: &str) -> BTreeSet<Rights> {
    let added = kept.split('+').skip(1).map(|word| read(word).unwrap_or(Rights::Own));
    let all: BTreeSet<Rights> = [rights(in_environment(kept))].into_iter().chain(added).collect();
    if all.contains(&Rights::Root) { BTreeSet::from([Rights::Root]) } else { all }
}

/// Those that the cookie was made with; one that says nothing of it speaks for its user's own.
fn rights(cookie: &str) -> Rights {
    cookie.rsplit('-').next().and_then(read).unwrap_or(Rights::Own)
}

fn word(rights: &Rights) -> Option<String> {
    match rights {
        Rights::Own => None,
        Rights::Root => Some("s".to_owned()),
        Rights::User(name) => {
            let hex = name.bytes().map(|byte| format!("{byte:02x}"));
            Some(["s".to_owned()].into_iter().chain(hex).collect())
        }
    }
}

fn read(word: &str) -> Option<Rights> {
    let hex = word.strip_prefix('s')?;
    let digits = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digits).collect();
    match String::from_utf8(bytes?).ok()? {
        name if name.is_empty() => Some(Rights::Root),
        name => Some(Rights::User(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cookie_without_a_word_of_rights_is_its_users_own() {
        for text in ["0af3-17", "rig-1-2", "never-there", "", "x-s0", "x-szz", "x-sé", "s-1"] {
            assert_eq!(rights(text), Rights::Own, "{text}");
        }
        assert_eq!(cookie("0af3", UnitId(17), &Rights::Root), "0af3-17-s");
    }

    #[test]
    fn rights_that_are_added_are_all_swept_with_and_roots_are_enough() {
        let user = |name: &str| Rights::User(name.to_owned());
        let own = cookie("0af3", UnitId(17), &Rights::Own);
        let one = with(&own, &user("www"));
        assert_eq!(one, "0af3-17+s777777");
        assert_eq!(with(&one, &user("www")), one);
        assert_eq!(with(&one, &Rights::Own), one);
        let two = with(&one, &user("db"));
        assert_eq!(all_rights(&two), BTreeSet::from([Rights::Own, user("db"), user("www")]));
        assert_eq!(all_rights(&with(&two, &Rights::Root)), BTreeSet::from([Rights::Root]));
        for kept in [&own, &one, &two] {
            assert_eq!(in_environment(kept), own);
        }
        // One that was made with rights keeps them.
        let made = cookie("0af3", UnitId(17), &user("db"));
        assert_eq!(in_environment(&with(&made, &user("www"))), made);
        assert_eq!(
            all_rights(&with(&made, &user("www"))),
            BTreeSet::from([user("db"), user("www")])
        );
        assert_eq!(all_rights("0af3-17+szz"), BTreeSet::from([Rights::Own]));
    }

    #[test]
    fn too_many_users_are_swept_for_as_root() {
        let own = cookie("0af3", UnitId(17), &Rights::Own);
        let many = (0..999).fold(own.clone(), |kept, n| with(&kept, &Rights::User(n.to_string())));
        let long = with(&own, &Rights::User("x".repeat(1 << 20)));
        for kept in [many, long] {
            assert!(kept.len() <= MAX_KEPT, "{kept}");
            assert_eq!(in_environment(&kept), own);
            assert_eq!(all_rights(&kept), BTreeSet::from([Rights::Root]));
        }
    }

    proptest! {
        #[test]
        fn rights_are_read_as_they_were_written(name in "\\PC{1,40}") {
            for rights_of in [Rights::Own, Rights::Root, Rights::User(name)] {
                let cookie = cookie("c0ffee", UnitId(7), &rights_of);
                prop_assert!(cookie.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                prop_assert_eq!(rights(&cookie), rights_of.clone());
                let kept = with("c0ffee-7", &rights_of);
                prop_assert!(all_rights(&kept).contains(&rights_of));
            }
        }
    }
}
