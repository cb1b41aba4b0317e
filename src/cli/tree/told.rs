//! What happens to a flow, a line for each thing: where there is no terminal.

use super::branch::{Counts, State};
use super::state::{News, Tree};
use crate::api::run::Place;
use crate::cli::screen::{count, escape, lasted};
use crate::config::show_duration;

pub fn told(tree: &Tree, news: &News) -> Option<String> {
    match news {
        News::Begun(place) => {
            let run = tree.branch(*place)?.run.as_ref()?;
            let nodes = count(run.units.total as usize, "node");
            Some(format!("{} begins on {nodes}, run {}", who(tree, *place)?, run.id))
        }
        News::Failed { place, node, summary, detail, again } => {
            let detail = detail.as_ref().map(|detail| format!(": {}", escape(detail)));
            let again = again
                .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
                .map(|pause| format!("; again in {}", show_duration(pause)));
            Some(format!(
                "{} on {}: {}{}{}",
                who(tree, *place)?,
                escape(node),
                escape(summary),
                detail.unwrap_or_default(),
                again.unwrap_or_default(),
            ))
        }
        News::Ended(place) => {
            let branch = tree.branch(*place)?;
            let run = branch.run.as_ref()?;
            let took = lasted(run.started_at.unwrap_or(run.queued_at), run.finished_at?);
            let reason = run.reason.as_ref().map(|reason| format!(" ({})", escape(reason)));
            // The daemon's number: units that never began may not have been told of.
            let Counts { failed, total, .. } = branch.counts();
            let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            let needed = branch.planned.needed as usize;
            let all = branch.planned.targets.len();
            let needs = if needed < all { format!(", needs {needed}") } else { String::new() };
            Some(format!(
                "{} {}{} in {took}: {} of {} succeeded{failed}{needs}",
                who(tree, *place)?,
                escape(&run.state),
                reason.unwrap_or_default(),
                run.units.succeeded,
                count(total, "node"),
            ))
        }
    }
}

/// `slot 1: pkg1`, `slot 2: rescue back`.
fn who(tree: &Tree, place: Place) -> Option<String> {
    let name = escape(tree.name(&tree.branch(place)?.planned.job));
    let rescue = if place.rescue > 0 { "rescue " } else { "" };
    Some(format!("slot {}: {rescue}{name}", place.slot))
}

/// Of a flow that is over: its parts that were to run and did not.
pub fn never_begun(tree: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (slot, parts) in tree.slots.iter().enumerate() {
        for (nth, part) in parts.iter().enumerate() {
            let is_over = matches!(tree.slot_state(slot), State::Before);
            if part.run.is_none() && !is_over && tree.part_state(slot, nth) == State::ToCome {
                let name = escape(tree.name(&part.planned.job));
                lines.push(format!("slot {}: {name} was not begun", slot + 1));
            }
        }
    }
    lines
}
