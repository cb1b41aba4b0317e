//! What the nodes themselves have seen of a deployment.
//!
//! Every command writes a line when it begins and one when it ends, with the nanosecond, into one
//! file of the farm. Knows nothing of what Loom says about it.

use std::fs;

use crate::harness::Farm;
use crate::harness::books;

/// In the farm's directory, two above a node's `$LOOM_EVIDENCE`.
const STEPS: &str = "steps";
const ABOVE: &str = "$LOOM_EVIDENCE/../..";

/// One command on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub what: String,
    pub node: String,
    /// Nanoseconds of UTC.
    pub begin: u64,
    /// When, and with which status; absent while it runs, or if it was killed.
    pub end: Option<(u64, i32)>,
}

/// A command that does `body` and is witnessed as `what`, by the [`Books`] too.
///
/// [`Books`]: crate::harness::Books
pub fn step(what: &str, body: &str) -> String {
    let line = |edge: &str, status: &str| {
        format!("echo \"{edge} {what} $LOOM_NODE $(date +%s%N){status}\" >>{ABOVE}/{STEPS}")
    };
    let (begin, end) = (line("begin", ""), line("end", " $rc"));
    books::witnessed(&format!("{begin}\n(\n{body}\n)\nrc=$?\n{end}\nexit $rc"))
}

/// A body that fails on nodes that are [broken](break_down).
pub const UNLESS_BROKEN: &str = "[ ! -e $LOOM_EVIDENCE/broken ]";

pub fn break_down(farm: &Farm, node: &str) {
    fs::write(farm.node(node).evidence().join("broken"), "").unwrap();
}

pub fn mend(farm: &Farm, node: &str) {
    fs::remove_file(farm.node(node).evidence().join("broken")).unwrap();
}

/// In the order in which they began. Those of before are forgotten with [`forget`].
pub fn steps(farm: &Farm) -> Vec<Step> {
    let text = fs::read_to_string(farm.root().join(STEPS)).unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["begin", what, node, at] => steps.push(Step {
                what: what.to_owned(),
                node: node.to_owned(),
                begin: at.parse().unwrap(),
                end: None,
            }),
            ["end", what, node, at, status] => {
                let begun = |step: &&mut Step| step.what == what && step.node == node;
                let step = steps.iter_mut().rev().find(begun).expect("ended without beginning");
                assert_eq!(step.end, None, "ended twice: {line}");
                step.end = Some((at.parse().unwrap(), status.parse().unwrap()));
            }
            _ => panic!("evidence that nobody left: {line:?}"),
        }
    }
    steps.sort_by_key(|step| step.begin);
    steps
}

pub fn steps_of(farm: &Farm, what: &str) -> Vec<Step> {
    steps(farm).into_iter().filter(|step| step.what == what).collect()
}

pub fn forget(farm: &Farm) {
    fs::remove_file(farm.root().join(STEPS)).unwrap();
}

/// The most that were under way at one instant.
pub fn most_at_once(steps: &[Step]) -> usize {
    let mut edges: Vec<(u64, i32)> = Vec::new();
    for step in steps {
        edges.push((step.begin, 1));
        edges.extend(step.end.map(|(at, _)| (at, -1)));
    }
    edges.sort_unstable();
    let mut running = 0;
    let counts = edges.iter().map(|(_, edge)| {
        running += edge;
        running
    });
    counts.max().unwrap_or(0) as usize
}

/// A door that commands stand before until it is opened, which costs them nothing.
pub struct Gate<'a> {
    farm: &'a Farm,
    name: &'static str,
}

impl<'a> Gate<'a> {
    pub fn shut(farm: &'a Farm, name: &'static str) -> Gate<'a> {
        let path = farm.root().join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Gate { farm, name }
    }

    /// What a command says to stand before it: opening a pipe waits for its other end.
    pub fn pass(name: &str) -> String {
        format!(": <{ABOVE}/{name}")
    }

    /// Open for as long as the answer is kept.
    pub fn open(self) -> fs::File {
        let path = self.farm.root().join(self.name);
        fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
    }
}
