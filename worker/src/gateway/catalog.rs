//! Which jobs and nodes there are: the configuration as the parent lets it be shown.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loom::api::flow::Plan;
use loom::cron::Schedule;
use loom::job;
use loom::protocol::control::{self, JobEntry, News, NodeEntry, Switched};
use tokio::sync::watch;

/// One configuration, whole.
#[derive(Debug, Default)]
pub struct Catalog {
    /// 0: none has come yet.
    pub generation: u64,
    pub loaded_at: Timestamp,
    /// JSON.
    pub settings: String,
    pub jobs: BTreeMap<String, Job>,
    pub nodes: BTreeMap<String, NodeEntry>,
    /// Names of jobs, by node; made when somebody asks.
    by_node: OnceLock<HashMap<String, Vec<String>>>,
}

#[derive(Debug)]
pub struct Job {
    pub entry: JobEntry,
    pub schedule: Schedule,
    pub zone: TimeZone,
    /// Of a flow.
    pub plan: Option<Plan>,
}

impl Catalog {
    /// Names of the jobs that run on the node, in order.
    pub fn jobs_on(&self, node: &str) -> &[String] {
        let by_node = self.by_node.get_or_init(|| {
            let mut by_node: HashMap<String, Vec<String>> = HashMap::new();
            for (name, job) in &self.jobs {
                for node in &job.entry.targets {
                    by_node.entry(node.clone()).or_default().push(name.clone());
                }
            }
            by_node
        });
        by_node.get(node).map_or(&[], Vec::as_slice)
    }
}

/// After a time, by a job's schedule, in order.
pub fn fires(job: &Job, after: Timestamp) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(job.schedule.next_after(&job.zone, after), |at| {
        job.schedule.next_after(&job.zone, *at)
    })
}

/// The catalog in force, and the one that is arriving.
#[derive(Debug)]
pub struct Shelf {
    now: watch::Sender<Arc<Catalog>>,
    arriving: Mutex<Option<Catalog>>,
    /// By job; newer than the catalog.
    switched: Mutex<BTreeMap<String, Option<Switched>>>,
    paused: Mutex<bool>,
}

impl Default for Shelf {
    fn default() -> Shelf {
        Shelf {
            now: watch::Sender::new(Arc::default()),
            arriving: Mutex::default(),
            switched: Mutex::default(),
            paused: Mutex::default(),
        }
    }
}

impl Shelf {
    /// The catalog in force; waits for the first one.
    pub async fn catalog(&self) -> Arc<Catalog> {
        let mut now = self.now.subscribe();
        // It cannot fail: the sender is ours.
        let _ = now.wait_for(|catalog| catalog.generation > 0).await;
        let catalog = now.borrow();
        catalog.clone()
    }

    /// The generation of a catalog that is complete by this.
    pub(super) fn take(&self, piece: control::Catalog) -> Option<u64> {
        let mut arriving = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
        match piece {
            control::Catalog::Begin { generation, loaded_at, settings } => {
                *arriving = Some(Catalog { generation, loaded_at, settings, ..Catalog::default() });
            }
            control::Catalog::Job(entry) => {
                // It was parsed before, by the parent.
                if let (Some(catalog), Ok(schedule)) =
                    (arriving.as_mut(), Schedule::parse(&entry.schedule))
                {
                    let zone = job::zone(entry.timezone.as_deref());
                    let plan = entry.plan.as_deref();
                    let plan = plan.and_then(|plan| serde_json::from_str(plan).ok());
                    let job = Job { schedule, zone, plan, entry: *entry };
                    catalog.jobs.insert(job.entry.name.clone(), job);
                }
            }
            control::Catalog::Node(entry) => {
                if let Some(catalog) = arriving.as_mut() {
                    catalog.nodes.insert(entry.name.clone(), *entry);
                }
            }
            control::Catalog::End => {
                let catalog = arriving.take()?;
                let generation = catalog.generation;
                self.switched.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.now.send_replace(Arc::new(catalog));
                return Some(generation);
            }
        }
        None
    }

    pub(super) fn hear(&self, news: &News) {
        match news {
            News::Switched { job, off } => {
                // A catalog that is on its way may have had the job before this.
                let mut arriving = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(job) = arriving.as_mut().and_then(|catalog| catalog.jobs.get_mut(job)) {
                    job.entry.switched_off = off.clone();
                }
                let mut switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
                switched.insert(job.clone(), off.clone());
            }
            News::Paused(paused) => {
                *self.paused.lock().unwrap_or_else(PoisonError::into_inner) = *paused;
            }
            News::RunQueued { .. }
            | News::RunStarted { .. }
            | News::RunEnded { .. }
            | News::UnitStarted { .. }
            | News::UnitEnded { .. }
            | News::Missed { .. }
            | News::Resync => {}
        }
    }

    /// By whom the job was switched off, if it is.
    pub fn switched_off(&self, job: &Job) -> Option<Switched> {
        let switched = self.switched.lock().unwrap_or_else(PoisonError::into_inner);
        match switched.get(&job.entry.name) {
            Some(off) => off.clone(),
            None => job.entry.switched_off.clone(),
        }
    }

    pub fn is_enabled(&self, job: &Job) -> bool {
        job.entry.enabled && self.switched_off(job).is_none()
    }

    /// When the job next comes due, if nothing keeps it from running.
    pub fn next_at(&self, job: &Job, now: Timestamp) -> Option<Timestamp> {
        if self.is_paused() || !self.is_enabled(job) {
            return None;
        }
        job.schedule.next_after(&job.zone, now)
    }

    pub fn is_paused(&self) -> bool {
        *self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
