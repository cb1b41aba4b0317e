//! The way back to a node that was made to go away, as a reboot does.
//!
//! The connection belongs to the parent, which makes it anew when it is asked to. Whether the
//! node has been away, and is back for good, is [`Watch`]'s to decide; it sees what a session
//! answered and how much time has passed, and does no I/O.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::milestone::Milestone;
use crate::ssh::{Command, Remote, RemoteError};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Before a connection that could not be made is asked for again.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// A node that works answers in less.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a node may go on answering that is about to go down. It has to answer as long, once it
/// is back, if nothing else tells that it is not still going down.
const SETTLED: Duration = Duration::from_secs(5);

/// What identifies one start of the system; not every node has it.
const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id 2>/dev/null; :";

/// A unit's say in its own connection. Clones share it.
#[derive(Debug, Clone)]
pub struct Rejoin {
    told: UnboundedSender<Milestone>,
    answers: Rc<Mutex<UnboundedReceiver<Option<String>>>>,
}

impl Rejoin {
    pub fn new(
        told: UnboundedSender<Milestone>,
        answers: UnboundedReceiver<Option<String>>,
    ) -> Rejoin {
        Rejoin { told, answers: Rc::new(Mutex::new(answers)) }
    }

    /// To be said before the node goes away, so that nobody who waits for it is given up.
    pub fn leaving(&self) {
        let _ = self.told.send(Milestone::Leaving);
    }

    /// Until the connection is up; the error is why it is not.
    async fn ask(&self, anew: bool) -> Result<(), String> {
        let mut answers = self.answers.lock().await;
        // One to a question that was given up.
        while answers.try_recv().is_ok() {}
        let _ = self.told.send(Milestone::Rejoin { anew });
        match answers.recv().await {
            Some(None) => Ok(()),
            Some(Some(why)) => Err(why),
            None => std::future::pending().await,
        }
    }
}

/// Whether the node has gone away, and is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Its boot id before, if it has one.
    pub before: Option<String>,
    /// It certainly goes away, if only later; else it is watched for a while.
    pub certain: bool,
    /// It was seen to be away.
    pub gone: bool,
    /// Since when it has answered without a break.
    answers_since: Option<Duration>,
}

/// The node is back, and so much is known of where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// It has another boot id.
    Rebooted,
    /// The connection broke, and the boot id is what it was.
    SameBoot,
    /// The connection broke; there is no boot id.
    Unknown,
    /// The connection did not break.
    Stayed,
}

impl Watch {
    pub fn new(before: Option<String>, certain: bool) -> Watch {
        Watch { before, certain, gone: false, answers_since: None }
    }

    /// A session said so, this long after the command.
    fn answered(&mut self, at: Duration, boot_id: Option<&str>) -> Option<Back> {
        if let (Some(before), Some(now)) = (&self.before, boot_id)
            && before != now
        {
            return Some(Back::Rebooted);
        }
        let since = *self.answers_since.get_or_insert(at);
        if at.saturating_sub(since) < SETTLED || !self.gone && self.certain {
            return None;
        }
        Some(match (self.gone, &self.before) {
            (false, _) => Back::Stayed,
            (true, Some(_)) => Back::SameBoot,
            (true, None) => Back::Unknown,
        })
    }

    /// There was no session.
    fn silent(&mut self) {
        self.gone = true;
        self.answers_since = None;
    }

    /// Why it is given up.
    fn sentence(&self, within: Duration, trouble: Option<String>) -> String {
        if !self.gone {
            return format!("the node has not gone down within {within:?}");
        }
        let trouble = trouble.map(|why| format!(": {why}")).unwrap_or_default();
        format!("the node went away and did not take a session again within {within:?}{trouble}")
    }
}

/// `None` on nodes that have none.
pub async fn boot_id(remote: &Remote) -> Result<Option<String>, RemoteError> {
    let said = remote.capture(&Command::script(BOOT_ID, &[])).await?.stdout_text();
    Ok(Some(said).filter(|id| !id.is_empty()))
}

/// Waits until the node is back, at most this long; the inner error says why it is given up.
pub async fn back(
    remote: &Remote,
    rejoin: &Rejoin,
    mut watch: Watch,
    within: Duration,
) -> Result<Result<Back, String>, RemoteError> {
    let begun = Instant::now();
    let deadline = begun.checked_add(within);
    let deadline = deadline.unwrap_or_else(|| begun + Duration::from_secs(1 << 31));
    let mut trouble = None;
    loop {
        let patience = ANSWER.min(deadline.saturating_duration_since(Instant::now()));
        let hangs = match timeout(patience, boot_id(remote)).await {
            Ok(Ok(boot_id)) => {
                if let Some(back) = watch.answered(begun.elapsed(), boot_id.as_deref()) {
                    return Ok(Ok(back));
                }
                None
            }
            Ok(Err(RemoteError::Stopped)) => return Err(RemoteError::Stopped),
            Ok(Err(error)) => {
                trouble.get_or_insert(error.to_string());
                Some(false)
            }
            Err(_) => {
                trouble.get_or_insert("it does not answer".to_owned());
                Some(true)
            }
        };
        if Instant::now() >= deadline {
            break;
        }
        let mut pause = PAUSE;
        if let Some(anew) = hangs {
            watch.silent();
            remote.forget_running();
            match timeout_at(deadline, rejoin.ask(anew)).await {
                // From now on it is what a session says.
                Ok(Ok(())) => trouble = None,
                Ok(Err(why)) => {
                    trouble = Some(why);
                    pause = LONG_PAUSE;
                }
                Err(_) => break,
            }
        }
        let rest = deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            () = sleep(pause.min(rest)) => {}
            () = remote.stopped() => return Err(RemoteError::Stopped),
        }
    }
    Ok(Err(watch.sentence(within, trouble)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn watch(before: Option<&str>, certain: bool) -> Watch {
        Watch::new(before.map(str::to_owned), certain)
    }

    #[test]
    fn another_boot_id_is_a_reboot_at_once() {
        let mut watch = watch(Some("a"), true);
        assert_eq!(watch.answered(s(1), Some("a")), None);
        assert_eq!(watch.answered(s(2), Some("b")), Some(Back::Rebooted));
    }

    #[test]
    fn a_node_that_comes_back_as_it_was_has_to_stay() {
        for (before, back) in [(Some("a"), Back::SameBoot), (None, Back::Unknown)] {
            let mut watch = watch(before, false);
            watch.silent();
            assert_eq!(watch.answered(s(10), before), None);
            assert_eq!(watch.answered(s(14), before), None);
            watch.silent();
            assert_eq!(watch.answered(s(16), before), None, "it was still going down");
            assert_eq!(watch.answered(s(21), before), Some(back));
        }
    }

    #[test]
    fn what_certainly_goes_is_waited_for_and_what_may_not_for_a_while() {
        let mut certain = watch(Some("a"), true);
        let mut maybe = watch(Some("a"), false);
        for at in 0..5 {
            assert_eq!(certain.answered(s(at), Some("a")), None);
            assert_eq!(maybe.answered(s(at), Some("a")), None);
        }
        assert_eq!(maybe.answered(s(5), Some("a")), Some(Back::Stayed));
        assert_eq!(certain.answered(s(100), Some("a")), None);
        assert!(certain.sentence(s(120), None).contains("not gone down within 120s"));
    }

    #[test]
    fn a_boot_id_that_cannot_be_read_any_more_proves_nothing() {
        let mut watch = watch(Some("a"), false);
        watch.silent();
        assert_eq!(watch.answered(s(1), None), None);
        assert_eq!(watch.answered(s(6), None), Some(Back::SameBoot));
    }
}
