//! One turn over some units of a run: what is told of those that run, of those that have ended, and
//! where the tail of each begins. Reads what it takes, and may wait for a disk; whose turn it is, and
//! when, it is told.

use std::io;
use std::sync::Arc;

use loom::store::{Reader, StoreError, UnitState};
use loom::unit::UnitId;

use super::look::{End, Whose, cannot_be_read, end, look};
use super::{PIECE, Place};
use crate::gateway::output::{Cursor, Kept, OutputDir};

/// So many units, whose ends are told or sought, are in one turn.
pub const AT_ONCE: usize = 100;

#[derive(Debug, Clone)]
pub struct Known {
    pub unit: UnitId,
    pub node: Arc<str>,
}

/// The beginning where nothing can be read: whoever goes on from there tells that.
pub fn tail_at(
    ledger: &Reader,
    dir: &OutputDir,
    unit: UnitId,
    lines: u64,
) -> std::result::Result<u64, StoreError> {
    let Some(row) = ledger.unit(unit)? else { return Ok(0) };
    let output = match row.state {
        UnitState::Done(_) => Some(ledger.output(unit)?.unwrap_or_default()),
        UnitState::Queued | UnitState::Running => None,
    };
    let tail = |kept: Kept| Ok::<u64, io::Error>(kept.cursor(kept.tail(lines)?).at);
    let kept = Kept::open(dir, unit, output.as_ref());
    Ok(kept.ok().flatten().and_then(|kept| tail(kept).ok()).unwrap_or(0))
}

#[derive(Default)]
pub struct Looked {
    pub place: Place,
    pub piece: Vec<u8>,
    pub more: bool,
    pub unreadable: Vec<usize>,
    /// The piece was full before the round was: this one has its turn.
    pub next: Option<usize>,
}

impl Looked {
    pub fn at(dir: &OutputDir, place: Place, turn: &[(usize, Known)]) -> Looked {
        let mut looked = Looked { place, ..Looked::default() };
        for (number, Known { unit, node }) in turn {
            if looked.piece.len() >= PIECE {
                looked.next = Some(*number);
                break;
            }
            let whose = Whose { unit: *unit, node: node.to_string(), only: None };
            let before = looked.place.before(*number);
            let id = |at| format!("{before}{at}");
            let at = looked.place.at(*number);
            match look(dir, at, &whose, id, &mut looked.piece) {
                Ok(seen) => {
                    looked.place.reach(*number, seen.at);
                    looked.more |= seen.more;
                }
                Err(why) => {
                    cannot_be_read(*unit, &why);
                    looked.unreadable.push(*number);
                }
            }
        }
        looked
    }
}

#[derive(Default)]
pub struct Ended {
    pub place: Place,
    pub piece: Vec<u8>,
    pub told: Vec<usize>,
    /// By the ledger they have not ended.
    pub open: Vec<usize>,
}

impl Ended {
    pub fn of(
        ledger: &Reader,
        dir: &OutputDir,
        place: Place,
        turn: &[(usize, Cursor)],
    ) -> std::result::Result<Ended, StoreError> {
        let mut ended = Ended { place, ..Ended::default() };
        for (number, from) in turn {
            if ended.piece.len() >= PIECE {
                break;
            }
            let place = &mut ended.place;
            let before = place.before(*number);
            let id = |at| format!("{before}{at}");
            let last = |_| {
                place.finish(*number);
                place.to_string()
            };
            match end(ledger, dir, *from, None, (id, last), &mut ended.piece)? {
                End::Told => ended.told.push(*number),
                End::Gone => {
                    ended.place.finish(*number);
                    ended.told.push(*number);
                }
                End::More(at) => ended.place.reach(*number, at),
                End::Open => ended.open.push(*number),
            }
        }
        Ok(ended)
    }
}
