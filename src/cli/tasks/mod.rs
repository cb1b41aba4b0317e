//! `loom tasks`: which tasks there are, native and Python, and how each is called. Needs no
//! daemon, and for the native ones no configuration.

pub mod catalog;
mod example;
mod list;
mod page;

use std::process::ExitCode;

use super::candidates;
use super::reach;
use super::screen::{Screen, escape, print, print_json};
use crate::client::Failure;
use crate::config::{self, diagnostic::Diagnostic, diagnostic::quoted};
use crate::task;
use catalog::{Catalog, Entry};

/// List the tasks that a job can name, or tell all about one
///
/// Native tasks, and those in Python modules on the configuration's pythonpath, which are read and
/// not run. Without a configuration the native ones. Exits 0, 5 if there is no such task, and 2 if
/// NAME can be several.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  loom tasks
  loom tasks loom.script
  loom tasks put
  loom tasks --json | jq -r '.[] | select(.jobs == []) | .task'")]
pub struct Args {
    /// The task's path, or its last part alone
    #[arg(value_name = "NAME", add = candidates::tasks())]
    name: Option<String>,

    /// Print what is known of them as JSON
    #[arg(long)]
    json: bool,

    /// Write docs/tasks.md
    #[arg(long, hide = true, conflicts_with_all = ["name", "json"])]
    markdown: bool,
}

pub fn tasks(candidates: &str, args: &Args) -> ExitCode {
    reach::finish(tell(candidates, args).map(|()| 0))
}

fn tell(candidates: &str, args: &Args) -> Result<(), Failure> {
    if args.markdown {
        return print(&task::page());
    }
    // A job that names no task is no reason to keep the others from whoever looks for the name.
    let loaded = config::load_unasked(candidates);
    let mut catalog = Catalog::native();
    match &loaded {
        Ok(loaded) => catalog.configured(&loaded.config),
        Err(diagnostics) => {
            eprintln!("loom: native tasks only: {}", why(diagnostics));
        }
    }
    for trouble in &catalog.troubles {
        eprintln!("loom: {}", escape(trouble));
    }
    let screen = Screen::stdout();
    let Some(name) = &args.name else {
        return match args.json {
            true => print_json(&catalog.entries),
            false => print(&list::list(&catalog.entries, &screen)),
        };
    };
    let entry = match catalog.named(name) {
        Named::One(entry) => entry.clone(),
        Named::Several(paths) => {
            let paths = paths.join(", ");
            return Err(Failure::usage(format!("{} can be {paths}; write it whole", quoted(name))));
        }
        Named::None => loaded
            .ok()
            .and_then(|loaded| catalog::called(&loaded.config, name))
            .ok_or_else(|| unknown(name, &catalog))?,
    };
    match args.json {
        true => print_json(&entry),
        false => print(&page::page(&entry, catalog.file.as_deref(), &screen)),
    }
}

/// Which task a name stands for.
#[derive(Debug, PartialEq)]
enum Named<'a> {
    One(&'a Entry),
    /// Their paths.
    Several(Vec<&'a str>),
    None,
}

impl Catalog {
    fn named(&self, name: &str) -> Named<'_> {
        let whole = |entry: &&Entry| entry.paths().any(|path| path == name);
        if let Some(entry) = self.entries.iter().find(whole) {
            return Named::One(entry);
        }
        let last = |entry: &&Entry| entry.task.rsplit('.').next() == Some(name);
        let mut found: Vec<&Entry> = self.entries.iter().filter(last).collect();
        // The first is what the configuration's own path leads to.
        found.dedup_by(|later, first| later.task == first.task);
        match found.as_slice() {
            [] => Named::None,
            [one] => Named::One(one),
            several => Named::Several(several.iter().map(|entry| entry.task.as_str()).collect()),
        }
    }
}

fn unknown(name: &str, catalog: &Catalog) -> Failure {
    let paths = catalog.entries.iter().flat_map(Entry::paths);
    let mut near: Vec<String> = Vec::new();
    for path in task::nearest(name, paths) {
        let entry = catalog.entries.iter().find(|entry| entry.paths().any(|known| known == path));
        let path = quoted(entry.map_or(path, |entry| &entry.task));
        if near.len() < 3 && !near.contains(&path) {
            near.push(path);
        }
    }
    let hint = match near.as_slice() {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(" or ")),
    };
    Failure::unknown(format!("there is no task {}{hint}", quoted(name)))
}

/// The first mistake of a configuration that cannot be loaded.
fn why(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let Some(first) = diagnostics.iter().find(|diagnostic| diagnostic.is_error()) else {
        return "the configuration cannot be loaded".into();
    };
    let file = escape(&first.file.to_string_lossy());
    let place = if first.line == 0 { file } else { format!("{file}:{}", first.line) };
    let more = if errors > 1 { "; `loom check` says all that is wrong" } else { "" };
    format!("{place}: {}{more}", first.message)
}

#[cfg(test)]
mod tests {
    use super::catalog::tests::python;
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::native();
        catalog.entries.extend(["deploy.release", "deploy.put", "ops.deploy.undo"].map(python));
        catalog
    }

    #[test]
    fn a_task_goes_by_its_path_or_by_what_stands_last_in_it() {
        let catalog = catalog();
        let named = |name| match catalog.named(name) {
            Named::One(entry) => entry.task.as_str(),
            Named::Several(_) | Named::None => panic!("{name}"),
        };
        for (name, task) in [
            ("loom.run", "loom.run"),
            ("fabric.operations.sudo", "fabric.api.sudo"),
            ("release", "deploy.release"),
            ("ops.deploy.undo", "ops.deploy.undo"),
            ("sudo", "fabric.api.sudo"),
        ] {
            assert_eq!(named(name), task);
        }
        assert_eq!(catalog.named("run"), Named::Several(vec!["loom.run", "fabric.api.run"]));
        assert_eq!(catalog.named("put"), Named::Several(vec!["fabric.api.put", "deploy.put"]));
        for name in ["", "deploy", "deploy.undo", "undo.", "RUN"] {
            assert_eq!(catalog.named(name), Named::None, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is_near() {
        let catalog = catalog();
        for (name, near) in [
            ("loom.rnu", "; did you mean \"loom.run\"?"),
            ("deploy.relaese", "; did you mean \"deploy.release\"?"),
            ("tools.release", "; did you mean \"deploy.release\"?"),
            ("zzz", ""),
        ] {
            let told = unknown(name, &catalog).to_string();
            assert_eq!(told, format!("there is no task \"{name}\"{near}"));
        }
    }
}
