//! `put`: files and directories to the node.

use std::fs;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, glob_with};
use loom::task::Call;

use crate::ssh::transfer::{Placement, local_mode};
use crate::ssh::{Command, Ended, Input, Remote, Stream, Sudo};
use crate::task::{Context, TaskError, TaskResult};

/// Our Fabric's `put` asks with the same.
const LOOK: &str = concat!(
    include_str!("../../../python/fabric1/fabric/resolve.sh"),
    include_str!("../../../python/fabric1/fabric/look.sh")
);
const MAKE_DIRECTORY: &str = "[ -d \"$1\" ] || mkdir -- \"$1\"";

/// As Python's: a leading dot is matched by a dot only.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What is at a path on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Directory,
    Something,
    Nothing,
}

/// Something to make on the node, in this order.
#[derive(Debug, PartialEq)]
enum Step {
    Directory { to: String },
    File { from: PathBuf, to: String },
}

/// What is to be put, and how.
pub struct Put<'a> {
    /// A file, a directory or a pattern.
    pub local: &'a str,
    /// Empty for the home directory.
    pub remote: &'a str,
    pub sudo: Option<Sudo>,
    /// Outranks `mode`.
    pub mirror_local_mode: bool,
    pub mode: Option<u32>,
    pub use_glob: bool,
}

pub async fn put(context: &mut Context, call: &Call) -> TaskResult {
    let sudo = if call.flag("use_sudo") { Some(context.sudo(None).await?) } else { None };
    let put = Put {
        local: call.text("local_path"),
        remote: call.maybe_text("remote_path").unwrap_or_default(),
        sudo,
        mirror_local_mode: call.flag("mirror_local_mode"),
        mode: call.mode("mode"),
        use_glob: call.flag("use_glob"),
    };
    let Context { remote, output, .. } = context;
    put.perform(remote, |path| output.line(Stream::Stdout, path)).await
}

impl Put<'_> {
    /// Each file that is there now is `told`, by its path on the node.
    pub async fn perform(&self, remote: &Remote, mut told: impl FnMut(&str)) -> TaskResult {
        let sources = sources(self.local, self.use_glob)?;
        let (there, target) = look(remote, self.remote, &self.sudo).await?;
        if there != There::Directory && (sources.len() > 1 || target.ends_with('/')) {
            return Err(failed(format!("{target}: there is no such directory on the node")));
        }
        for source in &sources {
            for step in steps(source, &target, there)? {
                match step {
                    Step::Directory { to } => make_directory(remote, &to, &self.sudo).await?,
                    Step::File { from, to } => {
                        self.send(remote, &from, &to).await?;
                        told(&to);
                    }
                }
            }
        }
        Ok(())
    }

    async fn send(&self, remote: &Remote, from: &Path, to: &str) -> TaskResult {
        let about = |e| failed(format!("{}: {e}", from.display()));
        if !fs::metadata(from).map_err(about)?.is_file() {
            return Err(failed(format!("{}: is not a regular file", from.display())));
        }
        let mode = if self.mirror_local_mode { Some(local_mode(from)?) } else { self.mode };
        let placement = Placement { mode, sudo: self.sudo.clone() };
        Ok(remote.upload(Input::File(from.into()), to, &placement).await?)
    }
}

/// The local files and directories meant, sorted.
fn sources(pattern: &str, globs: bool) -> Result<Vec<PathBuf>, TaskError> {
    let path = expand_home(pattern);
    if !globs {
        return match fs::metadata(&path) {
            Ok(_) => Ok(vec![path]),
            Err(error) => Err(failed(format!("{}: {error}", path.display()))),
        };
    }
    let text = path.to_str().ok_or_else(|| not_text(&path))?;
    // The crate finds no hidden name at all while it takes that for literal.
    let last = text.rsplit('/').next().unwrap_or_default();
    let matching = MatchOptions { require_literal_leading_dot: !last.starts_with('.'), ..MATCHING };
    let found = glob_with(&without_double_stars(text), matching)
        .map_err(|error| failed(format!("{pattern}: {error}")))?;
    let found: Vec<PathBuf> = found
        .collect::<Result<_, _>>()
        .map_err(|error| failed(format!("{}: {}", error.path().display(), error.error())))?;
    if found.is_empty() {
        return Err(failed(format!("{pattern}: no local file matches")));
    }
    Ok(found)
}

/// Fabric's `**` is no more than `*`.
fn without_double_stars(pattern: &str) -> String {
    let mut plain = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if c != '*' || !plain.ends_with('*') {
            plain.push(c);
        }
    }
    plain
}

pub(super) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            home.join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(path),
    }
}

/// A file goes to the target itself, or into the directory there. A directory goes below it, under
/// its own name.
fn steps(source: &Path, target: &str, there: There) -> Result<Vec<Step>, TaskError> {
    if !source.is_dir() {
        let to = match there {
            There::Directory => below(target, source)?,
            There::Something | There::Nothing => target.to_owned(),
        };
        return Ok(vec![Step::File { from: source.into(), to }]);
    }
    let mut steps = Vec::new();
    let to = match source.file_name() {
        Some(_) => below(target, source)?,
        None => target.to_owned(),
    };
    walk(source, to, &mut steps)?;
    Ok(steps)
}

/// Symbolic links to directories are made as directories, and not entered.
fn walk(directory: &Path, to: String, steps: &mut Vec<Step>) -> Result<(), TaskError> {
    let about = |error| failed(format!("{}: {error}", directory.display()));
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(about)?;
    entries.sort();
    steps.push(Step::Directory { to: to.clone() });
    for entry in entries {
        let to = below(&to, &entry)?;
        match (entry.is_dir(), entry.is_symlink()) {
            (true, false) => walk(&entry, to, steps)?,
            (true, true) => steps.push(Step::Directory { to }),
            (false, _) => steps.push(Step::File { from: entry, to }),
        }
    }
    Ok(())
}

