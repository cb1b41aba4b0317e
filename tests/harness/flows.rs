//! The books of flows: parts and their flow must explain each other, and a flow that takes up
//! another what that one has done.
//!
//! Goes by what the documentation of the ledger says, not by how Loom decides it.

use std::collections::{BTreeMap, BTreeSet};

use loom::api::flow::{OnFailure, Plan, Planned};

use serde_json::{Value, json};

use super::rows::{Run, Unit};
use super::{Ledger, books};

/// A job that a flow holds itself, whose command leaves evidence for the books.
pub fn own(name: &str, command: &str, nodes: &[&str]) -> Value {
    let args = [books::witnessed(command)];
    json!({"name": name, "task": "loom.run", "args": args, "targets": nodes})
}

/// The same with other keys added.
pub fn with(mut job: Value, more: Value) -> Value {
    let (Some(job_keys), Value::Object(more)) = (job.as_object_mut(), more) else {
        panic!("{job}")
    };
    job_keys.extend(more);
    job
}

pub struct Flows<'a> {
    plans: BTreeMap<i64, Plan>,
    runs: BTreeMap<i64, &'a Run>,
    /// By flow, then by slot, part and rescue.
    parts: BTreeMap<i64, BTreeMap<(i64, i64, i64), &'a Run>>,
    /// By run: nodes on which it succeeded.
    successes: BTreeMap<i64, BTreeSet<&'a str>>,
    /// Nodes that had a unit.
    nodes: BTreeMap<i64, BTreeSet<&'a str>>,
    /// Runs some of whose units were not let come to their end.
    cut_short: BTreeSet<i64>,
}

