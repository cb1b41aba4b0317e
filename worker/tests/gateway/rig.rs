//! The real gateway, on a real ledger, with a parent that the test plays.
//!
//! [`Rig`] starts the executable as the parent does, says hello, hands over a catalog and answers
//! what it is asked as the test wants it. What was told is known to have arrived after
//! [`Rig::heard`].

use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use loom::access::{Globs, Role, TokenHash};
use loom::protocol::control::{
    Answer, Catalog, Command, Counters, FromParent, Hello, JobEntry, News, NodeEntry, Refusal,
    Reply, Request, Serve, Status, Units, Why,
};
use loom::protocol::frame::{self, CAP};
use loom::protocol::message::Output;
use loom::protocol::{GATEWAY_CONTROL, GATEWAY_LISTENER, VERSION};
use loom::store::{self, Ledger, OpenUnit, Record, TokenRow};
use loom::sys::spawn::spawn;
use loom::unit::{Outcome, RunEnd, RunId, Trigger, UnitId};
use tempfile::TempDir;

use super::http::Client;

/// When the daemon that the test plays was started, and the ledger begun.
pub const BEGUN: &str = "2026-01-01T00:00:00Z";

pub type Reaction = Box<dyn FnMut(&Request, &Parent) -> Result<Answer, Refusal> + Send>;

pub struct Rig {
    pub dir: TempDir,
    pub parent: Arc<Parent>,
    pub client: Client,
    process: Child,
    ear: Option<JoinHandle<()>>,
}

/// The parent's side, for the test and for whoever answers requests.
pub struct Parent {
    ledger: Mutex<Ledger>,
    stream: UnixStream,
    /// One frame at a time.
    voice: Mutex<()>,
    asked: Mutex<Vec<Request>>,
    reaction: Mutex<Option<Reaction>>,
    pub status: Mutex<Status>,
}

impl Rig {
    /// Behind a unix socket, for this very user.
    pub fn local(jobs: &[JobEntry], nodes: &[NodeEntry]) -> Rig {
        let dir = tempfile::Builder::new().prefix("loom-gw.").tempdir().unwrap();
        let path = dir.path().join("api");
        let listener = UnixListener::bind(&path).unwrap();
        let uid = nix::unistd::getuid().as_raw();
        let client = Client::unix(&path);
        Rig::start(dir, listener.into(), Serve::Local { uid }, client, jobs, nodes)
    }

    /// Behind a TCP socket without TLS, for those who show a token, see [`Rig::token`].
    pub fn remote(jobs: &[JobEntry], nodes: &[NodeEntry]) -> Rig {
        let dir = tempfile::Builder::new().prefix("loom-gw.").tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::tcp(listener.local_addr().unwrap());
        let serve = Serve::Remote { tls: None, hosts: Vec::new() };
        Rig::start(dir, listener.into(), serve, client, jobs, nodes)
    }

    fn start(
        dir: TempDir,
        listener: std::os::fd::OwnedFd,
        serve: Serve,
        client: Client,
        jobs: &[JobEntry],
        nodes: &[NodeEntry],
    ) -> Rig {
        let statedir = dir.path().join("state");
        let (mut ledger, _) = Ledger::open(&statedir, at(BEGUN)).unwrap();
        ledger.apply(&[Record::Jobs { jobs: known(jobs), at: at(BEGUN) }]).unwrap();
        let (ours, its) = UnixStream::pair().unwrap();
        let mut program = Program::new(env!("CARGO_BIN_EXE_loom-gateway"));
        program.stdin(Stdio::null());
        let fds = [(its.into(), GATEWAY_CONTROL), (listener, GATEWAY_LISTENER)];
        let process = spawn(program, &fds).unwrap();
        let parent = Arc::new(Parent {
            ledger: Mutex::new(ledger),
            stream: ours,
            voice: Mutex::default(),
            asked: Mutex::default(),
            reaction: Mutex::default(),
            status: Mutex::new(quiet()),
        });
        parent.say(&FromParent::Hello(Hello {
            version: VERSION,
            release: "0.0.0".to_owned(),
            pid: std::process::id(),
            started_at: at(BEGUN),
            hostname: "rig".to_owned(),
            statedir,
            serve,
        }));
        parent.news(News::Paused(false));
        parent.catalog(1, jobs, nodes);
        let hearing = parent.clone();
        let ear = thread::spawn(move || hearing.hear());
        Rig { dir, parent, client, process, ear: Some(ear) }
    }

    pub fn statedir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How the parent answers from now on; [`Command::Status`] it answers by itself.
    pub fn react(
        &self,
        reaction: impl FnMut(&Request, &Parent) -> Result<Answer, Refusal> + Send + 'static,
    ) {
        *self.parent.reaction.lock().unwrap() = Some(Box::new(reaction));
    }

