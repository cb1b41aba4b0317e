//! The books: what was due, what the nodes have seen, and what the ledger says must explain each
//! other.
//!
//! Knows what the ledger means and nothing of how Loom fills it: when something was due is worked
//! out anew (`due`), and what ran is told by the commands themselves.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::due::{MINUTE, Rule};
use super::flows::Flows;
use super::rows::{self, Gap, Job, Run, Unit};
use super::{Farm, Ledger, SOON, Site, process, until};

/// Minutes that are looked at one by one; more are only counted, where every minute is due.
const LOOKED_AT: i64 = 5_000_000;
/// Outcomes that make a run one that failed.
const FAILURES: [&str; 5] = ["failed", "signaled", "unreachable", "timed out", "crashed"];
/// In a node's `$LOOM_EVIDENCE`.
const WITNESS: &str = "witness";

/// `command`, leaving a line at its start and one with its status at its end. In a subshell, so
/// that no `exit` of its own keeps it from that; `$$` is the shell outside.
pub fn witnessed(command: &str) -> String {
    format!(
        "echo \"start $LOOM_UNIT\" >>$LOOM_EVIDENCE/{WITNESS}\n(\n{command}\n)\nrc=$?\n\
         echo \"end $LOOM_UNIT $rc\" >>$LOOM_EVIDENCE/{WITNESS}\nexit $rc"
    )
}

/// How many commands have begun by now, on all nodes.
pub fn starts(farm: &Farm) -> usize {
    farm.names().iter().map(|node| farm.evidence(node, WITNESS).matches("start ").count()).sum()
}

/// To be balanced once no daemon runs any more.
pub struct Books<'a> {
    site: &'a Site,
    ledger: Ledger,
    nodes: Vec<&'a Farm>,
    since: BTreeMap<String, i64>,
    needed: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// What a unit's command wrote.
#[derive(Debug, Default)]
struct Witness {
    cookie: String,
    starts: usize,
    ends: Vec<i64>,
}

impl<'a> Books<'a> {
    pub fn of(site: &'a Site) -> Books<'a> {
        Books {
            site,
            ledger: site.ledger(),
            nodes: Vec::new(),
            since: BTreeMap::new(),
            needed: BTreeMap::new(),
            wrong: Vec::new(),
        }
    }

    /// The nodes the jobs ran on, whose evidence counts.
    pub fn with(mut self, farm: &'a Farm) -> Books<'a> {
        self.nodes.push(farm);
        self
    }

    /// The job's schedule is the one of the ledger only since then; nothing before is looked at.
    pub fn since(mut self, job: &str, at: Timestamp) -> Books<'a> {
        self.since.insert(job.to_owned(), at.as_millisecond());
        self
    }

    /// A run of the job has succeeded if so many of its units have; otherwise all must.
    pub fn needing(mut self, job: &str, units: usize) -> Books<'a> {
        self.needed.insert(job.to_owned(), units);
        self
    }

