//! What was folded, as it is shown at the end: of a run, or of a flow part after part.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fold::{Fold, Group};
use super::lines::{Face, Lines, Pieces, Said, Stream, Style};
use super::parts::heading;
use super::waiting::{missing, understand};
use super::write::Out;
use crate::api::run::Run;
use crate::api::unit::{OutputEvent, Unit};
use crate::cli::returned;
use crate::cli::screen::{Screen, escape};
use crate::client::{Client, Failure, Route};
use crate::config::folding;

pub fn show(groups: &[Group], run: &Run, json: bool, out: &mut Out) -> Result<(), Failure> {
    if json {
        return show_object(&json!({ "groups": groups, "run": run }), out);
    }
    show_text(groups, out)
}

/// Of parts that are over, in their order. Headings are on stderr, as those of `loom logs`.
pub fn show_parts(client: &Client, parts: &[&Run], out: &mut Out) -> Result<(), Failure> {
    for run in parts {
        let (groups, units) = read(client, run.id)?;
        eprintln!("{}", heading(run));
        show_text(&groups, out)?;
        show_results(&units);
    }
    Ok(())
}

/// `flow`: as the API has it.
pub fn show_parts_as_json(
    client: &Client,
    parts: &[&Run],
    flow: &Value,
    out: &mut Out,
) -> Result<(), Failure> {
    let mut told = Vec::with_capacity(parts.len());
    for run in parts {
        let (groups, _) = read(client, run.id)?;
        told.push(json!({ "run": run.id, "job": run.job, "groups": groups }));
    }
    show_object(&json!({ "parts": told, "run": flow }), out)
}

/// All that a run that is over has said.
fn read(client: &Client, run: u64) -> Result<(Vec<Group>, Vec<Unit>), Failure> {
    let (mut fold, mut units) = (Fold::default(), BTreeMap::new());
    let route = Route::to(["runs", &run.to_string(), "output"]).with("follow", true);
    for frame in client.events(&route) {
        let Some(event) = understand(&frame?)? else { continue };
        fold.hear(&event);
        match event {
            OutputEvent::Unit(unit) => drop(units.insert(unit.node.clone(), *unit)),
            OutputEvent::Run(_) => break,
            OutputEvent::Line { .. } | OutputEvent::Skipped { .. } => {}
        }
    }
    Ok((fold.groups(), units.into_values().collect()))
}

fn show_object(object: &Value, out: &mut Out) -> Result<(), Failure> {
    let mut pieces = Pieces::default();
    pieces.add(Stream::Stdout, format!("{object:#}\n").as_bytes());
    out.write(&pieces)
}

fn show_text(groups: &[Group], out: &mut Out) -> Result<(), Failure> {
    let mut pieces = Pieces::default();
    let terminal = Screen::stdout().is_terminal();
    let face = Face { terminal, colours: false };
    for group in groups {
        pieces.add(Stream::Stdout, group.header().as_bytes());
        let mut lines = Lines::new(Style {
            names: None,
            times: false,
            stdout: face,
            stderr: face,
            merged: true,
        });
        for line in group.output.split_inclusive(|&byte| byte == b'\n') {
            let (text, partial) = match line.strip_suffix(b"\n") {
                Some(text) => (text, false),
                None => (line, true),
            };
            let at = Timestamp::UNIX_EPOCH;
            let said = Said { unit: 0, node: "", at, stream: Stream::Stdout, text, partial };
            lines.add(&said, &mut pieces);
        }
        if let Some(bytes) = group.missing {
            lines.remark("", &missing(bytes), &mut pieces);
        }
    }
    out.write(&pieces)
}

/// Nodes whose tasks returned the same together; on stderr, as beside output that is not folded.
pub fn show_results(units: &[Unit]) {
    let mut nodes: BTreeMap<Vec<String>, Vec<&str>> = BTreeMap::new();
    for unit in units {
        nodes.entry(returned::told(unit.result.as_deref())).or_default().push(&unit.node);
    }
    for (lines, nodes) in nodes {
        let nodes = escape(&folding::fold(&nodes));
        lines.iter().for_each(|line| eprintln!("{nodes} | {line}"));
    }
}