    /// What the parent was asked so far, but for its status.
    pub fn asked(&self) -> Vec<Request> {
        self.parent.asked.lock().unwrap().clone()
    }

    /// The last request, which there must be.
    pub fn last_asked(&self) -> Request {
        self.asked().pop().expect("the parent was asked")
    }

    /// Everything said to the gateway before has arrived there: it asks for the status, and hears
    /// the answer after all that.
    pub fn heard(&self) {
        let client = match self.process_is_remote() {
            true => self.client.clone().bearer(&self.token("heard", Role::Viewer, &[])),
            false => self.client.clone(),
        };
        assert_eq!(client.get("/api/v1/daemon").status(), 200);
    }

    fn process_is_remote(&self) -> bool {
        !self.dir.path().join("api").exists()
    }

    pub fn record(&self, records: &[Record]) {
        self.parent.record(records);
    }

    pub fn tell(&self, news: News) {
        self.parent.news(news);
    }

    /// The secret of a token, made now if there is none by that name.
    pub fn token(&self, name: &str, role: Role, jobs: &[&str]) -> String {
        let secret = format!("secret-of-{name}");
        // Refused if it is there.
        let _ = self.parent.ledger().apply(&[Record::Token(TokenRow {
            name: name.to_owned(),
            hash: TokenHash::of(&secret),
            role,
            jobs: Globs::new(jobs).unwrap(),
            created_at: Timestamp::now(),
            created_by: "rig".to_owned(),
            revoked_at: None,
        })]);
        secret
    }
}

impl Drop for Rig {
    /// The gateway ends when its parent has hung up.
    fn drop(&mut self) {
        let _ = self.parent.stream.shutdown(std::net::Shutdown::Both);
        let until = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let status = self.process.wait();
        let heard = self.ear.take().map(JoinHandle::join);
        if !thread::panicking() {
            assert!(status.is_ok_and(|status| status.success()), "the gateway failed");
            assert!(heard.is_none_or(|heard| heard.is_ok()), "the parent panicked");
        }
    }
}

impl Parent {
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub fn record(&self, records: &[Record]) {
        self.ledger().apply(records).unwrap();
    }

    pub fn say(&self, message: &FromParent) {
        let _turn = self.voice.lock().unwrap();
        frame::write(&mut &self.stream, message, CAP).unwrap();
    }

    pub fn news(&self, news: News) {
        self.say(&FromParent::News(news));
    }

    pub fn catalog(&self, generation: u64, jobs: &[JobEntry], nodes: &[NodeEntry]) {
        let say = |piece| self.say(&FromParent::Catalog(piece));
        let loaded_at = at(BEGUN);
        say(Catalog::Begin { generation, loaded_at, settings: "{}".to_owned() });
        jobs.iter().for_each(|job| say(Catalog::Job(Box::new(job.clone()))));
        nodes.iter().for_each(|node| say(Catalog::Node(Box::new(node.clone()))));
        say(Catalog::End);
    }

    /// Ends when the gateway hangs up.
    fn hear(&self) {
        while let Ok(Some(request)) = frame::read::<Request>(&mut &self.stream, CAP) {
            let answer = match &request.command {
                Command::Status => {
                    Ok(Answer::Status(Box::new(self.status.lock().unwrap().clone())))
                }
                _ => {
                    self.asked.lock().unwrap().push(request.clone());
                    let mut reaction = self.reaction.lock().unwrap();
                    match reaction.as_mut() {
                        Some(react) => react(&request, self),
                        None => Err(Refusal { why: Why::Unavailable, text: "no reaction".into() }),
                    }
                }
            };
            self.say(&FromParent::Reply(Reply { id: request.id, answer }));
        }
    }

    /// Opens a run in the ledger and tells of it, as the parent does; its units by node.
    pub fn open_run(&self, run: u64, job: &str, how: How, nodes: &[&str]) {
        self.record(&[open_run(run, job, &how, nodes)]);
        self.news(News::RunQueued {
            run: RunId(run),
            job: job.to_owned(),
            trigger: how.trigger,
            scheduled_at: how.scheduled_at,
            at: how.at,
            units: nodes.len(),
            within: None,
        });
    }

    pub fn start_unit(&self, run: u64, nth: u64, at: Timestamp) {
        let (unit, worker_pid) = (unit_id(run, nth), Some(1));
        self.record(&[Record::StartUnit { unit, worker_pid, at }]);
    }

    /// Ends a run in the ledger and tells of it. Its units must be done.
    pub fn close_run(&self, run: u64, job: &str, end: RunEnd, at: Timestamp) {
        self.record(&[Record::CloseRun { run: RunId(run), end, at }]);
        let job = job.to_owned();
        let news = News::RunEnded { run: RunId(run), job, at, end, units: 1, succeeded: 1 };
        self.news(news);
    }
}

