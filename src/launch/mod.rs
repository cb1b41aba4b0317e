//! twistd's order of starting a daemon: pidfile, configuration, log, rundir and umask, fork,
//! pidfile again, user, and only then the event loop.
//!
//! Until the daemon is up, errors reach the terminal and the exit status. Nothing here opens a
//! database or makes a thread.

mod options;
mod owned;

use std::env;
use std::os::fd::OwnedFd;
use std::process::{self, ExitCode};
use std::time::SystemTime;

use anyhow::{Context, Result};
use log::{error, info};
use nix::sys::stat::{Mode, umask};

use options::Place;
pub use options::{Options, PIDFILE};

use crate::config::Config;
use crate::config::receive;
use crate::daemon;
use crate::logging;
use crate::sys::daemonize::{Side, Status, daemonize};
use crate::sys::pidfile::Pidfile;
use crate::sys::privileges::Identity;
use crate::sys::signals::{Signal, Signals, die_by};
use crate::sys::{inherited, notify, process as own_process};

/// Starts the daemon from the first of the candidates that is a file. The status is 0 when it is
/// up (with `-n`: never, it ends by the signal that stopped it), 1 when it is not.
pub fn launch(candidates: &str, options: &Options) -> ExitCode {
    let outcome = prepare(candidates, options)
        .and_then(|launch| if options.nodaemon { Ok(launch.run(None)) } else { launch.fork() });
    outcome.unwrap_or_else(|e| complain(&format!("{e:#}")))
}

fn complain(error: &str) -> ExitCode {
    eprintln!("loom: {error}");
    ExitCode::FAILURE
}

/// All that is known and held before the fork.
struct Launch {
    candidates: String,
    config: Config,
    /// When reading it began.
    loaded: SystemTime,
    pidfile: Option<Pidfile>,
    user: Option<Identity>,
    control: Option<OwnedFd>,
}

fn prepare(candidates: &str, options: &Options) -> Result<Launch> {
    options.check()?;
    let control = options.control.map(inherited::adopt).transpose().context("--control")?;
    let here = env::current_dir().context("the current directory")?;
    let candidates = options::absolute(candidates, &here)?;
    let user = Identity::resolve(options.uid.as_deref(), options.gid.as_deref())?;
    if let Some(user) = &user {
        user.adopt_environment();
    }
    let place = options.pidfile(&here);
    let early = match &place {
        Place::At(path) => Some(owned::pidfile(path, user.as_ref())?),
        Place::Nowhere | Place::InStatedir => None,
    };
    let loaded = SystemTime::now();
    let config = receive::load(&candidates, user.as_ref()).context("not started")?;
    let statedir = &config.settings.statedir;
    owned::statedir(&config.settings, user.as_ref())?;
    let pidfile = match (early, place.given(statedir)) {
        (None, Some(path)) => Some(owned::pidfile(&path, user.as_ref())?),
        (early, _) => early,
    };
    logging::set_format(config.settings.log_format);
    owned::log(&options.sink(&here, statedir), user.as_ref())?;
    if let Some(pid) = pidfile.as_ref().and_then(Pidfile::stale) {
        info!("removed a stale pidfile: its process, PID {pid}, is dead");
    }
    if let Some(rundir) = &options.rundir {
        env::set_current_dir(rundir).with_context(|| format!("rundir {}", rundir.display()))?;
    }
    umask(Mode::from_bits_truncate(options.umask));
    Ok(Launch { candidates, config, loaded, pidfile, user, control })
}

impl Launch {
    fn fork(self) -> Result<ExitCode> {
        Ok(match daemonize().context("cannot become a daemon")? {
            Side::Daemon(status) => self.run(Some(status)),
            Side::Launcher(report) => {
                if let Some(pidfile) = self.pidfile {
                    pidfile.disown();
                }
                report.map_or_else(|e| complain(&e), |()| ExitCode::SUCCESS)
            }
        })
    }

    /// In the process that is the daemon. `status` is not there in the foreground.
    fn run(mut self, mut status: Option<Status>) -> ExitCode {
        let mut pidfile = self.pidfile.take();
        let ending = self.serve(pidfile.as_mut(), &mut status);
        // Before anybody can learn of the end.
        drop(pidfile);
        match ending {
            Ok(signal) => {
                info!("stopped by {}", signal.name());
                logging::finish();
                die_by(signal)
            }
            Err(e) => {
                let e = format!("{e:#}");
                error!("{e}");
                logging::finish();
                match status {
                    Some(status) => status.failed(&e),
                    None => drop(complain(&e)),
                }
                ExitCode::FAILURE
            }
        }
    }

    fn serve(self, pidfile: Option<&mut Pidfile>, status: &mut Option<Status>) -> Result<Signal> {
        if let Some(pidfile) = pidfile {
            pidfile.write().context("the pidfile")?;
        }
        if let Some(user) = &self.user {
            user.become_it().with_context(|| format!("cannot become user {}", user.name()))?;
        }
        // A configuration may hold passwords.
        own_process::undumpable()?;
        let signals = Signals::install()?;
        let (version, pid) = (env!("CARGO_PKG_VERSION"), process::id());
        info!("loom {version}, PID {pid}, {}", self.config.settings.file.display());
        let Launch { candidates, config, loaded, control, .. } = self;
        let start = daemon::Start { candidates, loaded, signals, control };
        daemon::serve(config, start, || {
            notify::ready();
            if let Some(status) = status.take() {
                status.up();
            }
        })
        .context("the daemon")
    }
}
