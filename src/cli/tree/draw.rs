//! What is shown of a flow: lines.
//!
//! ```text
//! deploy, run 12: running for 43s
//! slot 1  done in 31s  pkg1 10/10, pkg2 6/6
//! slot 2  for 12s
//!   restart  [####!!-----         ]  30/100  2 failed, 50 running, needs 95
//!     fe17  failed, exit 1
//!     fe23  unreachable
//!   warm     [####################]     6/6  succeeded in 3.1s
//! slot 3  to come  verify
//! ```

use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::branch::{Branch, Counts, State};
use super::line::Line;
use super::state::Tree;
use crate::api::flow::OnFailure;
use crate::cli::screen::{Tone, count, cut, escape, lasted};
use crate::config::folding;

/// Units that failed, by name, below their job.
const FEW: usize = 4;

/// How much of it there is room for.
#[derive(Debug, Clone, Copy)]
struct Detail {
    /// Units that failed, below each job.
    failures: usize,
    /// A line with the nodes where a job runs.
    running: bool,
    /// Neighbouring slots that are done, or to come, are one line.
    folded: bool,
    /// Every slot is opened, and runs have their numbers.
    whole: bool,
}

const LIVE: Detail = Detail { failures: FEW, running: true, folded: false, whole: false };

/// What there is room for is tried first to last.
const LIVE_DETAILS: [Detail; 5] = [
    LIVE,
    Detail { running: false, ..LIVE },
    Detail { running: false, failures: 1, ..LIVE },
    Detail { running: false, failures: 0, ..LIVE },
    Detail { running: false, failures: 0, folded: true, whole: false },
];

/// While it goes on: the slot under way is opened, the others are a line each. At most so many
/// lines of so many columns.
pub fn live(tree: &Tree, now: Timestamp, width: usize, rows: usize) -> Vec<Line> {
    let drawn = |detail| Drawing { tree, now, width: Some(width), detail }.lines();
    let fits = |lines: &Vec<Line>| lines.len() <= rows;
    let mut lines = match LIVE_DETAILS.into_iter().map(drawn).find(fits) {
        Some(lines) => lines,
        None => drawn(LIVE_DETAILS[LIVE_DETAILS.len() - 1]),
    };
    if lines.len() > rows {
        let left_out = lines.len() - rows.saturating_sub(1);
        lines.truncate(rows.saturating_sub(1));
        lines.push(Line::of(Tone::Dim, format!("and {} more", count(left_out, "line"))).cut(width));
    }
    lines
}

/// For good: every slot is opened. Cut to the width of a terminal, if there is one.
pub fn whole(tree: &Tree, now: Timestamp, width: Option<usize>) -> Vec<Line> {
    let detail = Detail { running: true, whole: true, ..LIVE };
    Drawing { tree, now, width, detail }.lines()
}

struct Drawing<'a> {
    tree: &'a Tree,
    now: Timestamp,
    width: Option<usize>,
    detail: Detail,
}

