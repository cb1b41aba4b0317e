//! Processes: who descends from whom, ending them by pid, and commands that cannot hang.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

/// A pid with the time it was born at: a pid that has been given away again is another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Process {
    pub pid: i32,
    born: u64,
}

struct Stat {
    process: Process,
    parent: i32,
    comm: String,
    state: u8,
    /// In user and kernel mode.
    ticks: u64,
}

impl Process {
    pub fn of(pid: i32) -> Option<Process> {
        stat(pid).map(|stat| stat.process)
    }

    /// Zombies are dead.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|now| now.process == self && now.state != b'Z')
    }

    /// To the process meant, or to nobody.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            let _ = signal::kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// What it has used of the processor so far.
    pub fn cpu_time(self) -> Duration {
        let ticks = stat(self.pid).map_or(0, |stat| stat.ticks);
        // Linux shows hundredths of a second to programs, whatever it counts in itself.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in kilobytes.
    pub fn memory(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    }

    pub fn comm(self) -> String {
        stat(self.pid).map(|stat| stat.comm).unwrap_or_default()
    }

    /// The arguments with blanks between them, for messages and for telling processes apart.
    pub fn command_line(self) -> String {
        let bytes = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim_end_matches('\0').replace('\0', " ")
    }

    /// Whether it runs the executable of this file name. The kernel's own name for a process
    /// (`comm`) does not tell, where an executable is run through a descriptor.
    pub fn runs(self, name: &str) -> bool {
        let named = |path: &str| path.rsplit('/').next() == Some(name);
        let executable = fs::read_link(format!("/proc/{}/exe", self.pid)).unwrap_or_default();
        let line = self.command_line();
        named(line.split(' ').next().unwrap_or_default())
            || named(executable.to_string_lossy().trim_end_matches(" (deleted)"))
    }

    pub fn children(self) -> Vec<Process> {
        let all = all();
        all.iter().filter(|stat| stat.parent == self.pid).map(|stat| stat.process).collect()
    }

    /// Children, their children, and so on; parents before their children.
    pub fn descendants(self) -> Vec<Process> {
        let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
        for stat in all() {
            children.entry(stat.parent).or_default().push(stat.process);
        }
        let mut found = Vec::new();
        let mut next = vec![self];
        while let Some(parent) = next.pop() {
            let born = children.remove(&parent.pid).unwrap_or_default();
            found.extend(&born);
            next.extend(born);
        }
        found
    }
}

/// Everything alive whose command line or environment contains `text`, but for this process.
pub fn mentioning(text: &[u8]) -> Vec<Process> {
    with(|pid| contains(pid, "environ", text) || contains(pid, "cmdline", text))
}

/// Everything alive with this variable in its environment: `NAME=VALUE`.
pub fn carrying(variable: &str) -> Vec<Process> {
    let text = format!("{variable}\0");
    with(|pid| contains(pid, "environ", text.as_bytes()))
}

fn contains(pid: i32, file: &str, text: &[u8]) -> bool {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text)
}

fn with(wanted: impl Fn(i32) -> bool) -> Vec<Process> {
    all()
        .into_iter()
        .filter(|stat| stat.state != b'Z' && stat.process.pid != std::process::id() as i32)
        .filter(|stat| wanted(stat.process.pid))
        .map(|stat| stat.process)
        .collect()
}

/// [`mentioning`] a path.
pub fn mentioning_path(path: &Path) -> Vec<Process> {
    mentioning(path.as_os_str().as_bytes())
}

fn all() -> Vec<Stat> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .collect()
}

/// proc_pid_stat(5): the name stands in parentheses and may contain anything.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = text.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    Some(Stat {
        process: Process { pid, born: fields.get(19)?.parse().ok()? },
        parent: fields.get(1)?.parse().ok()?,
        comm: head.split_once('(')?.1.to_owned(),
        ticks: fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?,
        state: *fields.first()?.as_bytes().first()?,
    })
}

/// Waits for a child's end; `None` when it has not come by then.
pub fn wait(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a child for good and reaps it.
pub fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Both streams of a command that has ended, for those to whom they are one.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a command to its end with nothing on stdin; kills it and panics when it takes longer.
pub fn run(command: &mut Command, within: Duration) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    let stdout = drain(child.stdout.take().unwrap());
    let stderr = drain(child.stderr.take().unwrap());
    let status = wait(&mut child, within);
    if status.is_none() {
        let family = Process::of(child.id() as i32).map(Process::descendants).unwrap_or_default();
        end(&mut child);
        family.into_iter().for_each(|process| process.signal(Signal::SIGKILL));
    }
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    match status {
        Some(status) => Output { status, stdout, stderr },
        None => panic!(
            "{command:?} did not end within {within:?}\nstdout: {}\nstderr: {}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        ),
    }
}

fn drain(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        bytes
    })
}

/// [`run`], for what a test needs done: panics unless the command succeeds.
pub fn must(command: &mut Command, within: Duration) -> String {
    let output = run(command, within);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
