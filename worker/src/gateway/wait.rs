//! Waiting for the end of a run: by what is heard of it, not by looking again and again.

use std::time::Duration;

use loom::api::MAX_WAIT;
use loom::api::event::Event;
use loom::api::run::Run;
use loom::unit::RunId;
use tokio::time::{Instant, timeout_at};

use super::App;
use super::news::Cursor;
use super::problem::{Error, Result};
use super::shape;

/// So long a request may wait.
pub fn limit(seconds: u32) -> Result<Duration> {
    if seconds > MAX_WAIT {
        return Err(Error::invalid(format!("wait is from 0 to {MAX_WAIT} s, not {seconds}")));
    }
    Ok(Duration::from_secs(seconds.into()))
}

/// The run when it is over, or as it is after `limit`; `None`: the ledger does not have it.
/// `cursor` must be older than what makes the run end, if it is not over yet.
pub async fn until_over(
    app: &App,
    run: RunId,
    mut cursor: Cursor,
    limit: Duration,
) -> Result<Option<Run>> {
    let end = Instant::now() + limit;
    loop {
        let found = find(app, run).await?;
        if found.as_ref().is_some_and(Run::is_over) || Instant::now() >= end {
            return Ok(found);
        }
        match timeout_at(end, next_word(app, run, &mut cursor)).await {
            // The ledger has it, unless that is down: then there is nothing to wait for.
            Ok(Word::Ended) => return find(app, run).await,
            Ok(Word::Unsure) => {}
            Err(_) => return find(app, run).await,
        }
    }
}

enum Word {
    Ended,
    /// It may have ended.
    Unsure,
}

async fn next_word(app: &App, run: RunId, cursor: &mut Cursor) -> Word {
    loop {
        for (after, event) in app.news.after(*cursor).await {
            *cursor = after;
            if matches!(&*event, Event::RunEnded { run: ended, .. } if *ended == run.0) {
                return Word::Ended;
            }
            if matches!(&*event, Event::Resync) {
                return Word::Unsure;
            }
        }
    }
}

async fn find(app: &App, run: RunId) -> Result<Option<Run>> {
    app.history
        .read(move |ledger| match ledger.run(run)? {
            Some(row) => Ok(shape::runs(ledger, vec![row])?.pop()),
            None => Ok(None),
        })
        .await
}
