//! Where a daemon is to be found, and what has to be shown there.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use secrecy::{ExposeSecret, SecretString};
use ureq::http::Uri;

use super::{Failure, Options};
use crate::config;
use crate::config::diagnostic::{escape, quoted};

use crate::daemon::gateway::LINK;

/// A token file is one line; what is larger is none.
const LONGEST_TOKEN: u64 = 4096;

#[derive(Debug, Clone)]
pub enum Place {
    /// Behind a socket of this machine.
    Local {
        socket: PathBuf,
        /// Where the socket was looked for.
        looked_at: PathBuf,
        /// The daemon's, if it was found by its configuration.
        statedir: Option<PathBuf>,
        /// Why it may not be the one that was meant.
        note: Option<String>,
    },
    Remote {
        /// Without a slash at its end.
        url: String,
        tls: bool,
    },
}

impl Place {
    pub(super) fn find(options: &Options) -> Result<Place, Failure> {
        match options.host.as_deref() {
            None | Some("" | "local") => configured(&options.candidates),
            Some(host) => match host.strip_prefix("unix:") {
                Some(path) => {
                    let socket = PathBuf::from(path);
                    let looked_at = socket.clone();
                    Ok(Place::Local { socket, looked_at, statedir: None, note: None })
                }
                None => remote(host),
            },
        }
    }

    pub fn is_local(&self) -> bool {
        matches!(self, Place::Local { .. })
    }

    /// The state directory of a daemon that was found by its configuration.
    pub fn statedir(&self) -> Option<&Path> {
        match self {
            Place::Local { statedir, .. } => statedir.as_deref(),
            Place::Remote { .. } => None,
        }
    }

    /// What the paths of the API are put behind.
    pub(super) fn base(&self) -> &str {
        match self {
            Place::Local { .. } => "http://localhost",
            Place::Remote { url, .. } => url,
        }
    }

