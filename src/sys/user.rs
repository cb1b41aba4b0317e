//! The names of users.

use nix::unistd::{Uid, User, getuid};

/// The user's name, or their number if they have none.
pub fn name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

/// Who runs this process.
pub fn own() -> String {
    name(getuid().as_raw())
}
