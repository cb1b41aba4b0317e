//! Whether the configuration's files have changed, and when it is time to read them again.
//!
//! By inotify; where the kernel has no more watches to give, by looking every [`POLL`]. It knows
//! names and events, not what the files say, and reports too much rather than too little: a
//! reload that finds nothing new does nothing.

mod quiet;
mod survey;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};
use log::warn;

pub use quiet::QUIET;
use quiet::Quiet;
use survey::{MAX_DIRECTORIES, Rule, Stamp, Survey, is_foreign, is_manifest};

/// How often files are looked at where inotify is not to be had.
pub const POLL: Duration = Duration::from_secs(10);
/// File times come from a clock that lags behind the one we read, by a tick.
const TICK: Duration = Duration::from_millis(20);

/// Deletions and moves of the directory itself come with every mask.
const MASK: WatchMask = WatchMask::CLOSE_WRITE
    .union(WatchMask::MOVED_TO)
    .union(WatchMask::MOVED_FROM)
    .union(WatchMask::CREATE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(WatchMask::ONLYDIR);

#[derive(Debug)]
pub struct Watch {
    paths: Vec<PathBuf>,
    eyes: Eyes,
    quiet: Quiet,
}

#[derive(Debug)]
enum Eyes {
    Inotify { inotify: Inotify, directories: HashMap<WatchDescriptor, Directory> },
    Polling { stamps: BTreeMap<PathBuf, Stamp>, next: Instant },
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    rule: Rule,
}

/// What an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    Nothing,
    /// A file has changed.
    Change,
    /// Directories or links have changed: what is watched may have to as well.
    Tree,
}

impl Watch {
    /// Watches these files and, with all below them, directories; absolute paths, which need not
    /// be there yet. What has changed since `loaded`, when reading them began, counts as a change.
    pub fn new(paths: &[PathBuf], loaded: SystemTime, now: Instant) -> Watch {
        let eyes = Eyes::Polling { stamps: BTreeMap::new(), next: now };
        let mut watch = Watch { paths: Vec::new(), eyes, quiet: Quiet::default() };
        watch.replace(paths, loaded, now);
        watch
    }

    /// Watches other paths from now on. Where inotify was given up it is tried again.
    pub fn replace(&mut self, paths: &[PathBuf], loaded: SystemTime, now: Instant) {
        self.paths = paths.to_vec();
        if let Eyes::Polling { .. } = self.eyes {
            match Inotify::init() {
                Ok(inotify) => self.eyes = Eyes::Inotify { inotify, directories: HashMap::new() },
                Err(e) => warn!("files are looked at every {POLL:?}: no inotify: {e}"),
            }
        }
        let stamps = self.look(now);
        if stamps.values().any(|stamp| is_since(stamp, loaded)) {
            self.quiet.changed(now);
        }
    }

    /// Readable when there is something to [`drain`](Watch::drain).
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.eyes {
            Eyes::Inotify { inotify, .. } => Some(inotify.as_fd()),
            Eyes::Polling { .. } => None,
        }
    }

    pub fn drain(&mut self, now: Instant) {
        let Eyes::Inotify { inotify, directories } = &mut self.eyes else { return };
        let meaning = read(inotify, directories);
        if meaning == Meaning::Tree {
            self.look(now);
        }
        if meaning > Meaning::Nothing {
            self.quiet.changed(now);
        }
    }

    /// When [`due`](Watch::due) wants to be asked next.
    pub fn deadline(&self) -> Option<Instant> {
        let poll = match &self.eyes {
            Eyes::Inotify { .. } => None,
            Eyes::Polling { next, .. } => Some(*next),
        };
        [self.quiet.deadline(), poll].into_iter().flatten().min()
    }

    /// The files are about to be read: what has changed so far is not to be reported.
    pub fn settle(&mut self, now: Instant) {
        self.drain(now);
        self.quiet = Quiet::default();
    }

    /// Whether the files have changed and been at rest since; true once for each time.
    pub fn due(&mut self, now: Instant) -> bool {
        if let Eyes::Polling { stamps, next } = &mut self.eyes
            && now >= *next
        {
            let seen = Survey::of(&self.paths, |_| {}).stamps;
            if *stamps != seen {
                self.quiet.changed(now);
            }
            (*stamps, *next) = (seen, now + POLL);
        }
        self.quiet.due(now)
    }

    /// Surveys the paths and watches exactly what the survey names.
    fn look(&mut self, now: Instant) -> BTreeMap<PathBuf, Stamp> {
        let mut lacking = None;
        let survey = match &mut self.eyes {
            Eyes::Polling { .. } => Survey::of(&self.paths, |_| {}),
            Eyes::Inotify { inotify, directories } => {
                let mut given = BTreeMap::new();
                let survey =
                    Survey::of(&self.paths, |path| match inotify.watches().add(path, MASK) {
                        Ok(descriptor) => drop(given.insert(path.to_owned(), descriptor)),
                        Err(e) if is_shortage(&e) => lacking = Some(e),
                        // Gone again, or not for us to read: its parent tells when that changes.
                        Err(_) => {}
                    });
                rewatch(inotify, directories, given, &survey);
                survey
            }
        };
        if survey.truncated {
            warn!("only {MAX_DIRECTORIES} directories are watched; reload the others by SIGHUP");
        }
        if let Some(e) = lacking {
            warn!("files are looked at every {POLL:?}: inotify: {e}");
            self.eyes = Eyes::Polling { stamps: BTreeMap::new(), next: now + POLL };
        }
        if let Eyes::Polling { stamps, .. } = &mut self.eyes {
            stamps.clone_from(&survey.stamps);
        }
        survey.stamps
    }
}

