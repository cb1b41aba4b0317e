//! The page, in a real browser, served by a real daemon.
//!
//! A file for each theme. [`Scene`] is a daemon on a farm that listens, [`Browser`] a headless
//! Chromium. Without one, each test reports that it was skipped. What the page looked like is left
//! in `target/screenshots`.

#[path = "../harness/mod.rs"]
mod harness;

mod axe;
mod browser;
mod busy;
mod crowd;
mod fleet;
mod going;
mod hostile;
mod installed;
mod keyboard;
mod live;
mod many;
mod overview;
mod parts;
mod past;
mod pictures;
mod roles;
mod scene;
mod stranger;
mod views;

use axe::Axe;
use browser::Browser;
use scene::Scene;
