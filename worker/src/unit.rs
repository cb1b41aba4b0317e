//! Runs one unit.
