//! Python tasks: that a module written for Fabric 1 finds here what it found there.

mod compare;
mod imports;
mod names;
mod tasks;
