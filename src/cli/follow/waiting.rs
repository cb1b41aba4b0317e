//! Waiting for the end of a run: its output as it comes, how far it is, and the end.
//!
//! Detaching ends the command and nothing else.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::asking::{Asking, Inputs, QUESTION, farewell};
use super::bottom::{Bottom, Progress};
use super::flow;
use super::fold::Fold;
use super::groups;
use super::lines::{Face, Lines, Pieces, Said, Stream, Style};
use super::write::Out;
use crate::api::run::{Run, RunDetail};
use crate::api::unit::{OutputEvent, Unit};
use crate::cli::returned;
use crate::cli::screen::{Paint, escape};
use crate::cli::summary::Summary;
use crate::client::{Client, Failure, Frame, Route};
use crate::sys::terminal::{self, Restore};

/// Events that may wait here before the daemon has to.
const ROOM: usize = 1024;
/// Events that are shown in one go.
const BATCH: usize = 256;
/// The progress line is drawn anew.
const TICK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Nothing is shown before the end; then nodes with the same output together.
    pub fold: bool,
    /// The events as they are, one a line.
    pub json: bool,
}

/// How the waiting ended.
#[derive(Debug)]
pub enum End {
    /// With the last attempt on each node, unless it is a flow.
    Over { run: Box<Run>, units: Vec<Unit> },
    /// The run goes on; with the exit status of who has left.
    Detached(u8),
}

enum Input {
    Said(Box<OutputEvent>),
    Lost(Failure),
    /// A signal has come.
    Wake,
    /// `None`: the terminal is gone.
    Key(Option<u8>),
    Cancelled(Result<(), Failure>),
}

/// Until it is over, or somebody has had enough.
pub fn wait(client: &Client, run: &RunDetail, how: How) -> Result<End, Failure> {
    if run.slots.is_some() {
        return flow::wait(client, run.clone(), how);
    }
    let (to, from) = sync_channel(ROOM);
    let id = run.run.id;
    let odd = |e: io::Error| Failure::odd(format!("cannot wait for run {id}: {e}"));
    let inputs = Inputs { wake: || Input::Wake, key: Input::Key, cancelled: Input::Cancelled };
    let asking = Asking::new(id, to.clone(), inputs).map_err(odd)?;
    let _restore = Restore;
    let theirs = client.clone();
    let reader = thread::Builder::new().name("events".to_owned());
    reader.spawn(move || read(&theirs, id, &to)).map_err(odd)?;
    let waiting = Waiting {
        client,
        id,
        how,
        asking,
        begun: Instant::now(),
        bottom: Bottom::new(),
        out: Out::default(),
        lines: Lines::new(style(&run.nodes)),
        fold: Fold::default(),
        nodes: Nodes::expecting(run.run.units.total as usize),
    };
    waiting.until_end(&from)
}

fn style(units: &[Unit]) -> Style {
    let width = units.iter().map(|unit| escape(&unit.node).chars().count()).max();
    let stdout = crate::cli::screen::Screen::stdout();
    let stderr = io::IsTerminal::is_terminal(&io::stderr());
    Style {
        names: Some(width.unwrap_or(0)),
        times: false,
        stdout: Face { terminal: stdout.is_terminal(), colours: stdout.paint.has_colours() },
        stderr: Face { terminal: stderr, colours: Paint::for_stderr().has_colours() },
        merged: false,
    }
}

/// Hands on the run's output up to its end. A lost connection is resumed by the client.
fn read(client: &Client, run: u64, to: &SyncSender<Input>) {
    let route = Route::to(["runs", &run.to_string(), "output"]).with("follow", true);
    for frame in client.events(&route) {
        let input = match frame.and_then(|frame| understand(&frame)) {
            Ok(Some(event)) => Input::Said(Box::new(event)),
            Ok(None) => continue,
            Err(failure) => Input::Lost(failure),
        };
        let last = match &input {
            Input::Said(event) => matches!(**event, OutputEvent::Run(_)),
            Input::Lost(_) => true,
            Input::Wake | Input::Key(_) | Input::Cancelled(_) => false,
        };
        if to.send(input).is_err() || last {
            return;
        }
    }
}

