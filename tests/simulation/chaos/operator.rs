//! Who changes the configuration, cancels, pauses, stops and sets the clock at any moment.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use loom::flow::Resume;
use loom::job::Job;
use loom::node_state;
use loom::unit::{Canceller, Trigger};

use super::Stop;
use super::player::{Health, Later, Player, limits, master_limits};

impl Player {
    pub fn make_mischief(&mut self) {
        // The operator is heard when everything else is done.
        self.settle();
        let may = self.may();
        match self.draw(16) {
            0..=2 if may.nodes => self.change_health(),
            3 | 4 if may.workers => self.harm_a_worker(),
            5 if may.spawn => self.no_spawn = !self.no_spawn,
            6 if may.ledger => self.degrade(!self.ledger.degraded),
            7 if may.ledger => self.ledger.refusing = !self.ledger.refusing,
            8 if may.people => self.cancel_a_run(),
            9 if may.people => self.run_by_hand(),
            10 if may.people => {
                self.look();
                self.paused = !self.paused;
            }
            11 | 12 if may.reloads => self.reload(),
            13 if may.clock => self.set_clock(),
            14 if self.plan.stop.is_some() && self.draw(10) == 0 => self.stop(),
            _ => {}
        }
    }

    fn cancel_a_run(&mut self) {
        let open = self.books.open_runs();
        if open.is_empty() {
            return;
        }
        let run = open[self.draw(open.len() as u64) as usize];
        if self.scheduler.cancel_run(self.now(), run, &Canceller::User("ann".into())) {
            self.books.cancel(run);
        }
    }

    fn run_by_hand(&mut self) {
        let names: Vec<String> = self.jobs.keys().cloned().collect();
        if names.is_empty() || self.is_ledger_down() || self.books.stopping {
            return;
        }
        let name = &names[self.draw(names.len() as u64) as usize];
        let job = self.jobs[name].clone();
        let resume = self.resume(&job);
        let trigger = if resume.is_some() { Trigger::Retry } else { Trigger::Manual };
        self.begin_run(&job, trigger, None, resume);
    }

    /// A flow may be taken up anywhere, with any nodes done.
    fn resume(&mut self, job: &Job) -> Option<Resume> {
        let flow = job.flow.as_ref().filter(|_| self.draw(3) == 0)?;
        let slot = self.draw(flow.slots.len() as u64) as usize;
        let mut done = BTreeMap::new();
        for (part, written) in (1..).zip(&flow.slots[slot]) {
            let targets = &written.job.targets;
            let nodes = targets.iter().filter(|_| self.draw(2) == 0).cloned().collect();
            done.insert(part, nodes);
        }
        Some(Resume { slot: slot as u32 + 1, done })
    }

    fn set_clock(&mut self) {
        const STEPS: [i64; 8] = [20, 90, 1800, 9000, 200_000, -90, -1800, -400_000];
        let by = STEPS[self.draw(STEPS.len() as u64) as usize];
        self.set_by += SignedDuration::from_secs(by);
        // The alarm rings when the clock is set.
        if !self.books.stopping {
            self.look();
        }
    }

    fn reload(&mut self) {
        if self.books.stopping {
            return;
        }
        let now = self.look();
        let mut limit = 60;
        match self.draw(5) {
            0 => {
                let (jobs, flows) = (self.plan.jobs.len() as u64, self.plan.flows.len() as u64);
                let n = self.draw(jobs + flows);
                let name = if n < jobs { format!("j{n}") } else { format!("f{}", n - jobs) };
                self.jobs.remove(&name);
            }
            1 => self.jobs = self.all_jobs.clone().into_iter().collect(),
            2 => {
                let n = self.draw(self.plan.nodes as u64);
                if let Some((_, old)) = self.nodes.remove(&format!("n{n}")) {
                    self.scheduler.on_master(self.now(), node_state::Event::Retire(old));
                }
            }
            3 => {
                let n = self.draw(self.plan.nodes as u64);
                let node = self.all_nodes[n as usize].clone();
                if let Some((_, old)) = self.nodes.remove(&node.name) {
                    self.scheduler.on_master(self.now(), node_state::Event::Retire(old));
                }
                self.add_node(node);
            }
            _ => {
                self.max_workers = 1 + self.draw(6) as usize;
                limit = self.draw(100);
            }
        }
        let (pool, masters) = (limits(self.max_workers), master_limits(limit));
        self.scheduler.adjust(self.now(), pool, masters);
        let (jobs, nodes) = (&self.jobs, &self.nodes);
        self.books.flows.all_told_to_end(|name| !jobs.contains_key(name));
        self.scheduler.end_removed_flows(self.now(), |job| !jobs.contains_key(&job.name));
        self.scheduler.skip_removed(self.now(), |job, node| {
            !jobs.contains_key(&job.name) || !nodes.contains_key(&node.name)
        });
        self.settle();
        self.adopt_jobs(now);
    }

    fn stop(&mut self) {
        if self.books.stopping {
            return;
        }
        self.look();
        self.books.flows.all_told_to_end(|_| true);
        self.scheduler.stop(self.now(), &Canceller::Shutdown);
        self.books.stopping = true;
        if self.plan.stop == Some(Stop::Hurry) {
            self.after_ms(0, 20_000, Later::Hurry);
        }
    }

    pub fn heal(&mut self) {
        self.healed = true;
        self.no_spawn = false;
        self.ledger.refusing = false;
        self.health.values_mut().for_each(|health| *health = Health::Well);
        if self.ledger.degraded {
            self.degrade(false);
        }
        // What is due is judged by the pause while it lasts.
        self.look();
        self.paused = false;
        self.settle();
    }
}
