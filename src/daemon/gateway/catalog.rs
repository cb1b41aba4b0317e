//! The configuration as gateways are told of it: without what is secret.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{self, Config};
use crate::flow::plan;
use crate::job::Job;
use crate::node::Node;
use crate::protocol::control::{Catalog, JobEntry, NodeEntry, Switched};

/// Which configuration this is, since the daemon was started.
#[derive(Debug, Clone, Copy)]
pub struct Edition {
    pub generation: u64,
    pub loaded_at: Timestamp,
}

/// A catalog on its way, piece by piece.
#[derive(Debug)]
pub struct Feed {
    config: Arc<Config>,
    edition: Edition,
    switched_off: Arc<BTreeMap<String, Switched>>,
    at: At,
}

/// What came last.
#[derive(Debug)]
enum At {
    Begin,
    Jobs(Option<String>),
    Nodes(Option<String>),
    End,
}

impl Feed {
    pub fn new(
        config: Arc<Config>,
        edition: Edition,
        switched_off: Arc<BTreeMap<String, Switched>>,
    ) -> Feed {
        Feed { config, edition, switched_off, at: At::Begin }
    }
}

impl Iterator for Feed {
    type Item = Catalog;

    fn next(&mut self) -> Option<Catalog> {
        loop {
            match &self.at {
                At::Begin => {
                    self.at = At::Jobs(None);
                    let Edition { generation, loaded_at } = self.edition;
                    let settings = config::dump_settings(&self.config.settings).to_string();
                    return Some(Catalog::Begin { generation, loaded_at, settings });
                }
                At::Jobs(last) => match after(&self.config.jobs, last.as_deref()) {
                    Some((name, job)) => {
                        self.at = At::Jobs(Some(name.clone()));
                        let entry = job_entry(job, self.switched_off.get(name).cloned());
                        return Some(Catalog::Job(Box::new(entry)));
                    }
                    None => self.at = At::Nodes(None),
                },
                At::Nodes(last) => match after(&self.config.nodes, last.as_deref()) {
                    Some((name, node)) => {
                        self.at = At::Nodes(Some(name.clone()));
                        return Some(Catalog::Node(Box::new(node_entry(node))));
                    }
                    None => {
                        self.at = At::End;
                        return Some(Catalog::End);
                    }
                },
                At::End => return None,
            }
        }
    }
}

fn after<'a, T>(map: &'a BTreeMap<String, T>, last: Option<&str>) -> Option<(&'a String, &'a T)> {
    match last {
        Some(last) => map.range::<str, _>((Excluded(last), Unbounded)).next(),
        None => map.iter().next(),
    }
}

fn job_entry(job: &Job, switched_off: Option<Switched>) -> JobEntry {
    JobEntry {
        name: job.name.clone(),
        description: job.description.clone(),
        task: job.task.clone(),
        schedule: job.schedule.expr().to_owned(),
        timezone: job.timezone.clone(),
        targets: job.targets.clone(),
        tags: job.tags.clone(),
        enabled: job.enabled,
        switched_off,
        file: job.source.file.display().to_string(),
        line: job.source.line,
        details: config::dump_job(job).to_string(),
        plan: job.flow.is_some().then(|| plan::text(job)),
    }
}

fn node_entry(node: &Node) -> NodeEntry {
    NodeEntry {
        name: node.name.clone(),
        host: node.host().to_owned(),
        user: node.user.clone(),
        port: node.port,
        tags: node.tags.clone(),
        max_sessions: node.max_sessions,
        details: config::dump_node(node).to_string(),
    }
}
