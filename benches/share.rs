//! A unit's share of `loom once`: the difference between a run of many units and one of few, so
//! that connecting, loading and ending count for neither.

use crate::harness::{Farm, Site};
use crate::sites;
use crate::timed::{Timed, timed};

pub struct Loom {
    pub site: Site,
    jobs: Vec<String>,
    few: usize,
    nodes: usize,
}

impl Loom {
    /// `few` and `many` jobs, each on all nodes.
    pub fn new(farm: &Farm, (few, many): (usize, usize), task: &str) -> Loom {
        let (site, jobs) = sites::units(farm, many, task);
        Loom { site, jobs, few, nodes: farm.names().len() }
    }

    pub fn unit(&self) -> Timed {
        let (few, many) = (self.once(self.few), self.once(self.jobs.len()));
        let units = ((self.jobs.len() - self.few) * self.nodes) as f64;
        Timed { wall: (many.wall - few.wall) / units, cpu: (many.cpu - few.cpu) / units }
    }

    fn once(&self, jobs: usize) -> Timed {
        timed(self.site.loom(&["once"]).args(&self.jobs[..jobs]))
    }
}
