//! The wish that a unit end, from whoever has it to whoever can do something about it.
//!
//! Knows nothing of why; the unit remembers that.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Clones share one wish; once made it stays.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    shared: Rc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wished: Cell<bool>,
    wake: Notify,
}

impl Stop {
    pub fn request(&self) {
        self.shared.wished.set(true);
        self.shared.wake.notify_waiters();
    }

    pub fn is_requested(&self) -> bool {
        self.shared.wished.get()
    }

    /// Returns once the wish is made, at once if it already is.
    pub async fn requested(&self) {
        let woken = self.shared.wake.notified();
        if !self.is_requested() {
            woken.await;
        }
    }
}
