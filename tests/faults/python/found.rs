//! What an interpreter needs to start: itself, the modules, a cache.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{goes_on, job, lengthy, worded};
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site};

/// A job with these lines, whose interpreter or modules vanish once the daemon knows it.
fn without(farm: &Farm, more: &str, vanish: impl Fn(&Site), outcome: &str, says: &str) {
    let site = lengthy(farm);
    site.write("python", "#!/bin/sh\nexec python3 \"$@\"\n");
    fs::set_permissions(site.path("python"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(site.path("more")).unwrap();
    site.write("more/other.py", "def other():\n    pass\n");
    job(&site, "odd", "other.other", &format!("pythonpath: [more]\n{more}"));
    let mut daemon = Daemon::start_with_control(&site);
    vanish(&site);
    for unit in daemon.run_to_end("odd", SOON) {
        let told = format!("{:?} {}", unit.detail, unit.output);
        assert!(worded(&unit) == outcome && told.contains(says), "{unit:?}");
    }
    goes_on(&mut daemon, &site);
}

#[test]
fn an_interpreter_that_is_none() {
    let _fault = Fault::new("Python: no interpreter");
    let farm = Farm::start(2);
    let gone = |site: &Site| fs::remove_file(site.path("python")).unwrap();
    without(&farm, "python: ./python", gone, "failed", "there is no ");
    let lies = |site: &Site| site.write("python", "#!/bin/sh\nhead -c 2000 /dev/urandom\n");
    without(&farm, "python: ./python", lies, "failed", "ended in the middle of the task");
    let locked = |site: &Site| {
        fs::set_permissions(site.path("python"), fs::Permissions::from_mode(0o644)).unwrap();
    };
    without(&farm, "python: ./python", locked, "failed", "could not be started: Permission denied");
}

#[test]
fn modules_that_cannot_be_read() {
    let _fault = Fault::new("Python: modules that cannot be read");
    let farm = Farm::start(2);
    let gone = |site: &Site| fs::remove_dir_all(site.path("more")).unwrap();
    without(&farm, "", gone, "failed", "there is no module other");
    let broken = |site: &Site| site.write("more/other.py", "def other(:\n");
    without(&farm, "", broken, "failed", "SyntaxError");
    let noisy = |site: &Site| site.write("more/other.py", "print('loud')\ndef other(): pass\n");
    without(&farm, "", noisy, "succeeded", "loud");
}

#[test]
fn caches_that_cannot_be_used() {
    let _fault = Fault::new("Python: caches that cannot be used");
    let laid_out = |cache: &Path| -> Vec<_> {
        fs::read_dir(cache).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let farm = Farm::start(2);
    let site = lengthy(&farm);
    let run = |cache: &Path| {
        let mut loom = site.loom(&["-n"]);
        // Whoever cannot use the one must not fall back on what this machine's user has.
        loom.env("CACHE_DIRECTORY", cache);
        let daemon = Daemon::start_with_control_as(&site, loom);
        for unit in daemon.run_to_end("next", SOON) {
            assert_eq!(worded(&unit), "succeeded", "{unit:?}");
        }
    };
    // Two workers at once lay it out once.
    let cache = site.path("cache");
    run(&cache);
    assert_eq!(laid_out(&cache).len(), 1, "{:?}", laid_out(&cache));
    // What somebody has cleared away is laid out again.
    fs::remove_file(laid_out(&cache)[0].join("common/loom_bridge/start.py")).unwrap();
    run(&cache);
    assert!(laid_out(&cache)[0].join("common/loom_bridge/start.py").exists());
    // Where others can write, nothing is put and nothing is run.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let poison = "raise SystemExit('poisoned')";
    fs::write(laid_out(&cache)[0].join("common/loom_bridge/start.py"), poison).unwrap();
    run(&cache);
    // A file in its place; nowhere at all.
    run(&site.path("loom.yaml"));
    run(Path::new("/proc/nowhere"));
    Books::of(&site).balance();
}
