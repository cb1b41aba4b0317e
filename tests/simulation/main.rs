//! The scheduler in virtual time: thousands of nodes, workers that are numbers, a ledger that is
//! a set of books.
//!
//! Everything the event loop would do is played: `week` plays long spans on large fleets in a
//! [`world`] that is mostly well, `chaos` short ones in which everything goes wrong, and `turns` one
//! event after the other, `flows` of flows and `steps` of runs that widen.

mod chaos;
mod flows;
mod steps;
mod turns;
mod week;
mod world;
