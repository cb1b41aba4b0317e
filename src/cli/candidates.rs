//! What a name on the command line may be: jobs, targets, nodes, runs and tasks, for completion.
//!
//! Asked of the running daemon, which knows best, else of the configuration's files. The person
//! is typing: whatever takes long or goes wrong yields nothing, and is not told.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use super::CANDIDATES;
use super::reach::Reach;
use super::tasks::catalog::Catalog;
use crate::api::job::Job;
use crate::api::node::Node;
use crate::api::run::Run;
use crate::api::{MAX_LIMIT, Page};
use crate::client::{Client, Failure, Options, Route};
use crate::config;
use crate::config::diagnostic::escape;

/// How long the daemon has for its answer.
const DAEMON_LIMIT: Duration = Duration::from_millis(300);

/// Older ones are seldom meant.
const LAST_RUNS: u32 = 50;

/// How long reading the files may take, those of Python modules included.
const FILES_LIMIT: Duration = Duration::from_secs(1);

/// More than this helps nobody, and a shell is slow with them.
const MAX_CANDIDATES: usize = 5_000;

/// What the words before the cursor say about where to ask.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub config: Option<String>,
    pub host: Option<String>,
}

static ASKED: OnceLock<Asked> = OnceLock::new();

/// To be told before anything is completed.
pub fn asked_by(words: &[OsString]) {
    let _ = ASKED.set(Asked::of(words));
}

impl Asked {
    fn of(words: &[OsString]) -> Asked {
        let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
        // What is behind it is another command's.
        let own = words.split(|word| *word == "--").next().unwrap_or_default();
        let value = |short: Option<&str>, long: &str| {
            let mut given = own.iter().enumerate().filter_map(|(at, word)| {
                let next = || own.get(at + 1).copied();
                match word.strip_prefix(long) {
                    Some("") => return next(),
                    Some(rest) => return rest.strip_prefix('='),
                    None => {}
                }
                match word.strip_prefix(short?)? {
                    "" => next(),
                    rest => Some(rest.strip_prefix('=').unwrap_or(rest)),
                }
            });
            given.next_back().filter(|value| !value.is_empty()).map(str::to_owned)
        };
        Asked { config: value(Some("-c"), "--config"), host: value(None, "--host") }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Jobs,
    Nodes,
    Runs,
}

/// A name and what is told beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    pub about: String,
    /// Of a node.
    pub tags: Vec<String>,
}

/// JOB.
pub fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| of_names(word, &known(Wanted::Jobs)))
}

/// TARGETS: node names and @tags, separated by commas.
pub fn targets() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| of_targets(word, &known(Wanted::Nodes)))
}

/// One NODE.
pub fn nodes() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| of_names(word, &known(Wanted::Nodes)))
}

/// RUN.
pub fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| of_names(word, &known(Wanted::Runs)))
}

/// JOB or RUN.
pub fn jobs_and_runs() -> ArgValueCompleter {
    any_of(&[Wanted::Jobs, Wanted::Runs])
}

/// JOB, NODE or RUN.
pub fn anything() -> ArgValueCompleter {
    any_of(&[Wanted::Jobs, Wanted::Nodes, Wanted::Runs])
}

fn any_of(wanted: &'static [Wanted]) -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        wanted.iter().flat_map(|wanted| of_names(word, &known(*wanted))).collect()
    })
}

/// The path of a task: a native one, or one of the configuration's Python modules.
pub fn tasks() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let config = ASKED.get_or_init(Asked::default).config.clone();
        let candidates = config.unwrap_or_else(|| CANDIDATES.to_owned());
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let mut catalog = Catalog::native();
            if let Ok(loaded) = config::load_unasked(&candidates) {
                catalog.configured(&loaded.config);
            }
            let _ = send.send(catalog);
        });
        let catalog = receive.recv_timeout(FILES_LIMIT).unwrap_or_else(|_| Catalog::native());
        let named = catalog.entries.into_iter().map(|entry| Named {
            name: entry.task,
            about: entry.summary.unwrap_or_default(),
            tags: Vec::new(),
        });
        of_names(word, &named.filter_map(harmless).collect::<Vec<_>>())
    })
}

