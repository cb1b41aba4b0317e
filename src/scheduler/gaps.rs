//! Gaps: due instants that are not run, and nodes that are left out of a run. Each is recorded and
//! told.

use std::sync::Arc;

use super::Scheduler;
use crate::cron::Fires;
use crate::event::Event;
use crate::job::Job;
use crate::store::{Gap, Record};
use crate::unit::{Reason, RunId, Trigger};

impl Scheduler {
    /// One gap for a due instant of which nothing could run, else one for each node left out: a
    /// run that somebody asked for accounts for no instant.
    pub(super) fn left_out(
        &mut self,
        job: &Arc<Job>,
        nodes: Vec<String>,
        instant: Fires,
        trigger: Trigger,
        run: Option<RunId>,
    ) {
        if !nodes.is_empty() && run.is_none() && trigger == Trigger::Schedule {
            self.gap(job, None, instant, Reason::Overlap, None);
            return;
        }
        for node in nodes {
            self.gap(job, Some(node), instant, Reason::Overlap, run);
        }
    }

    /// Due instants that are not run.
    pub fn gap(
        &mut self,
        job: &Arc<Job>,
        node: Option<String>,
        fires: Fires,
        reason: Reason,
        run: Option<RunId>,
    ) {
        self.gap_in(self.numbers.epoch, job, node, fires, reason, run);
    }

    fn gap_in(
        &mut self,
        epoch: u32,
        job: &Arc<Job>,
        node: Option<String>,
        fires: Fires,
        reason: Reason,
        run: Option<RunId>,
    ) {
        let Fires { first: first_at, last: last_at, count } = fires;
        let (name, at) = (job.name.clone(), node.clone());
        let gap = Gap { job: name, node: at, first_at, last_at, count, epoch, reason, run };
        self.record(Record::Gap(gap));
        self.tell(Event::Missed { job: job.clone(), node, fires, reason });
    }

    /// Due instants of another epoch of the clock, which could not be recorded then.
    pub fn gap_of_epoch(&mut self, job: &Arc<Job>, epoch: u32, fires: Fires, reason: Reason) {
        self.gap_in(epoch, job, None, fires, reason, None);
    }
}
