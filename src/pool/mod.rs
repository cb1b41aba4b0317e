//! Worker processes: events in, actions out.
