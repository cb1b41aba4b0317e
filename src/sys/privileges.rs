//! Becoming another user, for good.
//!
//! Which user that should be is the caller's business. Only for a process with one thread.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::{
    Gid, Group, Uid, User, getegid, geteuid, getgid, getgrouplist, getuid, setegid, seteuid,
    setgroups, setresgid, setresuid,
};

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("there is no user {0:?}")]
    NoUser(String),
    #[error("there is no group {0:?}")]
    NoGroup(String),
    #[error("uid {0} is in no user database: say --gid as well")]
    GroupNeeded(Uid),
    #[error("only root can become another user or group")]
    NotRoot,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whom to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub uid: Uid,
    pub gid: Gid,
    groups: Vec<Gid>,
    /// Name and home, where the user database has them.
    account: Option<(String, PathBuf)>,
}

impl Identity {
    /// Each by name or number. `None` if neither is asked for, or it is what we are.
    pub fn resolve(
        user: Option<&str>,
        group: Option<&str>,
    ) -> Result<Option<Identity>, IdentityError> {
        if user.is_none() && group.is_none() {
            return Ok(None);
        }
        let (uid, account) = match user {
            Some(text) => find_user(text)?,
            None => (getuid(), User::from_uid(getuid()).map_err(io::Error::from)?),
        };
        let gid = match (group, &account) {
            (Some(text), _) => find_group(text)?,
            (None, Some(account)) => account.gid,
            (None, None) => return Err(IdentityError::GroupNeeded(uid)),
        };
        let groups = match &account {
            Some(account) => memberships(&account.name, gid)?,
            None => vec![gid],
        };
        let account = account.map(|account| (account.name, account.dir));
        let identity = Identity { uid, gid, groups, account };
        if (geteuid(), getegid()) == (uid, gid) && !geteuid().is_root() {
            return Ok(None);
        }
        if geteuid().is_root() { Ok(Some(identity)) } else { Err(IdentityError::NotRoot) }
    }

    /// The name where there is one, else the number.
    pub fn name(&self) -> String {
        match &self.account {
            Some((name, _)) => name.clone(),
            None => self.uid.to_string(),
        }
    }

    /// Makes the environment that of the user's own: `~` is the user's from now on.
    pub fn adopt_environment(&self) {
        let own: Vec<(&str, Option<String>)> = vec![
            ("HOME", self.account.as_ref().map(|(_, home)| home.to_string_lossy().into_owned())),
            ("USER", Some(self.name())),
            ("LOGNAME", Some(self.name())),
            ("XDG_CONFIG_HOME", None),
            ("XDG_RUNTIME_DIR", None),
            ("XDG_STATE_HOME", None),
            ("SSH_AUTH_SOCK", None),
        ];
        for (name, value) in own {
            match value {
                // SAFETY: there is one thread, so that nobody reads the environment meanwhile.
                Some(value) => unsafe { std::env::set_var(name, value) },
                // SAFETY: as above.
                None => unsafe { std::env::remove_var(name) },
            }
        }
    }

    /// Does this as the user, as far as files are concerned, and comes back.
    pub fn as_user<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        let (uid, gid) = (geteuid(), getegid());
        let groups = nix::unistd::getgroups()?;
        setgroups(&self.groups)?;
        setegid(self.gid)?;
        seteuid(self.uid)?;
        let result = act();
        seteuid(uid)?;
        setegid(gid)?;
        setgroups(&groups)?;
        Ok(result)
    }

    /// The command runs as the user, without a way back.
    pub fn apply_to(&self, command: &mut Command) {
        let own = self.clone();
        // SAFETY: between fork and exec only system calls are made, on memory that was allocated
        // before the fork.
        unsafe { command.pre_exec(move || own.assume()) };
    }

    /// For good: real, effective and saved ids; fails if root could be had back.
    pub fn become_it(&self) -> io::Result<()> {
        self.assume()?;
        let root = Uid::from_raw(0);
        if !self.uid.is_root() && (nix::unistd::setuid(root).is_ok() || seteuid(root).is_ok()) {
            return Err(io::Error::other("root's privileges could be regained"));
        }
        if (getuid(), getgid()) == (self.uid, self.gid) {
            Ok(())
        } else {
            Err(io::Error::other("the change of user did not take effect"))
        }
    }

    fn assume(&self) -> io::Result<()> {
        setgroups(&self.groups)?;
        setresgid(self.gid, self.gid, self.gid)?;
        setresuid(self.uid, self.uid, self.uid)?;
        Ok(())
    }
}

fn find_user(text: &str) -> Result<(Uid, Option<User>), IdentityError> {
    if let Some(user) = User::from_name(text).map_err(io::Error::from)? {
        return Ok((user.uid, Some(user)));
    }
    let uid = text.parse().map_err(|_| IdentityError::NoUser(text.to_owned()))?;
    let uid = Uid::from_raw(uid);
    Ok((uid, User::from_uid(uid).map_err(io::Error::from)?))
}

fn find_group(text: &str) -> Result<Gid, IdentityError> {
    match Group::from_name(text).map_err(io::Error::from)? {
        Some(group) => Ok(group.gid),
        None => match text.parse() {
            Ok(gid) => Ok(Gid::from_raw(gid)),
            Err(_) => Err(IdentityError::NoGroup(text.to_owned())),
        },
    }
}

fn memberships(name: &str, gid: Gid) -> io::Result<Vec<Gid>> {
    let name = CString::new(name)?;
    Ok(getgrouplist(&name, gid)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Option<Identity> {
        geteuid().is_root().then(|| Identity::resolve(Some("nobody"), None).unwrap().unwrap())
    }

    #[test]
    fn unknown_names_are_named() {
        let error = Identity::resolve(Some("no-such-user"), None).unwrap_err().to_string();
        assert_eq!(error, "there is no user \"no-such-user\"");
        let error = Identity::resolve(None, Some("no-such-group")).unwrap_err().to_string();
        assert_eq!(error, "there is no group \"no-such-group\"");
        assert_eq!(Identity::resolve(None, None).unwrap(), None);
    }

    #[test]
    fn names_and_numbers_mean_the_same_user() {
        let Some(nobody) = nobody() else { return };
        let number = nobody.uid.to_string();
        assert_eq!(Identity::resolve(Some(&number), None).unwrap(), Some(nobody));
        let error = Identity::resolve(Some("3999999999"), None).unwrap_err();
        assert!(matches!(error, IdentityError::GroupNeeded(_)));
    }

    #[test]
    fn a_command_runs_as_the_user_without_roots_groups() {
        let Some(nobody) = nobody() else { return };
        let mut command = Command::new("sh");
        command.args(["-c", "id -u; id -g; id -G; grep ^Uid: /proc/self/status"]);
        nobody.apply_to(&mut command);
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (uid, gid) = (nobody.uid, nobody.gid);
        assert_eq!(output, format!("{uid}\n{gid}\n{gid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"));
    }
}
