//! Ending in good order, and hurrying when told twice.
//!
//! First no unit starts any more and the running ones have `stop_timeout`; then they are
//! cancelled, here and on their nodes; what still does not end loses its worker. A further
//! signal goes on to the next stage at once.

use std::time::{Duration, Instant};

use super::Engine;
use super::engine::Phase;
use super::units::KILL_GRACE;
use crate::pool;
use crate::protocol::message::{Output, ToWorker};
use crate::unit::{Canceller, Kill, Outcome, UnitId};

/// For a worker to end its unit on the node and say so: the grace there, and the way.
const CANCEL_TIME: Duration = KILL_GRACE.saturating_add(Duration::from_secs(5));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Draining,
    Cancelling,
    Killing,
}

#[derive(Debug)]
pub struct Stopping {
    by: Canceller,
    stage: Stage,
    until: Instant,
}

impl Stopping {
    pub fn begin(engine: &mut Engine, by: Canceller) -> Stopping {
        let ids: Vec<UnitId> = engine.units.keys().copied().collect();
        for id in ids {
            engine.cancel_unsent(id, &by);
        }
        engine.on_pool(pool::Event::Stop);
        let timeout = engine.config.settings.stop_timeout;
        if !engine.units.is_empty() {
            log::info!("{} units still run; they have {timeout:?}", engine.units.len());
        }
        Stopping { by, stage: Stage::Draining, until: Instant::now() + timeout }
    }

    /// Every worker is gone, and with it every unit.
    pub fn is_done(&self, engine: &Engine) -> bool {
        engine.is_idle() && engine.pool.live() == 0
    }

    pub fn deadline(&self) -> Instant {
        self.until
    }

    pub fn tick(&mut self, engine: &mut Engine) {
        if Instant::now() >= self.until {
            self.hurry(engine);
        }
    }

    /// On to the next stage.
    pub fn hurry(&mut self, engine: &mut Engine) {
        let now = Instant::now();
        match self.stage {
            Stage::Draining => {
                log::warn!("cancelling {} units", engine.units.len());
                cancel_running(engine, &self.by);
                (self.stage, self.until) = (Stage::Cancelling, now + CANCEL_TIME);
            }
            Stage::Cancelling | Stage::Killing => {
                kill_workers(engine, &self.by);
                (self.stage, self.until) = (Stage::Killing, now + KILL_GRACE);
            }
        }
    }
}

fn cancel_running(engine: &mut Engine, by: &Canceller) {
    for (id, unit) in &engine.units {
        if let Phase::Sent { slot } = unit.phase
            && let Some(worker) = engine.workers.get_mut(&slot)
        {
            let order = ToWorker::Cancel { unit: *id, by: by.clone() };
            if let Err(e) = worker.send(&order) {
                log::error!("worker {}: {e}", worker.pid());
            }
        }
    }
}

fn kill_workers(engine: &mut Engine, by: &Canceller) {
    let ids: Vec<UnitId> = engine.units.keys().copied().collect();
    for id in ids {
        let outcome = Outcome::Cancelled { by: by.clone(), kill: Kill::Unconfirmed };
        let detail = "its worker did not end it in time and was killed".to_owned();
        engine.end_unit(id, outcome, Some(detail), Output::default());
    }
    for worker in engine.workers.values() {
        worker.kill();
    }
}
