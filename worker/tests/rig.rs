//! A throwaway sshd, a master connected to it, and workers to give orders to.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loom::arg::Arg;
use loom::protocol::frame::{self, CAP};
use loom::protocol::message::{Endpoint, FromWorker, Report, Sink, ToWorker, UnitOrder};
use loom::protocol::{VERSION, WORKER_IN, WORKER_OUT};
use loom::unit::{RunId, UnitId};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Beyond this a test has failed; nothing measures against it.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rig {
    pub dir: TempDir,
    pub master: Option<Child>,
    sshd: Child,
    port: u16,
    user: String,
}

/// Starts one with sshd's defaults.
pub fn rig() -> Rig {
    Rig::new(&current_user(), "")
}

pub fn current_user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

impl Rig {
    /// With more lines for sshd_config, and a master that is logged in as this user.
    pub fn new(user: &str, sshd_lines: &str) -> Rig {
        let dir = tempfile::Builder::new().prefix("loom-rig").tempdir().unwrap();
        // A user of the test's own must get at the authorized keys.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if nix::unistd::getuid().is_root() {
            let _ = fs::create_dir("/run/sshd");
        }
        for key in ["host", "user"] {
            let key = dir.path().join(key);
            let args = ["-q", "-t", "ed25519", "-N", "", "-f"];
            let made = Command::new("ssh-keygen").args(args).arg(&key).status().unwrap();
            assert!(made.success());
        }
        let (sshd, port) = sshd(dir.path(), sshd_lines);
        let mut rig = Rig { dir, master: None, sshd, port, user: user.to_owned() };
        rig.connect();
        rig
    }

    /// Starts the master and waits until it takes sessions.
    fn connect(&mut self) {
        let mut command = Command::new("ssh");
        command.args(["-F", "/dev/null", "-M", "-N", "-S"]).arg(self.control());
        command.arg("-i").arg(self.dir.path().join("user"));
        for option in ["IdentitiesOnly=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR"] {
            command.args(["-o", option]);
        }
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
        command.args(["-l", &self.user, "-p", &self.port.to_string(), "127.0.0.1"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.master = Some(command.spawn().unwrap());
        let control = self.control();
        eventually("the master takes sessions", || UnixStream::connect(&control).is_ok());
    }

    pub fn control(&self) -> PathBuf {
        self.dir.path().join("m")
    }

    pub fn end_master(&mut self) {
        let mut master = self.master.take().unwrap();
        master.kill().unwrap();
        master.wait().unwrap();
    }

    /// The sshd processes of the connections there are; stopped, the node hangs.
    pub fn freeze(&self) -> Frozen {
        let sessions = descendants(self.sshd.id());
        let sessions = sessions.into_iter().filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.starts_with("sshd"))
        });
        let sessions: Vec<Pid> = sessions.map(|pid| Pid::from_raw(pid as i32)).collect();
        assert!(!sessions.is_empty());
        sessions.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP).unwrap());
        Frozen(sessions)
    }

    /// A path in the directory that the node sees, too.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn order(&self, task: &str, args: &[&str]) -> UnitOrder {
        static UNITS: AtomicU64 = AtomicU64::new(1);
        let unit = UnitId(UNITS.fetch_add(1, Ordering::Relaxed));
        UnitOrder {
            unit,
            run: RunId(1),
            job: "test".into(),
            attempt: 1,
            node: Endpoint {
                name: "node".into(),
                host: "127.0.0.1".into(),
                user: self.user.clone(),
                port: Some(self.port),
                identity: None,
                control: self.control(),
            },
            task: task.into(),
            args: args.iter().map(|arg| Arg::Str((*arg).into())).collect(),
            kwargs: Vec::new(),
            timeout: None,
            kill_grace: Duration::from_secs(1),
            cookie: format!("rig-{}-{}", std::process::id(), unit),
            sweep: Vec::new(),
            password: None,
            python: None,
            output: Sink {
                file: self.dir.path().join(format!("logs/{unit}")),
                max_bytes: 64 << 20,
                log: None,
                echo: None,
            },
        }
    }

    /// `loom.run` of this line, by a worker of its own.
    pub fn run(&self, line: &str) -> Report {
        Worker::start().run(self.order("loom.run", &[line]))
    }
}

/// Dropped, the node goes on.
pub struct Frozen(Vec<Pid>);

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.iter().for_each(|pid| _ = kill(*pid, Signal::SIGCONT));
    }
}

