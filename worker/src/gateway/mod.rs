//! The gateway: the only process that speaks HTTP.
//!
//! A child of the parent, which hands it a control channel and a listening socket. It answers from
//! three sources: the parent, over the control channel ([`channel`]); the ledger, which it only
//! reads ([`history`]); and the output files ([`output`]). Which jobs and nodes there are and what
//! happens to runs it is told ([`catalog`], [`news`]). It decides nothing about who may change
//! what: the parent does, by the word that was shown ([`auth`]).

pub mod account;
pub mod args;
pub mod auth;
pub mod catalog;
pub mod channel;
mod confine;
pub mod describe;
pub mod extract;
pub mod guard;
pub mod history;
pub mod listen;
pub mod news;
pub mod output;
pub mod page;
pub mod problem;
pub mod range;
pub mod routes;
pub mod shape;
pub mod sse;
pub mod tell;
pub mod wait;
pub mod when;

use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use loom::protocol::control::Hello;
use loom::protocol::{GATEWAY_CONTROL, GATEWAY_LISTENER};
use loom::sys::{inherited, process};

use catalog::Shelf;
use channel::Parent;
use history::History;
use news::Newsroom;

/// Once the parent has hung up.
const LAST_WORDS: Duration = Duration::from_millis(50);

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
    let served = taken.and_then(|(control, listener)| serve(control, listener));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("loom-gateway: {e}");
            ExitCode::FAILURE
        }
    }
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
        let listening = listen::accept(listener, app);
        tokio::select! {
            gone = hearing => {
                // The last answers are on their way through the connections' tasks.
                tokio::time::sleep(LAST_WORDS).await;
                gone
            }
            failed = listening => failed,
        }
    })
}
