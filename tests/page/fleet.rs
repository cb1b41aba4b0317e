//! A fleet worth a picture: sixteen nodes of a shop, the jobs such a place has, and some weeks of
//! what became of them.
//!
//! The jobs are those of `site/jobs`. What they call is in `site/bin`, and found on each node in
//! place of the real thing. The past is made up and written before the daemon starts: the same
//! numbers each time, with times that count from now.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loom::api::flow::{OnFailure, Plan, Planned};
use loom::cron::Schedule;
use loom::job::flow::Place;
use loom::store::{AuditRow, Gap, JobEntry, Record};
use loom::unit::{Outcome, Reason, RunEnd, Trigger};

use crate::Scene;
use crate::harness::Farm;
use crate::harness::farm::Options;
use crate::harness::history::{History, Past, PastUnit};

/// Enough for whole pictures of the slower jobs.
pub const PATIENCE: Duration = Duration::from_secs(60);

const JOBS: [(&str, &str); 4] = [
    ("backup", include_str!("site/jobs/backup.yaml")),
    ("hygiene", include_str!("site/jobs/hygiene.yaml")),
    ("web", include_str!("site/jobs/web.yaml")),
    ("deploy", include_str!("site/jobs/deploy.yaml")),
];
const PROGRAMS: [(&str, &str); 4] = [
    ("apt-get", include_str!("site/bin/apt-get")),
    ("disk-check", include_str!("site/bin/disk-check")),
    ("release", include_str!("site/bin/release")),
    ("others", include_str!("site/bin/others")),
];
const OTHERS: [&str; 10] = [
    "certbot",
    "daily-report",
    "dump-databases",
    "logrotate",
    "make-sitemap",
    "needs-reboot",
    "purge-sessions",
    "replication-lag",
    "restore-test",
    "warm-cache",
];

const DBS: &[&str] = &["db1", "db2", "db3", "db4"];
const REPLICAS: &[&str] = &["db2", "db3", "db4"];
const APIS: &[&str] = &["api1", "api2", "api3", "api4"];
const WEBS: &[&str] = &["web1", "web2", "web3", "web4", "web5", "web6", "web7", "web8"];
const FRONT: &[&[&str]] = &[APIS, WEBS];
const ALL: &[&[&str]] = &[DBS, APIS, WEBS];

