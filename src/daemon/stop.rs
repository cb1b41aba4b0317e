//! Ending in good order, and hurrying when told twice.
//!
//! First no unit starts any more and the running ones have `stop_timeout`; then they are
//! cancelled, here and on their nodes; what still does not end loses its worker. A further
//! signal goes on to the next stage at once. A drain leaves the running ones all the time they
//! take, until they are told to stop after all.

use std::time::{Duration, Instant};

use super::Engine;
use crate::scheduler::{KILL_GRACE, Now};
use crate::unit::Canceller;

/// For a worker to end its unit on the node and say so: the grace there, and the way.
const CANCEL_TIME: Duration = KILL_GRACE.saturating_add(Duration::from_secs(8));

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
    /// When the next stage begins.
    until: Option<Instant>,
}

impl Stopping {
    /// `drain`: until the running units have ended by themselves.
    pub fn begin(engine: &mut Engine, by: Canceller, drain: bool) -> Stopping {
        engine.scheduler.stop(Now::read(), &by);
        engine.settle();
        let timeout = engine.config.settings.stop_timeout;
        let running = engine.scheduler.count_units().running;
        if running > 0 && drain {
            log::info!("{running} units still run; they may take their time");
        } else if running > 0 {
            log::info!("{running} units still run; they have {timeout:?}");
        }
        let until = (!drain).then(|| Instant::now() + timeout);
        Stopping { by, stage: Stage::Draining, until }
    }

    /// Of a drain: the running units have `stop_timeout` from now on. False if it was none.
    pub fn limit(&mut self, engine: &Engine) -> bool {
        if self.until.is_some() {
            return false;
        }
        let timeout = engine.config.settings.stop_timeout;
        log::info!(
            "{} units still run; they have {timeout:?}",
            engine.scheduler.count_units().running
        );
        self.until = Some(Instant::now() + timeout);
        true
    }

    /// Every worker is gone, and with it every unit.
    pub fn is_done(&self, engine: &Engine) -> bool {
        engine.is_idle() && engine.scheduler.workers() == 0
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    pub fn tick(&mut self, engine: &mut Engine) {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            self.hurry(engine);
        }
    }

    /// On to the next stage.
    pub fn hurry(&mut self, engine: &mut Engine) {
        let now = Instant::now();
        match self.stage {
            Stage::Draining => {
                log::warn!("cancelling {} units", engine.scheduler.count_units().running);
                engine.scheduler.cancel_all(Now::read(), &self.by);
                (self.stage, self.until) = (Stage::Cancelling, Some(now + CANCEL_TIME));
            }
            Stage::Cancelling | Stage::Killing => {
                engine.scheduler.give_up_all(Now::read(), &self.by);
                engine.kill_workers();
                (self.stage, self.until) = (Stage::Killing, Some(now + KILL_GRACE));
            }
        }
        engine.settle();
    }
}
