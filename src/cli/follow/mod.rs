//! Showing what units say: while they run, and grouped when they have ended.

mod fold;
mod lines;
