//! What became of a due instant of a job, or of a run of it, and why.

mod found;

use axum::Json;
use axum::extract::State;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loom::api::job::{Verdict, Why};
use loom::api::run::Run;
use loom::cron::Schedule;
use loom::protocol::control::Switched;
use loom::store::{Gap, JobRow};
use loom::unit::RunId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::found::{Found, find, find_run};
use super::jobs::no_such_job;
use crate::gateway::account::flow::Course;
use crate::gateway::account::{self, Circumstances, StillRan};
use crate::gateway::auth::Caller;
use crate::gateway::catalog;
use crate::gateway::describe::Problems;
use crate::gateway::extract::{Query, Segment};
use crate::gateway::problem::{Error, Result};
use crate::gateway::when::{self, show};
use crate::gateway::{App, shape};

/// Spans in which the last due instant is looked for, in hours; the last is as far as schedules
/// reach.
const SPANS: [i64; 5] = [1, 24, 31 * 24, 366 * 24, 41 * 366 * 24];

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(why))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The instant; the last that was due without it. RFC 3339, or on the clock of the job's zone,
    /// as in `2026-11-20T02:00` or, of today, `02:00`.
    at: Option<String>,
    /// A run of it, instead of an instant.
    run: Option<u64>,
}

/// What became of a due instant, and why.
///
/// Of what never falls due, without an instant: of its last run.
#[utoipa::path(
    get,
    path = "/jobs/{name}/why",
    operation_id = "why",
    tag = "jobs",
    params(("name" = String, Path), Asked),
    responses((status = 200, body = Why), Problems)
)]
async fn why(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Why>> {
    let catalog = app.shelf.catalog().await;
    let job = catalog.jobs.get(&name).filter(|_| caller.sees(&name));
    let wanted = name.clone();
    let row = app.history.read(move |ledger| ledger.job(&wanted)).await?;
    let row = row.filter(|_| caller.sees(&name));
    let rule = match (job, &row) {
        (Some(job), _) => Rule::now(job, app.shelf.switched_off(job), app.shelf.is_paused()),
        (None, Some(row)) => Rule::before(row)?,
        (None, None) => return Err(no_such_job(&catalog, &caller, &name)),
    };
    let now = Timestamp::now();
    if asked.run.is_some() && asked.at.is_some() {
        return Err(Error::invalid("`at` or `run`, one of them"));
    }
    let is_never_due = || rule.last_due(now).is_none() && rule.next_due(now).is_none();
    if asked.run.is_some() || asked.at.is_none() && is_never_due() {
        let (wanted, run) = (name.clone(), asked.run.map(RunId));
        let found = app.history.read(move |ledger| find_run(ledger, &wanted, run)).await?;
        match (found, asked.run) {
            (Some(found), _) => return Ok(Json(of_run(name, found, &rule, asked.run.is_none()))),
            (None, Some(run)) => {
                let text = format!("there is no run {run} of {name}; it may have been pruned");
                return Err(Error::unknown(text));
            }
            (None, None) => {}
        }
    }
    let at = match &asked.at {
        Some(text) => minute_of(when::parse("at", text, &rule.zone, now)?),
        // Of one that is gone, the last while it was there.
        None => rule.last_due(rule.removed_at.unwrap_or(now)).unwrap_or(minute_of(now)),
    };
    let wanted = name.clone();
    let Found { runs, gaps, still_ran, course } =
        app.history.read(move |ledger| find(ledger, &wanted, at)).await?;
    let (row, rule_of) = (row.as_ref(), &rule);
    let case = Case { at, now, rule: rule_of, row, runs: &runs, gaps: &gaps, still_ran, course };
    let (verdict, mut text) = case.judge();
    // Who names no instant asks how it stands.
    if let (None, Some(why)) = (&asked.at, rule.hindrance()) {
        text.push_str(&format!(" As things are it does not run: {why}."));
    }
    Ok(Json(Why {
        job: name,
        at,
        verdict,
        text,
        run: runs.last().cloned(),
        gaps: gaps.into_iter().map(shape::gap).collect(),
        due_before: rule.last_due(just_before(at)),
        due_after: rule.next_due(at),
    }))
}

/// A run, whenever it was.
fn of_run(job: String, found: Found, rule: &Rule, asks_how_it_stands: bool) -> Why {
    let Found { runs, gaps, still_ran, course } = found;
    let run = runs.into_iter().next_back();
    let at = run.as_ref().map_or(Timestamp::MIN, |run| run.scheduled_at.unwrap_or(run.queued_at));
    let around = Circumstances {
        still_ran,
        course,
        deadline: rule.deadline.clone(),
        ..Circumstances::default()
    };
    let told = run.as_ref().map(|run| account::of_run(run, at, &gaps, &around, &rule.zone));
    let mut text = told.unwrap_or_default();
    if let Some(why) = rule.hindrance().filter(|_| asks_how_it_stands) {
        text.push_str(&format!(" As things are it does not run: {why}."));
    }
    let gaps = gaps.into_iter().map(shape::gap).collect();
    let (due_before, due_after) = (rule.last_due(just_before(at)), rule.next_due(at));
    Why { job, at, verdict: Verdict::Run, text, run, gaps, due_before, due_after }
}

/// By what a job comes due.
struct Rule {
    schedule: Schedule,
    zone: TimeZone,
    /// For people; empty of the system's.
    zone_name: String,
    enabled: bool,
    paused: bool,
    switched_off: Option<Switched>,
    deadline: Option<String>,
    removed_at: Option<Timestamp>,
}

impl Rule {
    /// What keeps it from running when it comes due next.
    fn hindrance(&self) -> Option<String> {
        match &self.switched_off {
            Some(off) => {
                Some(format!("the job was switched off by {} at {}", off.by, self.show(off.at)))
            }
            None if !self.enabled => Some("the job has `enabled: false`".to_owned()),
            None if self.paused => Some("all schedules are paused".to_owned()),
            None => None,
        }
    }

    fn now(job: &catalog::Job, switched_off: Option<Switched>, paused: bool) -> Rule {
        let manifest: serde_json::Value =
            serde_json::from_str(&job.entry.details).unwrap_or_default();
        Rule {
            schedule: job.schedule.clone(),
            zone: job.zone.clone(),
            zone_name: job.entry.timezone.clone().unwrap_or_default(),
            enabled: job.entry.enabled && switched_off.is_none(),
            paused,
            switched_off,
            deadline: manifest["deadline"].as_str().map(str::to_owned),
            removed_at: None,
        }
    }

    /// Of a job that is in the ledger alone.
    fn before(row: &JobRow) -> Result<Rule> {
        let entry = &row.entry;
        let schedule = Schedule::parse(&entry.schedule);
        Ok(Rule {
            schedule: schedule.map_err(|e| Error::internal(format!("{}: {e}", entry.name)))?,
            zone: loom::job::zone(entry.timezone.as_deref()),
            zone_name: entry.timezone.clone().unwrap_or_default(),
            enabled: true,
            paused: false,
            switched_off: None,
            deadline: None,
            // Until the daemon has written that it is gone it is gone just now.
            removed_at: Some(row.removed_at.unwrap_or_else(Timestamp::now)),
        })
    }

    fn next_due(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.schedule.next_after(&self.zone, after)?;
        self.removed_at.is_none_or(|removed| next <= removed).then_some(next)
    }

    /// At that time or before.
    fn last_due(&self, until: Timestamp) -> Option<Timestamp> {
        let until = self.removed_at.map_or(until, |removed| until.min(removed));
        SPANS.into_iter().find_map(|hours| {
            let from = until.saturating_sub(SignedDuration::from_hours(hours)).ok()?;
            Some(self.schedule.fires_between(&self.zone, from, until)?.last)
        })
    }

    fn is_due(&self, at: Timestamp) -> bool {
        self.next_due(just_before(at)) == Some(at)
    }

    fn show(&self, at: Timestamp) -> String {
        show(at, &self.zone)
    }
}

/// All there is to judge an instant by.
struct Case<'a> {
    at: Timestamp,
    now: Timestamp,
    rule: &'a Rule,
    row: Option<&'a JobRow>,
    runs: &'a [Run],
    gaps: &'a [Gap],
    still_ran: Vec<StillRan>,
    course: Option<Course>,
}

