//! What a hook is told, as docs/hooks.md promises it: fields are added, never changed, as long as
//! the version stays.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::flow::{Flow, Of};
use crate::arg::Arg;
use crate::cron::Fires;
use crate::event::{PartEnd, RunInfo, UnitInfo};
use crate::job::Job;
use crate::job::hooks::Occasion;
use crate::unit::{Kill, Outcome, Reason, RunEnd, RunId};

pub const VERSION: u32 = 1;

/// Units beyond this are only counted.
pub const MAX_UNITS: usize = 1000;

/// A unit's detail is cut here, and what its task returned, in characters.
const LONGEST_DETAIL: usize = 1000;

#[derive(Debug, Clone, Serialize)]
pub struct Account<'a> {
    version: u32,
    #[serde(serialize_with = "key")]
    pub occasion: Occasion,
    pub host: &'a str,
    /// Held back since this occasion of this job was last told.
    pub suppressed: u64,
    pub job: About<'a>,
    pub run: Option<Run>,
    /// Of a run of a flow that has ended.
    pub flow: Option<Flow<'a>>,
    pub counts: Option<Counts>,
    /// Those that did not succeed come first.
    pub units: Vec<Unit<'a>>,
    /// Not listed.
    pub more_units: usize,
    pub gap: Option<Gap<'a>>,
}

#[derive(Debug, Clone, Serialize)]
pub struct About<'a> {
    pub name: &'a str,
    pub task: &'a str,
    description: &'a str,
    tags: &'a [String],
    pub schedule: &'a str,
    pub timezone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kwargs: Option<Value>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub id: u64,
    pub trigger: &'static str,
    pub scheduled_at: Option<Timestamp>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub state: &'static str,
    pub reason: Option<&'static str>,
    /// The flow that it is a part of.
    pub flow: Option<Of>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    pub total: usize,
    pub succeeded: usize,
    pub failed: usize,
    pub signaled: usize,
    pub unreachable: usize,
    pub timed_out: usize,
    pub cancelled: usize,
    pub crashed: usize,
    pub lost: usize,
    pub skipped: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct Unit<'a> {
    pub node: &'a str,
    /// Of a flow, whose units are of several.
    pub job: Option<&'a str>,
    pub attempt: u32,
    #[serde(serialize_with = "word")]
    pub outcome: &'a Outcome,
    exit: Option<i32>,
    signal: Option<i32>,
    kill: Option<&'static str>,
    pub detail: Option<String>,
    pub result: Option<String>,
    /// From its worker's start, to the millisecond.
    pub seconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Gap<'a> {
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
    pub reason: &'static str,
    /// `None`: on all of them.
    pub node: Option<&'a str>,
}