fn descendants(of: u32) -> Vec<u32> {
    let children = |of: u32| -> Vec<u32> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_child = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
            after.split(' ').nth(1) == Some(&of.to_string())
        };
        pids.filter(is_child).collect()
    };
    let mut all = children(of);
    let mut next = 0;
    while let Some(&pid) = all.get(next) {
        all.extend(children(pid));
        next += 1;
    }
    all
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.master.is_some() {
            self.end_master();
        }
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn sshd(dir: &Path, lines: &str) -> (Child, u16) {
    let mut lost = 0;
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = dir.join("sshd_config");
        let mut file = File::create(&config).unwrap();
        writeln!(file, "Port {port}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no").unwrap();
        writeln!(file, "HostKey {}", dir.join("host").display()).unwrap();
        writeln!(file, "AuthorizedKeysFile {}", dir.join("user.pub").display()).unwrap();
        writeln!(file, "StrictModes no\nPermitRootLogin yes\nLogLevel INFO\n{lines}").unwrap();
        // For bash, which else reads the .bashrc of whoever runs the tests.
        writeln!(file, "SetEnv SHLVL=2").unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(&config);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        if said.by_ref().map_while(Result::ok).any(|line| line.contains("Server listening on")) {
            // What it goes on to say must be read, or it blocks.
            thread::spawn(move || said.map_while(Result::ok).for_each(drop));
            return (child, port);
        }
        child.wait().unwrap();
        lost += 1;
        assert!(lost < 5, "sshd does not start");
    }
}

/// A real worker process.
pub struct Worker {
    pub child: Child,
    to: Option<PipeWriter>,
    from: PipeReader,
}

impl Worker {
    pub fn start() -> Worker {
        let mut worker = Worker::silent();
        assert!(matches!(worker.next(), Some(FromWorker::Hello { version: VERSION, .. })));
        worker.tell(&ToWorker::Hello { version: VERSION });
        worker
    }

    /// Before the greetings.
    pub fn silent() -> Worker {
        let (input, to) = io::pipe().unwrap();
        let (from, output) = io::pipe().unwrap();
        let command = {
            let mut command = Command::new(env!("CARGO_BIN_EXE_loom-worker"));
            command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped());
            command
        };
        let fds = [(input.into(), WORKER_IN), (output.into(), WORKER_OUT)];
        let child = loom::sys::spawn::spawn(command, &fds).unwrap();
        Worker { child, to: Some(to), from }
    }

    pub fn tell(&mut self, message: &ToWorker) {
        frame::write(self.to.as_mut().unwrap(), message, CAP).unwrap();
    }

    /// `None` once the worker is gone.
    pub fn next(&mut self) -> Option<FromWorker> {
        let mut fds = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(PATIENCE).unwrap();
        assert_eq!(poll(&mut fds, limit), Ok(1), "the worker says nothing");
        frame::read(&mut self.from, CAP).unwrap()
    }

    pub fn order(&mut self, order: UnitOrder) {
        self.tell(&ToWorker::Run(Box::new(order)));
    }

    /// Until `Started`: the remote process group.
    pub fn started(&mut self) -> u32 {
        loop {
            match self.next().expect("a living worker") {
                FromWorker::Started { remote_pgid, .. } => return remote_pgid.unwrap(),
                FromWorker::Heartbeat => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn done(&mut self) -> Report {
        loop {
            match self.next().expect("a living worker") {
                FromWorker::Done { report, .. } => return report,
                FromWorker::Started { .. }
                | FromWorker::Swept { .. }
                | FromWorker::Leaving { .. }
                | FromWorker::Rejoin { .. }
                | FromWorker::Heartbeat => {}
                FromWorker::Rights { unit, .. } => self.tell(&ToWorker::RightsKept { unit }),
                FromWorker::Hello { .. } => panic!("a second Hello"),
            }
        }
    }

    pub fn run(&mut self, order: UnitOrder) -> Report {
        self.order(order);
        self.done()
    }

    /// What it says up to the report, but for signs of life.
    pub fn said(&mut self) -> (Vec<FromWorker>, Report) {
        let mut said = Vec::new();
        loop {
            match self.next().expect("a living worker") {
                FromWorker::Done { report, .. } => return (said, report),
                FromWorker::Heartbeat => {}
                other => said.push(other),
            }
        }
    }

    /// The most memory it ever had, shared libraries included.
    pub fn most_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        most.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    /// As if the parent had died.
    pub fn hang_up(&mut self) {
        self.to = None;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kwarg(name: &str, value: Arg) -> (String, Arg) {
    (name.to_owned(), value)
}

/// Waits for something that no event tells of.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "still not so: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process with this argument is there.
pub fn is_running(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.map(|entry| entry.path().join("cmdline")).any(|path| {
        let line = fs::read(path).unwrap_or_default();
        line.split(|&b| b == 0).any(|word| word == argument.as_bytes())
    })
}

/// The text of one stream of a unit's output.
pub fn text(report: &Report, stream: &str) -> Vec<u8> {
    let log = match &report.output.file {
        Some(file) => fs::read(file).unwrap(),
        None => report.output.inline.clone(),
    };
    let mut text = Vec::new();
    for entry in log.split_inclusive(|&b| b == b'\n') {
        let fields: Vec<&[u8]> = entry.splitn(4, |&b| b == b' ').collect();
        if fields[1] == stream.as_bytes() {
            text.extend_from_slice(fields[3].strip_suffix(b"\n").unwrap());
            text.extend_from_slice(if fields[2] == b"F" { b"\n" } else { b"" });
        }
    }
    text
}

pub fn stdout(report: &Report) -> String {
    String::from_utf8(text(report, "stdout")).unwrap()
}

pub fn stderr(report: &Report) -> String {
    String::from_utf8(text(report, "stderr")).unwrap()
}
