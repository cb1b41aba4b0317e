//! Waiting for the end of a flow: on a terminal its tree, drawn again and again; elsewhere a line
//! for each part that begins or ends and each unit that fails.
//!
//! What its units say is not shown before the end, and then only if it is folded. Events tell what happens; what they do not tell
//! is asked for: at the beginning, after a resync, and when nothing was heard for a while.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::asking::{Asking, Inputs, QUESTION, farewell};
use super::groups;
use super::lines::{Pieces, Stream};
use super::live::{self, Live};
use super::parts::begun;
use super::waiting::{End, How};
use super::write::Out;
use crate::api::event::Event;
use crate::api::flow::Part;
use crate::api::run::RunDetail;
use crate::cli::answer::typed;
use crate::cli::screen::{Screen, escape, print_json};
use crate::cli::summary::Summary;
use crate::cli::tree::{self, Tree};
use crate::client::{Client, Failure, Frame, Route};
use crate::sys::terminal::{self, Restore};

/// Events that may wait here before the daemon has to.
const ROOM: usize = 1024;
/// Events that are taken in one go.
const BATCH: usize = 256;
/// Drawn anew, for the time that has passed.
const TICK: Duration = Duration::from_millis(500);
/// Not drawn more often, whatever happens.
const PAUSE: Duration = Duration::from_millis(80);
/// Without an event for so long, it is looked whether something was missed.
const LOOK: Duration = Duration::from_secs(10);

const EVENTS: &str = "run_queued,run_started,run_ended,unit_started,unit_ended";

enum Input {
    /// From now on nothing is missed.
    Open,
    Told(Box<Event>),
    Lost(Failure),
    Wake,
    Key(Option<u8>),
    Cancelled(Result<(), Failure>),
}

/// Until the flow is over, or somebody has had enough.
pub fn wait(client: &Client, flow: RunDetail, how: How) -> Result<End, Failure> {
    let (to, from) = sync_channel(ROOM);
    let id = flow.run.id;
    let odd = |e: io::Error| Failure::odd(format!("cannot wait for run {id}: {e}"));
    let inputs = Inputs { wake: || Input::Wake, key: Input::Key, cancelled: Input::Cancelled };
    let asking = Asking::new(id, to.clone(), inputs).map_err(odd)?;
    let _restore = Restore;
    let theirs = client.clone();
    let reader = thread::Builder::new().name("events".to_owned());
    reader.spawn(move || read(&theirs, id, &to)).map_err(odd)?;
    // Before anything of it has begun: all that has is news.
    let planned = RunDetail { slots: flow.slots.map(not_begun), ..flow };
    let screen = Screen::stdout();
    let view = match (how.json, screen.is_terminal()) {
        (true, _) => View::Nothing,
        (false, true) => View::Tree(Live::default()),
        (false, false) => View::Lines,
    };
    let waiting = Waiting {
        client,
        id,
        fold: how.fold,
        view,
        out: Out::default(),
        asking,
        begun: Instant::now(),
        tree: Tree::new(planned, HashMap::new()),
        heard: Instant::now(),
        drawn: None,
        waits: false,
    };
    waiting.until_end(&from)
}

fn not_begun(slots: Vec<Vec<Part>>) -> Vec<Vec<Part>> {
    let part = |part| Part { run: None, rescued_by: None, ..part };
    slots.into_iter().map(|slot| slot.into_iter().map(part).collect()).collect()
}

fn read(client: &Client, run: u64, to: &SyncSender<Input>) {
    let route = Route::to(["events"]).with("run", run).with("types", EVENTS);
    let mut events = client.events(&route);
    let opened = match events.open() {
        Ok(()) => Input::Open,
        Err(failure) => Input::Lost(failure),
    };
    let gone = matches!(opened, Input::Lost(_));
    if to.send(opened).is_err() || gone {
        return;
    }
    for frame in events {
        let input = match frame.and_then(|frame| understand(&frame)) {
            Ok(Some(event)) => Input::Told(Box::new(event)),
            Ok(None) => continue,
            Err(failure) => Input::Lost(failure),
        };
        let last = matches!(input, Input::Lost(_));
        if to.send(input).is_err() || last {
            return;
        }
    }
}

