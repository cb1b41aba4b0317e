//! Nodes with the same output are shown once, as `clush -b` does: the largest group first, each
//! under a header with its nodes folded and counted.
//!
//! Both streams of a node are one text, in the order in which they came. Of a node that was tried
//! again it is the last attempt's. What is the same on many nodes is held once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use serde::Serialize;

use super::lines::{Said, Stream};
use crate::api::unit::OutputEvent;
use crate::config::folding;

/// Of a node's output so much is held; by the rest it is only told apart.
const HELD: usize = 4 << 20;

#[derive(Debug, Default)]
pub struct Fold {
    nodes: BTreeMap<String, Heard>,
    /// Of units that have ended.
    known: HashSet<Rc<Output>>,
}

#[derive(Debug)]
struct Heard {
    unit: u64,
    output: State,
}

#[derive(Debug)]
enum State {
    Grows { output: Output, mid: [bool; 2] },
    Ended(Rc<Output>),
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Output {
    text: Vec<u8>,
    /// Not held, or not kept by the daemon.
    more: u64,
    /// Of what is not held.
    hash: u64,
    /// There is more, and nobody knows how much.
    gap: bool,
}

/// One text and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// `web[1-40,42]`.
    pub set: String,
    pub nodes: Vec<String>,
    #[serde(serialize_with = "lossy")]
    pub output: Vec<u8>,
    /// So many bytes are missing at its end, or within; 0 if it is not known how many.
    pub missing: Option<u64>,
}

fn lossy<S: serde::Serializer>(text: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&String::from_utf8_lossy(text))
}

impl Fold {
    /// What was told of one unit; what is told of the run says nothing of its output.
    pub fn hear(&mut self, event: &OutputEvent) {
        match event {
            OutputEvent::Line { unit, node, at, stream, text, partial } => {
                let (stream, text) = (Stream::of(stream), text.as_bytes());
                self.add(&Said { unit: *unit, node, at: *at, stream, text, partial: *partial });
            }
            OutputEvent::Skipped { unit, node, bytes } => self.skip(node, *unit, *bytes),
            OutputEvent::Unit(unit) => self.end(&unit.node, unit.id),
            OutputEvent::Run(_) => {}
        }
    }

    pub fn add(&mut self, said: &Said) {
        let (output, mid) = self.growing(said.node, said.unit);
        let (this, other) = match said.stream {
            Stream::Stdout => (0, 1),
            Stream::Stderr => (1, 0),
        };
        // The other stream comes in the middle of a line.
        if mid[other] {
            output.add(b"\n");
            mid[other] = false;
        }
        output.add(said.text);
        mid[this] = said.partial;
        if !said.partial {
            output.add(b"\n");
        }
    }

    /// So many bytes of its output are not to be had; 0 if it is not known how many.
    pub fn skip(&mut self, node: &str, unit: u64, bytes: u64) {
        let (output, _) = self.growing(node, unit);
        output.more += bytes;
        output.gap |= bytes == 0;
    }

    /// Also of a unit that said nothing.
    pub fn end(&mut self, node: &str, unit: u64) {
        self.growing(node, unit);
        let Some(heard) = self.nodes.get_mut(node) else { return };
        let State::Grows { output, mid } = &mut heard.output else { return };
        if mid.contains(&true) {
            output.add(b"\n");
        }
        let shared = match self.known.get(output) {
            Some(known) => known.clone(),
            None => {
                let new = Rc::new(std::mem::take(output));
                self.known.insert(new.clone());
                new
            }
        };
        heard.output = State::Ended(shared);
    }

    fn growing(&mut self, node: &str, unit: u64) -> (&mut Output, &mut [bool; 2]) {
        let fresh = || State::Grows { output: Output::default(), mid: [false; 2] };
        let heard =
            self.nodes.entry(node.to_owned()).or_insert_with(|| Heard { unit, output: fresh() });
        // Another attempt; or more of what seemed to have ended.
        if heard.unit != unit {
            *heard = Heard { unit, output: fresh() };
        }
        if let State::Ended(shared) = &heard.output {
            let output = Output::clone(shared);
            heard.output = State::Grows { output, mid: [false; 2] };
        }
        match &mut heard.output {
            State::Grows { output, mid } => (output, mid),
            State::Ended(_) => unreachable!("it was made to grow"),
        }
    }

    /// The largest group first, then by name.
    pub fn groups(mut self) -> Vec<Group> {
        let open: Vec<(String, u64)> =
            self.nodes.iter().map(|(node, heard)| (node.clone(), heard.unit)).collect();
        for (node, unit) in open {
            if matches!(self.nodes[&node].output, State::Grows { .. }) {
                self.end(&node, unit);
            }
        }
        let mut groups: HashMap<*const Output, (Rc<Output>, Vec<String>)> = HashMap::new();
        for (node, heard) in self.nodes {
            let State::Ended(output) = heard.output else { continue };
            groups.entry(Rc::as_ptr(&output)).or_insert((output, Vec::new())).1.push(node);
        }
        let mut groups: Vec<Group> = groups
            .into_values()
            .map(|(output, nodes)| Group {
                set: folding::fold(&nodes),
                nodes,
                output: output.text.clone(),
                missing: (output.gap || output.more > 0).then_some(output.more),
            })
            .collect();
        groups
            .sort_by(|a, b| b.nodes.len().cmp(&a.nodes.len()).then_with(|| a.nodes.cmp(&b.nodes)));
        groups
    }
}

