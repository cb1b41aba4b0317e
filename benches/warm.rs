//! Warm, 10 nodes, 10 workers: units a second, and what the parent spends on each.

use std::cell::RefCell;

use crate::harness::Farm;
use crate::harness::farm::Options;
use crate::masters::{Masters, wrapped};
use crate::share::Loom;
use crate::table::{Table, Target, median};

const NODES: usize = 10;
const AT_ONCE: usize = 10;
const ROUNDS: usize = 3;
/// Few and many, as [`Loom`] wants them.
const JOBS: (usize, usize) = (20, 170);
/// For the bare tools, which need no difference.
const COMMANDS: usize = 1000;

const RUN: &str = "task: loom.run, args: ['true']";
const FABRIC: &str = "task: fabric.api.run, args: ['true']";
/// What `fabric.api.run` makes of `true`.
const BASH: &str = "/bin/bash -l -c \"true\"";

pub fn measure(table: &mut Table) {
    // The bare loop takes its next turn before the node has closed the session of its last.
    let farm = Farm::with(NODES, Options { max_sessions: 100, ..Options::default() });
    let masters = Masters::start(&farm);
    let (run, fabric) = (Loom::new(&farm, JOBS, RUN), Loom::new(&farm, JOBS, FABRIC));
    let (leased, leased_bash) = (wrapped("true"), wrapped(BASH));
    let mux = |line: &str| COMMANDS as f64 / masters.mux_loop(line, COMMANDS, AT_ONCE);
    let xargs = |line: &str| COMMANDS as f64 / masters.xargs(line, COMMANDS, AT_ONCE);

    let rates = RefCell::new([const { Vec::new() }; 8]);
    let note = |which: usize, rate: f64| rates.borrow_mut()[which].push(rate);
    let mut cpu = Vec::new();
    for _ in 0..ROUNDS {
        note(0, mux(&leased));
        let unit = run.unit();
        note(1, 1.0 / unit.wall);
        cpu.push(unit.cpu);
        note(2, xargs(&leased));
        note(3, mux("true"));
        note(4, mux(BASH));
        note(5, mux(&leased_bash));
        note(6, 1.0 / fabric.unit().wall);
        note(7, xargs("true"));
    }
    let rates = rates.into_inner();
    let ratio =
        |a: usize, b: usize| median(rates[a].iter().zip(&rates[b]).map(|(a, b)| a / b).collect());
    table.add("warm: loom.run against a bare mux loop", ratio(1, 0), "", Target::AtLeast(0.8));
    table.add("warm: loom.run against xargs -P10 ssh", ratio(1, 2), "", Target::AtLeast(2.0));
    let cpu = median(cpu) * 1000.0;
    table.add("warm: processor time of the parent", cpu, " ms/unit", Target::AtMost(0.3));
    let names = [
        "loom, loom.run true",
        "xargs ssh, same line",
        "mux loop, bare true",
        "mux loop, bash -l -c true",
        "mux loop, bash -l -c true leased",
        "loom, fabric.api.run true",
        "xargs ssh, bare true",
    ];
    let mut show = |name: &str, rate: &[f64]| {
        table.add(&format!("  {name}"), median(rate.to_vec()), " /s", Target::None);
    };
    show("mux loop, true leased (as loom.run)", &rates[0]);
    names.iter().zip(&rates[1..]).for_each(|(name, rate)| show(name, rate));
}