/// Names of time zones.
pub fn zones() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let Some(word) = word.to_str() else { return Vec::new() };
        let zones = jiff::tz::db().available().map(|zone| zone.to_string());
        zones.filter(|zone| zone.starts_with(word)).map(CompletionCandidate::new).collect()
    })
}

fn known(wanted: Wanted) -> Vec<Named> {
    let asked = ASKED.get_or_init(Asked::default);
    let known = running(asked, wanted).or_else(|| configured(asked, wanted)).unwrap_or_default();
    known.into_iter().filter_map(harmless).collect()
}

/// The scripts quote what a shell would act upon; a terminal acts upon other things, and a daemon
/// elsewhere may tell us anything.
fn harmless(named: Named) -> Option<Named> {
    let is_plain = |text: &str| escape(text) == text;
    let Named { name, about, tags } = named;
    let tags = tags.into_iter().filter(|tag| is_plain(tag)).collect();
    let about = escape(about.lines().next().unwrap_or_default());
    is_plain(&name).then_some(Named { name, about, tags })
}

/// What the daemon that these words lead to knows, the latest runs first; `None` when it does not
/// answer within 300 ms.
fn running(asked: &Asked, wanted: Wanted) -> Option<Vec<Named>> {
    let reach = Reach { host: asked.host.clone(), ..Reach::default() };
    let candidates = asked.config.clone().unwrap_or_else(|| CANDIDATES.to_owned());
    let options = Options { patience: Some(DAEMON_LIMIT), ..reach.options(&candidates) };
    // The process ends before the thread, if it must.
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        if let Ok(found) = ask(&options, wanted) {
            let _ = send.send(found);
        }
    });
    receive.recv_timeout(DAEMON_LIMIT).ok()
}

/// One page of them.
fn ask(options: &Options, wanted: Wanted) -> Result<Vec<Named>, Failure> {
    let client = Client::connect(options)?;
    let list = |what: &str| Route::to([what]).with("limit", MAX_LIMIT);
    Ok(match wanted {
        Wanted::Jobs => {
            let jobs: Page<Job> = client.get(&list("jobs"))?;
            let named = |job: Job| Named { name: job.name, about: job.description, tags: vec![] };
            jobs.items.into_iter().map(named).collect()
        }
        Wanted::Nodes => {
            let nodes: Page<Node> = client.get(&list("nodes"))?;
            let named = |node: Node| Named { name: node.name, about: node.host, tags: node.tags };
            nodes.items.into_iter().map(named).collect()
        }
        Wanted::Runs => {
            let runs: Page<Run> = client.get(&Route::to(["runs"]).with("limit", LAST_RUNS))?;
            let named = |run: Run| Named {
                name: run.id.to_string(),
                about: format!("{}, {}", run.job, run.state),
                tags: vec![],
            };
            runs.items.into_iter().map(named).collect()
        }
    })
}

/// What the files say. Those of this machine tell nothing of a daemon elsewhere.
fn configured(asked: &Asked, wanted: Wanted) -> Option<Vec<Named>> {
    if asked.host.is_some() || std::env::var_os("LOOM_HOST").is_some_and(|host| !host.is_empty()) {
        return None;
    }
    let candidates = asked.config.clone().unwrap_or_else(|| CANDIDATES.to_owned());
    // A file may be a network away. The process ends before the thread, if it must.
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        if let Ok(loaded) = config::load_unasked(&candidates) {
            let _ = send.send(loaded.config);
        }
    });
    let config = receive.recv_timeout(FILES_LIMIT).ok()?;
    let named = |name: &String, about: &str, tags: &[String]| Named {
        name: name.clone(),
        about: about.to_owned(),
        tags: tags.to_owned(),
    };
    Some(match wanted {
        Wanted::Jobs => {
            config.jobs.iter().map(|(name, job)| named(name, &job.description, &[])).collect()
        }
        Wanted::Nodes => {
            config.nodes.iter().map(|(name, node)| named(name, node.host(), &node.tags)).collect()
        }
        Wanted::Runs => Vec::new(),
    })
}

fn of_names(word: &OsStr, known: &[Named]) -> Vec<CompletionCandidate> {
    let Some(word) = word.to_str() else { return Vec::new() };
    let found = known.iter().filter(|known| known.name.starts_with(word));
    let about = |about: &str| (!about.is_empty()).then(|| about.to_owned().into());
    let found =
        found.map(|known| CompletionCandidate::new(known.name.clone()).help(about(&known.about)));
    found.take(MAX_CANDIDATES).collect()
}

