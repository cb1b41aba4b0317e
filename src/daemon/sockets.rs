//! Which masters' control sockets have appeared in the runtime directory.
//!
//! By inotify; where the kernel has none left to give, by looking while somebody connects. A
//! daemon that cannot be told is slower, and no reason not to start.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inotify::{Inotify, WatchMask};

use crate::master;
use crate::node_state::MasterId;

/// A connection takes longer than this.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub struct Sockets {
    dir: PathBuf,
    eyes: Eyes,
}

#[derive(Debug)]
enum Eyes {
    Inotify(Inotify),
    Looking { seen: BTreeSet<MasterId>, next: Instant },
}

impl Sockets {
    pub fn of(dir: &Path) -> Sockets {
        let eyes = watch(dir).map(Eyes::Inotify).unwrap_or_else(|e| {
            log::warn!(
                target: "loom::master",
                "connections are looked for every {LOOK:?}: no inotify: {e}"
            );
            Eyes::Looking { seen: BTreeSet::new(), next: Instant::now() }
        });
        Sockets { dir: dir.to_owned(), eyes }
    }

    /// Readable when something may have [`appeared`](Sockets::appeared).
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.eyes {
            Eyes::Inotify(inotify) => Some(inotify.as_fd()),
            Eyes::Looking { .. } => None,
        }
    }

    /// When to ask what has appeared without being told; `running`: the masters there are.
    pub fn deadline(&self, mut running: impl Iterator<Item = MasterId>) -> Option<Instant> {
        match &self.eyes {
            Eyes::Inotify(_) => None,
            Eyes::Looking { seen, next } => running.any(|id| !seen.contains(&id)).then_some(*next),
        }
    }

    /// Those whose sockets are there since the last call.
    pub fn appeared(&mut self, running: impl Iterator<Item = MasterId>) -> Vec<MasterId> {
        match &mut self.eyes {
            Eyes::Inotify(inotify) => read(inotify),
            Eyes::Looking { seen, next } => {
                *next = Instant::now() + LOOK;
                let new = running.filter(|id| !seen.contains(id));
                let new = new.filter(|id| master::socket(&self.dir, *id).exists());
                let new: Vec<MasterId> = new.collect();
                seen.extend(&new);
                new
            }
        }
    }

    /// Its process is gone: the next socket of that name is another one.
    pub fn forget(&mut self, id: MasterId) {
        match &mut self.eyes {
            Eyes::Inotify(_) => {}
            Eyes::Looking { seen, .. } => drop(seen.remove(&id)),
        }
    }
}

fn watch(dir: &Path) -> io::Result<Inotify> {
    let inotify = Inotify::init()?;
    inotify.watches().add(dir, WatchMask::CREATE)?;
    Ok(inotify)
}

fn read(inotify: &mut Inotify) -> Vec<MasterId> {
    let mut buffer = [0; 4096];
    let mut found = Vec::new();
    while let Ok(events) = inotify.read_events(&mut buffer) {
        found.extend(events.filter_map(|event| event.name.and_then(master::by_socket)));
    }
    found
}