impl<'a> Flows<'a> {
    pub fn of(ledger: &Ledger, runs: &'a [Run], units: &'a [Unit]) -> Flows<'a> {
        let plans = ledger.query("select run, plan from plans", &[], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        let plan = |text: String| {
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("no plan: {e}: {text}"))
        };
        let mut flows = Flows {
            plans: plans.into_iter().map(|(run, text)| (run, plan(text))).collect(),
            runs: runs.iter().map(|run| (run.id, run)).collect(),
            parts: BTreeMap::new(),
            successes: BTreeMap::new(),
            nodes: BTreeMap::new(),
            cut_short: BTreeSet::new(),
        };
        for run in runs {
            if let Some((flow, slot, part, rescue)) = run.flow {
                flows.parts.entry(flow).or_default().insert((slot, part, rescue), run);
            }
        }
        for unit in units {
            flows.nodes.entry(unit.run).or_default().insert(&unit.node);
            match unit.outcome.as_deref() {
                Some("succeeded") => {
                    flows.successes.entry(unit.run).or_default().insert(&unit.node);
                }
                Some("cancelled" | "skipped") => drop(flows.cut_short.insert(unit.run)),
                Some(_) | None => {}
            }
        }
        flows
    }

    pub fn is_flow(&self, run: i64) -> bool {
        self.plans.contains_key(&run)
    }

    /// Of a part's run: how many of its units have to succeed.
    pub fn needed(&self, run: &Run) -> Option<usize> {
        let (flow, slot, part, rescue) = run.flow?;
        let planned = self.planned(flow, slot, part, rescue)?;
        let before = if rescue == 0 { self.before(flow, slot, part).len() } else { 0 };
        Some((planned.needed as usize).saturating_sub(before))
    }

    /// Everything that does not fit.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for run in self.runs.values() {
            if run.flow.is_some() != (run.trigger == "flow") {
                wrong
                    .push(format!("run {} of {} has the trigger {}", run.id, run.job, run.trigger));
            }
            if let Some(flow) = run.flow {
                self.a_part_is_of_its_flow(run, flow, &mut wrong);
            }
        }
        for (id, plan) in &self.plans {
            match self.runs.get(id) {
                None => wrong.push(format!("a plan of run {id}, which is not there")),
                Some(run) => {
                    self.slots_follow_each_other(run, plan, &mut wrong);
                    self.what_was_taken_up_was_done(run, plan, &mut wrong);
                }
            }
        }
        wrong
    }

    fn a_part_is_of_its_flow(
        &self,
        run: &Run,
        (flow, slot, part, rescue): (i64, i64, i64, i64),
        wrong: &mut Vec<String>,
    ) {
        let what = format!("run {} of {}, at {slot}.{part}.{rescue} of {flow}", run.id, run.job);
        let Some(whole) = self.runs.get(&flow).filter(|_| self.is_flow(flow)) else {
            return wrong.push(format!("{what}: there is no such flow"));
        };
        let Some(planned) = self.planned(flow, slot, part, rescue) else {
            return wrong.push(format!("{what}: the flow has nothing there"));
        };
        if planned.job != run.job {
            wrong.push(format!("{what}: there the flow has {}", planned.job));
        }
        if self.parts[&flow].get(&(slot, part, rescue)).is_none_or(|one| one.id != run.id) {
            wrong.push(format!("{what}: it has begun twice"));
        }
        if run.queued_at < whole.queued_at || run.finished_at > whole.finished_at {
            wrong.push(format!("{what}: outside the time of its flow"));
        }
        let before = self.before(flow, slot, part);
        for node in self.nodes.get(&run.id).into_iter().flatten() {
            if !planned.targets.iter().any(|target| target == node) {
                wrong.push(format!("{what}: {node} is none of its nodes"));
            }
            if rescue == 0 && before.contains(*node) {
                wrong.push(format!("{what}: it had succeeded on {node} before"));
            }
        }
    }

    fn slots_follow_each_other(&self, run: &Run, plan: &Plan, wrong: &mut Vec<String>) {
        let what = format!("run {} of the flow {} ({})", run.id, run.job, run.state);
        if self.nodes.contains_key(&run.id) {
            wrong.push(format!("{what} has units of its own"));
        }
        let none = BTreeMap::new();
        let parts = self.parts.get(&run.id).unwrap_or(&none);
        let first = plan.resumed.as_ref().map_or(1, |resumed| i64::from(resumed.slot));
        let mut may_go_on = true;
        for (slot, written) in (1..).zip(&plan.slots) {
            let here: Vec<_> = parts.iter().filter(|((at, ..), _)| *at == slot).collect();
            if !here.is_empty() && (slot < first || !may_go_on) {
                wrong.push(format!("{what}: slot {slot} has begun, and should not have"));
            }
            for ((_, part, rescue), begun) in &here {
                let earlier = parts.iter().filter(|((at, of, nth), _)| {
                    *at < slot || *at == slot && of == part && nth < rescue
                });
                for (_, earlier) in earlier {
                    if earlier.finished_at.is_none_or(|end| end > begun.queued_at) {
                        let (run, other) = (begun.id, earlier.id);
                        wrong.push(format!("{what}: run {run} did not wait for run {other}"));
                    }
                }
                let rescued = parts.get(&(slot, *part, rescue - 1)).map(|run| run.state.as_str());
                // Without a run, it could run nowhere.
                if *rescue > 0 && !matches!(rescued, None | Some("failed" | "lost" | "skipped")) {
                    wrong.push(format!("{what}: run {} rescues what is {rescued:?}", begun.id));
                }
            }
            let good = |part: &i64| {
                let planned = &written[*part as usize - 1];
                slot < first || self.is_good(run.id, planned, (slot, *part, 0))
            };
            may_go_on &= (1..=written.len() as i64).all(|part| good(&part));
        }
        let fits = match run.state.as_str() {
            "succeeded" => may_go_on,
            "failed" | "cancelled" | "skipped" => !may_go_on,
            // Its end was not seen.
            "lost" => true,
            _ => false,
        };
        if !fits {
            let states: Vec<_> = parts.iter().map(|(at, run)| (at, run.state.as_str())).collect();
            wrong.push(format!("{what} with these parts: {states:?}"));
        }
        if !run.started && parts.values().any(|part| part.started) {
            wrong.push(format!("{what}: parts of it have started, and it has not"));
        }
    }

    /// The flow may go on after it.
    fn is_good(&self, flow: i64, planned: &Planned, at: (i64, i64, i64)) -> bool {
        let (slot, part, rescue) = at;
        // What was not to begin any more has not been put up with.
        let ends = ["cancelled", "skipped"].contains(&self.runs[&flow].state.as_str());
        let state = self.parts.get(&flow).and_then(|parts| parts.get(&at));
        let Some(run) = state else {
            let before = self.before(flow, slot, part);
            let all = planned.targets.iter().all(|node| before.contains(node.as_str()));
            let put_up_with = planned.on_failure == OnFailure::Continue && !ends;
            return rescue == 0 && all || put_up_with || self.is_mended(flow, planned, at);
        };
        let cut_short = ends && self.cut_short.contains(&run.id);
        match (run.state.as_str(), planned.on_failure) {
            ("succeeded", _) => true,
            ("failed" | "lost" | "skipped", OnFailure::Continue) => !cut_short,
            ("failed" | "lost" | "skipped", _) => self.is_mended(flow, planned, at),
            _ => false,
        }
    }

    fn is_mended(&self, flow: i64, planned: &Planned, at: (i64, i64, i64)) -> bool {
        let (slot, part, rescue) = at;
        let next = (slot, part, rescue + 1);
        let begun = self.parts.get(&flow).is_some_and(|parts| parts.contains_key(&next));
        let rescue = planned.rescue.as_ref().filter(|_| planned.on_failure == OnFailure::Rescue);
        begun && rescue.is_some_and(|planned| self.is_good(flow, planned, next))
    }

    /// What the runs of a chain have succeeded in is not to be done again, and nothing else left.
    fn what_was_taken_up_was_done(&self, run: &Run, plan: &Plan, wrong: &mut Vec<String>) {
        let Some(resumed) = &plan.resumed else { return };
        let Some(of) = run.retry_of.filter(|of| self.is_flow(*of)) else {
            return wrong.push(format!("run {} takes up a run that is not there", run.id));
        };
        let slot = i64::from(resumed.slot);
        for (part, said) in (1..).zip(&resumed.done) {
            let targets = &plan.slots[resumed.slot as usize - 1][part as usize - 1].targets;
            let mut done: BTreeSet<&str> = self.before(of, slot, part);
            let earlier = self.parts.get(&of).and_then(|parts| parts.get(&(slot, part, 0)));
            let succeeded = earlier.and_then(|run| self.successes.get(&run.id));
            done.extend(succeeded.into_iter().flatten());
            done.retain(|node| targets.iter().any(|target| target == node));
            if !said
                .iter()
                .map(String::as_str)
                .eq(targets.iter().map(String::as_str).filter(|node| done.contains(node)))
            {
                wrong.push(format!(
                    "run {} takes {said:?} of {slot}.{part} for done; run {of}: {done:?}",
                    run.id
                ));
            }
        }
    }

    /// What had succeeded at that place before the flow began.
    fn before(&self, flow: i64, slot: i64, part: i64) -> BTreeSet<&str> {
        let resumed = self.plans.get(&flow).and_then(|plan| plan.resumed.as_ref());
        let resumed = resumed.filter(|resumed| i64::from(resumed.slot) == slot);
        let done = resumed.and_then(|resumed| resumed.done.get(part as usize - 1));
        done.into_iter().flatten().map(String::as_str).collect()
    }

    fn planned(&self, flow: i64, slot: i64, part: i64, rescue: i64) -> Option<&Planned> {
        let slots = &self.plans.get(&flow)?.slots;
        let part = slots.get(slot as usize - 1)?.get(part as usize - 1)?;
        (0..rescue).try_fold(part, |part, _| part.rescue.as_deref())
    }
}
