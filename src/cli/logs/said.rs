//! What units of a run have said: as it is kept, and as it comes.

use std::collections::BTreeSet;
use std::io::{self, BufReader, IsTerminal, Write};

use super::Args;
use crate::api::run::RunDetail;
use crate::api::unit::{OutputEvent, Unit};
use crate::cli::follow::lines::{Face, Lines, Pieces, Said, Stream, Style};
use crate::cli::follow::write::Out;
use crate::cli::follow::{entries, missing, understand};
use crate::cli::screen::{Paint, Screen, escape};
use crate::client::{Client, Failure, Route};

pub struct Logs<'a> {
    client: &'a Client,
    args: &'a Args,
    several: bool,
    lines: Lines,
    out: Out,
    units: Vec<Unit>,
    tail: Option<u64>,
}

impl<'a> Logs<'a> {
    /// `names`: of all nodes that may have a line.
    pub fn new(
        client: &'a Client,
        args: &'a Args,
        units: &[Unit],
        names: &BTreeSet<&str>,
        tail: Option<u64>,
    ) -> Logs<'a> {
        let of = |unit: &&Unit| names.contains(unit.node.as_str());
        let units = units.iter().filter(of).cloned().collect();
        let (several, lines) = (names.len() > 1, Lines::new(style(args, names)));
        Logs { client, args, several, lines, out: Out::default(), units, tail }
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether nobody reads it any more.
    pub fn show(mut self, run: &RunDetail) -> Result<bool, Failure> {
        if !self.args.follow || run.run.is_over() {
            for unit in std::mem::take(&mut self.units) {
                if self.args.cri {
                    self.raw(&unit)?
                } else {
                    self.kept(&unit)?
                }
                if self.out.is_closed() {
                    break;
                }
            }
            return Ok(self.out.is_closed());
        }
        self.follow(run)
    }

    /// Nothing was kept of a unit that has not begun, or is not any more.
    fn body(&self, unit: &Unit) -> Result<Option<Box<dyn io::Read + Send>>, Failure> {
        if unit.finished_at.is_some() && unit.output_bytes == 0 {
            return Ok(None);
        }
        let route = Route::to(["units", &unit.id.to_string(), "output"]);
        match self.client.bytes(&route.maybe("tail", self.tail)) {
            Ok(body) => Ok(Some(body)),
            Err(failure) if failure.problem().is_some_and(|problem| problem.status == 410) => {
                eprintln!("loom: {}: {failure}", escape(&unit.node));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn raw(&mut self, unit: &Unit) -> Result<(), Failure> {
        if self.several {
            eprintln!("unit {} on {}", unit.id, escape(&unit.node));
        }
        let Some(mut body) = self.body(unit)? else { return Ok(()) };
        let mut stdout = io::stdout().lock();
        match io::copy(&mut body, &mut stdout).and_then(|_| stdout.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            copied => copied.map_err(|e| lost(unit, &e)),
        }
    }

    fn kept(&mut self, unit: &Unit) -> Result<(), Failure> {
        let Some(body) = self.body(unit)? else { return Ok(()) };
        let (args, lines, out) = (self.args, &mut self.lines, &mut self.out);
        let mut failed = None;
        let damaged = entries::read(BufReader::new(body), unit.id, &unit.node, |said| {
            let mut pieces = Pieces::default();
            match said {
                Some(said) => {
                    one(args, lines, said, &mut pieces);
                }
                None => lines.remark(&unit.node, &missing(0), &mut pieces),
            }
            if let Err(failure) = out.write(&pieces) {
                failed = Some(failure);
            }
            failed.is_none() && !out.is_closed()
        });
        if let Some(failure) = failed {
            return Err(failure);
        }
        let mut pieces = Pieces::default();
        lines.end(unit.id, &mut pieces);
        if damaged.map_err(|e| lost(unit, &e))? > 0 {
            lines.remark(&unit.node, "parts of its output are damaged", &mut pieces);
        }
        out.write(&pieces)
    }

    /// To the end of the run.
    pub fn follow(mut self, run: &RunDetail) -> Result<bool, Failure> {
        let route = Route::to(["runs", &run.run.id.to_string(), "output"]).with("follow", true);
        let route = route.maybe("tail", self.tail);
        for frame in self.client.events(&route) {
            let Some(event) = understand(&frame?)? else { continue };
            let mut pieces = Pieces::default();
            if matches!(event, OutputEvent::Run(_)) {
                return Ok(false);
            }
            self.told(&event, &mut pieces);
            self.out.write(&pieces)?;
            if self.out.is_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn told(&mut self, event: &OutputEvent, pieces: &mut Pieces) {
        let wanted = |node: &str| self.args.node.as_ref().is_none_or(|wanted| wanted == node);
        match event {
            OutputEvent::Line { unit, node, at, stream, text, partial } if wanted(node) => {
                let (stream, text) = (Stream::of(stream), text.as_bytes());
                let said = Said { unit: *unit, node, at: *at, stream, text, partial: *partial };
                one(self.args, &mut self.lines, &said, pieces);
            }
            OutputEvent::Skipped { unit: _, node, bytes } if wanted(node) => {
                self.lines.remark(node, &missing(*bytes), pieces);
            }
            OutputEvent::Unit(unit) if wanted(&unit.node) => self.lines.end(unit.id, pieces),
            OutputEvent::Line { .. }
            | OutputEvent::Skipped { .. }
            | OutputEvent::Unit(_)
            | OutputEvent::Run(_) => {}
        }
    }
}

fn one(args: &Args, lines: &mut Lines, said: &Said, pieces: &mut Pieces) {
    let other = match said.stream {
        Stream::Stdout => args.stderr,
        Stream::Stderr => args.stdout,
    };
    if other {
        return;
    }
    if !args.reach.json {
        lines.add(said, pieces);
        return;
    }
    let event = OutputEvent::Line {
        unit: said.unit,
        node: said.node.to_owned(),
        at: said.at,
        stream: match said.stream {
            Stream::Stdout => "stdout".to_owned(),
            Stream::Stderr => "stderr".to_owned(),
        },
        text: String::from_utf8_lossy(said.text).into_owned(),
        partial: said.partial,
    };
    if let Ok(line) = serde_json::to_string(&event) {
        pieces.add(Stream::Stdout, (line + "\n").as_bytes());
    }
}

fn lost(unit: &Unit, why: &io::Error) -> Failure {
    Failure::lost(format!("the output of unit {} is not complete: {why}", unit.id))
}

fn style(args: &Args, nodes: &BTreeSet<&str>) -> Style {
    let stdout = Screen::stdout();
    let width = nodes.iter().map(|node| escape(node).chars().count()).max();
    let colours = Paint::for_stderr().has_colours();
    Style {
        names: width.filter(|_| nodes.len() > 1),
        times: args.timestamps,
        stdout: Face { terminal: stdout.is_terminal(), colours: stdout.paint.has_colours() },
        stderr: Face { terminal: io::stderr().is_terminal(), colours },
        merged: true,
    }
}