/// Of a list only its last word is completed, and not with what is in it already.
fn of_targets(word: &OsStr, known: &[Named]) -> Vec<CompletionCandidate> {
    let Some(word) = word.to_str() else { return Vec::new() };
    // A comma in a host set is no end of a word.
    if word.matches('[').count() > word.matches(']').count() {
        return Vec::new();
    }
    let at = word.rfind(',').map_or(0, |comma| comma + 1);
    let (before, last) = word.split_at(at);
    let written = |name: &str| before.split(',').any(|word| word == name);
    let offered = |name: &str| name.starts_with(last) && !written(name);

    let mut tags: BTreeMap<String, usize> = BTreeMap::new();
    for tag in known.iter().flat_map(|node| &node.tags) {
        *tags.entry(format!("@{tag}")).or_default() += 1;
    }
    let names = known.iter().filter(|node| offered(&node.name)).map(|node| {
        CompletionCandidate::new(format!("{before}{}", node.name))
            .help(Some(node.about.clone().into()))
    });
    let tags = tags.into_iter().filter(|(tag, _)| offered(tag)).map(|(tag, nodes)| {
        let plural = if nodes == 1 { "" } else { "s" };
        CompletionCandidate::new(format!("{before}{tag}"))
            .help(Some(format!("{nodes} node{plural}").into()))
    });
    names.take(MAX_CANDIDATES).chain(tags).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, tags: &[&str]) -> Named {
        let tags = tags.iter().map(|tag| tag.to_string()).collect();
        Named { name: name.to_owned(), about: String::new(), tags }
    }

    #[test]
    fn targets_are_names_and_tags_in_a_list() {
        let known = [node("db1", &["db"]), node("web1", &["web"]), node("web2", &["web"])];
        let values = |word: &str| -> Vec<String> {
            let found = of_targets(OsStr::new(word), &known);
            found.iter().map(|c| c.get_value().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(values(""), ["db1", "web1", "web2", "@db", "@web"]);
        assert_eq!(values("w"), ["web1", "web2"]);
        assert_eq!(values("@w"), ["@web"]);
        assert_eq!(values("web1,w"), ["web1,web2"]);
        assert_eq!(values("web1,@web,@"), ["web1,@web,@db"]);
        assert_eq!(values("web[1,"), [""; 0]);
        assert_eq!(values("web[1,3],db"), ["web[1,3],db1"]);
        let help = of_targets(OsStr::new("@web"), &known)[0].get_help().unwrap().to_string();
        assert_eq!(help, "2 nodes");
    }

    #[test]
    fn nothing_acts_upon_the_terminal() {
        let named = |name: &str| Named { about: "a\u{1b}[2J\nb".to_owned(), ..node(name, &["\t"]) };
        for odd in ["\u{1b}[2J", "a\nb", "a\u{202e}b"] {
            assert!(harmless(named(odd)).is_none(), "{odd}");
        }
        for fine in ["backup", "it's $HOME", "größe", "12"] {
            let Named { name, about, tags } = harmless(named(fine)).unwrap();
            assert_eq!((name.as_str(), about.as_str(), tags.len()), (fine, "a\\u{1b}[2J", 0));
        }
    }

    #[test]
    fn the_words_say_which_configuration_or_host_is_meant() {
        let asked = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            let asked = Asked::of(&words);
            (asked.config, asked.host)
        };
        let own = |config: &str| (Some(config.to_owned()), None);
        assert_eq!(asked(&["loom", "next", ""]), (None, None));
        assert_eq!(asked(&["loom", "-c", "x", "next", ""]), own("x"));
        assert_eq!(asked(&["loom", "next", "-cx", ""]), own("x"));
        assert_eq!(asked(&["loom", "--config=x,y", ""]), own("x,y"));
        assert_eq!(asked(&["loom", "--config", "x", "--configs", ""]), own("x"));
        assert_eq!(asked(&["loom", "exec", "--", "tar", "-c", "x"]), (None, None));
        let host = (None, Some("https://a".to_owned()));
        assert_eq!(asked(&["loom", "--host", "https://a", "jobs"]), host);
        assert_eq!(asked(&["loom", "jobs", "--host=https://a"]), host);
    }
}