impl Output {
    fn add(&mut self, bytes: &[u8]) {
        let fits = bytes.len().min(HELD.saturating_sub(self.text.len()));
        let (held, rest) = bytes.split_at(fits);
        self.text.extend_from_slice(held);
        if !rest.is_empty() {
            self.more += rest.len() as u64;
            // Of bytes, however they came in pieces.
            for byte in rest {
                let mut hasher = DefaultHasher::new();
                (self.hash, *byte).hash(&mut hasher);
                self.hash = hasher.finish();
            }
        }
    }
}

impl Group {
    /// `web[1-40,42] (41)`, between two lines.
    pub fn header(&self) -> String {
        let count = self.nodes.len();
        let counted = if count > 1 { format!(" ({count})") } else { String::new() };
        let silent = self.output.is_empty() && self.missing.is_none();
        let title = format!(
            "{}{counted}{}",
            crate::config::diagnostic::escape(&self.set),
            if silent { ": no output" } else { "" }
        );
        let rule = "-".repeat(15);
        format!("{rule}\n{title}\n{rule}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn say(fold: &mut Fold, unit: u64, node: &str, stream: Stream, text: &str, partial: bool) {
        let at = Timestamp::UNIX_EPOCH;
        fold.add(&Said { unit, node, at, stream, text: text.as_bytes(), partial });
    }

    fn shown(fold: Fold) -> Vec<(String, String)> {
        let text = |group: Group| (group.set, String::from_utf8(group.output).unwrap());
        fold.groups().into_iter().map(text).collect()
    }

    #[test]
    fn equal_output_is_one_group_and_the_largest_comes_first() {
        let mut fold = Fold::default();
        for n in 1..=5 {
            let node = format!("web{n}");
            let text = if n == 2 { "broken" } else { "fine" };
            say(&mut fold, n, &node, Stream::Stdout, text, false);
            fold.end(&node, n);
        }
        fold.end("web6", 6);
        let groups = fold.groups();
        let headers: Vec<String> = groups.iter().map(Group::header).collect();
        let rule = "---------------\n";
        assert_eq!(headers[0], format!("{rule}web[1,3-5] (4)\n{rule}"));
        assert_eq!(headers[1], format!("{rule}web2\n{rule}"));
        assert_eq!(headers[2], format!("{rule}web6: no output\n{rule}"));
        assert_eq!(groups[0].output, b"fine\n");
    }

    #[test]
    fn how_it_came_in_pieces_does_not_matter() {
        let mut fold = Fold::default();
        say(&mut fold, 1, "a1", Stream::Stdout, "one ", true);
        say(&mut fold, 1, "a1", Stream::Stdout, "line", false);
        say(&mut fold, 2, "a2", Stream::Stdout, "one line", false);
        say(&mut fold, 3, "a3", Stream::Stdout, "one line", true);
        fold.end("a3", 3);
        assert_eq!(shown(fold), [("a[1-3]".to_owned(), "one line\n".to_owned())]);
    }

    #[test]
    fn streams_do_not_run_into_one_another() {
        let mut fold = Fold::default();
        say(&mut fold, 1, "a", Stream::Stdout, "half", true);
        say(&mut fold, 1, "a", Stream::Stderr, "error", false);
        assert_eq!(shown(fold), [("a".to_owned(), "half\nerror\n".to_owned())]);
    }

    #[test]
    fn the_last_attempt_counts() {
        let mut fold = Fold::default();
        say(&mut fold, 1, "a", Stream::Stdout, "first", false);
        fold.end("a", 1);
        say(&mut fold, 7, "a", Stream::Stdout, "second", false);
        fold.end("a", 7);
        assert_eq!(shown(fold), [("a".to_owned(), "second\n".to_owned())]);
    }

    #[test]
    fn what_is_too_much_to_hold_is_still_told_apart() {
        let mut fold = Fold::default();
        let long = "x".repeat(HELD);
        for (unit, end) in [(1, "same"), (2, "same"), (3, "else")] {
            let node = format!("n{unit}");
            say(&mut fold, unit, &node, Stream::Stdout, &long, true);
            say(&mut fold, unit, &node, Stream::Stdout, end, false);
        }
        let groups = fold.groups();
        assert_eq!(groups.iter().map(|g| g.set.as_str()).collect::<Vec<_>>(), ["n[1-2]", "n3"]);
        assert!(groups.iter().all(|g| g.output.len() == HELD && g.missing == Some(5)));
    }

    proptest! {
        #[test]
        fn every_node_is_in_the_group_of_its_own_output(
            said in prop::collection::vec((0..12u64, "[ab]{0,2}"), 1..60)
        ) {
            let (mut fold, mut expected) = (Fold::default(), BTreeMap::<String, String>::new());
            for (n, text) in &said {
                let node = format!("n{n}");
                say(&mut fold, *n, &node, Stream::Stdout, text, false);
                *expected.entry(node).or_default() += &format!("{text}\n");
            }
            let mut found = BTreeMap::new();
            let groups = fold.groups();
            let texts: std::collections::HashSet<_> = groups.iter().map(|g| &g.output).collect();
            prop_assert_eq!(texts.len(), groups.len());
            for group in &groups {
                for node in &group.nodes {
                    found.insert(node.clone(), String::from_utf8(group.output.clone()).unwrap());
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
