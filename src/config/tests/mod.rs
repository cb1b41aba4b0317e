//! The configuration as a user meets it: files in, a `Config` or messages out.

mod flows;
mod limits;
mod listen;
mod loading;
mod locate;
mod mistakes;
mod roadrunner;
mod rules;
mod secrets;
mod tasks;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::{Config, Loaded, load};

const MAIN: &str = "nodesfile: nodes.yaml\njobspath: jobs\ndatafile: data.yaml\n";
const NODES: &str =
    "web1: {user: root, tags: web}\nweb2: {user: root, tags: web}\ndb1: {user: root}\n";
const JOB: &str = "jobs:\n  j: {task: loom.run, args: [\"true\"], targets: web1}\n";

/// A directory with a sound configuration, ready to be spoiled.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        home.write("loom.yaml", MAIN);
        home.write("nodes.yaml", NODES);
        home.write("data.yaml", "");
        fs::create_dir(home.path("jobs")).unwrap();
        fs::set_permissions(home.path("jobs"), fs::Permissions::from_mode(0o700)).unwrap();
        home
    }

    fn with(files: &[(&str, &str)]) -> Home {
        let home = Home::new();
        files.iter().for_each(|(name, text)| home.write(name, text));
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        for directory in path.parent().unwrap().ancestors().take_while(|d| !d.exists()) {
            fs::create_dir_all(directory).unwrap();
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load(&self) -> Result<Loaded, Vec<Diagnostic>> {
        load(self.path("loom.yaml").to_str().unwrap())
    }

    /// The configuration, which has no mistakes.
    #[track_caller]
    fn config(&self) -> Config {
        match self.load() {
            Ok(loaded) => loaded.config,
            Err(found) => panic!("{}", self.text(&found)),
        }
    }

    /// All messages, warnings included, with paths as seen from here.
    fn messages(&self) -> String {
        match self.load() {
            Ok(loaded) => self.text(&loaded.warnings),
            Err(found) => self.text(&found),
        }
    }

    fn text(&self, found: &[Diagnostic]) -> String {
        let text: String = found.iter().map(Diagnostic::to_string).collect();
        text.replace(&format!("{}/", self.path("").display()).replace("//", "/"), "")
    }
}

/// The messages about these files.
fn messages(files: &[(&str, &str)]) -> String {
    Home::with(files).messages()
}

fn config(files: &[(&str, &str)]) -> Config {
    Home::with(files).config()
}

fn symlink(to: impl AsRef<Path>, at: impl AsRef<Path>) {
    std::os::unix::fs::symlink(to, at).unwrap();
}
