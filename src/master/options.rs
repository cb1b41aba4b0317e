//! ssh's configuration for one master: node → text.
//!
//! ssh takes the first value it sees of each option. So: what Loom depends on, then what the
//! user wrote for the node, then Loom's defaults, and last the user's and the system's own
//! configuration files, whose `Host` blocks match the node's name as in an interactive login.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::Parameters;
use crate::node::Node;

/// No agent, no forwarding, no local command, nothing interactive; the control connection is
/// ours alone, and stays in the foreground.
const FORCED: &[(&str, &str)] = &[
    ("ControlPersist", "no"),
    ("RemoteCommand", "none"),
    ("RequestTTY", "no"),
    ("PermitLocalCommand", "no"),
    ("ClearAllForwardings", "yes"),
    ("ForwardAgent", "no"),
    ("ForwardX11", "no"),
    ("Tunnel", "no"),
    ("ForkAfterAuthentication", "no"),
    ("KbdInteractiveAuthentication", "no"),
    ("NumberOfPasswordPrompts", "1"),
];

/// `StrictHostKeyChecking yes` refuses unknown hosts without asking; a node's `ssh_options` may
/// say `accept-new`. A frozen session ends after three unanswered questions.
const DEFAULTS: &[(&str, &str)] = &[
    ("StrictHostKeyChecking", "yes"),
    ("UpdateHostKeys", "no"),
    ("ServerAliveInterval", "10"),
    ("ServerAliveCountMax", "3"),
    ("LogLevel", "ERROR"),
];

pub fn parameters(node: &Node, connect_timeout: Duration) -> Parameters {
    Parameters {
        node: node.name.clone(),
        options: text(node, connect_timeout),
        password: node.password.clone(),
    }
}

fn text(node: &Node, connect_timeout: Duration) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        writeln!(text, "{name} {value}").expect("writing to a string cannot fail");
    };
    for (name, value) in FORCED {
        line(name, value);
    }
    // Of a host that nobody wrote down ssh_config may name the user; its default is ours.
    if node.is_written() {
        line("User", &quote(&node.user));
    }
    if let Some(ip) = &node.ip {
        line("HostName", &quote(ip));
    }
    if let Some(port) = node.port {
        line("Port", &port.to_string());
    }
    if let Some(identity) = &node.identity {
        line("IdentityFile", &quote_path(identity));
        line("IdentitiesOnly", "yes");
    }
    // With a password ssh must be allowed to ask; without one it must never wait for an answer.
    line("BatchMode", if node.password.is_some() { "no" } else { "yes" });
    for (name, value) in &node.ssh_options {
        line(name, value);
    }
    line("ConnectTimeout", &connect_timeout.as_secs().max(1).to_string());
    for (name, value) in DEFAULTS {
        line(name, value);
    }
    line("Include", "~/.ssh/config");
    line("Include", "/etc/ssh/ssh_config");
    text
}

/// A `%` in a path would start one of ssh's own expansions.
fn quote_path(path: &Path) -> String {
    quote(&path.display().to_string().replace('%', "%%"))
}

fn quote(value: &str) -> String {
    if value.contains([' ', '\t', '#', '"', '\\', '\'']) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Source;
    use std::collections::BTreeMap;

    fn node() -> Node {
        Node {
            name: "db1".into(),
            user: "mysql".into(),
            ip: Some("192.0.2.7".into()),
            port: Some(2222),
            identity: Some("/home/a user/100%/key".into()),
            password: None,
            tags: vec![],
            ssh_options: BTreeMap::from([("ConnectTimeout".into(), "3".into())]),
            max_sessions: 8,
            source: Source { file: "nodes.yaml".into(), line: 1 },
        }
    }

    /// What the installed ssh makes of the text: `ssh -G` prints each option's final value.
    fn resolved(node: &Node) -> BTreeMap<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cfg");
        let parameters = parameters(node, Duration::from_secs(10));
        std::fs::write(&file, &parameters.options).unwrap();
        let output = std::process::Command::new("ssh")
            .arg("-G")
            .arg("-F")
            .arg(&file)
            .args(["--", &node.name])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().rev().filter_map(|l| l.split_once(' ')).map(own).collect()
    }

    fn own((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn ssh_reads_what_was_meant() {
        let options = resolved(&node());
        assert_eq!(options["hostname"], "192.0.2.7");
        assert_eq!(options["user"], "mysql");
        assert_eq!(options["port"], "2222");
        assert_eq!(options["identityfile"], "/home/a user/100%%/key");
        assert_eq!(options["identitiesonly"], "yes");
        assert_eq!(options["batchmode"], "yes");
        assert_eq!(options["stricthostkeychecking"], "true");
        assert_eq!(options["connecttimeout"], "3", "the user's word comes before our default");
    }

    #[test]
    fn a_host_that_is_no_node_is_what_ssh_makes_of_its_name() {
        let options = BTreeMap::from([("ProxyJump".into(), "bastion".into())]);
        let host = Node::host_of("192.0.2.9", &crate::sys::user::own(), &options);
        let options = resolved(&host);
        assert_eq!((&*options["hostname"], &*options["port"]), ("192.0.2.9", "22"));
        assert_eq!(options["proxyjump"], "bastion");
        assert_eq!(options["stricthostkeychecking"], "true");
        let text = text(&host, Duration::from_secs(10));
        assert!(!text.contains("\nUser "), "ssh_config may say another: {text}");
        assert_eq!(options["user"], host.user);
    }

    #[test]
    fn what_loom_depends_on_cannot_be_overridden() {
        let mut node = node();
        node.ssh_options.insert("RemoteCommand".into(), "reboot".into());
        node.ssh_options.insert("ForwardAgent".into(), "yes".into());
        let options = resolved(&node);
        assert!(!options.contains_key("remotecommand"), "{options:?}");
        assert_eq!(options["forwardagent"], "no");
    }

    #[test]
    fn with_a_password_ssh_may_ask_once() {
        let mut node = node();
        node.password = Some(Password::Literal("geheim".into()));
        let options = resolved(&node);
        assert_eq!(options["batchmode"], "no");
        assert_eq!(options["numberofpasswordprompts"], "1");
        assert!(!text(&node, Duration::from_secs(10)).contains("geheim"));
    }

    use crate::password::Password;
}
