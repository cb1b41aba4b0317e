//! The page's files, as they are in this executable.

use std::sync::LazyLock;

use super::lean::lean;

/// With `{edition}` where the name of the edition belongs.
pub const INDEX: &str = include_str!("assets/index.html");

pub struct Asset {
    pub name: &'static str,
    pub text: String,
}

macro_rules! assets {
    ($($name:literal)*) => {
        &[$((
            $name,
            include_str!(concat!("assets/", $name)),
        )),*]
    };
}

/// All but the page itself, as they are served.
pub static ASSETS: LazyLock<Vec<Asset>> =
    LazyLock::new(|| FILES.iter().map(|(name, text)| Asset { name, text: lean(text) }).collect());

const FILES: &[(&str, &str)] = assets! {
    "act.js"
    "api.js"
    "app.js"
    "atwork.js"
    "audit.js"
    "chart.js"
    "compare.js"
    "dialog.js"
    "dom.js"
    "events.js"
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

    /// What leaves out comments and indentation knows nothing of texts over several lines.
    #[test]
    fn no_text_goes_on_in_the_next_line() {
        for (name, text) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            for line in text.lines() {
                assert!(line.matches('`').count() % 2 == 0, "{name}: {line}");
                assert!(!line.ends_with('\\'), "{name}: {line}");
            }
        }
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
