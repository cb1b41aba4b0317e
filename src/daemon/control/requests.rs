//! Requests that are to be carried out once, however often they are made: idempotency keys.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::protocol::control::{Command, Refusal, Why};
use crate::protocol::frame;
use crate::store::RequestRow;
use crate::unit::RunId;

/// So long a key is remembered.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);
/// And so many of them.
const MOST: usize = 10_000;

type Key = (String, String);

/// What was asked for by a key, and what came of it.
#[derive(Debug, Default)]
pub struct Requests {
    known: HashMap<Key, RequestRow>,
    /// The oldest first.
    order: VecDeque<Key>,
}

impl Requests {
    /// From the ledger, the newest first.
    pub fn new(rows: &[RequestRow]) -> Requests {
        let mut requests = Requests::default();
        for row in rows.iter().rev() {
            requests.note(row.clone());
        }
        requests
    }

    /// What came of the same request before, if it was made.
    ///
    /// # Errors
    /// The key was used for another request.
    pub fn before(
        &mut self,
        who: &str,
        key: &str,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Option<RunId>>, Refusal> {
        let Some(row) = self.known.get(&(who.to_owned(), key.to_owned())) else { return Ok(None) };
        if now.duration_since(row.at) > MEMORY {
            return Ok(None);
        }
        if row.digest != digest {
            let text = format!("the key {key:?} was used for another request");
            return Err(Refusal { why: Why::Conflict, text });
        }
        Ok(Some(row.run))
    }

    pub fn note(&mut self, row: RequestRow) {
        let key = (row.who.clone(), row.key.clone());
        if self.known.insert(key.clone(), row).is_some() {
            // After a day it may be another request, and is as young as that.
            self.order.retain(|known| *known != key);
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// Equal for equal commands.
pub fn digest(command: &Command) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    // A command arrived in a frame, and fits into one.
    let bytes = frame::encode(command, frame::CAP).unwrap_or_default();
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, second: i64) -> RequestRow {
        let (who, digest) = ("bob".to_owned(), [1; 32]);
        let at = Timestamp::from_second(second).unwrap();
        RequestRow { key: key.to_owned(), who, digest, run: Some(RunId(7)), at }
    }

    #[test]
    fn the_same_request_is_known_for_a_day_and_another_is_refused() {
        let mut requests = Requests::new(&[row("k", 1000)]);
        let at = |second| Timestamp::from_second(second).unwrap();
        let seven = Some(Some(RunId(7)));
        assert_eq!(requests.before("bob", "k", [1; 32], at(2000)).unwrap(), seven);
        assert_eq!(requests.before("bob", "k", [2; 32], at(2000)).unwrap_err().why, Why::Conflict);
        assert_eq!(requests.before("eve", "k", [1; 32], at(2000)).unwrap(), None);
        assert_eq!(requests.before("bob", "k", [1; 32], at(1000 + 86_401)).unwrap(), None);
    }

    #[test]
    fn the_oldest_key_goes_when_there_are_too_many() {
        let mut requests = Requests::default();
        for n in 0..=MOST {
            requests.note(row(&n.to_string(), 1000));
        }
        let now = Timestamp::from_second(1000).unwrap();
        assert_eq!(requests.before("bob", "0", [1; 32], now).unwrap(), None);
        assert!(requests.before("bob", "1", [1; 32], now).unwrap().is_some());
        assert_eq!(requests.known.len(), requests.order.len());
        requests.note(row("1", 2000));
        requests.note(row("other", 2000));
        assert!(requests.before("bob", "1", [1; 32], now).unwrap().is_some(), "it was renewed");
        assert_eq!(requests.known.len(), requests.order.len());
    }
}
