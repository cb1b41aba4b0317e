//! The nodes file -> [`Node`]s.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::diagnostic::quoted;
use super::fields::{self, Fields};
use super::hostset;
use super::report::Report;
use super::secret;
use super::source::{Span, plain};
use super::ssh_options;
use super::yaml::Item;
use crate::job::Source;
use crate::node::{DEFAULT_MAX_SESSIONS, Node};
use crate::password::Password;

const KEYS: [&str; 8] =
    ["user", "ip", "port", "identity", "password", "tags", "ssh_options", "max_sessions"];

/// Keys whose values may be quoted in a message.
const HARMLESS: [&str; 7] =
    ["user", "ip", "port", "identity", "tags", "ssh_options", "max_sessions"];

/// The most that all nodes may take, in bytes: host sets and merges multiply.
const MAX_WEIGHT: usize = 32 << 20;
/// The most tags of one node or job.
const MAX_TAGS: usize = 100;

/// What the nodes are read with.
pub struct Context<'a> {
    /// The directory that paths are relative to.
    pub base: &'a Path,
    /// The nodes file itself.
    pub file: &'a Path,
    pub ssh_options: &'a BTreeMap<String, String>,
}

#[derive(Default)]
pub struct Nodes {
    pub by_name: BTreeMap<String, Node>,
    /// Every name that was written, those of nodes with mistakes included, in the order written.
    pub names: Vec<String>,
    /// Names by tag, in the order written.
    pub tagged: BTreeMap<String, Vec<String>>,
    /// A literal password, if there is one.
    pub literal: Option<Span>,
    weight: usize,
    /// The file could not be parsed: an unknown name is then nobody's mistake.
    pub partial: bool,
}

impl Nodes {
    /// Of a file that could not be read.
    pub fn unknown() -> Nodes {
        Nodes { partial: true, ..Nodes::default() }
    }

    pub fn read(root: Option<Item<'_>>, context: &Context<'_>, report: &mut Report) -> Nodes {
        let mut nodes = Nodes::default();
        let Some(root) = root.filter(|root| !root.is_null()) else { return nodes };
        if !root.is_mapping() {
            report.sources.hide(root.node.span);
            report.error(
                root,
                format!("a nodes file is a mapping of names to nodes, not {}", root.kind()),
            );
            nodes.partial = true;
            return nodes;
        }
        hide_secrets(root, report);
        let mut places = HashMap::new();
        for (key, value) in root.entries() {
            let names = node_names(key, report);
            for name in &names {
                if let Some(first) = places.insert(name.clone(), key.node.span) {
                    let note = format!("first at {}", report.position(first));
                    report.error_noting(
                        key,
                        format!("node {} is defined twice", quoted(name)),
                        note,
                    );
                }
            }
            nodes.define(key, value, names, context, report);
        }
        nodes
    }

    /// One entry of the file, for all the names its key stands for.
    fn define(
        &mut self,
        key: Item<'_>,
        value: Item<'_>,
        names: Vec<String>,
        context: &Context<'_>,
        report: &mut Report,
    ) {
        let what = format!("node {}", report.show(key));
        let node = self.template(key, value, &what, context, report);
        self.weight += names.len() * node.as_ref().map_or(100, weight);
        if self.weight > MAX_WEIGHT {
            if !self.partial {
                report.error(key, format!("the nodes take more than {} MiB", MAX_WEIGHT >> 20));
            }
            self.partial = true;
            return;
        }
        let addresses = node.as_ref().and_then(|node| addresses(node, value, &names, report));
        for (i, name) in names.into_iter().enumerate() {
            self.names.push(name.clone());
            let Some(template) = &node else { continue };
            for tag in &template.tags {
                self.tagged.entry(tag.clone()).or_default().push(name.clone());
            }
            let ip = addresses.as_ref().map(|all| all[i].clone());
            self.by_name.insert(name.clone(), Node { name, ip, ..template.clone() });
        }
    }