/// Of a later version there may be events that we do not know.
fn understand(frame: &Frame) -> Result<Option<Event>, Failure> {
    let known = frame.event == "resync" || EVENTS.split(',').any(|name| name == frame.event);
    if known { frame.read().map(Some) } else { Ok(None) }
}

enum View {
    Tree(Live),
    Lines,
    /// The flow itself, at the end.
    Nothing,
}

struct Waiting<'a> {
    client: &'a Client,
    id: u64,
    /// At the end what its parts have said is shown, nodes that said the same together.
    fold: bool,
    view: View,
    out: Out,
    asking: Asking<Input>,
    begun: Instant,
    tree: Tree,
    /// When there was last a word of it.
    heard: Instant,
    drawn: Option<Instant>,
    /// It was too soon to draw again.
    waits: bool,
}

impl Waiting<'_> {
    fn until_end(mut self, from: &Receiver<Input>) -> Result<End, Failure> {
        loop {
            self.show()?;
            let first = match from.recv_timeout(self.patience()) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                // Who asks holds a sender.
                Err(RecvTimeoutError::Disconnected) => unreachable!("the channel has a sender"),
            };
            let inputs: Vec<Input> = first.into_iter().chain(from.try_iter().take(BATCH)).collect();
            for input in inputs {
                match self.on(input) {
                    Ok(None) => {}
                    Ok(Some(status)) => return self.detach(status),
                    Err(failure) => return self.give_up(failure),
                }
            }
            if let Some(status) = self.asking.on_signals() {
                return self.detach(status);
            }
            let looks = self.tree.take_stale() || self.heard.elapsed() >= LOOK;
            if let Err(failure) = if looks { self.look() } else { Ok(()) } {
                return self.give_up(failure);
            }
            if self.tree.is_over() {
                return self.finish();
            }
        }
    }

    /// Until it is to be drawn again.
    fn patience(&self) -> Duration {
        match self.drawn.filter(|_| self.waits) {
            Some(drawn) => PAUSE.saturating_sub(drawn.elapsed()).max(Duration::from_millis(1)),
            None => TICK,
        }
    }

    /// The exit status of who leaves.
    fn on(&mut self, input: Input) -> Result<Option<u8>, Failure> {
        match input {
            Input::Open => self.look()?,
            Input::Told(event) => {
                self.heard = Instant::now();
                self.tree.apply(&event);
            }
            Input::Lost(failure) => return Err(failure),
            // The signals are looked at after all inputs.
            Input::Wake => {}
            Input::Key(key) => return Ok(self.asking.answered(self.client, key)),
            Input::Cancelled(answer) => {
                if answer.is_err() {
                    self.leave_view();
                }
                self.asking.on_cancelled(answer);
            }
        }
        Ok(None)
    }

    /// Asks how it stands.
    fn look(&mut self) -> Result<(), Failure> {
        self.heard = Instant::now();
        match tree::read(self.client, self.id) {
            Ok(tree) => self.tree.renew(tree),
            // The connection is made again, or is lost for good, where the events are read.
            Err(failure) if failure.is_passing() => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn show(&mut self) -> Result<(), Failure> {
        let news = self.tree.take_news();
        match &mut self.view {
            View::Nothing => {}
            View::Lines => {
                let mut pieces = Pieces::default();
                for line in news.iter().filter_map(|news| tree::told(&self.tree, news)) {
                    pieces.add(Stream::Stdout, (line + "\n").as_bytes());
                }
                self.out.write(&pieces)?;
            }
            View::Tree(live) => {
                self.waits = self.drawn.is_some_and(|drawn| drawn.elapsed() < PAUSE);
                if self.waits {
                    return Ok(());
                }
                self.drawn = Some(Instant::now());
                let (columns, rows) = live::size();
                let below = match (self.asking.asks, self.asking.cancels) {
                    (true, _) => QUESTION.to_owned(),
                    (false, true) => {
                        let counts = self.tree.counts();
                        format!("cancelling; {} left", counts.total - counts.done())
                    }
                    (false, false) => String::new(),
                };
                // Below the lines there is one more, where the cursor is.
                let room = rows.saturating_sub(1).max(1);
                let lines = tree::live(&self.tree, Timestamp::now(), columns, room);
                live.draw(&lines, &below, columns, Screen::stdout().paint)?;
            }
        }
        Ok(())
    }

    fn leave_view(&mut self) {
        if let View::Tree(live) = &mut self.view {
            live.leave();
        }
    }

    fn detach(mut self, status: u8) -> Result<End, Failure> {
        self.leave_view();
        eprint!("{}", farewell(self.id));
        Ok(End::Detached(status))
    }

    fn give_up(mut self, failure: Failure) -> Result<End, Failure> {
        self.leave_view();
        eprintln!("loom: run {} may go on; `loom show {}` tells", self.id, self.id);
        Err(failure)
    }

    fn finish(mut self) -> Result<End, Failure> {
        terminal::restore();
        let route = Route::to(["runs", &self.id.to_string()]);
        // Units that never began may have had no event.
        let detail: Result<Value, Failure> = self.client.get(&route);
        let mut slots = Vec::new();
        if let Ok(detail) = &detail
            && let Ok(flow) = typed::<RunDetail>(detail.clone())
        {
            slots.extend(flow.slots.iter().flatten().cloned());
            if let Ok(tree) = tree::complete(self.client, flow) {
                self.tree.renew(tree);
            }
        }
        match &mut self.view {
            View::Nothing if self.fold => {
                let (parts, flow) = (begun(&slots), detail?);
                groups::show_parts_as_json(self.client, &parts, &flow, &mut self.out)?;
            }
            View::Nothing => print_json(&detail?)?,
            View::Lines => {
                self.show()?;
                let mut pieces = Pieces::default();
                for line in tree::never_begun(&self.tree) {
                    pieces.add(Stream::Stdout, (line + "\n").as_bytes());
                }
                self.out.write(&pieces)?;
            }
            View::Tree(live) => {
                let (columns, _) = live::size();
                let lines = tree::whole(&self.tree, Timestamp::now(), Some(columns));
                live.draw(&lines, "", columns, Screen::stdout().paint)?;
            }
        }
        if !matches!(self.view, View::Nothing) {
            if self.fold {
                groups::show_parts(self.client, &begun(&slots), &mut self.out)?;
            }
            summarise(&self.tree, self.begun.elapsed());
        }
        Ok(End::Over { run: Box::new(self.tree.run), units: Vec::new() })
    }
}

/// What did not succeed, nodes alike together, and how many units did.
fn summarise(tree: &Tree, waited: Duration) {
    let mut summary = Summary::default();
    for (_, branch) in tree.branches() {
        summary.add_successes(branch.counts().succeeded);
        let mut alike: BTreeMap<(String, Option<String>), Vec<&str>> = BTreeMap::new();
        for (node, outcome, detail) in branch.unsuccessful() {
            alike.entry((outcome, detail)).or_default().push(node);
        }
        for ((outcome, detail), nodes) in alike {
            summary.add_alike(&branch.planned.job, &nodes, &outcome, detail.as_deref());
        }
    }
    let run = &tree.run;
    let took = run.finished_at.and_then(|end| end.duration_since(run.queued_at).try_into().ok());
    let succeeded = run.state == "succeeded";
    summary.print(succeeded, took.unwrap_or(waited));
    if !succeeded {
        let reason = run.reason.as_deref().map(|r| format!(" ({})", escape(r)));
        let (id, state) = (run.id, escape(&run.state));
        eprintln!(
            "run {id} is {state}{}; `loom flow retry {id}` takes it up where it ended",
            reason.unwrap_or_default()
        );
    }
}
