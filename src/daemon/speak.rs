//! What the gateways are told without having asked: hello, the catalog, and the last words.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::gateway::Line;
use super::gateway::catalog::{Edition, Feed};
use super::{Daemon, hostname};
use crate::protocol::VERSION;
use crate::protocol::control::{FromParent, Hello, News};

/// How long the last replies may take on their way.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Daemon {
    /// Whoever asked us to stop is to hear that we do.
    pub(super) fn last_words_are_said(&mut self) -> bool {
        self.speak();
        let until = *self.last_words.get_or_insert_with(|| Instant::now() + LAST_WORDS);
        self.gateways.are_quiet() || Instant::now() >= until
    }

    /// Sends to the gateways what can be sent.
    pub(super) fn speak(&mut self) {
        // What is kept in memory is as good as told, as long as there is nothing better.
        let through = self.engine.trouble.is_none().then(|| self.engine.ledger.written());
        self.gateways.tick(&self.engine.poll);
        self.gateways.flush(&self.engine.poll, through);
    }

    /// What every gateway is told first.
    pub(super) fn greet(&mut self, line: Line) {
        let hello = Hello {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.started_at,
            hostname: hostname(),
            statedir: self.engine.config.settings.statedir.clone(),
            serve: self.gateways.serve(line),
        };
        self.reload.forget(line);
        self.gateways.say(line, &FromParent::Hello(hello));
        self.gateways.say(line, &FromParent::News(News::Paused(self.paused)));
        let feed = self.feed();
        let (submitted, written) = (self.engine.ledger.submitted(), self.engine.ledger.written());
        if let Some(channel) = self.gateways.channel(line) {
            channel.feed(feed);
            if submitted > written {
                // What is being written was told before it was there.
                channel.tell(submitted, News::Resync);
            }
        }
    }

    fn feed(&self) -> Feed {
        Feed::new(self.engine.config.clone(), self.edition, self.engine.switched_off.clone())
    }

    /// There is another configuration.
    pub(super) fn publish_catalog(&mut self) {
        let generation = self.edition.generation + 1;
        self.edition = Edition { generation, loaded_at: Timestamp::now() };
        for line in Line::ALL {
            let feed = self.feed();
            if let Some(channel) = self.gateways.channel(line) {
                channel.feed(feed);
            }
        }
    }

    pub(super) fn knocked(&mut self, line: Line) {
        if self.gateways.knocked(&self.engine.poll, line).is_some() {
            self.greet(line);
        }
    }
}
