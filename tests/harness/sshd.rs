//! One throwaway sshd on a loopback address of its own.
//!
//! Works as root and as an ordinary user (who can then log in only as himself), without PAM and
//! without reading anything from /etc/ssh. It dies with the thread that started it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{User, geteuid};

use super::log::Log;
use super::process::{self, Process};

/// Debian keeps it out of an ordinary user's PATH, and it insists on its absolute path.
const SSHD: &str = "/usr/sbin/sshd";
/// Another program can take the chosen port before sshd binds it.
const ATTEMPTS: usize = 5;

/// What tests may want otherwise than usual.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Sessions over one connection; sshd's own default.
    pub max_sessions: u32,
    /// Connections that have not authenticated yet.
    pub max_startups: u32,
    /// Whether a password will do.
    pub passwords: bool,
    /// Whether programs are looked for in `bin` of the node's directory first.
    pub bin: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { max_sessions: 10, max_startups: 200, passwords: false, bin: false }
    }
}

pub struct Sshd {
    pub name: String,
    pub ip: String,
    pub port: u16,
    /// Host key, configuration, and what tasks write to show that they ran.
    pub dir: PathBuf,
    options: Options,
    running: Option<(Child, Log)>,
}

impl Sshd {
    /// Node number `number` (from 1) of the farm in `root`, listening once this returns.
    pub fn new(root: &Path, number: usize, name: String, options: Options) -> Sshd {
        assert!((1..=200).contains(&number), "a farm has up to 200 nodes");
        let dir = root.join(&name);
        fs::create_dir_all(dir.join("evidence")).unwrap();
        let ip = format!("127.0.0.{}", number + 1);
        let mut sshd = Sshd { name, ip, port: 0, dir, options, running: None };
        sshd.change_host_key();
        let started = (0..ATTEMPTS).any(|_| {
            sshd.port = free_port(&sshd.ip);
            sshd.try_start()
        });
        assert!(started, "{} found no port of its own on {}", sshd.name, sshd.ip);
        sshd
    }

    /// Listens again, on the same port.
    pub fn start(&mut self) {
        assert!(self.running.is_none(), "{} is running", self.name);
        assert!(self.try_start(), "{} did not come back on {}:{}", self.name, self.ip, self.port);
    }

    /// Ends the listener and every session, and with them what the sessions still ran.
    pub fn stop(&mut self) {
        let Some((mut child, _)) = self.running.take() else { return };
        let listener = Process::of(child.id() as i32);
        let sessions = listener.map(Process::descendants).unwrap_or_default();
        process::end(&mut child);
        sessions.into_iter().for_each(|process| process.signal(Signal::SIGKILL));
        let cookie = format!("LOOM_EVIDENCE={}", self.evidence().display());
        for escapee in process::mentioning(cookie.as_bytes()) {
            escapee.signal(Signal::SIGKILL);
        }
    }

    /// The next start shows another key than the one clients know.
    pub fn change_host_key(&self) {
        let key = self.dir.join("host_key");
        let _ = fs::remove_file(&key);
        let _ = fs::remove_file(key.with_extension("pub"));
        keygen(&key);
    }

    /// A line of known_hosts.
    pub fn known_host(&self) -> String {
        let key = fs::read_to_string(self.dir.join("host_key.pub")).unwrap();
        format!("[{}]:{} {}", self.ip, self.port, key)
    }

    pub fn evidence(&self) -> PathBuf {
        self.dir.join("evidence")
    }

    pub fn listener(&self) -> Process {
        let (child, _) = self.running.as_ref().expect("the node is stopped");
        Process::of(child.id() as i32).expect("the node's sshd is gone")
    }

    /// What it has logged since it was last started.
    pub fn log(&self) -> &Log {
        let (_, log) = self.running.as_ref().expect("the node is stopped");
        log
    }

    /// The sshd processes of the connections there are; not what runs in them.
    pub fn sessions(&self) -> Vec<Process> {
        let all = self.listener().descendants();
        all.into_iter().filter(|process| process.comm().starts_with("sshd")).collect()
    }

    fn try_start(&mut self) -> bool {
        if geteuid().is_root() {
            // Debian's service file makes it; without the service it may be missing.
            let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        }
        fs::write(self.dir.join("sshd_config"), self.config()).unwrap();
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", SSHD, "-D", "-e", "-f"])
            .arg(self.dir.join("sshd_config"))
            .args(penalties())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv (util-linux) is needed: run tests/install/deps.sh");
        let log = Log::follow(child.stderr.take().unwrap());
        let listening = log.find(0, Duration::from_secs(20), |line| {
            line.contains("Server listening on") || line.contains("Cannot bind any address")
        });
        match listening {
            Some(line) if line.contains("Server listening on") => {
                self.running = Some((child, log));
                true
            }
            Some(_) => {
                process::end(&mut child);
                false
            }
            None => {
                process::end(&mut child);
                panic!("sshd for {} does not start:\n{}", self.name, log.text());
            }
        }
    }

    fn config(&self) -> String {
        let Sshd { name, ip, port, options, .. } = self;
        let dir = self.dir.display();
        let root = self.dir.parent().unwrap().display();
        let evidence = self.evidence();
        let path =
            if options.bin { format!(" PATH={dir}/bin:/usr/bin:/bin") } else { String::new() };
        format!(
            "ListenAddress {ip}:{port}\n\
             HostKey {dir}/host_key\n\
             PidFile none\n\
             AuthorizedKeysFile {root}/authorized_keys\n\
             StrictModes no\n\
             UsePAM {pam}\n\
             PasswordAuthentication {passwords}\n\
             KbdInteractiveAuthentication no\n\
             UseDNS no\n\
             PrintMotd no\n\
             PrintLastLog no\n\
             LogLevel VERBOSE\n\
             MaxSessions {sessions}\n\
             MaxStartups {startups}\n\
             SetEnv LOOM_NODE={name} LOOM_EVIDENCE={evidence} SHLVL=2 HOME={dir}{path}\n\
             Subsystem sftp internal-sftp\n",
            pam = if locked() { "yes" } else { "no" },
            sessions = options.max_sessions,
            startups = options.max_startups,
            passwords = if options.passwords { "yes" } else { "no" },
            evidence = evidence.display(),
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An ed25519 key pair without a passphrase.
pub fn keygen(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "loom-test", "-f"]).arg(path);
    process::must(&mut keygen, super::SOON);
}

/// Who the tests run as, and log in as.
pub fn user() -> String {
    User::from_uid(geteuid()).unwrap().expect("the user has no name").name
}

fn free_port(ip: &str) -> u16 {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port()
}

/// Without PAM sshd refuses an account whose password is locked, even to a key. Only root, who
/// can read the shadow file, is told so.
fn locked() -> bool {
    let own = format!("{}:!", user());
    fs::read_to_string("/etc/shadow").is_ok_and(|text| text.lines().any(|l| l.starts_with(&own)))
}

/// From 9.8 on, sshd shuts out an address after a few failures, which some tests cause; older
/// ones do not know the option.
fn penalties() -> &'static [&'static str] {
    const OFF: &[&str] = &["-o", "PerSourcePenalties=no"];
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let output = process::run(Command::new(SSHD).arg("-t").args(OFF), super::SOON);
        !String::from_utf8_lossy(&output.stderr).contains("Bad configuration option")
    });
    if *known { OFF } else { &[] }
}
