//! Makes sure that nothing of a unit is left on its node.
//!
//! What to end is known by its process group and by its cookie; see `sweep.sh`. Only the node's own
//! answer that nothing is left counts.

use std::time::Duration;

use loom::unit::Kill;
use tokio::time::timeout;

use super::command::{Command, Remote, Sudo, Target};
use super::wrapper::stripped;

/// What the node is given beyond the grace period before it counts as not answering.
const ANSWER: Duration = Duration::from_secs(3);
/// A session that was asked for is there, or refused, after so long; or it is swept for without
/// being known.
const OPENING: Duration = Duration::from_secs(2);
/// Sweeps, while commands begin whose end was wished for already.
const ROUNDS: u32 = 3;

impl Remote {
    /// Ends what runs of this unit, with the rights it was started with.
    pub async fn kill(&self) -> Kill {
        for _ in 0..ROUNDS {
            let _ = timeout(OPENING, self.has_opened()).await;
            let target = self.target.borrow().clone();
            if !target.touched {
                return Kill::Confirmed;
            }
            let mut kill = Kill::Confirmed;
            for (sudo, command) in sweeps(&target) {
                let cookie = std::slice::from_ref(&self.cookie);
                if self.sweep_with(sudo, command, cookie).await == Kill::Unconfirmed {
                    kill = Kill::Unconfirmed;
                }
            }
            let now = self.target.borrow();
            // Nothing began behind its back.
            if !now.opening && (now.pgid.is_none() || now.pgid == target.pgid) {
                return kill;
            }
        }
        Kill::Unconfirmed
    }

    /// Ends what earlier units left on the node.
    pub async fn sweep(&self, cookies: &[String], sudo: Option<Sudo>) -> Kill {
        self.sweep_with(sudo, None, cookies).await
    }

    /// Returns once it is known whether there is a command.
    async fn has_opened(&self) {
        loop {
            let opened = self.opened.notified();
            if !self.target.borrow().opening {
                return;
            }
            opened.await;
        }
    }

    /// `command`: the one at hand, which has these rights.
    async fn sweep_with(
        &self,
        sudo: Option<Sudo>,
        command: Option<&Target>,
        cookies: &[String],
    ) -> Kill {
        let seconds = self.grace.as_millis().div_ceil(1000).to_string();
        let pgid = command.and_then(|target| target.pgid);
        let pgid = pgid.map(|pgid| pgid.to_string()).unwrap_or_default();
        let nonce = command.map_or("", |target| &target.nonce);
        let mut args = vec![seconds.as_str(), &pgid, nonce];
        args.extend(cookies.iter().map(String::as_str));
        let script = Command::script(&stripped(include_str!("sweep.sh")), &args).sudo(sudo);
        match timeout(self.grace + ANSWER, self.regardless().capture(&script)).await {
            Ok(Ok(answer)) if answer.stdout_text() == "clean" => Kill::Confirmed,
            Ok(Ok(_) | Err(_)) | Err(_) => Kill::Unconfirmed,
        }
    }
}

/// With whose rights is to be looked, the command at hand first. Root sees all there is.
fn sweeps(target: &Target) -> Vec<(Option<Sudo>, Option<&Target>)> {
    let is_root = |rights: &&Option<Sudo>| match rights {
        Some(sudo) => matches!(sudo.user.as_deref(), None | Some("root" | "#0")),
        None => false,
    };
    if let Some(root) = target.rights.iter().find(is_root) {
        return vec![(root.clone(), Some(target))];
    }
    let Some((current, earlier)) = target.rights.split_last() else {
        return vec![(None, Some(target))];
    };
    let earlier = earlier.iter().map(|rights| (rights.clone(), None));
    [(current.clone(), Some(target))].into_iter().chain(earlier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sudo(user: Option<&str>) -> Option<Sudo> {
        Some(Sudo { user: user.map(str::to_owned), ..Sudo::default() })
    }

    /// Whose rights each sweep has, and whether it is told of the command at hand.
    fn told(rights: Vec<Option<Sudo>>) -> Vec<(String, bool)> {
        let target = Target { rights, ..Target::default() };
        let name = |sudo: Option<Sudo>| match sudo {
            Some(sudo) => sudo.user.unwrap_or("root".into()),
            None => "own".into(),
        };
        sweeps(&target).into_iter().map(|(sudo, at)| (name(sudo), at.is_some())).collect()
    }

    #[test]
    fn it_is_looked_with_all_rights_there_were_and_roots_are_enough() {
        let own = || ("own".to_owned(), true);
        assert_eq!(told(vec![]), [own()]);
        assert_eq!(told(vec![None]), [own()]);
        let mixed = vec![None, sudo(Some("www")), sudo(Some("db"))];
        let expected = [("db", true), ("own", false), ("www", false)];
        assert_eq!(told(mixed), expected.map(|(name, at)| (name.to_owned(), at)));
        for root in [None, Some("root"), Some("#0")] {
            let found = told(vec![sudo(root), None, sudo(Some("www"))]);
            assert_eq!(found, [(root.unwrap_or("root").to_owned(), true)]);
        }
    }
}
