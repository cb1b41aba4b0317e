//! Which directories must be watched for what, so that no change of the configuration escapes.
//!
//! A path can change its meaning at every symbolic link on its way and at its end; a directory
//! of manifests can change anywhere below. It looks at names and inodes, never into files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// More directories than this are not watched: it is a mistake, such as a link to `/`.
pub const MAX_DIRECTORIES: usize = 10_000;
/// As the kernel's own.
const MAX_LINKS: u32 = 40;

/// What matters in one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Manifests and directories of any name.
    pub manifests: bool,
    pub names: BTreeSet<OsString>,
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// The inode's own time, which a rename or an older file moved here changes too.
    pub changed: (i64, i64),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// By real path.
    pub directories: BTreeMap<PathBuf, Rule>,
    pub stamps: BTreeMap<PathBuf, Stamp>,
    pub truncated: bool,
}

impl Survey {
    /// `entering` is called for each directory before it is read, so that what appears in it
    /// afterwards is not missed.
    pub fn of(paths: &[PathBuf], mut entering: impl FnMut(&Path)) -> Survey {
        let mut survey = Survey::default();
        for path in paths {
            survey.follow(path, &mut entering);
        }
        survey
    }

    fn follow(&mut self, path: &Path, entering: &mut impl FnMut(&Path)) {
        let (steps, end) = resolve(path);
        for step in steps {
            if let (Some(parent), Some(name)) = (step.parent(), step.file_name()) {
                self.enter(parent, entering).names.insert(name.to_owned());
            }
            self.stamp(&step);
        }
        if let Some(end) = end.filter(|end| end.is_dir()) {
            self.walk(&end, entering);
        }
    }

    fn walk(&mut self, top: &Path, entering: &mut impl FnMut(&Path)) {
        let mut waiting = vec![top.to_owned()];
        while let Some(directory) = waiting.pop() {
            if self.directories.len() >= MAX_DIRECTORIES {
                self.truncated = true;
                return;
            }
            let rule = self.enter(&directory, entering);
            if std::mem::replace(&mut rule.manifests, true) {
                continue;
            }
            self.stamp(&directory);
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
                if kind.is_dir() && !is_foreign(&entry.file_name()) {
                    waiting.push(path);
                } else if kind.is_symlink() && (is_manifest(&entry.file_name()) || path.is_dir()) {
                    self.follow(&path, entering);
                } else if is_manifest(&entry.file_name()) {
                    self.stamp(&path);
                }
            }
        }
    }

    fn enter(&mut self, directory: &Path, entering: &mut impl FnMut(&Path)) -> &mut Rule {
        self.directories.entry(directory.to_owned()).or_insert_with(|| {
            entering(directory);
            Rule::default()
        })
    }

    fn stamp(&mut self, path: &Path) {
        if let Ok(found) = fs::symlink_metadata(path) {
            self.stamps.insert(path.to_owned(), Stamp::of(&found));
        }
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Stamp {
        // A directory's times change with every temporary file in it.
        let times = !found.is_dir();
        Stamp {
            device: found.dev(),
            inode: found.ino(),
            size: if times { found.size() } else { 0 },
            modified: if times { (found.mtime(), found.mtime_nsec()) } else { (0, 0) },
            changed: if times { (found.ctime(), found.ctime_nsec()) } else { (0, 0) },
        }
    }
}

pub fn is_manifest(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".yaml")
}

/// Version control's own directories: they are busy, and hold no manifests.
pub fn is_foreign(name: &OsStr) -> bool {
    [".git", ".hg", ".svn"].iter().any(|foreign| name == *foreign)
}

/// Every place whose change would change what the absolute path leads to: the links on its way,
/// then its end, which is also returned if it is there.
fn resolve(path: &Path) -> (Vec<PathBuf>, Option<PathBuf>) {
    let (mut steps, mut links) = (Vec::new(), 0);
    let mut real = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = names(path).collect();
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            real.pop();
            continue;
        }
        let here = real.join(&name);
        match fs::symlink_metadata(&here) {
            Ok(found) if found.is_symlink() => {
                links += 1;
                steps.push(here.clone());
                let Ok(target) = fs::read_link(&here) else { return (steps, None) };
                if links > MAX_LINKS {
                    return (steps, None);
                }
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(name);
                }
            }
            Ok(_) => real = here,
            Err(_) => {
                steps.push(here);
                return (steps, None);
            }
        }
    }
    steps.push(real.clone());
    (steps, Some(real))
}

fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        (dir, path)
    }

    fn names_in(survey: &Survey, directory: &Path) -> Vec<String> {
        let names = survey.directories[directory].names.iter();
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn every_link_on_the_way_is_a_place_of_change() {
        let (_dir, top) = place();
        fs::create_dir_all(top.join("v1/jobs/web")).unwrap();
        fs::write(top.join("v1/jobs/web/a.yaml"), "").unwrap();
        symlink("v1", top.join("current")).unwrap();
        symlink("current/jobs", top.join("jobs")).unwrap();
        let survey = Survey::of(&[top.join("jobs")], |_| {});
        assert_eq!(names_in(&survey, &top), ["current", "jobs"]);
        assert_eq!(names_in(&survey, &top.join("v1")), ["jobs"]);
        assert!(survey.directories[&top.join("v1/jobs/web")].manifests);
        assert!(survey.stamps.contains_key(&top.join("v1/jobs/web/a.yaml")));
    }

    #[test]
    fn what_is_missing_is_awaited_in_the_last_directory_there_is() {
        let (_dir, top) = place();
        let survey = Survey::of(&[top.join("not/yet/there.yaml")], |_| {});
        assert_eq!(names_in(&survey, &top), ["not"]);
    }

    #[test]
    fn loops_end_and_linked_manifests_are_followed() {
        let (_dir, top) = place();
        fs::create_dir_all(top.join("jobs/.git/objects")).unwrap();
        fs::create_dir(top.join("shared")).unwrap();
        fs::write(top.join("shared/common"), "").unwrap();
        symlink("..", top.join("jobs/up")).unwrap();
        symlink("self.yaml", top.join("jobs/self.yaml")).unwrap();
        symlink("../shared/common", top.join("jobs/b.yaml")).unwrap();
        let mut entered = Vec::new();
        let survey = Survey::of(&[top.join("jobs")], |path| entered.push(path.to_owned()));
        assert_eq!(names_in(&survey, &top.join("shared")), ["common"]);
        assert!(!survey.directories.contains_key(&top.join("jobs/.git")));
        assert_eq!(entered.len(), survey.directories.len(), "each directory once");
    }
}
