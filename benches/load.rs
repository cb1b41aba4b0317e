//! 2,000 jobs, from one manifest and from 2,000.

use crate::harness::Site;
use crate::sites;
use crate::table::{Table, Target, median};
use crate::timed::timed;

const ROUNDS: usize = 5;

pub fn measure(table: &mut Table) {
    let one = check(&sites::one_manifest());
    table.add("load: 2,000 jobs in one manifest", one, " s", Target::AtMost(0.3));
    let many = check(&sites::many_manifests());
    table.add("load: 2,000 manifests, datafile of 200 lines", many, " s", Target::AtMost(1.5));
}

/// A whole `loom check`, its own start included.
fn check(site: &Site) -> f64 {
    median((0..ROUNDS).map(|_| timed(&mut site.loom(&["check"])).wall).collect())
}