/// How a job has fared.
struct Habit {
    job: &'static str,
    /// As in its manifest.
    schedule: &'static str,
    nodes: &'static [&'static [&'static str]],
    days: i64,
    /// The usual seconds on a node.
    took: f64,
    said: &'static str,
    /// Runs that failed, counted back from the newest, which is 0: on which node, and with what
    /// words.
    failed: &'static [(usize, &'static str, i32, &'static str)],
}

const HABITS: [Habit; 10] = [
    Habit {
        job: "dump",
        schedule: "30 2 * * *",
        nodes: &[DBS],
        days: 45,
        took: 1340.0,
        said: "shop: 48 tables, 1.9 GB",
        failed: &[
            (9, "db3", 2, "mysqldump: Got error: 2013: Lost connection to server"),
            (27, "db2", 28, "No space left on device"),
            (28, "db2", 28, "No space left on device"),
        ],
    },
    Habit {
        job: "restore-test",
        schedule: "0 5 * * *",
        nodes: &[&["db4"]],
        days: 45,
        took: 610.0,
        said: "18,402,771 rows, as in the dump",
        failed: &[(9, "db4", 1, "the dump of db3 is incomplete")],
    },
    Habit {
        job: "replication",
        schedule: "*/10 * * * *",
        nodes: &[REPLICAS],
        days: 3,
        took: 0.4,
        said: "0.4 s behind",
        failed: &[(31, "db3", 1, "94 s behind"), (32, "db3", 1, "131 s behind")],
    },
    Habit {
        job: "disk",
        schedule: "*/30 * * * *",
        nodes: ALL,
        days: 4,
        took: 0.3,
        said: "/         44 %  of 20 GB\n/var/log  38 %  of 10 GB",
        failed: &[(1, "web3", 1, "/var/log is more than 95 % full")],
    },
    Habit {
        job: "logrotate",
        schedule: "10 0 * * *",
        nodes: FRONT,
        days: 30,
        took: 21.0,
        said: "rotated 9 logs",
        failed: &[],
    },
    Habit {
        job: "updates",
        schedule: "40 3 * * *",
        nodes: ALL,
        days: 30,
        took: 74.0,
        said: "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.",
        failed: &[(5, "api2", 100, "E: Could not get lock /var/lib/dpkg/lock-frontend")],
    },
    Habit {
        job: "certificates",
        schedule: "20 4 * * *",
        nodes: &[WEBS],
        days: 30,
        took: 6.0,
        said: "",
        failed: &[
            (0, "web6", 1, "Failed to renew shop.example.com: too many requests"),
            (1, "web6", 1, "Failed to renew shop.example.com: too many requests"),
        ],
    },
    Habit {
        job: "sessions",
        schedule: "*/15 * * * *",
        nodes: &[APIS],
        days: 3,
        took: 2.1,
        said: "1,284 sessions deleted",
        failed: &[(40, "api3", 1, "deadlock found; gave up after 3 attempts")],
    },
    Habit {
        job: "sitemap",
        schedule: "5 * * * *",
        nodes: &[&["web1"]],
        days: 6,
        took: 38.0,
        said: "48,210 pages in 12 files",
        failed: &[],
    },
    Habit {
        job: "report",
        schedule: "0 7 * * mon-fri",
        nodes: &[&["api1"]],
        days: 45,
        took: 12.0,
        said: "312 orders, sent to the shop",
        failed: &[(11, "api1", 75, "the mail server did not answer")],
    },
];

/// The fleet with its past; nothing runs yet.
pub fn scene() -> Scene {
    let names = ALL.iter().copied().flatten().map(|name| (*name).to_owned());
    let farm = Farm::of(names, Options { bin: true, ..Options::default() });
    for node in farm.names() {
        let bin = farm.node(&node).dir.join("bin");
        fs::create_dir(&bin).unwrap();
        for (name, text) in PROGRAMS {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        OTHERS.iter().for_each(|name| symlink("others", bin.join(name)).unwrap());
    }
    let kind = |node: &str| node.trim_end_matches(char::is_numeric).to_owned();
    let tagged = |node: String| {
        format!("{}  tags: [{}]\n", farm.node_yaml(&node, farm.node(&node)), kind(&node))
    };
    let nodes: String = farm.names().into_iter().map(tagged).collect();
    let scene = Scene::on(farm, "connect_timeout: 10\nstop_timeout: 1\nmax_workers: 24\n");
    scene.site.write("nodes.yaml", &nodes);
    for (name, text) in JOBS {
        scene.site.write(&format!("jobs/{name}.yaml"), text);
    }
    let now = Timestamp::now();
    let begin = now - SignedDuration::from_hours(24 * 46);
    let mut history = History::begin(&scene.site.statedir(), begin);
    remember(&mut history, begin, now);
    history.close();
    scene
}

fn remember(history: &mut History, begin: Timestamp, now: Timestamp) {
    let entry = |habit: &Habit| JobEntry {
        name: habit.job.to_owned(),
        schedule: habit.schedule.to_owned(),
        timezone: None,
    };
    history.jobs(HABITS.iter().map(entry).collect(), begin);
    let mut chance = Chance(0x5eed);
    let mut told: Vec<(Timestamp, Told)> = Vec::new();
    for habit in &HABITS {
        told.extend(habit.past(now, &mut chance).map(|past| (past.at, Told::Run(past))));
    }
    for (days, broke) in
        [(38, false), (31, false), (24, true), (23, false), (10, false), (3, false)]
    {
        let at = now - SignedDuration::from_secs(days * 86_113 + 17_000);
        told.push((at, Told::Flow(broke)));
    }
    told.sort_by_key(|(at, _)| *at);
    for (at, told) in told {
        match told {
            Told::Run(past) => drop(history.run(past)),
            Told::Flow(broke) => deploy(history, at, broke, &mut chance),
        }
    }
    // The daemon was upgraded, which took a while.
    let down = now - SignedDuration::from_hours(20);
    history.record(Record::Gap(Gap {
        job: "sitemap".to_owned(),
        node: None,
        first_at: down,
        last_at: down,
        count: 1,
        epoch: 0,
        reason: Reason::DaemonDown,
        run: None,
    }));
    for habit in &HABITS {
        history.record(Record::Accounted { job: habit.job.to_owned(), through: now });
    }
    let did = [
        (700, "mia", "run", "deploy", None),
        (580, "jonas", "disable", "warm-cache", None),
        (240, "mia", "run", "deploy", None),
        (222, "jonas", "retry", "run 211", Some("what did not succeed")),
        (77, "mia", "run", "deploy", None),
        (21, "jonas", "cancel", "run 1204", None),
        (19, "jonas", "reload", "", None),
    ];
    for (hours, who, action, subject, detail) in did {
        history.record(Record::Audit(AuditRow {
            at: now - SignedDuration::from_secs(hours * 3547),
            who: format!("token:{who}"),
            via: "tcp".to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            detail: detail.map(str::to_owned),
        }));
    }
}

enum Told {
    Run(Past),
    Flow(bool),
}

impl Habit {
    /// Its runs, the oldest first.
    fn past(&self, now: Timestamp, chance: &mut Chance) -> impl Iterator<Item = Past> {
        let schedule = Schedule::parse(self.schedule).unwrap();
        let zone = TimeZone::system();
        let mut at = now - SignedDuration::from_hours(24 * self.days);
        let mut instants = Vec::new();
        while let Some(next) = schedule.next_after(&zone, at).filter(|next| *next < now) {
            instants.push(next);
            at = next;
        }
        let all = instants.len();
        instants.into_iter().enumerate().map(move |(nth, at)| self.run(at, all - 1 - nth, chance))
    }

    fn run(&self, at: Timestamp, back: usize, chance: &mut Chance) -> Past {
        let failed = self.failed.iter().find(|(nth, ..)| *nth == back);
        let usual = self.took * chance.between(0.8, 1.25);
        let unit = |node: &&str| {
            let (outcome, said) = match failed {
                Some((_, on, exit, said)) if on == node => {
                    (Outcome::Failed { exit: Some(*exit) }, *said)
                }
                _ => (Outcome::Succeeded, self.said),
            };
            let took = SignedDuration::from_secs_f64(usual * chance.between(0.7, 1.1));
            let said = if said.is_empty() { String::new() } else { format!("{said}\n") };
            PastUnit { node: (*node).to_owned(), outcome, took, said }
        };
        // A slow one keeps the next from its turn.
        let overlap = self.job == "replication" && back == 30;
        let nodes = self.nodes.iter().copied().flatten().filter(|_| !overlap);
        let units: Vec<PastUnit> = nodes.map(unit).collect();
        let end = match failed {
            _ if overlap => RunEnd::Skipped { reason: Reason::Overlap },
            // Three quarters will do.
            Some(_) if self.job != "updates" => RunEnd::Failed,
            _ => RunEnd::Succeeded,
        };
        let (trigger, scheduled_at) = (Trigger::Schedule, Some(at));
        Past { job: self.job.to_owned(), trigger, scheduled_at, at, by: None, units, end }
    }
}

/// The flow of `site/jobs/deploy.yaml`, which may have broken on its first API server.
fn deploy(history: &mut History, at: Timestamp, broke: bool, chance: &mut Chance) {
    let by = Some("token:mia".to_owned());
    let part = |job: &str, targets: &[&str], needed: usize, steps: &[u32], written: &str| Planned {
        job: format!("deploy/{job}"),
        command: None,
        targets: targets.iter().map(|node| (*node).to_owned()).collect(),
        success: if needed == targets.len() { "100%".to_owned() } else { "75%".to_owned() },
        needed: needed as u32,
        parallel: (!written.is_empty()).then(|| written.to_owned()),
        at_once: steps.to_vec(),
        timeout: None,
        attempts: 1,
        on_failure: OnFailure::Stop,
        rescue: None,
    };
    let slots = vec![
        vec![part("schema", &["db1"], 1, &[1], ""), part("assets", &["web1"], 1, &[1], "")],
        vec![part("api", APIS, 4, &[1, 4], "[1, 100%]")],
        vec![part("shop", WEBS, 6, &[1, 4], "[1, 50%]")],
        vec![part("smoke", &["api1", "web1"], 2, &[2], "")],
    ];
    let mut parts = Vec::new();
    let mut begun = at;
    for (slot, planned) in (1..).zip(slots.iter().take(if broke { 2 } else { 4 })) {
        for (nth, part) in (1..).zip(planned) {
            let unit = |(nth, node): (usize, &String)| {
                let took = SignedDuration::from_secs_f64(chance.between(4.0, 40.0));
                let (outcome, said) = match (broke && slot == 2, nth) {
                    (true, 0) => (Outcome::Failed { exit: Some(1) }, "not healthy after 30 s\n"),
                    (true, _) => (Outcome::Skipped { reason: Reason::Constraint }, ""),
                    (false, _) => (Outcome::Succeeded, "restarted, healthy after 0.8 s\n"),
                };
                PastUnit { node: node.clone(), outcome, took, said: said.to_owned() }
            };
            let units: Vec<PastUnit> = part.targets.iter().enumerate().map(unit).collect();
            let end = if broke && slot == 2 { RunEnd::Failed } else { RunEnd::Succeeded };
            let place = Place { slot, part: nth, rescue: 0 };
            let (job, trigger) = (part.job.clone(), Trigger::Flow);
            let scheduled_at = None;
            parts.push((
                place,
                Past { job, trigger, scheduled_at, at: begun, by: None, units, end },
            ));
        }
        begun += SignedDuration::from_secs(45);
    }
    let plan = Plan { any_host: false, slots, resumed: None };
    let plan = serde_json::to_string(&plan).unwrap();
    let end = if broke { RunEnd::Failed } else { RunEnd::Succeeded };
    let (job, trigger, units) = ("deploy".to_owned(), Trigger::Manual, Vec::new());
    history.flow(Past { job, trigger, scheduled_at: None, at, by, units, end }, plan, parts);
}

/// A small generator (xorshift), so that the past is the same each time.
struct Chance(u64);

impl Chance {
    fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + (high - low) * ((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}
