//! `get`: files and directories from the node.

use std::fs;
use std::path::{Component, Path, PathBuf};

use loom::task::Call;

use super::put::expand_home;
use crate::ssh::{Command, Ended, Remote, Stream, Sudo};
use crate::task::{Context, TaskError, TaskResult};

/// Our Fabric's `get` asks with the same.
const LIST: &str = concat!(
    include_str!("../../../python/fabric1/fabric/resolve.sh"),
    include_str!("../../../python/fabric1/fabric/list.sh")
);

/// A file to bring.
#[derive(Debug, PartialEq)]
struct Found {
    /// Absolute, on the node.
    path: String,
    /// Fabric's `%(path)s`: from the name of what was asked for on; one name for a single file.
    relative: PathBuf,
}

/// What is to be got, and where to.
pub struct Get<'a> {
    /// A file, a directory or, in its last part, a pattern.
    pub remote: &'a str,
    /// With Fabric's `%(host)s`, `%(path)s`, `%(dirname)s` and `%(basename)s` in it.
    pub local: &'a str,
    pub host: &'a str,
    pub sudo: Option<Sudo>,
}

pub async fn get(context: &mut Context, call: &Call) -> TaskResult {
    let sudo = if call.flag("use_sudo") { Some(context.sudo(None).await?) } else { None };
    let Context { remote, output, .. } = context;
    let host = &remote.endpoint.name;
    let get = Get { remote: call.text("remote_path"), local: call.text("local_path"), host, sudo };
    let mut any = false;
    get.perform(remote, |path| {
        any = true;
        output.line(Stream::Stdout, &path.display().to_string());
    })
    .await?;
    if !any {
        output.line(Stream::Stdout, "there are no files in it");
    }
    Ok(())
}

impl Get<'_> {
    /// Each file that is here now is `told`.
    pub async fn perform(&self, remote: &Remote, mut told: impl FnMut(&Path)) -> TaskResult {
        let list = Command::script(LIST, &[self.remote]).sudo(self.sudo.clone());
        let answer = remote.capture(&list).await?;
        match answer.ended {
            Ended::Exit(0) => {}
            Ended::Exit(_) => return Err(failed(answer.stderr_text())),
            Ended::Signal(_) => return answer.ended.verdict(),
        }
        for file in found(&answer.stdout)? {
            let local = local_path(self.local, self.host, &file.relative);
            let named = |error| failed(format!("{}: {error}", local.display()));
            if let Some(parent) = local.parent() {
                fs::create_dir_all(parent).map_err(named)?;
            }
            remote.download(&file.path, &local, self.sudo.clone()).await?;
            told(&local);
        }
        Ok(())
    }
}