impl Drawing<'_> {
    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![self.title()];
        let slots = self.tree.slots.len();
        let mut slot = 0;
        while slot < slots {
            let alike = if self.detail.folded { self.alike(slot) } else { 1 };
            if alike > 1 {
                lines.push(self.several(slot, alike));
            } else {
                self.slot(slot, &mut lines);
            }
            slot += alike;
        }
        let cut = |line: Line| match self.width {
            Some(width) => line.cut(width),
            None => line,
        };
        lines.into_iter().map(cut).collect()
    }

    fn title(&self) -> Line {
        let run = &self.tree.run;
        let from = run.command.as_deref().map(|from| format!(" from {}", escape(from)));
        let of = run.retry_of.map(|of| format!(", which resumes run {of}"));
        let name = format!("{}{}", escape(&run.job), from.unwrap_or_default());
        let mut line = Line::of(Tone::Bold, name);
        line.add(Tone::Plain, format!(", run {}{}: ", run.id, of.unwrap_or_default()));
        line.add(Tone::of(&run.state), escape(&run.state));
        if let Some(reason) = &run.reason {
            line.add(Tone::Plain, format!(" ({})", escape(reason)));
        }
        let word = if run.is_over() { "in" } else { "for" };
        // As its slots: with what they wait for connections.
        let took = lasted(run.queued_at, run.finished_at.unwrap_or(self.now));
        line.add(Tone::Plain, format!(" {word} {took}"));
        line
    }

    /// How many slots from this one on are all done, or all to come.
    fn alike(&self, slot: usize) -> usize {
        let kind = |slot| match self.tree.slot_state(slot) {
            State::Good | State::Before => Some(true),
            State::ToCome => Some(false),
            State::UnderWay | State::Bad => None,
        };
        let Some(first) = kind(slot) else { return 1 };
        (slot..self.tree.slots.len()).take_while(|slot| kind(*slot) == Some(first)).count()
    }

    fn several(&self, slot: usize, alike: usize) -> Line {
        let slots = format!("slots {}-{}  ", slot + 1, slot + alike);
        match self.tree.slot_state(slot) {
            State::ToCome => Line::of(Tone::Dim, slots + self.to_come()),
            State::Good | State::Before | State::UnderWay | State::Bad => {
                let mut line = Line::of(Tone::Plain, slots);
                line.add(Tone::Good, "done");
                line
            }
        }
    }

    fn to_come(&self) -> &'static str {
        if self.tree.is_over() { "not begun" } else { "to come" }
    }

    fn slot(&self, slot: usize, lines: &mut Vec<Line>) {
        let parts = &self.tree.slots[slot];
        let state = self.tree.slot_state(slot);
        let mut line = Line::of(Tone::Plain, format!("slot {}  ", slot + 1));
        let took = self.took(parts).unwrap_or_default();
        let opens = match state {
            State::Before => {
                let of = self.tree.run.retry_of.map(|run| format!(" in run {run}"));
                line.add(Tone::Good, "done").add(Tone::Plain, of.unwrap_or_default());
                false
            }
            State::ToCome => {
                line.add(Tone::Plain, self.to_come());
                false
            }
            State::Good => {
                line.add(Tone::Good, "done").add(Tone::Plain, format!(" in {took}"));
                self.detail.whole
            }
            State::UnderWay => {
                line.add(Tone::Plain, format!("for {took}"));
                true
            }
            State::Bad => {
                let word = self.tree.slot_end(slot);
                line.add(Tone::of(&word), word).add(Tone::Plain, format!(" in {took}"));
                true
            }
        };
        if !opens {
            let jobs: Vec<String> = parts.iter().map(|part| self.in_short(part)).collect();
            line.add(Tone::Plain, format!("  {}", jobs.join(", ")));
            let is_dim = matches!(state, State::ToCome | State::Before);
            lines.push(if is_dim { line.all(Tone::Dim) } else { line });
            return;
        }
        lines.push(line);
        let columns = self.columns(parts);
        for (nth, part) in parts.iter().enumerate() {
            let state = self.tree.part_state(slot, nth);
            self.job(part, 2, state, &columns, lines);
        }
    }

    /// Of all its runs together.
    fn took(&self, parts: &[Branch]) -> Option<String> {
        let runs = || parts.iter().flat_map(Branch::chain).filter_map(|part| part.run.as_ref());
        let begun = runs().map(|run| run.queued_at).min()?;
        let open = runs().any(|run| !run.is_over());
        let ended = runs().filter_map(|run| run.finished_at).max().filter(|_| !open);
        Some(lasted(begun, ended.unwrap_or(self.now)))
    }

    /// `pkg1 10/10`, or `pkg1` before it has begun.
    fn in_short(&self, part: &Branch) -> String {
        let name = self.name(part);
        if part.run.is_none() {
            let on = count(part.planned.targets.len(), "node");
            return if self.detail.whole { format!("{name} on {on}") } else { name };
        }
        let counts = part.counts();
        format!("{name} {}/{}", counts.succeeded, counts.total)
    }

    fn name(&self, part: &Branch) -> String {
        escape(self.tree.name(&part.planned.job))
    }

    fn columns(&self, parts: &[Branch]) -> Columns {
        let names = parts.iter().map(|part| self.name(part).width()).max().unwrap_or(0);
        let tally = |part: &Branch| tally(part.counts()).len();
        let tallies = parts.iter().map(tally).max().unwrap_or(0);
        let bar = match self.width {
            Some(..36) => 0,
            Some(36..60) => 8,
            Some(_) | None => 20,
        };
        let most = self.width.map_or(usize::MAX, |width| (width / 3).max(8));
        Columns { name: names.min(most), bar, tally: tallies }
    }

    fn job(
        &self,
        part: &Branch,
        indent: usize,
        state: State,
        columns: &Columns,
        lines: &mut Vec<Line>,
    ) {
        let blank = " ".repeat(indent);
        let is_rescue = indent > 2;
        let name = if is_rescue { format!("rescue {}", self.name(part)) } else { self.name(part) };
        let name = cut(&name, columns.name.max(if is_rescue { 12 } else { 0 }));
        let pad = " ".repeat(columns.name.saturating_sub(name.width()));
        let Some(run) = &part.run else {
            let word = match state {
                State::Before => "done before",
                State::ToCome | State::UnderWay | State::Good | State::Bad => self.to_come(),
            };
            lines.push(Line::of(Tone::Dim, format!("{blank}{name}{pad}  {word}")));
            return;
        };
        let counts = part.counts();
        let mut line = Line::of(Tone::Plain, format!("{blank}{name}{pad}  "));
        if columns.bar > 0 {
            bar(counts, columns.bar, &mut line);
            line.add(Tone::Plain, "  ");
        }
        line.add(Tone::Plain, format!("{:>width$}", tally(counts), width = columns.tally));
        let mut between = "  ";
        for (tone, note) in self.notes(part, counts) {
            line.add(Tone::Plain, between).add(tone, note);
            between = ", ";
        }
        if self.detail.whole {
            line.add(Tone::Dim, format!("  run {}", run.id));
        }
        lines.push(line);
        self.units(part, &(blank + "  "), lines);
        if let Some(rescue) = part.rescue.as_deref().filter(|rescue| rescue.run.is_some()) {
            self.job(rescue, indent + 2, State::UnderWay, &columns.within(2), lines);
        }
    }

    /// The most important first: the others may be cut.
    fn notes(&self, part: &Branch, counts: Counts) -> Vec<(Tone, String)> {
        let mut notes = Vec::new();
        let Some(run) = &part.run else { return notes };
        let some = |number: usize, word: &str| (number > 0).then(|| format!("{number} {word}"));
        let met = run.state == "succeeded";
        if let Some(ended) = run.finished_at {
            let reason = run.reason.as_ref().map(|reason| format!(" ({})", escape(reason)));
            let took = lasted(run.started_at.unwrap_or(run.queued_at), ended);
            let state = format!("{}{} in {took}", escape(&run.state), reason.unwrap_or_default());
            notes.push((Tone::of(&run.state), state));
        }
        notes.extend(some(counts.failed, "failed").map(|note| (Tone::Bad, note)));
        notes.extend(some(counts.running, "running").map(|note| (Tone::Plain, note)));
        notes.extend(some(counts.cancelled, "cancelled").map(|note| (Tone::Warn, note)));
        notes.extend(some(counts.skipped, "skipped").map(|note| (Tone::Warn, note)));
        notes.extend(some(part.left_out, "left out").map(|note| (Tone::Warn, note)));
        let before = part.before(self.tree.run.retry_of.is_some());
        notes.extend(some(before, "before").map(|note| (Tone::Dim, note)));
        let needed = part.planned.needed as usize;
        if needed < part.planned.targets.len() && !met {
            notes.push((Tone::Dim, format!("needs {needed}")));
        }
        if run.is_over()
            && !met
            && run.state != "cancelled"
            && part.planned.on_failure == OnFailure::Continue
        {
            notes.push((Tone::Dim, "the flow goes on".to_owned()));
        }
        if notes.is_empty() {
            notes.push((Tone::Dim, "waiting".to_owned()));
        }
        notes
    }

    /// Where it failed and how, and where it runs.
    fn units(&self, part: &Branch, blank: &str, lines: &mut Vec<Line>) {
        let failures = part.failures();
        let few = match failures.len() {
            // As many lines as would tell that there is one more.
            all if all == self.detail.failures + 1 => all,
            _ => self.detail.failures,
        };
        let shown =
            if self.detail.failures == 0 { &[][..] } else { &failures[..few.min(failures.len())] };
        let width = shown.iter().map(|(node, ..)| escape(node).width()).max().unwrap_or(0);
        for (node, summary, detail) in shown {
            let node = escape(node);
            let pad = " ".repeat(width - node.width());
            let mut line = Line::of(Tone::Plain, format!("{blank}{node}{pad}  "));
            line.add(Tone::Bad, escape(summary));
            if let Some(detail) = detail {
                line.add(Tone::Plain, format!(": {}", escape(detail)));
            }
            lines.push(line);
        }
        if shown.len() < failures.len() && self.detail.failures > 0 {
            let more = failures.len() - shown.len();
            lines.push(Line::of(Tone::Dim, format!("{blank}and {more} more")));
        }
        let running = part.running();
        if self.detail.running && !running.is_empty() {
            let nodes = escape(&folding::fold(&running));
            lines.push(Line::of(Tone::Dim, format!("{blank}running on {nodes}")));
        }
    }
}

