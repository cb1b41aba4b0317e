use super::*;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::unix::fs::symlink;

struct Place {
    top: PathBuf,
    watch: Watch,
    /// The tests' own clock: time passes when they say so.
    now: Instant,
    _dir: tempfile::TempDir,
}

impl Place {
    /// `jobs/` with `a.yaml` in it, and `nodes.yaml` beside it.
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir(top.join("jobs")).unwrap();
        fs::write(top.join("jobs/a.yaml"), "old").unwrap();
        fs::write(top.join("nodes.yaml"), "old").unwrap();
        let now = Instant::now();
        let watch = Watch::new(&[top.join("jobs"), top.join("nodes.yaml")], later(), now);
        Place { top, watch, now, _dir: dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.join(name)
    }

    fn write(&self, name: &str) {
        fs::write(self.path(name), "new").unwrap();
    }

    /// Events are in the queue when the call that caused them returns: no waiting.
    fn seen(&mut self) -> bool {
        self.watch.drain(self.now);
        self.now += QUIET;
        let due = self.watch.due(self.now);
        assert!(!self.watch.due(self.now), "a burst is due once");
        due
    }
}

/// So that the files the tests have just made are not newer than their load.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

#[test]
fn a_manifest_written_replaced_moved_or_deleted_is_a_change() {
    let mut place = Place::new();
    assert!(!place.seen());
    place.write("jobs/a.yaml");
    assert!(place.seen());
    place.write("jobs/b.yaml");
    assert!(place.seen());
    // As editors save: a temporary file, renamed over the old one.
    place.write("jobs/.a.yaml.swp");
    assert!(!place.seen());
    fs::rename(place.path("jobs/.a.yaml.swp"), place.path("jobs/a.yaml")).unwrap();
    assert!(place.seen());
    fs::rename(place.path("jobs/a.yaml"), place.path("elsewhere")).unwrap();
    assert!(place.seen());
    fs::remove_file(place.path("jobs/b.yaml")).unwrap();
    assert!(place.seen());
    fs::hard_link(place.path("elsewhere"), place.path("jobs/c.yaml")).unwrap();
    assert!(place.seen());
}

#[test]
fn a_file_is_a_change_when_it_is_closed_not_while_it_is_written() {
    let mut place = Place::new();
    let mut file = fs::File::create(place.path("jobs/b.yaml")).unwrap();
    io::Write::write_all(&mut file, b"half").unwrap();
    assert!(!place.seen());
    drop(file);
    assert!(place.seen());
}

#[test]
fn files_are_watched_by_name_among_others_that_are_not() {
    let mut place = Place::new();
    place.write("other.yaml");
    place.write("jobs/notes.txt");
    assert!(!place.seen());
    place.write("nodes.yaml.new");
    fs::rename(place.path("nodes.yaml.new"), place.path("nodes.yaml")).unwrap();
    assert!(place.seen());
    fs::remove_file(place.path("nodes.yaml")).unwrap();
    assert!(place.seen());
    place.write("nodes.yaml");
    assert!(place.seen());
}

#[test]
fn new_directories_are_watched_with_all_below() {
    let mut place = Place::new();
    fs::create_dir_all(place.path("jobs/web/eu")).unwrap();
    assert!(place.seen());
    place.write("jobs/web/eu/a.yaml");
    assert!(place.seen());
    fs::rename(place.path("jobs/web"), place.path("jobs/www")).unwrap();
    assert!(place.seen());
    place.write("jobs/www/eu/a.yaml");
    assert!(place.seen());
    fs::rename(place.path("jobs/www"), place.path("away")).unwrap();
    assert!(place.seen());
    place.write("away/eu/a.yaml");
    assert!(!place.seen(), "what was moved out is no longer ours");
    fs::create_dir_all(place.path("jobs/.git/objects")).unwrap();
    assert!(!place.seen());
}

