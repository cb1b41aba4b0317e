//! Beginning runs, flows and their parts: what their nodes' names stand for at that time. Whether
//! they may begin, and what of them, is the scheduler's to say.

use std::sync::Arc;

use super::engine::Engine;
use crate::event::Cause;
use crate::flow::{Resume, Start};
use crate::job::Job;
use crate::node::Node;
use crate::scheduler::{Now, Target};
use crate::sys::user;
use crate::unit::RunId;

impl Engine {
    /// Makes a run of `job` on the nodes of these names, or of the flow that it is; see
    /// [`Scheduler::begin_run`] and [`Scheduler::begin_flow`].
    pub fn begin_run(&mut self, job: &Arc<Job>, nodes: &[String], cause: Cause) -> Option<RunId> {
        if job.flow.is_some() {
            return self.begin_flow(job, None, cause);
        }
        let (targets, _) = self.targets(nodes, false);
        let run = self.scheduler.begin_run(Now::read(), job, &targets, cause);
        self.settle();
        run
    }

    pub fn begin_flow(
        &mut self,
        job: &Arc<Job>,
        resume: Option<Resume>,
        cause: Cause,
    ) -> Option<RunId> {
        let run = self.scheduler.begin_flow(Now::read(), job, resume, cause);
        self.settle();
        run
    }

    pub(super) fn begin_part(&mut self, flow: RunId, start: &Start) {
        let (targets, missing) = self.targets(&start.nodes, start.any_host);
        self.scheduler.begin_part(Now::read(), flow, start, &targets, missing);
    }

    /// The nodes of these names with their connections, and the names that stand for none; with
    /// `any_host` these are hosts.
    fn targets(&mut self, names: &[String], any_host: bool) -> (Vec<Target>, Vec<String>) {
        let (mut targets, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            let options = &self.config.settings.ssh_options;
            let host = || Arc::new(Node::host_of(name, &user::own(), options));
            match self.nodes.get(name).cloned().or_else(|| any_host.then(host)) {
                Some(node) => {
                    let master = self.master_of(&node);
                    targets.push((node, master));
                }
                None => missing.push(name.clone()),
            }
        }
        (targets, missing)
    }
}
