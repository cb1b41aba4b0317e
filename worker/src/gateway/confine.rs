//! What a gateway gives up before it hears anybody: it parses what strangers send, and one that is
//! taken over should be able to do no more than it is meant to.
//!
//! It keeps the right to read the ledger, output and certificates, and to write nothing but the
//! ledger's `-shm`, in which SQLite's readers leave their marks. It makes no connection of its own,
//! so that it cannot pass for a user of this machine at the parent's other sockets; it starts and
//! signals no process. A kernel that lacks a part of this gives what it has.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use loom::protocol::control::{Hello, Serve};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The newest that is known to be understood here.
const KNOWN: ABI = ABI::V6;

/// Read by libraries: zones, names of users. Not all of /etc, where the keys of this machine are
/// and, perhaps, Loom's manifests.
const COMMON: [&str; 7] = [
    "/usr/share/zoneinfo",
    "/etc/zoneinfo",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/dev/urandom",
];

/// To be called while there is one thread; those that come inherit it.
pub fn confine(hello: &Hello) -> io::Result<()> {
    // On an old kernel the files stay open to it, and the system calls are closed all the same.
    if restrict_files(hello).map_err(io::Error::other)? == RulesetStatus::NotEnforced {
        eprintln!("this kernel has no landlock: the gateway could write files");
    }
    let filter = filter().map_err(io::Error::other)?;
    seccompiler::apply_filter(&filter).map_err(io::Error::other)
}

fn restrict_files(hello: &Hello) -> Result<RulesetStatus, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::ConnectTcp | AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let zones = std::env::var_os("TZDIR").map(PathBuf::from);
    for path in COMMON.map(PathBuf::from).into_iter().chain(zones) {
        ruleset = allow(ruleset, &path, read)?;
    }
    ruleset = allow(ruleset, &hello.statedir, read)?;
    let marks = hello.statedir.join("ledger.db-shm");
    ruleset = allow(ruleset, &marks, AccessFs::ReadFile | AccessFs::WriteFile)?;
    if let Serve::Remote { tls: Some((certificate, key)), .. } = &hello.serve {
        for file in [certificate, key] {
            // The directories: one that is renewed is another file by the same name, or a link to
            // another file beside the one it leads to now.
            let canonical = file.canonicalize().unwrap_or_else(|_| file.clone());
            for file in [file, &canonical] {
                ruleset = allow(ruleset, file.parent().unwrap_or(Path::new("/")), read)?;
            }
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// What is not there needs no rule.
fn allow(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    let Ok(fd) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
    ruleset.add_rule(PathBeneath::new(fd, access))
}

/// These fail with EPERM; everything else is as before.
fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let denied = [
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_send_signal,
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_process_madvise,
        // Landlock lets anybody who may not write a file change whose it is and who may.
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchmodat2,
        libc::SYS_fchown,
        libc::SYS_fchownat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chown,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lchown,
        libc::SYS_mount,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_io_uring_setup,
        libc::SYS_open_by_handle_at,
    ];
    // To itself, as when it aborts, and to nobody else.
    let own = u64::from(std::process::id());
    let to_others = [(libc::SYS_tgkill, own), (libc::SYS_prlimit64, 0)];
    let denied = denied.into_iter().map(|call| Ok((call, Vec::new())));
    let denied_to_others = to_others.into_iter().map(|(call, own)| {
        let other = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?;
        Ok((call, vec![SeccompRule::new(vec![other])?]))
    });
    let rules = denied.chain(denied_to_others).collect::<Result<_, seccompiler::Error>>()?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM as u32),
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use loom::store::{Ledger, OpenUnit, Reader, Record};
    use loom::unit::{RunId, Trigger, UnitId};
    use std::fs::{self, File, OpenOptions};
    use std::io::ErrorKind;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::Command;
    use tempfile::TempDir;

    fn hello(statedir: &Path) -> Hello {
        Hello {
            version: loom::protocol::VERSION,
            release: String::new(),
            pid: 1,
            started_at: Timestamp::UNIX_EPOCH,
            hostname: String::new(),
            statedir: statedir.to_owned(),
            serve: Serve::Local { uid: 0 },
        }
    }

    #[test]
    fn a_gateway_that_is_taken_over_reads_the_state_and_nothing_more() {
        let (state, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (ledger, marks) = (state.path().join("ledger.db"), state.path().join("ledger.db-shm"));
        let (key, api) = (home.path().join("id_ed25519"), home.path().join("api"));
        for file in [&ledger, &marks, &key] {
            fs::write(file, "x").unwrap();
        }
        let _listener = UnixListener::bind(&api).unwrap();
        let hello = hello(state.path());
        // What is given up is the thread's.
        let confined = std::thread::spawn(move || {
            confine(&hello).unwrap();
            let refused = |e: std::io::Error| assert_eq!(e.kind(), ErrorKind::PermissionDenied);
            assert_eq!(fs::read(&ledger).unwrap(), b"x");
            OpenOptions::new().read(true).write(true).open(&marks).unwrap();
            refused(OpenOptions::new().write(true).open(&ledger).unwrap_err());
            refused(File::create(ledger.with_file_name("new")).unwrap_err());
            refused(fs::read(&key).unwrap_err());
            assert!(fs::read("/etc/passwd").is_ok());
            refused(fs::read("/etc/group").unwrap_err());
            let mode = || fs::Permissions::from_mode(0o666);
            refused(fs::set_permissions(&ledger, mode()).unwrap_err());
            refused(File::open(&ledger).unwrap().set_permissions(mode()).unwrap_err());
            refused(UnixStream::connect(&api).unwrap_err());
            refused(std::net::TcpStream::connect("127.0.0.1:1").unwrap_err());
            refused(Command::new("/bin/true").spawn().unwrap_err());
        });
        confined.join().unwrap();
    }

    /// What SQLite has to sort and cannot keep in its cache it would write to a file.
    #[test]
    fn what_is_large_can_be_read_all_the_same() {
        const UNITS: u64 = 40_000;
        let state = TempDir::new().unwrap();
        let (mut ledger, _) = Ledger::open(state.path(), Timestamp::UNIX_EPOCH).unwrap();
        let units = (0..UNITS).map(|n| OpenUnit {
            unit: UnitId(1 + n),
            node: format!("node{:05}", n * 7919 % UNITS),
            attempt: 1,
            cookie: "cookie".repeat(20),
        });
        let run = Record::OpenRun {
            run: RunId(1),
            job: "j".to_owned(),
            trigger: Trigger::Manual,
            scheduled_at: None,
            epoch: 0,
            at: Timestamp::UNIX_EPOCH,
            by: None,
            retry_of: None,
            command: None,
            within: None,
            plan: None,
            units: units.collect(),
        };
        ledger.apply(&[run]).unwrap();
        let hello = hello(state.path());
        let confined = std::thread::spawn(move || {
            confine(&hello).unwrap();
            let reader = Reader::open(&hello.statedir).unwrap();
            assert_eq!(reader.units(RunId(1)).unwrap().len() as u64, UNITS);
            assert_eq!(reader.tallies(&[RunId(1)]).unwrap()[&RunId(1)].open as u64, UNITS);
        });
        confined.join().unwrap();
    }
}
