//! Our Python package: carried in this executable, and laid out once in a directory where the
//! interpreter can keep the compiled form beside it.
//!
//! The directory's name is the package's checksum, so that two versions do not meet in it. It
//! belongs to our user alone: what lies there is run with the user's keys.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use loom::sys::dirs;
use sha2::{Digest, Sha256};

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../python/", $name)))),*]
    };
}

/// A version's directory that nothing was added to for so long is not in use.
const UNUSED: Duration = Duration::from_secs(60 * 86_400);

/// All of `worker/python`. What is below `common` can be imported under any bridge; `fabric1` is
/// our Fabric.
const FILES: &[(&str, &str)] = files! {
    "common/loom/__init__.py"
    "common/loom/add_sshfs_mount.sh"
    "common/loom/gethostip.sh"
    "common/loom/system.py"
    "common/loom_bridge/__init__.py"
    "common/loom_bridge/call.py"
    "common/loom_bridge/channel.py"
    "common/loom_bridge/inspect/__init__.py"
    "common/loom_bridge/inspect/calls.py"
    "common/loom_bridge/inspect/finder.py"
    "common/loom_bridge/inspect/imports.py"
    "common/loom_bridge/inspect/listing.py"
    "common/loom_bridge/inspect/names.py"
    "common/loom_bridge/inspect/problems.py"
    "common/loom_bridge/inspect/scope.py"
    "common/loom_bridge/inspect/signature.py"
    "common/loom_bridge/inspect/source.py"
    "common/loom_bridge/inspect/things.py"
    "common/loom_bridge/main.py"
    "common/loom_bridge/modules.py"
    "common/loom_bridge/node.py"
    "common/loom_bridge/start.py"
    "common/loom_bridge/value.py"
    "common/loom_bridge/words.py"
    "fabric1/fabric/__init__.py"
    "fabric1/fabric/_answers.py"
    "fabric1/fabric/_command.py"
    "fabric1/fabric/_files.py"
    "fabric1/fabric/_get.py"
    "fabric1/fabric/_local.py"
    "fabric1/fabric/_node.py"
    "fabric1/fabric/_put.py"
    "fabric1/fabric/_result.py"
    "fabric1/fabric/_run.py"
    "fabric1/fabric/_shown.py"
    "fabric1/fabric/api.py"
    "fabric1/fabric/auth.py"
    "fabric1/fabric/colors.py"
    "fabric1/fabric/context_managers.py"
    "fabric1/fabric/contrib/__init__.py"
    "fabric1/fabric/contrib/console.py"
    "fabric1/fabric/contrib/django.py"
    "fabric1/fabric/contrib/files.py"
    "fabric1/fabric/contrib/project.py"
    "fabric1/fabric/decorators.py"
    "fabric1/fabric/exceptions.py"
    "fabric1/fabric/io.py"
    "fabric1/fabric/job_queue.py"
    "fabric1/fabric/list.sh"
    "fabric1/fabric/look.sh"
    "fabric1/fabric/main.py"
    "fabric1/fabric/network.py"
    "fabric1/fabric/operations.py"
    "fabric1/fabric/resolve.sh"
    "fabric1/fabric/sftp.py"
    "fabric1/fabric/state.py"
    "fabric1/fabric/task_utils.py"
    "fabric1/fabric/tasks.py"
    "fabric1/fabric/thread_handling.py"
    "fabric1/fabric/utils.py"
    "fabric1/fabric/version.py"
};

/// Where it is laid out.
pub struct Package {
    root: PathBuf,
}