#[test]
fn a_directory_swapped_by_link_is_followed() {
    let mut place = Place::new();
    for version in ["v1", "v2"] {
        fs::create_dir_all(place.path(version)).unwrap();
    }
    symlink("v1", place.path("current")).unwrap();
    let jobs = [place.path("current")];
    place.watch.replace(&jobs, later(), place.now);
    place.write("v1/a.yaml");
    assert!(place.seen());
    symlink("v2", place.path("next")).unwrap();
    fs::rename(place.path("next"), place.path("current")).unwrap();
    assert!(place.seen());
    place.write("v2/a.yaml");
    assert!(place.seen());
    place.write("v1/a.yaml");
    assert!(!place.seen());
}

#[test]
fn links_below_are_followed_wherever_they_lead() {
    let mut place = Place::new();
    fs::create_dir(place.path("shared")).unwrap();
    place.write("shared/common.txt");
    symlink("../shared", place.path("jobs/shared")).unwrap();
    assert!(place.seen());
    place.write("shared/b.yaml");
    assert!(place.seen());
    symlink("../shared/common.txt", place.path("jobs/common.yaml")).unwrap();
    assert!(place.seen());
    place.write("shared/common.txt");
    assert!(place.seen());
    fs::remove_file(place.path("jobs/shared")).unwrap();
    assert!(place.seen());
}

#[test]
fn a_directory_that_goes_and_comes_back_is_found_again() {
    let mut place = Place::new();
    fs::remove_dir_all(place.path("jobs")).unwrap();
    assert!(place.seen());
    fs::create_dir(place.path("jobs")).unwrap();
    assert!(place.seen());
    place.write("jobs/a.yaml");
    assert!(place.seen());
}

#[test]
fn what_changed_while_it_was_loaded_is_loaded_again() {
    let place = Place::new();
    let loaded = SystemTime::now();
    place.write("jobs/a.yaml");
    let mut watch = Watch::new(&place.watch.paths, loaded, place.now);
    assert_eq!(watch.deadline(), Some(place.now + QUIET));
    assert!(watch.due(place.now + QUIET));
}

#[test]
fn an_overflowing_queue_is_a_change_and_everything_is_watched_anew() {
    let mut place = Place::new();
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    // Equal events in a row are merged by the kernel, so take turns.
    let (a, b) = (place.path("jobs/x"), place.path("jobs/y"));
    fs::write(&a, "").unwrap();
    for _ in 0..=limit / 2 {
        fs::rename(&a, &b).unwrap();
        fs::rename(&b, &a).unwrap();
    }
    fs::create_dir(place.path("jobs/unseen")).unwrap();
    assert!(place.seen());
    place.write("jobs/unseen/a.yaml");
    assert!(place.seen());
}

#[test]
fn without_inotify_files_are_looked_at_now_and_then() {
    let mut place = Place::new();
    let start = place.now;
    place.watch.eyes = Eyes::Polling { stamps: BTreeMap::new(), next: start + POLL };
    place.watch.look(start);
    assert!(place.watch.fd().is_none());
    assert_eq!(place.watch.deadline(), Some(start + POLL));
    assert!(!place.watch.due(start + POLL));
    fs::create_dir(place.path("jobs/web")).unwrap();
    place.write("jobs/web/a.yaml");
    assert!(!place.watch.due(start + 2 * POLL));
    assert!(place.watch.due(start + 2 * POLL + QUIET));
    // A configuration that is loaded again gives inotify another try.
    let paths = place.watch.paths.clone();
    place.watch.replace(&paths, later(), start);
    assert!(place.watch.fd().is_some());
}

#[test]
fn the_descriptor_wakes_a_poll_loop() {
    let mut place = Place::new();
    let readable = |watch: &Watch| {
        poll(&mut [PollFd::new(watch.fd().unwrap(), PollFlags::POLLIN)], PollTimeout::ZERO).unwrap()
    };
    assert_eq!(readable(&place.watch), 0);
    place.write("jobs/a.yaml");
    assert_eq!(readable(&place.watch), 1);
    assert!(place.seen());
    assert_eq!(readable(&place.watch), 0);
}

#[test]
fn what_has_changed_before_a_load_is_settled_by_it() {
    let mut place = Place::new();
    place.write("jobs/a.yaml");
    place.watch.settle(Instant::now());
    assert!(!place.seen());
    place.write("jobs/a.yaml");
    assert!(place.seen());
}
