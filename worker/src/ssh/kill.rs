//! Makes sure that nothing of a unit is left on its node.
//!
//! What to end is known by its process group and by its cookie; see `sweep.sh`.

use std::time::Duration;

use loom::unit::Kill;
use tokio::time::timeout;

use super::command::{Command, Remote, Sudo, Target};
use super::wrapper::stripped;

/// What the node is given beyond the grace period before it counts as not answering.
const ANSWER: Duration = Duration::from_secs(4);

impl Remote {
    /// Ends what runs of this unit, with the rights it was started with.
    pub async fn kill(&self) -> Kill {
        let target = self.target.borrow().clone();
        if !target.touched {
            return Kill::Confirmed;
        }
        self.sweep_with(&target, std::slice::from_ref(&self.cookie)).await
    }

    /// Ends what earlier units left on the node.
    pub async fn sweep(&self, cookies: &[String], sudo: Option<Sudo>) -> Kill {
        self.sweep_with(&Target { sudo, ..Target::default() }, cookies).await
    }

    async fn sweep_with(&self, target: &Target, cookies: &[String]) -> Kill {
        let seconds = self.grace.as_millis().div_ceil(1000).to_string();
        let pgid = target.pgid.map(|pgid| pgid.to_string()).unwrap_or_default();
        let mut args = vec![seconds.as_str(), &pgid];
        args.extend(cookies.iter().map(String::as_str));
        let script =
            Command::script(&stripped(include_str!("sweep.sh")), &args).sudo(target.sudo.clone());
        match timeout(self.grace + ANSWER, self.regardless().capture(&script)).await {
            Ok(Ok(answer)) if answer.stdout_text() == "clean" => Kill::Confirmed,
            Ok(Ok(_) | Err(_)) | Err(_) => Kill::Unconfirmed,
        }
    }
}