    /// The node an entry describes, without a name.
    fn template(
        &mut self,
        key: Item<'_>,
        value: Item<'_>,
        what: &str,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Option<Node> {
        if value.is_null() {
            report.error(key, format!("{what} has no \"user\""));
            return None;
        }
        let fields = Fields::open(value, what, &KEYS, report)?;
        let user = fields.require("user", key, what, report);
        let user = user.and_then(|item| safe_text(item, "user", report)).unwrap_or_default();
        let ip = fields.get("ip").and_then(|item| safe_text(item, "ip", report));
        let port = fields.get("port");
        let identity = fields.get("identity");
        let password = fields.get("password");
        let tags = fields.get("tags").map(|item| tags(item, report)).unwrap_or_default();
        let mut options = context.ssh_options.clone();
        if let Some(item) = fields.get("ssh_options") {
            options.extend(ssh_options::read(item, report));
        }
        Some(Node {
            name: String::new(),
            user,
            ip,
            port: port.and_then(|item| fields::number(item, "port", 1..=u16::MAX, report)),
            identity: identity.and_then(|item| read_identity(item, context.base, report)),
            password: password.and_then(|item| self.password(item, context.base, report)),
            tags,
            ssh_options: options,
            max_sessions: max_sessions(fields.get("max_sessions"), report),
            source: Source { file: context.file.to_path_buf(), line: key.node.span.line },
        })
    }

    fn password(&mut self, item: Item<'_>, base: &Path, report: &mut Report) -> Option<Password> {
        if let Some(text) = item.text() {
            self.literal.get_or_insert(item.node.span);
            if text.contains(['\n', '\r']) {
                report.error(item, "a password is one line; use {file: …} for anything else");
            }
            return Some(Password::Literal(SecretString::from(text)));
        }
        secret::source(item, "password", base, report)
    }
}

/// What a mistyped `password` leaves is a secret as well: messages quote only what is known to
/// be harmless, and looks it.
fn hide_secrets(root: Item<'_>, report: &mut Report) {
    let is_word = |item: Item<'_>| !item.text().is_some_and(|t| t.contains(char::is_whitespace));
    for (name, node) in root.entries() {
        if !is_word(name) {
            report.sources.hide(name.node.span);
        }
        if !node.is_mapping() {
            report.sources.hide(node.node.span);
        }
        for (key, value) in node.entries() {
            let written = key.text().unwrap_or_default();
            if !KEYS.contains(&written) && report.hints.nearest(written, KEYS).is_none() {
                report.sources.hide(key.node.span);
            }
            if !HARMLESS.contains(&written) || !is_word(value) {
                report.sources.hide(value.node.span);
            }
        }
    }
}

/// The names an entry's key stands for; none when there is a mistake in it.
fn node_names(key: Item<'_>, report: &mut Report) -> Vec<String> {
    let Some(text) = key.text() else {
        report.error(key, "the name of a node is a single word");
        return Vec::new();
    };
    let names = match text.contains(['[', ']', ',']) {
        true => match hostset::expand(text) {
            Ok(names) => names,
            Err(e) => {
                let place = report.within(key, e.span);
                report.error(place, format!("host set {}: {}", report.show(key), e.message));
                return Vec::new();
            }
        },
        false => vec![text.to_string()],
    };
    if let Some(problem) = names.iter().find_map(|name| name_problem(name)) {
        report.error(key, format!("node name {} {problem}", report.show(key)));
        return Vec::new();
    }
    names
}

/// Why this cannot be the name of a host that stands in no nodes file.
pub fn host_problem(name: &str) -> Option<&'static str> {
    match name.contains('@') {
        true => {
            Some("contains \"@\"; which user logs in is for ssh_config or the nodes file to say")
        }
        false => name_problem(name),
    }
}

