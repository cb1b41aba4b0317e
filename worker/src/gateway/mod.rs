//! The gateway: the only process that speaks HTTP.
//!
//! A child of the parent, which hands it a control channel and a listening socket. It answers from
//! three sources: the parent, over the control channel ([`channel`]); the ledger, which it only
//! reads ([`history`]); and the output files ([`output`]). Which jobs and nodes there are and what
//! happens to runs it is told ([`catalog`], [`news`]). The page in the browser is its own too
//! ([`web`]). It decides nothing about who may change what: the parent does, by the word that was
//! shown ([`auth`]).

pub mod account;
pub mod args;
pub mod auth;
pub mod body;
pub mod catalog;
pub mod channel;
mod confine;
pub mod crowd;
pub mod describe;
pub mod extract;
pub mod failures;
pub mod guard;
pub mod history;
pub mod host;
pub mod listen;
pub mod news;
pub mod output;
pub mod paging;
pub mod patience;
pub mod problem;
pub mod range;
pub mod resume;
pub mod routes;
pub mod shape;
pub mod spans;
pub mod sse;
pub mod tell;
pub mod tls;
pub mod wait;
pub mod web;
pub mod when;

use std::fmt;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;

use loom::protocol::control::Hello;
use loom::protocol::{GATEWAY_CONTROL, GATEWAY_LISTENER};
use loom::sys::{inherited, process};
use nix::sys::prctl;

use catalog::Shelf;
use channel::Parent;
use history::History;
use news::Newsroom;

/// What every request can reach.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub hello: Hello,
    pub parent: Parent,
    pub shelf: Shelf,
    pub news: Newsroom,
    pub history: History,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

pub fn main() -> ExitCode {
    // SAFETY: the first thing this process does; nothing else has opened a descriptor yet.
    let taken = unsafe {
        inherited::take(GATEWAY_CONTROL)
            .and_then(|control| Ok((control, inherited::take(GATEWAY_LISTENER)?)))
    };
    // It was started through a descriptor, whose number would be its name in ps and top.
    let _ = prctl::set_name(c"loom-gateway");
    let served = taken.and_then(|(control, listener)| serve(control, listener));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("loom-gateway: {e}");
            ExitCode::FAILURE
        }
    }
}

/// To the daemon's log.
pub fn say(line: fmt::Arguments) {
    // It may be gone.
    let _ = writeln!(io::stderr(), "{line}");
}

/// Until the parent is gone.
fn serve(control: OwnedFd, listener: OwnedFd) -> io::Result<()> {
    // It is shown tokens.
    process::undumpable()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(history::READERS)
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (parent, mut heard) = channel::open(control).await?;
        let hello = heard.hello().await?;
        confine::confine(&hello)?;
        let app = App(Arc::new(Inner {
            history: History::of(&hello.statedir),
            parent,
            shelf: Shelf::default(),
            news: Newsroom::new(),
            hello,
        }));
        let hearing = heard.all(app.clone());
        listen::serve(listener, app, hearing).await
    })
}