    /// What is sent there, a token too, can be read by whoever is on the way.
    pub fn is_plain_text(&self) -> bool {
        match self {
            Place::Local { .. } | Place::Remote { tls: true, .. } => false,
            Place::Remote { url, tls: false } => {
                let uri = url.parse::<Uri>().ok();
                let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
                let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
                host != "localhost" && !address.is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// Somebody may be there, but not for us.
    pub(super) fn not_ours(&self) -> Failure {
        match self {
            Place::Local { looked_at, .. } => Failure::refused(format!(
                "{}: permission denied; the daemon's socket is for its own user and for root",
                looked_at.display()
            )),
            Place::Remote { .. } => self.nobody("permission denied"),
        }
    }

    /// There is nobody to connect to.
    pub(super) fn nobody(&self, why: &str) -> Failure {
        match self {
            Place::Local { looked_at, note, .. } => {
                let note = note.as_ref().map_or(String::new(), |note| format!("\n{note}"));
                let at = looked_at.display();
                let text = format!("no daemon runs here (looked at {at}: {why}){note}");
                Failure::nobody(text, format!("{at}: {why}"))
            }
            Place::Remote { url, .. } => {
                Failure::nobody(format!("{url} cannot be reached: {why}"), why.to_owned())
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local { .. } => f.write_str("the daemon"),
            Place::Remote { url, .. } => f.write_str(&escape(url)),
        }
    }
}

/// By the first of these files that is there.
fn configured(candidates: &str) -> Result<Place, Failure> {
    let located = config::locate(candidates).map_err(|mistakes| {
        let mistakes: String = mistakes.iter().map(|mistake| mistake.render(false)).collect();
        Failure::usage(format!(
            "{mistakes}so it is not known where the daemon keeps its state; --host unix:PATH names \
             its socket"
        ))
    })?;
    let looked_at = located.statedir.join(LINK);
    // The link leads to where paths are short enough for a socket's.
    let socket = fs::read_link(&looked_at).unwrap_or_else(|_| looked_at.clone());
    let statedir = Some(located.statedir);
    Ok(Place::Local { socket, looked_at, statedir, note: located.note })
}

fn remote(host: &str) -> Result<Place, Failure> {
    let wrong = |why: &str| {
        let shown = quoted(without_user(host));
        Err(Failure::usage(format!("{shown} is no host: {why}")))
    };
    let expected = "write https://NAME:PORT, http://NAME:PORT or unix:PATH";
    if !host.contains("://") {
        return wrong(expected);
    }
    let Ok(uri) = host.parse::<Uri>() else { return wrong(expected) };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return wrong(expected);
    };
    if authority.as_str().contains('@') {
        return wrong("it may hold no user and no token; see LOOM_TOKEN and --token-file");
    }
    if uri.query().is_some() {
        return wrong("it may hold no query");
    }
    let tls = match scheme {
        "https" => true,
        "http" => false,
        _ => return wrong(expected),
    };
    Ok(Place::Remote { url: host.trim_end_matches('/').to_owned(), tls })
}

/// What stands before an `@` may be a secret.
fn without_user(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

/// What is to be shown at the place: nothing at the local socket, which knows its peers.
pub(super) fn token(place: &Place, options: &Options) -> Result<Option<SecretString>, Failure> {
    let Place::Remote { url, .. } = place else { return Ok(None) };
    if let Some(file) = &options.token_file {
        let wrong = |why: String| Failure::refused(format!("{}: {why}", file.display()));
        return read_token(file).map(Some).map_err(wrong);
    }
    let given = options.token.clone().filter(|token| !token.expose_secret().trim().is_empty());
    match given {
        Some(token) if is_sendable(token.expose_secret().trim()) => {
            Ok(Some(token.expose_secret().trim().into()))
        }
        Some(_) => Err(Failure::refused("what is in LOOM_TOKEN is no token")),
        None => Err(Failure::refused(format!(
            "{url} wants a token: put one into LOOM_TOKEN or name its file by --token-file; \
             `loom token add NAME --role viewer` makes one where the daemon runs"
        ))),
    }
}

fn read_token(file: &Path) -> Result<SecretString, String> {
    let open = fs::File::open(file).map_err(|e| e.to_string())?;
    let found = open.metadata().map_err(|e| e.to_string())?;
    if !found.is_file() || found.len() > LONGEST_TOKEN {
        return Err("it is no file with a token in it".to_owned());
    }
    if found.mode() & 0o077 != 0 {
        return Err(format!(
            "others may read or change it (mode {:04o}); `chmod 600` it, and make another token if \
             somebody may have seen this one",
            found.mode() & 0o7777
        ));
    }
    let uid = geteuid().as_raw();
    if found.uid() != uid && uid != 0 {
        return Err("it belongs to somebody else".to_owned());
    }
    let text = io::read_to_string(open).map_err(|e| e.to_string())?;
    match text.trim() {
        token if is_sendable(token) => Ok(token.into()),
        _ => Err("there is no token in it: one line was expected".to_owned()),
    }
}

fn is_sendable(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn at(host: &str) -> Options {
        Options { host: Some(host.to_owned()), ..Options::default() }
    }

    #[test]
    fn hosts_are_urls_or_sockets_and_hold_no_secrets() {
        let socket = Place::find(&at("unix:/run/x")).unwrap();
        assert!(matches!(socket, Place::Local { socket, .. } if socket == Path::new("/run/x")));
        let url = Place::find(&at("https://loom.example.com:7411/below/")).unwrap();
        assert_eq!(url.base(), "https://loom.example.com:7411/below");
        for wrong in ["loom.example.com:7411", "ftp://x", "http://", "https://x/?y=z"] {
            let failure = Place::find(&at(wrong)).unwrap_err();
            assert!(failure.to_string().contains("is no host"), "{failure}");
        }
        let failure = Place::find(&at("https://loom_secret@x:1")).unwrap_err().to_string();
        assert!(failure.contains("no token") && !failure.contains("secret"), "{failure}");
    }

    #[test]
    fn plain_text_stays_on_this_machine() {
        for (host, plain) in [
            ("http://localhost:1", false),
            ("http://127.0.0.9:1", false),
            ("http://[::1]:1", false),
            ("https://far.example.com", false),
            ("http://far.example.com", true),
            ("http://10.0.0.1", true),
        ] {
            assert_eq!(Place::find(&at(host)).unwrap().is_plain_text(), plain, "{host}");
        }
    }

    #[test]
    fn a_token_file_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let place = Place::find(&at("https://x")).unwrap();
        let options = Options { token_file: Some(file.clone()), ..Options::default() };
        let told = || token(&place, &options).map_err(|failure| failure.to_string());
        assert!(told().unwrap_err().contains("No such file"));
        fs::write(&file, "loom_abc\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(told().unwrap_err().contains("mode 0640"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(told().unwrap().unwrap().expose_secret(), "loom_abc");
        fs::write(&file, "two\nlines\n").unwrap();
        assert!(told().unwrap_err().contains("one line"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let place = Place::find(&at("https://x")).unwrap();
        let failure = token(&place, &Options::default()).unwrap_err().to_string();
        assert!(failure.contains("LOOM_TOKEN") && failure.contains("--token-file"), "{failure}");
    }
}
