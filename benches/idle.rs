//! An idle daemon sleeps: it looks at the clock once a minute, and that is all.

use std::fs;
use std::time::Duration;

use crate::harness::{Daemon, Site};
use crate::table::{Table, Target};

const SETTLE: Duration = Duration::from_secs(3);
const WATCHED: Duration = Duration::from_secs(62);

pub fn measure(table: &mut Table) {
    let site = Site::empty();
    site.write("nodes.yaml", "web: {user: nobody, ip: 127.0.0.2}\n");
    site.write_command("yearly", "true", &["web"]);
    let daemon = Daemon::start(&site);
    std::thread::sleep(SETTLE);
    let before = wake_ups(daemon.pid());
    std::thread::sleep(WATCHED);
    let woken = wake_ups(daemon.pid()) - before;
    // 62 seconds hold one full minute, or two.
    table.add("idle: wake-ups of the parent in 62 s", woken as f64, "", Target::AtMost(2.0));
}

/// Of all its threads: each time one of them went to sleep again.
fn wake_ups(pid: i32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap())
        .map(|status| {
            let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            line.unwrap().trim().parse::<u64>().unwrap()
        })
        .sum()
}