fn rewatch(
    inotify: &Inotify,
    directories: &mut HashMap<WatchDescriptor, Directory>,
    given: BTreeMap<PathBuf, WatchDescriptor>,
    survey: &Survey,
) {
    let mut wanted: HashMap<WatchDescriptor, Directory> = HashMap::new();
    for (path, descriptor) in given {
        let rule = survey.directories.get(&path).cloned().unwrap_or_default();
        // Bind mounts show one directory under two paths.
        let directory =
            wanted.entry(descriptor).or_insert_with(|| Directory { path, rule: Rule::default() });
        directory.rule.manifests |= rule.manifests;
        directory.rule.names.extend(rule.names);
    }
    for (descriptor, _) in directories.drain() {
        if !wanted.contains_key(&descriptor) {
            // Fails for a directory that is gone, whose watch went with it.
            let _ = inotify.watches().remove(descriptor);
        }
    }
    *directories = wanted;
}

/// The weightiest of what has arrived.
fn read(inotify: &mut Inotify, directories: &HashMap<WatchDescriptor, Directory>) -> Meaning {
    let mut buffer = [0; 16 * 1024];
    let mut weightiest = Meaning::Nothing;
    loop {
        match inotify.read_events(&mut buffer) {
            Ok(events) => {
                for event in events {
                    weightiest = weightiest.max(meaning(&event, directories));
                }
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return weightiest,
            Err(e) => {
                warn!("inotify: {e}");
                return Meaning::Tree;
            }
        }
    }
}

fn meaning(event: &Event<&OsStr>, directories: &HashMap<WatchDescriptor, Directory>) -> Meaning {
    let lost = EventMask::Q_OVERFLOW | EventMask::DELETE_SELF | EventMask::MOVE_SELF;
    if event.mask.intersects(lost | EventMask::UNMOUNT) {
        return Meaning::Tree;
    }
    let (Some(name), Some(directory)) = (event.name, directories.get(&event.wd)) else {
        return Meaning::Nothing;
    };
    let named = directory.rule.names.contains(name);
    if event.mask.contains(EventMask::ISDIR) {
        let matters = named || (directory.rule.manifests && !is_foreign(name));
        return if matters { Meaning::Tree } else { Meaning::Nothing };
    }
    let arrived = event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
    let found = if arrived { fs::symlink_metadata(directory.path.join(name)).ok() } else { None };
    let is_link = found.as_ref().is_some_and(fs::Metadata::is_symlink);
    if !named && !(directory.rule.manifests && (is_manifest(name) || is_link)) {
        return Meaning::Nothing;
    }
    // A new file is empty yet, its writer will close it; but a hard link is whole.
    let begun = event.mask.contains(EventMask::CREATE)
        && found.as_ref().is_some_and(|found| found.is_file() && found.nlink() == 1);
    if begun {
        Meaning::Nothing
    } else if is_link || (named && !event.mask.contains(EventMask::CLOSE_WRITE)) {
        Meaning::Tree
    } else {
        Meaning::Change
    }
}

fn is_shortage(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::ENOSPC | libc::EMFILE | libc::ENOMEM))
}

/// A time to come is none: the clock was set back since.
fn is_since(stamp: &Stamp, loaded: SystemTime) -> bool {
    let (seconds, nanos) = stamp.changed;
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
        return false;
    };
    let changed = UNIX_EPOCH + Duration::new(seconds, nanos);
    changed + TICK >= loaded && changed <= SystemTime::now() + TICK
}

#[cfg(test)]
mod tests;
