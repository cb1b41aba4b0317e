//! The API under 5,000 jobs and 100,000 runs: how long requests take while units are dispatched as
//! fast as they can be, and what that costs the units.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use loom::unit::{Outcome, RunEnd, Trigger};

use crate::harness::farm::Options;
use crate::harness::history::{History, Past, PastUnit};
use crate::harness::{Daemon, Farm, until};
use crate::sites;
use crate::table::{Table, Target, median};

const NODES: usize = 10;
const JOBS: usize = 5000;
const RUNS: u64 = 100_000;
/// Seconds from one to the next.
const APART: i64 = 20;
/// Set going at once in each round, on every node.
const BURST: usize = 150;
const ROUNDS: usize = 5;
/// 50 requests a second.
const PACE: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(120);

pub fn measure(table: &mut Table) {
    let farm = Farm::with(NODES, Options { max_sessions: 100, ..Options::default() });
    let (site, jobs) = sites::units(&farm, JOBS, "task: loom.run, args: ['true']");
    fill(&site.statedir(), &jobs, |_| ());
    let daemon = Daemon::start_with_control(&site);
    let socket = site.statedir().join("api.sock");
    let paths = paths(&jobs);
    ask_all(&socket, &paths);
    burst(&daemon, &jobs);

    let (mut alone, mut asked, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(burst(&daemon, &jobs));
        let over = AtomicBool::new(false);
        let rate = thread::scope(|scope| {
            let asker = scope.spawn(|| ask_until(&over, &socket, &paths));
            let rate = burst(&daemon, &jobs);
            over.store(true, Ordering::Relaxed);
            took.extend(asker.join().unwrap());
            rate
        });
        asked.push(rate);
    }
    for path in &paths {
        let of_path = took.iter().filter(|(of, _)| *of == path).map(|(_, took)| *took);
        let (half, nearly_all) = parts(of_path.collect());
        eprintln!("  {half:6.2} ms, p99 {nearly_all:6.2} ms: {path}");
    }
    let (half, nearly_all) = parts(took.into_iter().map(|(_, took)| took).collect());
    let ratios = asked.iter().zip(&alone).map(|(asked, alone)| asked / alone).collect();
    table.add("api: request, p99 under load", nearly_all, " ms", Target::AtMost(20.0));
    table.add("  request, median", half, " ms", Target::None);
    table.add("api: units dispatched beside requests", median(ratios), "", Target::AtLeast(0.95));
    table.add("  units alone", median(alone), " /s", Target::None);
    table.add("  units beside 50 requests/s", median(asked), " /s", Target::None);
}

/// The median and the 99th percentile, in milliseconds.
fn parts(mut seconds: Vec<f64>) -> (f64, f64) {
    seconds.sort_by(f64::total_cmp);
    let part = |share: f64| seconds[(seconds.len() as f64 * share) as usize] * 1000.0;
    (part(0.5), part(0.99))
}

/// What lists and shows things.
fn paths(jobs: &[String]) -> Vec<String> {
    let (first, some, last) = (&jobs[0], &jobs[JOBS / 2], &jobs[JOBS - 1]);
    let list = [
        "daemon".to_owned(),
        "jobs".to_owned(),
        format!("jobs?cursor={some}"),
        format!("jobs/{first}"),
        format!("jobs/{last}/fires?count=10"),
        "nodes".to_owned(),
        "nodes/n1".to_owned(),
        "runs".to_owned(),
        "runs?state=failed".to_owned(),
        format!("runs?job={some}"),
        format!("runs?cursor={}", RUNS / 2),
        format!("runs/{}", RUNS / 3),
        format!("units/{}", RUNS / 3),
        format!("units/{}/output", RUNS / 3),
        "units?state=open".to_owned(),
    ];
    list.map(|path| format!("/api/v1/{path}")).to_vec()
}

/// Units a second, of jobs on every node.
fn burst(daemon: &Daemon, jobs: &[String]) -> f64 {
    let begun = Instant::now();
    for job in &jobs[..BURST] {
        daemon.run(job);
    }
    until("the end of all runs", LONG, || (daemon.control().status().runs == 0).then_some(()));
    (BURST * NODES) as f64 / begun.elapsed().as_secs_f64()
}

/// Each path in its turn, with the seconds it took.
fn ask_until<'a>(over: &AtomicBool, socket: &Path, paths: &'a [String]) -> Vec<(&'a String, f64)> {
    let mut client = Client::connect(socket);
    let (mut took, mut next) = (Vec::new(), Instant::now());
    for path in paths.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next += PACE;
        let begun = Instant::now();
        client.get(path);
        took.push((path, begun.elapsed().as_secs_f64()));
    }
    took
}

fn ask_all(socket: &Path, paths: &[String]) {
    let mut client = Client::connect(socket);
    paths.iter().for_each(|path| client.get(path));
}

struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    fn connect(socket: &Path) -> Client {
        // The link may be too long for an address; what it leads to is not.
        let socket: PathBuf = std::fs::read_link(socket).unwrap();
        Client { stream: BufReader::new(UnixStream::connect(socket).unwrap()) }
    }

    /// Panics unless it is answered with 200.
    fn get(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            chunked |= lower.starts_with("transfer-encoding:");
        }
        while chunked {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            self.skip(size + 2);
            chunked = size > 0;
        }
        self.skip(length);
    }

    fn skip(&mut self, bytes: usize) {
        self.stream.read_exact(&mut vec![0; bytes]).unwrap();
    }
}

/// A ledger of so many runs, each of one unit, over the last weeks; and what `further` tells.
pub fn fill(statedir: &Path, jobs: &[String], further: impl FnOnce(&mut History)) {
    // The last of them an hour ago.
    let begin = Timestamp::now() - SignedDuration::from_secs(RUNS as i64 * APART + 3600);
    let mut history = History::begin(statedir, begin);
    for n in 1..=RUNS {
        let job = &jobs[n as usize % jobs.len()];
        history.run(run(n, job, begin + SignedDuration::from_secs(n as i64 * APART)));
    }
    further(&mut history);
    history.close();
}

fn run(n: u64, job: &str, at: Timestamp) -> Past {
    let (outcome, end) = match n % 50 {
        0 => (Outcome::Failed { exit: Some(1) }, RunEnd::Failed),
        _ => (Outcome::Succeeded, RunEnd::Succeeded),
    };
    let unit = PastUnit {
        node: format!("n{}", n as usize % NODES + 1),
        outcome,
        took: SignedDuration::ZERO,
        said: format!("this is what run {n} had to say\n"),
    };
    let job = job.to_owned();
    Past { job, trigger: Trigger::Manual, scheduled_at: None, at, by: None, units: vec![unit], end }
}