/// Of a later version there may be events that we do not know.
pub fn understand(frame: &Frame) -> Result<Option<OutputEvent>, Failure> {
    match frame.event.as_str() {
        "line" | "skipped" | "unit" | "run" => frame.read().map(Some),
        _ => Ok(None),
    }
}

/// A remark; 0 where it is not known how many.
pub fn missing(bytes: u64) -> String {
    match bytes {
        0 => "some of its output is missing here".to_owned(),
        bytes => format!("{bytes} bytes of its output are missing here"),
    }
}

struct Waiting<'a> {
    client: &'a Client,
    id: u64,
    how: How,
    asking: Asking<Input>,
    begun: Instant,
    bottom: Bottom,
    out: Out,
    lines: Lines,
    fold: Fold,
    nodes: Nodes,
}

impl Waiting<'_> {
    fn until_end(mut self, from: &Receiver<Input>) -> Result<End, Failure> {
        loop {
            self.draw();
            let first = match from.recv_timeout(TICK) {
                Ok(input) => Some(input),
                Err(RecvTimeoutError::Timeout) => None,
                // Who asks holds a sender.
                Err(RecvTimeoutError::Disconnected) => unreachable!("the channel has a sender"),
            };
            let inputs: Vec<Input> = first.into_iter().chain(from.try_iter().take(BATCH)).collect();
            let mut pieces = Pieces::default();
            let mut end = None;
            for input in inputs {
                if let Some(found) = self.on(input, &mut pieces) {
                    end = Some(found);
                    break;
                }
            }
            if !pieces.0.is_empty() {
                self.bottom.clear();
                self.out.write(&pieces)?;
            }
            let end = match end {
                Some(end) => Some(end),
                None => self.asking.on_signals().map(|status| Ok(End::Detached(status))),
            };
            match end {
                Some(Ok(End::Over { run, .. })) => return self.finish(run),
                Some(Ok(End::Detached(status))) => {
                    self.bottom.clear();
                    eprint!("{}", farewell(self.id));
                    return Ok(End::Detached(status));
                }
                Some(Err(failure)) => {
                    self.bottom.clear();
                    eprintln!("loom: run {} may go on; `loom show {}` tells", self.id, self.id);
                    return Err(failure);
                }
                None => {}
            }
        }
    }

    fn draw(&mut self) {
        if self.asking.asks {
            self.bottom.draw(QUESTION);
        } else if self.asking.cancels {
            self.bottom.draw(&format!("cancelling; {} left", self.nodes.left()));
        } else {
            self.bottom.progress(self.nodes.progress(), self.begun.elapsed());
        }
    }

    fn on(&mut self, input: Input, pieces: &mut Pieces) -> Option<Result<End, Failure>> {
        match input {
            Input::Said(event) => {
                let end = self.said(&event, pieces);
                return end.map(|run| Ok(End::Over { run, units: Vec::new() }));
            }
            Input::Lost(failure) => return Some(Err(failure)),
            // The signals are looked at after each input.
            Input::Wake => {}
            Input::Key(key) => {
                let left = self.asking.answered(self.client, key);
                return left.map(|status| Ok(End::Detached(status)));
            }
            Input::Cancelled(answer) => {
                self.bottom.clear();
                self.asking.on_cancelled(answer);
            }
        }
        None
    }

    /// The run, if it is over.
    fn said(&mut self, event: &OutputEvent, pieces: &mut Pieces) -> Option<Box<Run>> {
        if self.how.json && !self.how.fold {
            match serde_json::to_string(event) {
                Ok(line) => pieces.add(Stream::Stdout, (line + "\n").as_bytes()),
                Err(e) => eprintln!("loom: an event cannot be written: {e}"),
            }
        }
        if self.how.fold {
            self.fold.hear(event);
        }
        let shown = !self.how.json && !self.how.fold;
        match event {
            OutputEvent::Line { unit, node, at, stream, text, partial } => {
                self.nodes.runs(node, *unit);
                if shown {
                    let (stream, text) = (Stream::of(stream), text.as_bytes());
                    let said = Said { unit: *unit, node, at: *at, stream, text, partial: *partial };
                    self.lines.add(&said, pieces);
                }
            }
            OutputEvent::Skipped { unit: _, node, bytes } => {
                if shown {
                    self.lines.remark(node, &missing(*bytes), pieces);
                }
            }
            OutputEvent::Unit(unit) => {
                if shown {
                    self.lines.end(unit.id, pieces);
                    for line in returned::told(unit.result.as_deref()) {
                        self.lines.remark(&unit.node, &line, pieces);
                    }
                }
                self.nodes.ended(unit);
            }
            OutputEvent::Run(run) => return Some(run.clone()),
        }
        None
    }

    fn finish(mut self, run: Box<Run>) -> Result<End, Failure> {
        self.bottom.clear();
        terminal::restore();
        // Nodes that were skipped may have had no event.
        let detail: Result<RunDetail, Failure> =
            self.client.get(&Route::to(["runs", &self.id.to_string()]));
        let told = self.nodes;
        let units = detail.map_or_else(|_| told.last(), |detail| last_attempts(detail.nodes));
        if self.how.fold {
            groups::show(&self.fold.groups(), &run, self.how.json, &mut self.out)?;
        }
        if self.how.fold && !self.how.json {
            groups::show_results(&units);
        }
        if !self.how.json {
            summarise(&run, &units, self.begun.elapsed());
        }
        Ok(End::Over { run, units })
    }
}

