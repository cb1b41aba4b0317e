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
            let kill = self.sweep_with(&target, std::slice::from_ref(&self.cookie)).await;
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
        self.sweep_with(&Target { sudo, ..Target::default() }, cookies).await
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

    async fn sweep_with(&self, target: &Target, cookies: &[String]) -> Kill {
        let seconds = self.grace.as_millis().div_ceil(1000).to_string();
        let pgid = target.pgid.map(|pgid| pgid.to_string()).unwrap_or_default();
        let mut args = vec![seconds.as_str(), &pgid, &target.nonce];
        args.extend(cookies.iter().map(String::as_str));
        let script =
            Command::script(&stripped(include_str!("sweep.sh")), &args).sudo(target.sudo.clone());
        match timeout(self.grace + ANSWER, self.regardless().capture(&script)).await {
            Ok(Ok(answer)) if answer.stdout_text() == "clean" => Kill::Confirmed,
            Ok(Ok(_) | Err(_)) | Err(_) => Kill::Unconfirmed,
        }
    }
}
