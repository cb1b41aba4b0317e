//! The parts of a flow that have begun, and the heading under which each of them is told.

use crate::api::flow::Part;
use crate::api::run::Run;
use crate::cli::screen::escape;
use crate::job::flow::Place;

/// In the order of their places, a rescue behind what it rescues.
pub fn begun(slots: &[Vec<Part>]) -> Vec<&Run> {
    let parts = slots.iter().flatten().flat_map(Part::chain);
    parts.filter_map(|part| part.run.as_ref()).collect()
}

/// `run 13 of pkg1: slot 1, job 1`.
pub fn heading(run: &Run) -> String {
    let place = run.flow.map(|place| format!(": {}", Place::from(place))).unwrap_or_default();
    format!("run {} of {}{place}", run.id, escape(&run.job))
}