impl Case<'_> {
    fn judge(self) -> (Verdict, String) {
        let Case { at, now, rule, row, runs, gaps, still_ran, course } = self;
        let off = rule.switched_off.as_ref().filter(|off| off.at <= at);
        let around = Circumstances {
            still_ran,
            deadline: rule.deadline.clone(),
            switched_off: off.map(|off| (off.by.clone(), off.at)),
            course,
        };
        if let Some(run) = runs.last() {
            let lacks: Vec<Gap> =
                gaps.iter().filter(|gap| gap.run == Some(RunId(run.id))).cloned().collect();
            return (Verdict::Run, account::of_run(run, at, &lacks, &around, &rule.zone));
        }
        let is_due = rule.is_due(at);
        // A long gap reaches over instants that are due and over time between them.
        let covers =
            |gap: &&Gap| gap.node.is_none() && (is_due || gap.first_at == at || gap.last_at == at);
        if let Some(gap) = gaps.iter().find(covers) {
            return (Verdict::Gap, account::of_gap(gap, &around, &rule.zone));
        }
        let shown = rule.show(at);
        if let Some(removed) = rule.removed_at.filter(|removed| at > *removed) {
            let removed = rule.show(removed);
            let text = format!(
                "It was not due at {shown}: the job was taken out of the configuration at {removed}."
            );
            return (Verdict::NotDue, text);
        }
        if !is_due {
            return (Verdict::NotDue, not_due(rule, at));
        }
        if at > now {
            return (Verdict::Future, to_come(rule, at, now));
        }
        match row {
            Some(row) if at <= row.first_seen => {
                let since = rule.show(row.first_seen);
                let text = format!(
                    "The ledger knows the job since {since}; of {shown}, which is before, it can \
                     tell nothing."
                );
                (Verdict::Before, text)
            }
            Some(row) if at <= row.accounted_through => (
                Verdict::Nothing,
                format!(
                    "There is neither a run nor a gap of {shown}. Either the entry was pruned, or \
                     the job had another schedule then, by which it was not due."
                ),
            ),
            Some(_) | None => (
                Verdict::Nothing,
                format!(
                    "There is neither a run nor a gap of {shown} yet: the daemon has not come to \
                     it, or the ledger cannot be written. See the daemon's status."
                ),
            ),
        }
    }
}

