//! The states of a run and of its units.
