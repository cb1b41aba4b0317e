//! Generated configurations.

use std::fmt::Write;

use crate::harness::site::manifest;
use crate::harness::{Farm, Site};

/// Jobs `j1`, `j2`, … that run `task` on every node, never by themselves.
pub fn units(farm: &Farm, jobs: usize, task: &str) -> (Site, Vec<String>) {
    let site = Site::new(farm);
    site.settings("max_workers: 10\nmin_workers: 10\n");
    let names: Vec<String> = (1..=jobs).map(|n| format!("j{n}")).collect();
    let targets = farm.names().join(", ");
    let mut text = String::from("jobs:\n");
    for name in &names {
        writeln!(text, "  {name}: {{{task}, schedule: '@yearly', targets: [{targets}]}}").unwrap();
    }
    site.write("jobs/all.yaml", &text);
    (site, names)
}

const JOBS: usize = 2000;

/// 2,000 jobs on ten nodes nobody connects to, all in one manifest.
pub fn one_manifest() -> Site {
    let site = plain_site();
    let mut text = String::from("jobs:\n");
    for n in 0..JOBS {
        let body: String = attributes(n).lines().map(|line| format!("    {line}\n")).collect();
        write!(text, "  job-{n}:\n{body}").unwrap();
    }
    site.write("jobs/all.yaml", &text);
    site
}

/// The same jobs in a manifest each, beside a datafile of 200 lines.
pub fn many_manifests() -> Site {
    let site = plain_site();
    site.settings("datafile: base.yaml\n");
    let mut datafile = String::from("hosts: &hosts [web-0, web-1, web-2]\nshared:\n");
    for n in 0..198 {
        writeln!(datafile, "  key-{n}: &anchor-{n} value {n}").unwrap();
    }
    site.write("base.yaml", &datafile);
    for n in 0..JOBS {
        site.write_job(&format!("job-{n}"), &attributes(n).replace("[web-0, web-1]", "*hosts"));
    }
    site
}

fn attributes(n: usize) -> String {
    format!(
        "task: loom.run\nargs: ['echo job {n}']\nschedule: '{minute} 3 * * *'\n\
         targets: [web-0, web-1]\ndescription: job number {n}\ntimeout: 60",
        minute = n % 60
    )
}

fn plain_site() -> Site {
    let site = Site::empty();
    let nodes: String =
        (0..10).map(|n| format!("web-{n}: {{user: nobody, ip: 127.0.0.{}}}\n", n + 2)).collect();
    site.write("nodes.yaml", &nodes);
    site
}

/// A job `nap` that keeps every node busy for some seconds.
pub fn nap(farm: &Farm, seconds: u32) -> Site {
    let site = Site::new(farm);
    site.settings("max_workers: 10\n");
    let targets = farm.names().join(", ");
    let body = format!("task: loom.run\nargs: ['sleep {seconds}']\ntargets: [{targets}]");
    site.write("jobs/nap.yaml", &manifest("nap", &body));
    site
}
