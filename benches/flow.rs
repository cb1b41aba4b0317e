//! What a flow adds: one of three slots on 116 nodes, against the same three jobs one after the other.

use crate::harness::{Daemon, Farm, Site};
use crate::table::{Table, Target, median};
use crate::timed::timed;

const ROUNDS: usize = 5;
const NODES: usize = 116;

/// Name, nodes, and how many of them at once.
const JOBS: [(&str, &str, &str); 3] =
    [("pkg1", "n[1-10]", "100%"), ("pkg2", "n[11-16]", "100%"), ("apache", "n[17-116]", "50%")];

pub fn measure(table: &mut Table) {
    let farm = Farm::start(NODES);
    let site = site(&farm);
    let _daemon = Daemon::start(&site);
    let wait = |job: &str| timed(&mut site.loom(&["run", job, "--wait"])).wall;
    // Connections are made now, and kept.
    wait("deploy");
    let (mut flow, mut jobs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        flow.push(wait("deploy"));
        jobs.push(JOBS.iter().map(|(job, _, _)| wait(job)).sum::<f64>());
    }
    let ratio = flow.iter().zip(&jobs).map(|(flow, jobs)| flow / jobs).collect();
    let name = "flow: 116 nodes against the same jobs one after the other";
    table.add(name, median(ratio), "", Target::AtMost(1.1));
    table.add("  the flow", median(flow), " s", Target::None);
    table.add("  the jobs", median(jobs), " s", Target::None);
}

fn site(farm: &Farm) -> Site {
    let site = Site::new(farm);
    site.settings("max_workers: 50\nmin_workers: 50\nmax_connecting: 20\nconnect_timeout: 30\n");
    let job = |(name, nodes, parallel): &(&str, &str, &str)| {
        let does = "task: loom.run, args: ['true'], schedule: '@never'";
        format!("  {name}: {{{does}, targets: ['{nodes}'], parallel: {parallel}, success: 100%}}\n")
    };
    let jobs: String = JOBS.iter().map(job).collect();
    let slots: String = JOBS.iter().map(|(name, _, _)| format!("      - [{name}]\n")).collect();
    let text = format!("jobs:\n{jobs}flows:\n  deploy:\n    slots:\n{slots}");
    site.write("jobs/all.yaml", &text);
    site
}