/// Reads what `list.sh` says. The names are the node's: none may lead out of the local directory.
fn found(listing: &[u8]) -> Result<Vec<Found>, TaskError> {
    let mut found = Vec::new();
    let mut above: Option<PathBuf> = None;
    for entry in listing.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let entry = std::str::from_utf8(entry).map_err(|_| {
            failed(format!("{}: the name is not UTF-8", String::from_utf8_lossy(&entry[1..])))
        })?;
        let (kind, path) = entry.split_at(1);
        let parent = Path::new(path).parent().unwrap_or(Path::new("/")).to_owned();
        match kind {
            "d" => above = Some(parent),
            "i" => found.push(Found::below(path, above.as_deref().unwrap_or(&parent))?),
            "f" => found.push(Found::below(path, &parent)?),
            "n" => return Err(failed(format!("{path}: there is no such file"))),
            _ => return Err(failed(format!("the node listed {entry:?}"))),
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

impl Found {
    fn below(path: &str, above: &Path) -> Result<Found, TaskError> {
        let relative = Path::new(path).strip_prefix(above).ok().filter(|relative| {
            relative.components().all(|part| matches!(part, Component::Normal(_)))
                && relative.file_name().is_some()
        });
        match relative {
            Some(relative) => Ok(Found { path: path.into(), relative: relative.into() }),
            None => Err(failed(format!("{path}: leads out of {}", above.display()))),
        }
    }
}

/// The template filled in. Where it does not say the path, a file of a directory goes below it.
fn local_path(template: &str, host: &str, relative: &Path) -> PathBuf {
    let says_path = ["%(path)s", "%(dirname)s"].iter().any(|field| template.contains(field));
    let text = |path: Option<&Path>| path.unwrap_or(Path::new("")).display().to_string();
    let fields = [
        ("%(host)s", host.to_owned()),
        ("%(path)s", text(Some(relative))),
        ("%(dirname)s", text(relative.parent())),
        ("%(basename)s", text(relative.file_name().map(Path::new))),
    ];
    let mut path = expand_home(&fill(template, &fields));
    if !says_path && relative.components().count() > 1 {
        path.push(relative);
    }
    if path.is_dir() {
        path.push(relative.file_name().unwrap_or_default());
    }
    // Without slashes at its end or twice in a row.
    path.components().collect()
}

/// Once from left to right: what is filled in is not looked at again.
fn fill(template: &str, fields: &[(&str, String)]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let field = fields.iter().find(|(name, _)| rest.starts_with(name));
        let (name, value) = field.map_or(("%", "%"), |(name, value)| (*name, value.as_str()));
        filled.push_str(value);
        rest = &rest[name.len()..];
    }
    filled + rest
}

fn failed(sentence: String) -> TaskError {
    TaskError::Failed(sentence)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{self, Output};

    use super::*;

    #[test]
    fn the_template_is_filled_in() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().display().to_string();
        for (template, relative, expected) in [
            ("%(host)s/%(path)s", "syslog", "db1/syslog"),
            ("%(host)s/%(path)s", "log/app/x", "db1/log/app/x"),
            ("out/%(dirname)s/%(host)s-%(basename)s", "log/app/x", "out/log/app/db1-x"),
            ("out", "syslog", "out"),
            ("out", "log/app/x", "out/log/app/x"),
            ("100%/%(nobody)s/%d", "x", "100%/%(nobody)s/%d"),
            ("%(basename)s", "%(host)s", "%(host)s"),
        ] {
            let expected = Path::new(expected);
            assert_eq!(local_path(template, "db1", Path::new(relative)), expected, "{template}");
        }
        assert_eq!(local_path(&there, "db1", Path::new("syslog")), dir.path().join("syslog"));
        assert_eq!(local_path(&there, "db1", Path::new("log/x")), dir.path().join("log/x"));
    }

    /// What the node lists below a directory with a few files.
    fn list(shell: &[&str], home: &Path, path: &str) -> Output {
        let line = Command::script(LIST, &[path]).line;
        let mut command = process::Command::new(shell[0]);
        command.args(&shell[1..]).arg(line).current_dir(home).output().unwrap()
    }

    #[test]
    fn the_node_lists_files_by_pattern_and_by_directory() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        fs::create_dir_all(home.join("log/app")).unwrap();
        for file in ["log/a b", "log/line\nbreak", "log/app/x", "log/.hidden", "one", "once", "[x]"]
        {
            fs::write(home.join(file), file).unwrap();
        }
        symlink("a b", home.join("log/link")).unwrap();
        symlink("app", home.join("log/elsewhere")).unwrap();
        symlink("log", home.join("linked")).unwrap();
        for shell in
            [["dash", "-c"].as_slice(), &["bash", "--posix", "-c"], &["busybox", "sh", "-c"]]
        {
            let relative = |path: &str| -> Vec<String> {
                let listed = list(shell, &home, path);
                assert!(listed.status.success(), "{path}: {listed:?}");
                let found = found(&listed.stdout).unwrap();
                found.iter().map(|file| file.relative.display().to_string()).collect()
            };
            assert_eq!(relative("one"), ["one"]);
            assert_eq!(relative("~/on*"), ["once", "one"]);
            assert_eq!(relative("log/?*b"), ["a b"]);
            assert_eq!(relative("log/.h*"), [".hidden"]);
            assert_eq!(relative("log/.*"), [".hidden"], "and not the directory above");
            assert_eq!(relative("o[n]e"), ["one"]);
            assert_eq!(relative("[x]"), ["[x]"], "by its own name");
            let log = [".hidden", "a b", "app/x", "line\nbreak", "link"];
            assert_eq!(relative("log"), log.map(|name| format!("log/{name}")));
            assert_eq!(relative("linked"), log.map(|name| format!("linked/{name}")));
            assert_eq!(relative("log/"), log.map(|name| format!("log/{name}")));
            for missing in ["gone", "gone*", "log/*gone", "no/such/*"] {
                let listed = list(shell, &home, missing);
                let refused = found(&listed.stdout).unwrap_err().to_string();
                assert_eq!(refused, format!("{}/{missing}: there is no such file", home.display()));
            }
        }
    }

    #[test]
    fn no_listed_name_leads_out_of_the_directory() {
        for listing in
            ["d/srv/log\0i/etc/passwd\0", "d/srv/log\0i/srv/log/../../x\0", "f/\0", "x/a\0"]
        {
            assert!(found(listing.as_bytes()).is_err(), "{listing:?}");
        }
        assert!(found(b"f/\xff\0").is_err());
        assert_eq!(found(b"d/srv/log\0").unwrap(), []);
    }
}