/// What `loom once` says at its end.
fn summarise(run: &Run, units: &[Unit], waited: Duration) {
    let mut summary = Summary::default();
    let job = Some(run.job.as_str()).filter(|_| run.trigger != "exec");
    for unit in units {
        let outcome = unit.outcome.as_deref().unwrap_or(&unit.state);
        let words = unit.summary.as_deref().unwrap_or(outcome);
        let detail = unit.detail.as_deref().or(unit.reason.as_deref());
        summary.add(job, &unit.node, outcome == "succeeded", words, detail);
    }
    let took = run
        .finished_at
        .and_then(|end| end.duration_since(run.queued_at).try_into().ok())
        .unwrap_or(waited);
    summary.print(run.state == "succeeded", took);
    if run.state != "succeeded" && summary.all_succeeded() || units.is_empty() {
        let reason = run.reason.as_deref().map(|r| format!(": {}", escape(r)));
        eprintln!("run {} is {}{}", run.id, escape(&run.state), reason.unwrap_or_default());
    }
}

/// The last on each node.
fn last_attempts(units: Vec<Unit>) -> Vec<Unit> {
    let mut last: BTreeMap<String, Unit> = BTreeMap::new();
    for unit in units {
        match last.get(&unit.node) {
            Some(known) if known.attempt > unit.attempt => {}
            Some(_) | None => drop(last.insert(unit.node.clone(), unit)),
        }
    }
    last.into_values().collect()
}

/// The nodes of a run and how it went there, as far as was told.
#[derive(Debug, Default)]
struct Nodes {
    expected: usize,
    ended: BTreeMap<String, Unit>,
}

impl Nodes {
    fn expecting(expected: usize) -> Nodes {
        Nodes { expected, ended: BTreeMap::new() }
    }

    /// What runs there now may be another attempt.
    fn runs(&mut self, node: &str, unit: u64) {
        if self.ended.get(node).is_some_and(|ended| ended.id < unit) {
            self.ended.remove(node);
        }
    }

    fn ended(&mut self, unit: &Unit) {
        self.ended.insert(unit.node.clone(), unit.clone());
    }

    fn progress(&self) -> Progress {
        let succeeded = |unit: &&Unit| unit.outcome.as_deref() == Some("succeeded");
        let done = self.ended.len();
        let failed = done - self.ended.values().filter(succeeded).count();
        Progress { total: self.expected, done, failed }
    }

    fn left(&self) -> usize {
        self.expected.saturating_sub(self.ended.len())
    }

    fn last(self) -> Vec<Unit> {
        self.ended.into_values().collect()
    }
}
