//! Flows: slots of jobs on real nodes.

mod cancel;
mod chapter;
mod deployment;
mod file;
mod manifest;
mod once;
mod retry;
mod roadrunner;
mod tree;
mod witness;