impl<'a> Account<'a> {
    pub fn new(occasion: Occasion, host: &'a str, job: &'a Job, suppressed: u64) -> Account<'a> {
        let job = About {
            name: &job.name,
            task: &job.task,
            description: &job.description,
            tags: &job.tags,
            schedule: job.schedule.expr(),
            timezone: job.timezone.as_deref(),
            args: None,
            kwargs: None,
        };
        Account {
            version: VERSION,
            occasion,
            host,
            suppressed,
            job,
            run: None,
            flow: None,
            counts: None,
            units: Vec::new(),
            more_units: 0,
            gap: None,
        }
    }

    pub fn with_run(self, run: Run) -> Self {
        Account { run: Some(run), ..self }
    }

    pub fn with_gap(self, gap: Gap<'a>) -> Self {
        Account { gap: Some(gap), ..self }
    }

    pub fn with_units(self, total: usize, succeeded: usize, units: &'a [UnitInfo]) -> Self {
        self.with_all(total, succeeded, units.iter().map(|unit| (None, unit)).collect())
    }

    /// Those of the last slot first: they say why it went no further.
    pub fn with_parts(self, job: &'a Job, run: &RunInfo, parts: &'a [PartEnd]) -> Self {
        let Some(flow) = &job.flow else { return self };
        let units = parts.iter().rev().flat_map(|part| {
            let job = flow.part(part.place).map(|part| part.job.name.as_str());
            part.units.iter().map(move |unit| (job, unit))
        });
        let succeeded = parts.iter().map(|part| part.succeeded).sum();
        let with_flow = Account { flow: Some(Flow::new(flow, parts)), ..self };
        with_flow.with_all(run.units, succeeded, units.collect())
    }

    /// All of them are counted; listed are, of nodes that could not be reached, those alone.
    fn with_all(
        self,
        total: usize,
        succeeded: usize,
        units: Vec<(Option<&'a str>, &'a UnitInfo)>,
    ) -> Self {
        let mut counts = Counts { total, succeeded, ..Counts::default() };
        units.iter().for_each(|(_, unit)| counts.count(&unit.outcome));
        let told: Vec<_> = match self.occasion {
            Occasion::Unreachable => {
                let is_told = |unit: &UnitInfo| unit.outcome == Outcome::Unreachable;
                units.into_iter().filter(|(_, unit)| is_told(unit)).collect()
            }
            Occasion::Start
            | Occasion::Success
            | Occasion::Failure
            | Occasion::Recovery
            | Occasion::Missed
            | Occasion::Late => {
                let (well, ill): (Vec<_>, Vec<_>) =
                    units.into_iter().partition(|(_, unit)| unit.outcome.is_success());
                ill.into_iter().chain(well).collect()
            }
        };
        let more_units = told.len().saturating_sub(MAX_UNITS);
        let unit = |(job, unit)| Unit::new(job, unit);
        let units = told.into_iter().take(MAX_UNITS).map(unit).collect();
        Account { counts: Some(counts), units, more_units, ..self }
    }

    pub fn with_arguments(mut self, job: &Job) -> Self {
        let named = job.kwargs.iter().map(|(name, arg)| (name.clone(), value(arg)));
        self.job.args = Some(Value::Array(job.args.iter().map(value).collect()));
        self.job.kwargs = Some(Value::Object(named.collect()));
        self
    }

    pub fn run_id(&self) -> Option<RunId> {
        self.run.as_ref().map(|run| RunId(run.id))
    }

    /// One line.
    pub fn json(&self) -> Vec<u8> {
        // It fails on maps whose keys are no text; there are none.
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

impl Run {
    pub fn queued(run: &RunInfo) -> Run {
        Run {
            id: run.run.0,
            trigger: run.trigger.as_str(),
            scheduled_at: run.scheduled_at.map(to_the_millisecond),
            queued_at: to_the_millisecond(run.queued_at),
            started_at: None,
            finished_at: None,
            state: "queued",
            reason: None,
            flow: None,
        }
    }

    pub fn of(self, flow: Option<Of>) -> Run {
        Run { flow, ..self }
    }

    pub fn started(run: &RunInfo, at: Timestamp) -> Run {
        Run { started_at: Some(to_the_millisecond(at)), state: "running", ..Run::queued(run) }
    }

    pub fn ended(run: &RunInfo, started_at: Option<Timestamp>, at: Timestamp, end: RunEnd) -> Run {
        Run {
            started_at: started_at.map(to_the_millisecond),
            finished_at: Some(to_the_millisecond(at)),
            state: end.word(),
            reason: end.reason().map(Reason::as_str),
            ..Run::queued(run)
        }
    }
}

impl Counts {
    /// Neither succeeded nor left out.
    pub fn ill(&self) -> usize {
        self.failed
            + self.signaled
            + self.unreachable
            + self.timed_out
            + self.cancelled
            + self.crashed
            + self.lost
    }

    fn count(&mut self, outcome: &Outcome) {
        let count = match outcome {
            // Told by whoever ended the run.
            Outcome::Succeeded => return,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::Signaled { .. } => &mut self.signaled,
            Outcome::Unreachable => &mut self.unreachable,
            Outcome::TimedOut { .. } => &mut self.timed_out,
            Outcome::Cancelled { .. } => &mut self.cancelled,
            Outcome::Crashed => &mut self.crashed,
            Outcome::Lost => &mut self.lost,
            Outcome::Skipped { .. } => &mut self.skipped,
        };
        *count += 1;
    }
}

impl<'a> Unit<'a> {
    fn new(job: Option<&'a str>, unit: &'a UnitInfo) -> Unit<'a> {
        let (mut exit, mut signal, mut kill) = (None, None, None);
        match &unit.outcome {
            Outcome::Failed { exit: status } => exit = *status,
            Outcome::Signaled { signal: number } => signal = Some(*number),
            Outcome::TimedOut { kill: answer } | Outcome::Cancelled { kill: answer, .. } => {
                kill = Some(match answer {
                    Kill::Confirmed => "confirmed",
                    Kill::Unconfirmed => "unconfirmed",
                });
            }
            Outcome::Succeeded
            | Outcome::Unreachable
            | Outcome::Crashed
            | Outcome::Lost
            | Outcome::Skipped { .. } => {}
        }
        Unit {
            node: &unit.node,
            job,
            attempt: unit.attempt,
            outcome: &unit.outcome,
            exit,
            signal,
            kill,
            detail: unit.detail.as_deref().map(|detail| cut(detail, LONGEST_DETAIL)),
            result: unit.result.as_deref().map(|result| cut(result, LONGEST_DETAIL)),
            seconds: unit.took.map(|took| (took.as_secs_f64() * 1000.0).round() / 1000.0),
        }
    }
}

impl<'a> Gap<'a> {
    pub fn new(node: Option<&'a str>, fires: Fires, reason: Reason) -> Gap<'a> {
        let Fires { first, last, count } = fires;
        Gap { first_at: first, last_at: last, count, reason: reason.as_str(), node }
    }
}

/// As the ledger has it, so that both can be compared.
fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// The first so many characters, and an ellipsis for the rest.
pub fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn key<S: Serializer>(occasion: &Occasion, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(occasion.as_str())
}

fn word<S: Serializer>(outcome: &&Outcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(outcome.word())
}

fn value(arg: &Arg) -> Value {
    match arg {
        Arg::Null => Value::Null,
        Arg::Bool(flag) => Value::Bool(*flag),
        Arg::Int(number) => Value::from(*number),
        // What is no number in JSON is null there.
        Arg::Float(number) => Value::from(*number),
        Arg::Str(text) => Value::from(text.as_str()),
        Arg::List(items) => Value::Array(items.iter().map(value).collect()),
        Arg::Map(entries) => {
            let entries = entries.iter().map(|(name, arg)| (name_of(name), value(arg)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// JSON names its members by text only.
fn name_of(key: &Arg) -> String {
    match key {
        Arg::Str(text) => text.clone(),
        Arg::Null | Arg::Bool(_) | Arg::Int(_) | Arg::Float(_) | Arg::List(_) | Arg::Map(_) => {
            value(key).to_string()
        }
    }
}
