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
}
