//! The connections there are, and which of them goes when there are too many.
//!
//! A connection is idle unless a request on it is being answered. Those who open many and say
//! nothing lose them first, and take nobody's place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::{Notify, oneshot};

#[derive(Clone)]
pub struct Crowd(Rc<RefCell<Inner>>);

struct Inner {
    limit: usize,
    /// Grows with every connection and with every time that one becomes idle.
    clock: u64,
    last: u64,
    members: BTreeMap<u64, Member>,
    /// Told when one leaves.
    fewer: Rc<Notify>,
}

struct Member {
    busy: usize,
    /// When it became idle, by the clock.
    since: u64,
    /// Dropped to have it closed.
    _stay: oneshot::Sender<()>,
}

/// A connection's place among them, until it is dropped.
pub struct Place {
    crowd: Crowd,
    id: u64,
}

/// A request that is being answered, until it is dropped.
pub struct Busy {
    crowd: Crowd,
    id: u64,
}

impl Crowd {
    pub fn new(limit: usize) -> Crowd {
        let (members, fewer) = (BTreeMap::new(), Rc::default());
        Crowd(Rc::new(RefCell::new(Inner { limit, clock: 0, last: 0, members, fewer })))
    }

    /// A place, and what resolves when somebody else needs it. `None`: all are at work.
    pub fn enter(&self) -> Option<(Place, oneshot::Receiver<()>)> {
        let mut inner = self.0.borrow_mut();
        if inner.members.len() >= inner.limit {
            let idle = inner.members.iter().filter(|(_, member)| member.busy == 0);
            let oldest = *idle.min_by_key(|(_, member)| member.since)?.0;
            inner.members.remove(&oldest);
        }
        inner.clock += 1;
        inner.last += 1;
        let (id, since) = (inner.last, inner.clock);
        let (stay, leave) = oneshot::channel();
        inner.members.insert(id, Member { busy: 0, since, _stay: stay });
        drop(inner);
        Some((Place { crowd: self.clone(), id }, leave))
    }

    /// When nobody is here any more.
    pub async fn dispersed(&self) {
        loop {
            let fewer = {
                let inner = self.0.borrow();
                if inner.members.is_empty() {
                    return;
                }
                inner.fewer.clone()
            };
            // Nobody can leave in between: it is one thread, and this does not wait before.
            fewer.notified().await;
        }
    }
}

impl Place {
    pub fn busy(&self) -> Busy {
        if let Some(member) = self.crowd.0.borrow_mut().members.get_mut(&self.id) {
            member.busy += 1;
        }
        Busy { crowd: self.crowd.clone(), id: self.id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.crowd.0.borrow_mut();
        inner.members.remove(&self.id);
        inner.fewer.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut inner = self.crowd.0.borrow_mut();
        inner.clock += 1;
        let clock = inner.clock;
        if let Some(member) = inner.members.get_mut(&self.id) {
            member.busy -= 1;
            member.since = clock;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_been_idle_longest_makes_room() {
        let crowd = Crowd::new(2);
        let (first, mut first_leaves) = crowd.enter().unwrap();
        let (_second, mut second_leaves) = crowd.enter().unwrap();
        drop(first.busy());
        let (_third, _) = crowd.enter().unwrap();
        assert!(second_leaves.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Closed));
        assert!(first_leaves.try_recv().is_err_and(|e| e == oneshot::error::TryRecvError::Empty));
    }

    #[test]
    fn who_is_at_work_stays_and_the_next_has_no_place() {
        let crowd = Crowd::new(2);
        let (first, _leaves) = crowd.enter().unwrap();
        let (second, _leaves_too) = crowd.enter().unwrap();
        let (working, _working_too) = (first.busy(), second.busy());
        assert!(crowd.enter().is_none());
        drop(working);
        assert!(crowd.enter().is_some());
    }

    #[test]
    fn a_place_that_was_left_is_free() {
        let crowd = Crowd::new(1);
        let (first, _leaves) = crowd.enter().unwrap();
        let busy = first.busy();
        assert!(crowd.enter().is_none());
        drop((first, busy));
        assert!(crowd.enter().is_some());
        assert!(crowd.0.borrow().members.is_empty());
    }
}