fn name_problem(name: &str) -> Option<&'static str> {
    if let Some(problem) = fields::unsafe_for_ssh(name) {
        Some(problem)
    } else if name.contains('@') {
        Some("contains \"@\"; the user belongs under the key \"user\"")
    } else if name.contains(|c: char| r#"/\*?!(){}<>|&;$`"'#="#.contains(c)) {
        Some("contains a character that no host name has")
    } else if name.len() > 255 {
        Some("is longer than 255 characters")
    } else {
        None
    }
}

fn safe_text(item: Item<'_>, what: &str, report: &mut Report) -> Option<String> {
    let text = fields::text(item, what, report)?;
    match fields::unsafe_for_ssh(text) {
        Some(problem) => {
            report.error(item, format!("{what} {} {problem}", report.show(item)));
            None
        }
        None => Some(text.to_string()),
    }
}

/// One address for each name. For several names `ip` is a host set of as many.
fn addresses(
    node: &Node,
    value: Item<'_>,
    names: &[String],
    report: &mut Report,
) -> Option<Vec<String>> {
    let ip = node.ip.as_ref()?;
    if names.len() <= 1 {
        return (names.len() == 1).then(|| vec![ip.clone()]);
    }
    let all = hostset::expand(ip).unwrap_or_default();
    if all.len() == names.len() {
        return Some(all);
    }
    let item = value.entries().find(|(key, _)| key.text() == Some("ip")).map_or(value, |(_, v)| v);
    report.error(
        item,
        format!(
            "one ip for {} nodes; write a host set of as many, like 10.0.0.[1-{}]",
            names.len(),
            names.len()
        ),
    );
    None
}

/// Roughly what a node takes in memory.
fn weight(node: &Node) -> usize {
    let options = node.ssh_options.iter().map(|(key, value)| 100 + key.len() + value.len());
    let tags = node.tags.iter().map(|tag| 100 + 2 * tag.len());
    500 + node.user.len() + options.sum::<usize>() + tags.sum::<usize>()
}

/// Words that can be asked for with `@tag`.
pub fn tags(item: Item<'_>, report: &mut Report) -> Vec<String> {
    fields::words(item, "tags", "tag", MAX_TAGS, report)
}

fn max_sessions(item: Option<Item<'_>>, report: &mut Report) -> u32 {
    let Some(item) = item else { return DEFAULT_MAX_SESSIONS };
    let count = fields::number(item, "max_sessions", 1..=1000u32, report);
    if count.is_some_and(|count| count > 9) {
        report.warning(
            item,
            "a stock sshd allows 10 sessions and Loom keeps one for kills: more than 9 needs a higher MaxSessions on the node",
        );
    }
    count.unwrap_or(DEFAULT_MAX_SESSIONS)
}

/// ssh would only warn about these, and go on with other keys.
fn read_identity(item: Item<'_>, base: &Path, report: &mut Report) -> Option<PathBuf> {
    let path = fields::path(item, "identity", base, report)?;
    let shown = report.show(item);
    let problem = match std::fs::metadata(&path) {
        Err(e) => Some(format!("identity {shown} cannot be used: {}", plain(&e))),
        Ok(_) if path.extension().is_some_and(|e| e == "pub") => {
            Some("identity is the private key, not the .pub beside it".to_string())
        }
        Ok(meta) if !meta.is_file() => Some(format!("identity {shown} is not a file")),
        Ok(meta) if open_to_others(&meta) => Some(format!(
            "identity {shown} can be read by others (mode {:04o}); ssh refuses it: chmod 600",
            meta.permissions().mode() & 0o7777
        )),
        Ok(_) => std::fs::File::open(&path)
            .err()
            .map(|e| format!("identity {shown} cannot be read: {}", plain(&e))),
    };
    match problem {
        Some(problem) => {
            report.error(item, problem);
            None
        }
        None => Some(path),
    }
}

/// ssh's own rule for its user's keys; somebody else's may at least not be the world's.
fn open_to_others(meta: &std::fs::Metadata) -> bool {
    let own = meta.uid() == nix::unistd::geteuid().as_raw();
    meta.mode() & if own { 0o077 } else { 0o007 } != 0
}
