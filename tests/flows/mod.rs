//! Flows: slots of jobs on real nodes.

mod cancel;
mod retry;
