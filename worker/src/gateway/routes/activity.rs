//! What happened, over all jobs.

use std::collections::{BTreeMap, HashSet};

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use loom::api::activity::{Activity, Missed, PastSpan, RunCounts};
use loom::store::{Gap, SpanCount, Spans};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::auth::Caller;
use crate::gateway::describe::Problems;
use crate::gateway::extract::Query;
use crate::gateway::problem::{Error, Result};
use crate::gateway::spans::spans;
use crate::gateway::{App, when};

/// Names that are told of each reason.
const NAMES: usize = 5;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Before that time; now without it. RFC 3339.
    #[param(format = DateTime)]
    until: Option<String>,
    /// How far to look back, 1 to 168; 24 without it.
    #[param(minimum = 1, maximum = 168)]
    hours: Option<i64>,
    /// Seconds to a span, of which there are at most 1000; 900 without it. Spans begin where the
    /// seconds since 1970 are a multiple of it, so that quarters of an hour are those of the clock.
    #[param(minimum = 60)]
    step: Option<i64>,
}

/// What happened: runs by what became of them, in each span of time, and what did not run.
///
/// A run is counted where it was queued, as `GET /runs` finds it with `since`, `until` and
/// `parts=false`. What is behind it is as pruning has left it.
#[utoipa::path(
    get,
    path = "/activity",
    operation_id = "activity",
    tag = "runs",
    params(Wanted),
    responses((status = 200, body = Activity), Problems)
)]
async fn show(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Activity>> {
    let spans = wanted.look(Timestamp::now())?;
    let jobs = caller.jobs.clone();
    let (counts, gaps) = app
        .history
        .read(move |ledger| {
            let gaps = ledger.missed(&jobs, spans.since, spans.until)?;
            Ok((ledger.activity(&jobs, spans)?, gaps))
        })
        .await?;
    Ok(Json(told(spans, counts, gaps)))
}

impl Wanted {
    fn look(&self, now: Timestamp) -> Result<Spans> {
        let (hours, step) = spans(self.hours, self.step)?;
        let until = when::timestamp("until", &self.until)?.unwrap_or(now);
        let before = |_| Error::invalid("until is so early that time begins after");
        let since = until.checked_sub(SignedDuration::from_hours(hours)).map_err(before)?;
        Ok(Spans { since, until, step: SignedDuration::from_secs(step) })
    }
}

fn told(looked: Spans, counts: Vec<SpanCount>, gaps: Vec<Gap>) -> Activity {
    let mut runs = RunCounts::default();
    let mut spans: Vec<PastSpan> = Vec::new();
    for SpanCount { at, state, count } in counts {
        add(&mut runs, state, count);
        match spans.last_mut() {
            Some(span) if span.at == at => add(&mut span.runs, state, count),
            Some(_) | None => {
                let mut span = PastSpan { at, runs: RunCounts::default() };
                add(&mut span.runs, state, count);
                spans.push(span);
            }
        }
    }
    let Spans { since, until, step } = looked;
    let step = step.as_secs() as u32;
    Activity { from: since, until, step, runs, spans, missed: by_reason(gaps) }
}

fn add(runs: &mut RunCounts, state: &str, count: u64) {
    let of_state = match state {
        "queued" => &mut runs.queued,
        "running" => &mut runs.running,
        "succeeded" => &mut runs.succeeded,
        "failed" => &mut runs.failed,
        "cancelled" => &mut runs.cancelled,
        "lost" => &mut runs.lost,
        "skipped" => &mut runs.skipped,
        _ => return,
    };
    *of_state += count;
}

/// What was missed last comes first.
fn by_reason(mut gaps: Vec<Gap>) -> Vec<Missed> {
    gaps.sort_by(|a, b| b.last_at.cmp(&a.last_at).then_with(|| a.job.cmp(&b.job)));
    let mut reasons: BTreeMap<&str, Vec<&Gap>> = BTreeMap::new();
    for gap in &gaps {
        reasons.entry(gap.reason.as_str()).or_default().push(gap);
    }
    let missed = |(reason, gaps): (&str, Vec<&Gap>)| {
        let mut known = HashSet::new();
        let jobs: Vec<&str> =
            gaps.iter().map(|gap| gap.job.as_str()).filter(|job| known.insert(*job)).collect();
        Some(Missed {
            reason: reason.to_owned(),
            jobs: jobs.len() as u64,
            names: jobs.into_iter().take(NAMES).map(str::to_owned).collect(),
            first_at: gaps.iter().map(|gap| gap.first_at).min()?,
            last_at: gaps.first()?.last_at,
            count: gaps.iter().map(|gap| gap.count).sum(),
        })
    };
    let mut all: Vec<Missed> = reasons.into_iter().filter_map(missed).collect();
    all.sort_by_key(|missed| std::cmp::Reverse(missed.last_at));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::store::RunState;
    use loom::unit::Reason;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_state_has_its_count() {
        let looked = Wanted::default().look(at(1_000_000)).unwrap();
        assert_eq!((looked.since, looked.until), (at(1_000_000 - 86_400), at(1_000_000)));
        let count = |at, state, count| SpanCount { at, state, count };
        let first = RunState::WORDS.map(|state| count(at(0), state, 2));
        let counts = first.into_iter().chain([count(at(900), "failed", 1)]).collect();
        let told = told(looked, counts, Vec::new());
        let two = RunCounts {
            queued: 2,
            running: 2,
            succeeded: 2,
            failed: 2,
            cancelled: 2,
            lost: 2,
            skipped: 2,
        };
        let failed = RunCounts { failed: 1, ..RunCounts::default() };
        let spans = [PastSpan { at: at(0), runs: two }, PastSpan { at: at(900), runs: failed }];
        assert_eq!((told.runs, told.spans), (RunCounts { failed: 3, ..two }, spans.to_vec()));
    }

    #[test]
    fn time_does_not_begin_after_it_was_asked_for() {
        let until = Some("-009999-01-02T01:59:59Z".to_owned());
        let refused = Wanted { until, ..Wanted::default() }.look(at(0)).unwrap_err();
        assert_eq!((refused.0.status, refused.0.detail.contains("until")), (400, true));
    }

    #[test]
    fn what_was_missed_is_told_by_reason() {
        let gap = |job: usize, reason, last| Gap {
            job: format!("job-{job}"),
            node: None,
            first_at: at(last - 10),
            last_at: at(last),
            count: 2,
            epoch: 0,
            reason,
            run: None,
        };
        let mut gaps: Vec<Gap> = (0..7).map(|n| gap(n, Reason::DaemonDown, 100)).collect();
        gaps.push(gap(3, Reason::DaemonDown, 200));
        gaps.push(gap(9, Reason::Overlap, 150));
        let [down, overlap] = by_reason(gaps).try_into().unwrap();
        assert_eq!((down.reason.as_str(), down.jobs, down.count), ("daemon down", 7, 16));
        assert_eq!(down.names, ["job-3", "job-0", "job-1", "job-2", "job-4"]);
        assert_eq!((down.first_at, down.last_at), (at(90), at(200)));
        assert_eq!((overlap.reason.as_str(), overlap.jobs), ("overlap", 1));
    }
}