fn not_due(rule: &Rule, at: Timestamp) -> String {
    let zone = match rule.zone_name.as_str() {
        "" => String::new(),
        name => format!(", in {name}"),
    };
    let (schedule, shown) = (rule.schedule.expr(), rule.show(at));
    let around = match (rule.last_due(at), rule.next_due(at)) {
        (Some(before), Some(after)) => {
            format!("before it is {}, after it {}", rule.show(before), rule.show(after))
        }
        (Some(before), None) => format!("the last is {}", rule.show(before)),
        (None, Some(after)) => format!("the first is {}", rule.show(after)),
        (None, None) => "there is none".to_owned(),
    };
    format!(
        "It is not due at {shown}: its schedule is `{schedule}`{zone}. Of the due instants {around}."
    )
}

fn to_come(rule: &Rule, at: Timestamp, now: Timestamp) -> String {
    let left = loom::config::show_duration(at.duration_since(now).unsigned_abs());
    let text = format!("{} is still to come, in {left}.", rule.show(at));
    let hindrance = rule.hindrance().map(|why| format!(" As things are it will not run: {why}."));
    text + &hindrance.unwrap_or_default()
}

/// Schedules fall due at the beginning of minutes.
fn minute_of(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    let second = if at.subsec_nanosecond() < 0 { second - 1 } else { second };
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}

fn just_before(at: Timestamp) -> Timestamp {
    at.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN)
}