impl Package {
    /// Lays it out, unless somebody has. `near`: a directory of ours that will do when the
    /// user's caches cannot be written.
    pub fn laid_out(near: &Path) -> io::Result<Package> {
        let name = format!("python-{}", *CHECKSUM);
        let mut trouble = None;
        for parent in caches().into_iter().chain([near.to_owned()]) {
            match lay_out(&parent, &name) {
                Ok(root) => return Ok(Package { root }),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        Err(trouble.unwrap_or_else(|| ErrorKind::NotFound.into()))
    }

    /// The script that runs one unit.
    pub fn start(&self) -> PathBuf {
        self.root.join("common/loom_bridge/start.py")
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the compiled form of the user's modules is kept, so that none of it appears among
    /// them.
    pub fn compiled(&self) -> PathBuf {
        self.root.join("compiled")
    }
}

/// The first that can be used is.
fn caches() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let user = || {
        if nix::unistd::geteuid().is_root() {
            return Some(PathBuf::from("/var/cache"));
        }
        named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")))
    };
    // The first is systemd's CacheDirectory=.
    let dirs = [named("CACHE_DIRECTORY"), user().map(|dir| dir.join("loom"))];
    dirs.into_iter().flatten().collect()
}

fn lay_out(parent: &Path, name: &str) -> io::Result<PathBuf> {
    dirs::private(parent)?;
    let root = parent.join(name);
    if is_there(&root)? {
        if is_whole(&root) {
            return Ok(root);
        }
        // Out of the way of those who lay it out now, and gone with what is left of it.
        let away = tempfile::Builder::new().prefix(".python-").tempdir_in(parent)?;
        match fs::rename(&root, away.path().join("broken")) {
            // Another worker was faster.
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let draft = tempfile::Builder::new().prefix(".python-").tempdir_in(parent)?;
    for (name, text) in FILES {
        let path = draft.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(draft.path()))?;
        fs::write(path, text)?;
    }
    match fs::rename(draft.path(), &root) {
        Ok(()) => {
            let _ = draft.keep();
            forget_old(parent);
            Ok(root)
        }
        // Another worker was faster; the draft goes.
        Err(_) if is_there(&root)? => Ok(root),
        Err(error) => Err(error),
    }
}

/// Those of versions that nobody has used for long: each has the users' modules in its compiled
/// form. Should one be in use all the same, it is laid out again.
fn forget_old(parent: &Path) {
    let old = |path: &Path| {
        let age = |part: &Path| part.metadata().ok()?.modified().ok()?.elapsed().ok();
        let ages = [age(path), age(&path.join("compiled"))];
        ages.into_iter().flatten().min().is_some_and(|age| age > UNUSED)
    };
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b"python-") && old(&entry.path()) {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// # Errors
/// It is there, and not ours alone.
fn is_there(root: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(root) {
        Ok(_) => dirs::private(root).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whoever clears caches away may have been here, or a full disk.
fn is_whole(root: &Path) -> bool {
    FILES.iter().all(|(name, text)| {
        fs::metadata(root.join(name)).is_ok_and(|found| found.len() == text.len() as u64)
    })
}

static CHECKSUM: LazyLock<String> = LazyLock::new(|| {
    let mut sum = Sha256::new();
    for (name, text) in FILES {
        sum.update(format!("{name}\0{}\0", text.len()));
        sum.update(text);
    }
    sum.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(dir: &Path, below: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() && !entry.ends_with("__pycache__") {
                walk(&entry, below, found);
            } else if entry.extension().is_some_and(|e| e == "py" || e == "sh") {
                found.push(entry.strip_prefix(below).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_is_in_it() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/python"));
        let mut found = Vec::new();
        walk(root, root, &mut found);
        found.sort();
        let named: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, named, "package.rs lists the files in order");
    }

    #[test]
    fn python_2_can_read_every_file() {
        for (name, text) in FILES {
            assert!(text.is_ascii(), "{name}: Python 2 takes ASCII only");
        }
    }

    #[test]
    fn it_is_laid_out_once_for_our_user_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = lay_out(dir.path(), "x").unwrap();
        let start = root.join("common/loom_bridge/start.py");
        let before = fs::metadata(&start).unwrap().modified().unwrap();
        assert_eq!(lay_out(dir.path(), "x").unwrap(), root);
        assert_eq!(fs::metadata(&start).unwrap().modified().unwrap(), before);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");

        fs::remove_file(&start).unwrap();
        fs::write(root.join("common/loom_bridge/call.py"), "").unwrap();
        assert_eq!(lay_out(dir.path(), "x").unwrap(), root);
        assert!(is_whole(&root), "what was cleared away is there again");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left");

        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        let error = lay_out(dir.path(), "x").unwrap_err().to_string();
        assert!(error.contains("others can write to it"), "{error}");
    }

    #[test]
    fn versions_that_nobody_uses_go_when_another_comes() {
        let dir = tempfile::tempdir().unwrap();
        let aged = |name: &str, used: bool| {
            let root = dir.path().join(name);
            fs::create_dir_all(root.join("compiled")).unwrap();
            let long_ago = std::time::SystemTime::now() - UNUSED * 2;
            let parts = [Some(root.clone()), (!used).then(|| root.join("compiled"))];
            for part in parts.into_iter().flatten() {
                fs::File::open(part).unwrap().set_modified(long_ago).unwrap();
            }
            root
        };
        let (old, used) = (aged("python-old", false), aged("python-used", true));
        let other = aged("other", false);
        lay_out(dir.path(), "python-new").unwrap();
        assert_eq!([old, used, other].map(|path| path.exists()), [false, true, true]);
    }
}
