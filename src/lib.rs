//! Loom: cron for more than one machine.
//!
//! The modules in the order a unit travels: a file becomes a [`job`] on its [`node`]s
//! ([`config`]), whose [`task`] is a native one or a callable in a [`python`] module, found without
//! being run ([`inspect`]); its schedule ([`cron`]) comes due ([`timetable`]), the [`scheduler`]
//! makes a [`run`] of [`unit`]s, or of a [`flow`] a run of runs, slot by slot; each unit waits its
//! turn ([`dispatch`]) until its node's connection is up ([`node_state`], [`master`]), goes to a
//! worker process ([`pool`]) in a frame ([`protocol`]), and its outcome ends in the ledger
//! ([`store`]); what happened ([`event`]) is told to the log and the job's hooks ([`hook`]), and to
//! whoever follows. The event loop between them is [`daemon`]. What a worker does with its unit is
//! told in `worker/src/lib.rs`.
//!
//! Who wants to speak with a daemon ([`client`]) asks its gateway, a child of its own that speaks
//! HTTP ([`api`] is what it says); what the gateway wants done ([`protocol::control`]) the daemon
//! permits or refuses ([`access`]). A browser gets the page from the gateway, and the page asks what
//! everybody asks: `worker/src/gateway/web`. How all of this gets onto a machine is in `debian` and
//! the `Makefile`.
//!
//! ```text
//!  loom run, top ── HTTP: unix socket, TLS ──> loom-gateway  (package `loom-worker`: axum)
//!                                                  │ frames over a socket pair
//!                                                  v
//!  files ── inotify ──>  loom  (this package: one event loop, no async runtime)
//!  signals ── pipe ───>   │  timerfd      ledger thread ── SQLite
//!                         │  frames over pipes: the child's fds 3 (in) and 4 (out)
//!             ┌───────────┼───────────┐
//!             v           v           v      min_workers … max_workers
//!       loom-worker  loom-worker  loom-worker     (package `loom-worker`: tokio, openssh)
//!             │           │           │  one unit at a time
//!             │           │           └─ packets ── python3: one Python unit (worker/python)
//!             └── mux ── ssh master per node (system OpenSSH; child of loom) ── node's sshd
//! ```
//!
//! Imports run downward only: `cli` → {`launch`, `client`} → `daemon` → {`config`, `timetable`,
//! `scheduler`, `hook`, `master`} → {`cron`, `flow`, `run`, `dispatch`, `node_state`, `pool`, `store`} →
//! {`event`, `job`, `node`, `unit`, `access`, `api`, `task`, `python`, `inspect`, `protocol`} →
//! `sys`. `cron`, `timetable`, `scheduler`, `flow`, `run`, `dispatch`, `node_state`, `pool` (but for
//! `pool::child`) and [`hook`] (but for `hook::child`) do no I/O: they take the time and an event
//! and return actions, which the event loop performs.

pub mod access;
pub mod api;
pub mod arg;
pub mod cli;
pub mod client;
pub mod config;
pub mod cron;
pub mod daemon;
pub mod dispatch;
pub mod event;
pub mod executable;
pub mod flow;
pub mod hook;
pub mod inspect;
pub mod job;
pub mod launch;
pub mod logging;
pub mod master;
pub mod node;
pub mod node_state;
pub mod password;
pub mod pool;
pub mod protocol;
pub mod python;
pub mod run;
pub mod scheduler;
pub mod store;
pub mod sys;
pub mod task;
pub mod timetable;
pub mod unit;

pub use cli::main;