    /// Panics with everything that does not fit.
    pub fn balance(mut self) {
        if !self.ledger.is_sound() {
            self.wrong.push("SQLite finds the file damaged".to_owned());
        }
        let runs = rows::runs(&self.ledger);
        let units = rows::units(&self.ledger);
        self.every_due_instant_is_covered_once(&runs);
        self.everything_has_ended(&runs, &units);
        self.attempts_follow_each_other(&units);
        let flows = Flows::of(&self.ledger, &runs, &units);
        self.wrong.extend(flows.wrong());
        self.runs_are_what_their_units_are(&runs, &units, &flows);
        self.evidence_agrees(&units);
        if !self.wrong.is_empty() {
            panic!("the books do not balance:\n  {}", self.wrong.join("\n  "));
        }
        let site = self.site.root();
        until("the end of every local process", SOON, || {
            process::mentioning_path(site).is_empty().then_some(())
        });
    }

    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(otherwise());
        }
    }

    /// In a clock's epoch that is; one that was set back brings instants again.
    fn every_due_instant_is_covered_once(&mut self, runs: &[Run]) {
        let mut gaps: BTreeMap<String, Vec<Gap>> = BTreeMap::new();
        for gap in rows::gaps(&self.ledger) {
            gaps.entry(gap.job.clone()).or_default().push(gap);
        }
        for job in rows::jobs(&self.ledger) {
            let Job { name, schedule, timezone, first_seen, accounted_through } = &job;
            let begin = self.since.get(name).copied().unwrap_or(*first_seen);
            let rule = Rule::parse(schedule, timezone.as_deref());
            let mut epochs: BTreeSet<i64> = BTreeSet::new();
            let mut covered: BTreeMap<(i64, i64), usize> = BTreeMap::new();
            let scheduled = runs.iter().filter(|run| run.job == *name);
            for (run, at) in scheduled.filter_map(|run| Some((run, run.scheduled_at?))) {
                self.expect(at < begin || rule.is_due(at), || {
                    format!("{name}: run {} at {}, which was not due", run.id, show(at))
                });
                *covered.entry((run.epoch, at)).or_default() += 1;
                epochs.insert(run.epoch);
            }
            let mut long: Vec<(i64, i64)> = Vec::new();
            for gap in gaps.remove(name).unwrap_or_default() {
                let Gap { first, last, count, epoch, reason, .. } = gap;
                epochs.insert(epoch);
                if first < begin {
                    continue;
                }
                let due = rule.count(first - 1, last);
                self.expect(due == count, || {
                    let (first, last) = (show(first), show(last));
                    format!("{name}: a gap ({reason}) of {count} from {first} to {last}: {due} due")
                });
                if (last - first) / MINUTE > LOOKED_AT {
                    long.push((first, last));
                    continue;
                }
                for at in rule.due(first - 1, last) {
                    *covered.entry((epoch, at)).or_default() += 1;
                }
            }
            for ((epoch, at), times) in &covered {
                self.expect(*times == 1, || {
                    format!("{name}: {} has {times} records in epoch {epoch}", show(*at))
                });
            }
            let minutes: BTreeSet<i64> = covered.keys().map(|(_, at)| *at).collect();
            let in_long = |at: i64| long.iter().any(|(first, last)| (*first..=*last).contains(&at));
            // Where the clock was set, only what Loom itself calls covered can be asked for.
            let unbroken = epochs.len() <= 1 && (accounted_through - begin) / MINUTE <= LOOKED_AT;
            if unbroken {
                for at in rule.due(begin, *accounted_through) {
                    let known = minutes.contains(&at) || in_long(at);
                    self.expect(known, || format!("{name}: nothing is known of {}", show(at)));
                }
                let beyond = minutes.range(accounted_through + 1..).next();
                self.expect(beyond.is_none(), || {
                    let through = show(*accounted_through);
                    let beyond = show(*beyond.unwrap_or(&0));
                    format!("{name}: {beyond} has a record, but accounts end at {through}")
                });
            }
        }
    }

    fn everything_has_ended(&mut self, runs: &[Run], units: &[Unit]) {
        for Run { id, job, state, finished, .. } in runs {
            let ended = *finished && !["queued", "running"].contains(&state.as_str());
            self.expect(ended, || format!("run {id} of {job} is left open: {state}"));
        }
        for unit in units {
            self.expect(unit.state == "done" && unit.outcome.is_some(), || {
                format!("left open: {unit:?}")
            });
        }
    }

    /// Of a node's attempts in a run each but the last failed in a way that can be tried again.
    fn attempts_follow_each_other(&mut self, units: &[Unit]) {
        let mut attempts: BTreeMap<(i64, &str), Vec<&Unit>> = BTreeMap::new();
        for unit in units {
            attempts.entry((unit.run, &unit.node)).or_default().push(unit);
        }
        for ((run, node), mut tries) in attempts {
            tries.sort_by_key(|unit| unit.attempt);
            let numbers: Vec<i64> = tries.iter().map(|unit| unit.attempt).collect();
            let expected: Vec<i64> = (1..=tries.len() as i64).collect();
            self.expect(numbers == expected, || {
                format!("run {run} on {node}: attempts {numbers:?}")
            });
            for unit in &tries[..tries.len() - 1] {
                let last = ["succeeded", "lost", "cancelled", "skipped"];
                let again = !last.contains(&unit.outcome.as_deref().unwrap_or_default());
                self.expect(again, || format!("tried again after {unit:?}"));
            }
        }
    }

    fn runs_are_what_their_units_are(&mut self, runs: &[Run], units: &[Unit], flows: &Flows) {
        let mut last: BTreeMap<(i64, &str), &Unit> = BTreeMap::new();
        for unit in units {
            let latest = last.entry((unit.run, &unit.node)).or_insert(unit);
            if unit.attempt > latest.attempt {
                *latest = unit;
            }
        }
        for run in runs.iter().filter(|run| run.finished && !flows.is_flow(run.id)) {
            let mine = last.range((run.id, "")..(run.id + 1, "")).map(|(_, unit)| *unit);
            let outcomes: Vec<&str> = mine.filter_map(|unit| unit.outcome.as_deref()).collect();
            let count = |word: &str| outcomes.iter().filter(|outcome| **outcome == word).count();
            let counted = outcomes.len() - count("skipped");
            let succeeded = count("succeeded");
            let needed = self.needed.get(&run.job).copied().unwrap_or(counted).max(1);
            let needed = flows.needed(run).unwrap_or(needed);
            // A part may lack nodes that are gone.
            let lacks = run.flow.is_some() && count("skipped") > 0;
            let failed = lacks || FAILURES.iter().any(|word| count(word) > 0);
            let fits = match run.state.as_str() {
                "succeeded" => succeeded >= needed,
                "failed" => succeeded < needed && failed,
                "lost" => succeeded < needed && count("lost") > 0,
                "cancelled" => succeeded < needed && count("cancelled") > 0,
                "skipped" => counted == 0,
                _ => false,
            };
            let Run { id, job, state, trigger, .. } = run;
            self.expect(fits, || format!("run {id} of {job} is {state} with units {outcomes:?}"));
            let timed = run.scheduled_at.is_some() == (trigger == "schedule");
            self.expect(timed, || {
                format!("run {id} of {job}: {trigger}, at {:?}", run.scheduled_at)
            });
            self.expect(run.started || succeeded == 0, || {
                format!("run {id} of {job} has {succeeded} successes and never started")
            });
        }
    }

    fn evidence_agrees(&mut self, units: &[Unit]) {
        let prefix = self
            .ledger
            .query("select value from meta where key = 'copy'", &[], |row| row.get::<_, String>(0));
        let Some(prefix) = prefix.into_iter().next() else { return };
        let mut seen: BTreeMap<i64, (String, Witness)> = BTreeMap::new();
        for farm in self.nodes.clone() {
            for node in farm.names() {
                for line in farm.evidence(&node, WITNESS).lines() {
                    self.note(&node, line, &prefix, &mut seen);
                }
            }
        }
        for unit in units {
            let (at, witness) = seen.remove(&unit.id).unwrap_or_default();
            if witness.starts > 0 {
                self.expect(at == unit.node, || format!("it ran on {at}: {unit:?}"));
            }
            self.agrees(unit, &witness);
        }
        for (id, (node, witness)) in seen {
            self.wrong.push(format!("unit {id} is not in the ledger; on {node}: {witness:?}"));
        }
    }

    /// A line of a node's evidence.
    fn note(
        &mut self,
        node: &str,
        line: &str,
        prefix: &str,
        seen: &mut BTreeMap<i64, (String, Witness)>,
    ) {
        let words: Vec<&str> = line.split(' ').collect();
        let id = |cookie: &str| {
            // The ledger's mark, the daemon's number, the unit's, and perhaps its rights.
            let mut words = cookie.split('-');
            let (mark, _daemon) = (words.next()?, words.next()?.parse::<u64>().ok()?);
            words.next()?.parse::<i64>().ok().filter(|_| mark == prefix)
        };
        match words[..] {
            ["start", cookie] => match id(cookie) {
                Some(unit) => {
                    let (at, witness) = seen.entry(unit).or_default();
                    node.clone_into(at);
                    witness.starts += 1;
                    cookie.clone_into(&mut witness.cookie);
                }
                None => self.wrong.push(format!("{node}: {line:?} is of another ledger")),
            },
            ["end", cookie, status] => match (id(cookie), status.parse()) {
                (Some(unit), Ok(status)) => seen.entry(unit).or_default().1.ends.push(status),
                _ => self.wrong.push(format!("{node}: {line:?} is of another ledger")),
            },
            _ => self.wrong.push(format!("{node}: evidence that nobody left: {line:?}")),
        }
    }

    fn agrees(&mut self, unit: &Unit, witness: &Witness) {
        let outcome = unit.outcome.as_deref().unwrap_or_default();
        self.expect(witness.starts <= 1 && witness.ends.len() <= 1, || {
            format!("run more than once, {witness:?}: {unit:?}")
        });
        let witnessed = !self.nodes.is_empty();
        match outcome {
            "succeeded" if witnessed => self.expect(witness.ends == [0], || {
                format!("its command did not end with 0, {witness:?}: {unit:?}")
            }),
            "failed" if !witness.ends.is_empty() => {
                self.expect(witness.ends.first().copied() == unit.exit, || {
                    format!("its command ended otherwise, {witness:?}: {unit:?}")
                });
            }
            "unreachable" | "skipped" => self.expect(witness.starts == 0, || {
                format!("it is said not to have run, and did: {unit:?}")
            }),
            "cancelled" | "failed" | "signaled" | "timed out" | "crashed" | "lost"
            | "succeeded" => {}
            other => self.wrong.push(format!("no outcome: {other:?} of {unit:?}")),
        }
        // A start is written behind the unit's back, and a crash can come between.
        let told = unit.started || outcome == "lost" || witness.starts == 0;
        self.expect(told, || format!("it ran, and the ledger does not say so: {unit:?}"));
        if unit.kill.as_deref() == Some("confirmed") && !witness.cookie.is_empty() {
            let cookie = format!("LOOM_UNIT={}", witness.cookie);
            let left: Vec<String> = process::carrying(&cookie)
                .into_iter()
                .map(|process| format!("{} {}", process.pid, process.command_line()))
                .collect();
            self.expect(left.is_empty(), || format!("said to be killed: {left:?} of {unit:?}"));
        }
    }
}

fn show(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| millis.to_string(), |at| at.to_string())
}
