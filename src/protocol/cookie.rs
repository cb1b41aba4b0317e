//! A unit's cookie: `LOOM_UNIT` in the environment of all that it starts on a node, by which what
//! it leaves behind is found.
//!
//! It also tells with whose rights that runs, since only with them can it be found and ended:
//! `LEDGER-UNIT`, with `-s` behind it for root's, `-sHEX` for those of the user so written.

use crate::unit::UnitId;

/// Whose rights a task's commands get on the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    match rights {
        Rights::Own => format!("{ledger}-{unit}"),
        Rights::Root => format!("{ledger}-{unit}-s"),
        Rights::User(name) => {
            let hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
            format!("{ledger}-{unit}-s{hex}")
        }
    }
}

/// Those that the cookie was made with; one that says nothing of it speaks for its user's own.
pub fn rights(cookie: &str) -> Rights {
    let Some(hex) = cookie.rsplit('-').next().and_then(|last| last.strip_prefix('s')) else {
        return Rights::Own;
    };
    let digits = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(digits).collect();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(name) if name.is_empty() => Rights::Root,
        Some(name) => Rights::User(name),
        None => Rights::Own,
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

    proptest! {
        #[test]
        fn rights_are_read_as_they_were_written(name in "\\PC{1,40}") {
            for rights_of in [Rights::Own, Rights::Root, Rights::User(name)] {
                let cookie = cookie("c0ffee", UnitId(7), &rights_of);
                prop_assert!(cookie.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
                prop_assert_eq!(rights(&cookie), rights_of);
            }
        }
    }
}
