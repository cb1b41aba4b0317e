//! Directories that are nobody else's business.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::unistd::geteuid;

/// Makes sure of a directory, mode 0700 if it has to be made, parents alike. One that is there
/// must be ours, a real directory, and not writable by anyone else; its mode is left alone, since
/// it may have other uses (`statedir: /srv`).
pub fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| {
        let what = match e.kind() {
            ErrorKind::AlreadyExists => "it is not a directory".to_owned(),
            _ => e.to_string(),
        };
        io::Error::new(e.kind(), format!("{}: cannot be made a directory: {what}", path.display()))
    })?;
    let found = fs::symlink_metadata(path)?;
    let refuse = |why: String| {
        Err(io::Error::new(ErrorKind::PermissionDenied, format!("{}: {why}", path.display())))
    };
    if found.is_symlink() {
        return refuse("is a symbolic link; name the directory itself".to_owned());
    }
    if found.uid() != geteuid().as_raw() {
        return refuse(format!("belongs to uid {}, not to uid {}", found.uid(), geteuid()));
    }
    if found.mode() & 0o022 != 0 {
        let mode = found.mode() & 0o7777;
        return refuse(format!("others can write to it (mode {mode:04o}); chmod go-w it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn is_made_with_its_parents_for_us_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private(&path).unwrap();
        for made in [&path, &dir.path().join("a")] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700);
        }
        private(&path).unwrap();
    }

    #[test]
    fn links_files_and_what_others_can_write_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file, open) =
            (dir.path().join("link"), dir.path().join("file"), dir.path().join("open"));
        symlink(dir.path(), &link).unwrap();
        fs::write(&file, "").unwrap();
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        for (path, expected) in
            [(link, "symbolic link"), (file, "not a directory"), (open, "mode 0777")]
        {
            let error = private(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
