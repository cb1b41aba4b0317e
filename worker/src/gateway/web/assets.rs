//! The page's files, as they are in this executable.

/// With `{edition}` where the name of the edition belongs.
pub const INDEX: &str = include_str!("assets/index.html");

pub struct Asset {
    pub name: &'static str,
    pub bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal)*) => {
        &[$(Asset { name: $name, bytes: include_bytes!(concat!("assets/", $name)) }),*]
    };
}

/// All but the page itself.
pub const ASSETS: &[Asset] = assets! {
    "act.js"
    "ahead.js"
    "api.js"
    "app.js"
    "atwork.js"
    "audit.js"
    "cells.js"
    "compare.js"
    "controls.js"
    "dialog.js"
    "dom.js"
    "events.js"
    "filters.js"
    "flow.js"
    "follow.js"
    "icon.svg"
    "job.js"
    "jobs.js"
    "list.js"
    "node.js"
    "nodes.js"
    "output.js"
    "overview.js"
    "panes.js"
    "plot.js"
    "progress.js"
    "router.js"
    "run.js"
    "runs.js"
    "runwith.js"
    "signin.js"
    "state.js"
    "style.css"
    "time.js"
    "timeline.js"
    "units.js"
    "why.js"
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_served() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/src/gateway/web/assets");
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name != "index.html");
        names.sort();
        let served: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        assert_eq!(served, names);
    }

    #[test]
    fn what_the_page_names_is_there() {
        let named: Vec<&str> = INDEX.split("assets/{edition}/").skip(1).collect();
        assert!(named.len() > 5, "{INDEX}");
        for rest in named {
            let (name, _) = rest.split_once('"').unwrap();
            assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
        }
    }

    /// Imported by this file, and by those that it imports.
    fn wanted(name: &str, found: &mut BTreeSet<String>) {
        let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap();
        if !found.insert(name.to_owned()) {
            return;
        }
        let text = std::str::from_utf8(asset.bytes).unwrap();
        for line in text.lines().filter(|line| line.starts_with("import {")) {
            wanted(line.split('"').nth(1).unwrap().trim_start_matches("./"), found);
        }
    }

    #[test]
    fn what_a_view_is_made_of_is_fetched_at_once() {
        let ahead = ASSETS.iter().find(|asset| asset.name == "ahead.js").unwrap();
        let lists = std::str::from_utf8(ahead.bytes).unwrap().split("};").next().unwrap();
        let lists = lists.split("FILES = {").nth(1).unwrap().trim();
        let of_page: Vec<&str> = INDEX.split(['/', '"']).collect();
        assert_eq!(lists.lines().count(), 7);
        for list in lists.lines() {
            let (view, files) = list.trim().split_once(": ").unwrap();
            let files: Vec<String> = files
                .trim_matches(['"', ','])
                .split(' ')
                .map(|file| format!("{file}.js"))
                .collect();
            let mut all = BTreeSet::new();
            wanted(&format!("{view}.js"), &mut all);
            all.retain(|file| !of_page.contains(&file.as_str()));
            assert_eq!(files, all.into_iter().collect::<Vec<_>>(), "{view}");
        }
        let mut overview = BTreeSet::new();
        wanted("overview.js", &mut overview);
        wanted("app.js", &mut overview);
        overview.retain(|file| !of_page.contains(&file.as_str()));
        assert_eq!(overview, BTreeSet::new());
    }
}
