//! What a changed job means for the fires of the next day.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::config::diagnostic::quoted;
use crate::cron::Schedule;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Of the fires that come or go, so many are told for each job.
const TOLD: usize = 3;

/// The fires after one instant, up to a day later, of the jobs whose fires are not the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Over all jobs.
    pub come: u64,
    pub go: u64,
    /// By name.
    pub jobs: Vec<Effect>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    pub job: String,
    pub before: u64,
    pub after: u64,
    pub come: Few,
    pub go: Few,
}

/// How many there are, and the first of them, with the offset of the job's zone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Few {
    pub count: u64,
    pub first: Vec<String>,
}

impl Few {
    fn add(&mut self, (at, zone): Fire<'_>) {
        self.count += 1;
        if self.first.len() < TOLD {
            let local = at.to_zoned(zone.clone());
            self.first.push(local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
        }
    }
}

/// When a job fires; a disabled one has none.
#[derive(PartialEq)]
struct Timing {
    schedule: Schedule,
    zone: TimeZone,
}

impl Timing {
    fn of(name: &str, job: Option<&Value>) -> Result<Option<Timing>, String> {
        let Some(job) = job.filter(|job| job["enabled"] == Value::Bool(true)) else {
            return Ok(None);
        };
        let wrong = |what: &str| format!("job {}: {what}", quoted(name));
        let expr = job["schedule"].as_str().ok_or_else(|| wrong("has no schedule"))?;
        let schedule = Schedule::parse(expr).map_err(|e| wrong(&e.message))?;
        let zone = match job["timezone"].as_str() {
            None => TimeZone::system(),
            Some(zone) => TimeZone::get(zone)
                .map_err(|_| wrong(&format!("time zone {} is not known here", quoted(zone))))?,
        };
        Ok(Some(Timing { schedule, zone }))
    }
}

impl Outlook {
    pub fn new(from: Timestamp) -> Outlook {
        let until = from.saturating_add(DAY).unwrap_or(from);
        Outlook { from, until, come: 0, go: 0, jobs: Vec::new() }
    }

    /// A job as it was and as it is to be.
    pub fn add(
        &mut self,
        job: &str,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> Result<(), String> {
        let (old, new) = (Timing::of(job, old)?, Timing::of(job, new)?);
        if old == new {
            return Ok(());
        }
        let mut effect = Effect {
            job: job.to_owned(),
            before: self.count(old.as_ref()),
            after: self.count(new.as_ref()),
            come: Few::default(),
            go: Few::default(),
        };
        self.walk(&mut effect, old.as_ref(), new.as_ref());
        self.come += effect.come.count;
        self.go += effect.go.count;
        if effect.come.count + effect.go.count > 0 {
            self.jobs.push(effect);
        }
        Ok(())
    }

    fn count(&self, timing: Option<&Timing>) -> u64 {
        let fires = |t: &Timing| t.schedule.fires_between(&t.zone, self.from, self.until);
        timing.and_then(fires).map_or(0, |fires| fires.count)
    }

    fn fires<'t>(&self, timing: Option<&'t Timing>) -> impl Iterator<Item = Fire<'t>> {
        let (from, until) = (self.from, self.until);
        let fires = timing.into_iter().flat_map(move |timing| {
            let next = |after: &Timestamp| timing.schedule.next_after(&timing.zone, *after);
            std::iter::successors(next(&from), next).map(|at| (at, &timing.zone))
        });
        fires.take_while(move |(at, _)| *at <= until)
    }

    /// Both in the order of time; a fire that both have neither comes nor goes.
    fn walk(&self, effect: &mut Effect, old: Option<&Timing>, new: Option<&Timing>) {
        let (mut old, mut new) = (self.fires(old).peekable(), self.fires(new).peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some((was, _)), Some((is, _))) => was.cmp(is),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            if order.is_le() {
                let goes = old.next().filter(|_| order.is_lt());
                goes.into_iter().for_each(|fire| effect.go.add(fire));
            }
            if order.is_ge() {
                let comes = new.next().filter(|_| order.is_gt());
                comes.into_iter().for_each(|fire| effect.come.add(fire));
            }
        }
    }
}

/// An instant, and the zone it is told in.
type Fire<'t> = (Timestamp, &'t TimeZone);
