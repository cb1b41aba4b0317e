//! The options of a launch, twistd's, and what they come to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::logging::Sink;

/// Names of what is kept in the state directory unless an option says otherwise.
pub const PIDFILE: &str = "loom.pid";
const LOGFILE: &str = "loom.log";

#[derive(Debug, clap::Args)]
pub struct Options {
    /// Stay in the foreground and log to stdout
    #[arg(short, long)]
    pub nodaemon: bool,

    /// Where the process id is written; empty: nowhere [default: loom.pid in the state directory]
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<OsString>,

    /// Log to this file, `-` for stdout [default: loom.log in the state directory; stdout with -n]
    #[arg(short, long, value_name = "FILE")]
    pub logfile: Option<PathBuf>,

    /// Log to syslog
    #[arg(long, conflicts_with = "logfile")]
    pub syslog: bool,

    /// What each line to syslog begins with
    #[arg(long, value_name = "NAME", default_value = "loom", requires = "syslog")]
    pub prefix: String,

    /// Change to this directory
    #[arg(short = 'd', long, value_name = "DIR")]
    pub rundir: Option<PathBuf>,

    /// Permissions that new files shall not have, octal
    #[arg(long, value_name = "MODE", default_value = "0077", value_parser = octal)]
    pub umask: u32,

    /// Run as this user, by name or number
    #[arg(short, long, value_name = "USER")]
    pub uid: Option<String>,

    /// Run as this group, by name or number
    #[arg(short, long, value_name = "GROUP")]
    pub gid: Option<String>,

    /// One end of a socket pair whose other end may give orders; for the gateway and for tests
    #[arg(long, value_name = "FD", hide = true)]
    pub control: Option<i32>,
}

/// Where the pidfile goes, as far as it can be said before the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Nowhere,
    At(PathBuf),
    InStatedir,
}

impl Options {
    /// What can be refused before anything is touched.
    pub fn check(&self) -> Result<()> {
        if !self.nodaemon && self.logs_to_stdout() {
            bail!("-l - needs -n: a daemon has no stdout to log to");
        }
        Ok(())
    }

    pub fn pidfile(&self, from: &Path) -> Place {
        match &self.pidfile {
            None => Place::InStatedir,
            Some(path) if path.is_empty() => Place::Nowhere,
            Some(path) => Place::At(from.join(path)),
        }
    }

    pub fn sink(&self, from: &Path, statedir: &Path) -> Sink {
        match &self.logfile {
            _ if self.syslog => Sink::Syslog { tag: self.prefix.clone() },
            Some(_) if self.logs_to_stdout() => Sink::Stdout,
            Some(path) => Sink::File(from.join(path)),
            None if self.nodaemon => Sink::Stdout,
            None => Sink::File(statedir.join(LOGFILE)),
        }
    }

    fn logs_to_stdout(&self) -> bool {
        self.logfile.as_deref() == Some(Path::new("-"))
    }
}

impl Place {
    pub fn given(self, statedir: &Path) -> Option<PathBuf> {
        match self {
            Place::Nowhere => None,
            Place::At(path) => Some(path),
            Place::InStatedir => Some(statedir.join(PIDFILE)),
        }
    }
}

/// The candidates as they are meant here, for processes that are elsewhere. `~` is left to the
/// one that reads them.
pub fn absolute(candidates: &str, from: &Path) -> Result<String> {
    let is_relative = |path: &str| !path.starts_with(['/', '~']) && !path.is_empty();
    let candidates: Vec<&str> = candidates.split(',').map(str::trim).collect();
    if !candidates.iter().any(|path| is_relative(path)) {
        return Ok(candidates.join(","));
    }
    let from = from.to_str().filter(|from| !from.contains(',')).with_context(|| {
        format!("name the configuration by its full path: a list cannot hold {from:?}")
    })?;
    let from = from.trim_end_matches('/');
    let absolute = candidates
        .iter()
        .map(|path| if is_relative(path) { format!("{from}/{path}") } else { (*path).to_owned() });
    Ok(absolute.collect::<Vec<_>>().join(","))
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected an octal number from 0 to 0777".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        Line::try_parse_from([&["loom"], arguments].concat()).map(|line| line.options)
    }

    #[test]
    fn the_log_goes_where_a_daemon_or_a_terminal_wants_it() {
        let sink = |arguments: &[&str]| {
            parse(arguments).unwrap().sink(Path::new("/here"), Path::new("/state"))
        };
        assert_eq!(sink(&[]), Sink::File("/state/loom.log".into()));
        assert_eq!(sink(&["-n"]), Sink::Stdout);
        assert_eq!(sink(&["-n", "-l", "-"]), Sink::Stdout);
        assert_eq!(sink(&["-n", "-l", "log"]), Sink::File("/here/log".into()));
        assert_eq!(sink(&["--syslog"]), Sink::Syslog { tag: "loom".into() });
        assert_eq!(sink(&["--syslog", "--prefix", "l2"]), Sink::Syslog { tag: "l2".into() });
        assert!(parse(&["-l", "-"]).unwrap().check().is_err());
        assert!(parse(&["--prefix", "x"]).is_err());
        assert!(parse(&["--syslog", "-l", "log"]).is_err());
    }

    #[test]
    fn the_pidfile_is_in_the_state_directory_elsewhere_or_nowhere() {
        let place = |arguments: &[&str]| {
            parse(arguments).unwrap().pidfile(Path::new("/here")).given(Path::new("/state"))
        };
        assert_eq!(place(&[]), Some("/state/loom.pid".into()));
        assert_eq!(place(&["--pidfile", "p"]), Some("/here/p".into()));
        assert_eq!(place(&["--pidfile", "/run/p"]), Some("/run/p".into()));
        assert_eq!(place(&["--pidfile="]), None);
    }

    #[test]
    fn the_umask_is_octal() {
        assert_eq!(parse(&[]).unwrap().umask, 0o077);
        assert_eq!(parse(&["--umask", "027"]).unwrap().umask, 0o027);
        for wrong in ["8", "1000", "0o22", "", "rwx"] {
            assert!(parse(&["--umask", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn candidates_are_made_absolute() {
        let here = Path::new("/here");
        assert_eq!(
            absolute("a.yaml, ~/b.yaml,/c.yaml", here).unwrap(),
            "/here/a.yaml,~/b.yaml,/c.yaml"
        );
        assert_eq!(absolute("a.yaml", Path::new("/")).unwrap(), "/a.yaml");
        assert!(absolute("a.yaml", Path::new("/x,y")).is_err());
        assert_eq!(absolute("~/a,/b", Path::new("/x,y")).unwrap(), "~/a,/b");
    }
}