/// A path on the node: the local file's name below a directory there.
fn below(directory: &str, local: &Path) -> Result<String, TaskError> {
    let name = local.file_name().and_then(|name| name.to_str()).ok_or_else(|| not_text(local))?;
    Ok(format!("{}/{name}", directory.trim_end_matches('/')))
}

async fn look(
    remote: &Remote,
    path: &str,
    sudo: &Option<Sudo>,
) -> Result<(There, String), TaskError> {
    let answer = remote.capture(&Command::script(LOOK, &[path]).sudo(sudo.clone())).await?;
    let text = std::str::from_utf8(&answer.stdout).unwrap_or_default();
    let there = match text.as_bytes().first() {
        Some(b'd') => There::Directory,
        Some(b'f') => There::Something,
        Some(b'n') => There::Nothing,
        _ => return Err(failed(format!("{path}: {}", answer.stderr_text()))),
    };
    Ok((there, text[1..].to_owned()))
}

async fn make_directory(remote: &Remote, path: &str, sudo: &Option<Sudo>) -> TaskResult {
    let command = Command::script(MAKE_DIRECTORY, &[path]).sudo(sudo.clone());
    let answer = remote.capture(&command).await?;
    match answer.ended {
        Ended::Exit(0) => Ok(()),
        Ended::Exit(_) => Err(failed(answer.stderr_text())),
        Ended::Signal(_) => answer.ended.verdict(),
    }
}

fn not_text(path: &Path) -> TaskError {
    failed(format!("{}: the name is not UTF-8", path.display()))
}

fn failed(sentence: String) -> TaskError {
    TaskError::Failed(sentence)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("app/sub/empty")).unwrap();
        for file in ["app/b", "app/a", "app/sub/c", "app/.hidden", "one.txt", "two.txt", "[x]"] {
            fs::write(dir.path().join(file), file).unwrap();
        }
        symlink("sub", dir.path().join("app/zlink")).unwrap();
        symlink("a", dir.path().join("app/flink")).unwrap();
        dir
    }

    fn names(found: Result<Vec<PathBuf>, TaskError>) -> Result<Vec<String>, String> {
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        found.map(|paths| paths.into_iter().map(name).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_pattern_means_local_files() {
        let dir = tree();
        let sources = |pattern: &str, globs| {
            names(sources(&dir.path().join(pattern).display().to_string(), globs))
        };
        assert_eq!(sources("*.txt", true), Ok(vec!["one.txt".into(), "two.txt".into()]));
        assert_eq!(sources("app/*a", true), Ok(vec!["a".into()]));
        assert_eq!(sources("app/.h*", true), Ok(vec![".hidden".into()]));
        assert_eq!(sources("**", true).unwrap(), ["[x]", "app", "one.txt", "two.txt"]);
        assert_eq!(sources("app", true), Ok(vec!["app".into()]));
        assert_eq!(sources("[x]", false), Ok(vec!["[x]".into()]));
        assert!(sources("[x]", true).unwrap_err().ends_with("no local file matches"));
        assert!(sources("*.md", true).unwrap_err().ends_with("no local file matches"));
        assert!(sources("*.txt", false).is_err());
    }

    #[test]
    fn a_file_keeps_its_name_in_a_directory() {
        let dir = tree();
        let one = dir.path().join("one.txt");
        let to = |target, there| match steps(&one, target, there).unwrap().as_slice() {
            [Step::File { to, .. }] => to.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(to("/etc", There::Directory), "/etc/one.txt");
        assert_eq!(to("/etc/", There::Directory), "/etc/one.txt");
        assert_eq!(to("/etc/x", There::Nothing), "/etc/x");
        assert_eq!(to("/etc/x", There::Something), "/etc/x");
    }

    #[test]
    fn a_directory_goes_with_all_that_is_in_it() {
        let dir = tree();
        let steps = steps(&dir.path().join("app"), "/srv", There::Directory).unwrap();
        let shown: Vec<String> = steps
            .iter()
            .map(|step| match step {
                Step::Directory { to } => format!("{to}/"),
                Step::File { to, .. } => to.clone(),
            })
            .collect();
        let expected = "/srv/app/ /srv/app/.hidden /srv/app/a /srv/app/b /srv/app/flink \
                        /srv/app/sub/ /srv/app/sub/c /srv/app/sub/empty/ /srv/app/zlink/";
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn the_node_says_what_is_there() {
        let dir = tree();
        let home = dir.path().canonicalize().unwrap();
        for shell in
            [["dash", "-c"].as_slice(), &["bash", "--posix", "-c"], &["busybox", "sh", "-c"]]
        {
            let look = |path: &str| {
                let line = Command::script(LOOK, &[path]).line;
                let mut command = process::Command::new(shell[0]);
                let output = command.args(&shell[1..]).arg(line).current_dir(&home).output();
                String::from_utf8(output.unwrap().stdout).unwrap()
            };
            let home = home.display();
            assert_eq!(look(""), format!("d{home}"));
            assert_eq!(look("~/app"), format!("d{home}/app"));
            assert_eq!(look("app/a"), format!("f{home}/app/a"));
            assert_eq!(look("it's; gone"), format!("n{home}/it's; gone"));
            assert_eq!(look("/etc/"), "d/etc/");
        }
    }
}
