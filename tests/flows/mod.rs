//! Flows: slots of jobs on real nodes.

mod cancel;
mod deployment;
mod retry;
mod witness;