/// Widths, but for the blanks between.
#[derive(Debug, Clone, Copy)]
struct Columns {
    name: usize,
    /// 0: there is no room for one.
    bar: usize,
    tally: usize,
}

impl Columns {
    fn within(&self, indent: usize) -> Columns {
        Columns { name: self.name.saturating_sub(indent), ..*self }
    }
}

fn tally(counts: Counts) -> String {
    format!("{}/{}", counts.done(), counts.total)
}

/// `[####!!--   ]`: succeeded, failed, ended otherwise (`.`), running.
fn bar(counts: Counts, width: usize, line: &mut Line) {
    let Counts { total, succeeded, failed, cancelled, skipped, running } = counts;
    let parts = [
        (succeeded, Tone::Good, "#"),
        (failed, Tone::Bad, "!"),
        (cancelled + skipped, Tone::Warn, "."),
        (running, Tone::Plain, "-"),
    ];
    line.add(Tone::Plain, "[");
    let (mut reached, mut drawn) = (0, 0);
    for (number, tone, sign) in parts {
        reached += number;
        let until = (reached * width).checked_div(total).unwrap_or(0).min(width);
        if until > drawn {
            line.add(tone, sign.repeat(until - drawn));
            drawn = until;
        }
    }
    line.add(Tone::Plain, " ".repeat(width - drawn) + "]");
}