/// What else is to be known of a run.
#[derive(Debug, Clone)]
pub struct How {
    pub trigger: Trigger,
    pub scheduled_at: Option<Timestamp>,
    pub at: Timestamp,
    pub by: Option<String>,
    pub retry_of: Option<RunId>,
    pub command: Option<String>,
}

impl How {
    pub fn manual(at: Timestamp) -> How {
        How::of(Trigger::Manual, None, at)
    }

    pub fn scheduled(at: Timestamp) -> How {
        How::of(Trigger::Schedule, Some(at), at)
    }

    fn of(trigger: Trigger, scheduled_at: Option<Timestamp>, at: Timestamp) -> How {
        How { trigger, scheduled_at, at, by: None, retry_of: None, command: None }
    }

    pub fn exec(at: Timestamp, command: &str) -> How {
        How { command: Some(command.to_owned()), ..How::of(Trigger::Exec, None, at) }
    }
}

/// A run has its units' ids to itself: 1000 of them.
pub fn unit_id(run: u64, nth: u64) -> UnitId {
    UnitId(run * 1000 + nth)
}

pub fn open_run(run: u64, job: &str, how: &How, nodes: &[&str]) -> Record {
    let units = (0..).zip(nodes).map(|(nth, node)| OpenUnit {
        unit: unit_id(run, nth),
        node: (*node).to_owned(),
        attempt: 1,
        cookie: format!("c-{run}-{nth}"),
    });
    Record::OpenRun {
        run: RunId(run),
        job: job.to_owned(),
        trigger: how.trigger,
        scheduled_at: how.scheduled_at,
        epoch: 0,
        at: how.at,
        by: how.by.clone(),
        retry_of: how.retry_of,
        command: how.command.clone(),
        within: None,
        plan: None,
        units: units.collect(),
    }
}

pub fn close_unit(run: u64, nth: u64, outcome: Outcome, at: Timestamp) -> Record {
    let (unit, output) = (unit_id(run, nth), Output::default());
    Record::CloseUnit { unit, outcome, detail: None, result: None, output, at }
}

/// The records of a run that was started at once and took a second on each node.
pub fn whole_run(
    run: u64,
    job: &str,
    how: &How,
    ends: &[(&str, Outcome)],
    end: RunEnd,
) -> Vec<Record> {
    let nodes: Vec<&str> = ends.iter().map(|(node, _)| *node).collect();
    let (at, done) = (how.at, how.at + Duration::from_secs(1));
    let mut records =
        vec![open_run(run, job, how, &nodes), Record::StartRun { run: RunId(run), at }];
    for (nth, (_, outcome)) in (0..).zip(ends) {
        let unit = unit_id(run, nth);
        let never = matches!(outcome, Outcome::Unreachable | Outcome::Skipped { .. });
        if !never {
            records.push(Record::StartUnit { unit, worker_pid: Some(1), at });
            records.push(Record::OnNode { unit, remote_pgid: 1 });
        }
        records.push(close_unit(run, nth, outcome.clone(), done));
    }
    records.push(Record::CloseRun { run: RunId(run), end, at: done });
    records
}

/// Enabled, on `n1`, every minute in UTC, unless the test says otherwise.
pub fn job(name: &str, schedule: &str) -> JobEntry {
    JobEntry {
        name: name.to_owned(),
        description: String::new(),
        task: "loom.run".to_owned(),
        schedule: schedule.to_owned(),
        timezone: Some("UTC".to_owned()),
        targets: vec!["n1".to_owned()],
        tags: Vec::new(),
        enabled: true,
        switched_off: None,
        file: "jobs/all.yaml".to_owned(),
        line: 1,
        details: r#"{"task":"loom.run"}"#.to_owned(),
        plan: None,
    }
}

pub fn node(name: &str) -> NodeEntry {
    NodeEntry {
        name: name.to_owned(),
        host: "127.0.0.1".to_owned(),
        user: "loom".to_owned(),
        port: None,
        tags: Vec::new(),
        max_sessions: 5,
        details: r#"{"ip":"127.0.0.1"}"#.to_owned(),
    }
}

/// Jobs, as the ledger is told of them.
pub fn known(jobs: &[JobEntry]) -> Vec<store::JobEntry> {
    let entry = |job: &JobEntry| store::JobEntry {
        name: job.name.clone(),
        schedule: job.schedule.clone(),
        timezone: job.timezone.clone(),
    };
    jobs.iter().map(entry).collect()
}

pub fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

pub fn refusal<T>(why: Why, text: &str) -> Result<T, Refusal> {
    Err(Refusal { why, text: text.to_owned() })
}

fn quiet() -> Status {
    Status {
        paused: false,
        stopping: false,
        runs: 0,
        units: Units::default(),
        workers: 1,
        busy: 0,
        min_workers: 1,
        max_workers: 4,
        connected: Vec::new(),
        backlog: 0,
        trouble: None,
        reload_trouble: None,
        counters: Counters::default(),
    }
}
