//! Of the nodes file.

use super::{Home, assert_told};

#[test]
fn nodes() {
    let nodes = "\
db[1-2]: {user: mysql, ip: 1.2.3.4}
db2:
  user: -oProxyCommand=x
  prot: 22
port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
empty:
list: [user]
web: {user: root, identity: nowhere, password: {file: a, command: b}}
w@x: {user: 'y%h', ssh_options: [a]}
'a b': {user: x}
'db[3-1]': {user: x}
-x: {user: x, shell: zsh}
";
    assert_told(
        &[("nodes.yaml", nodes)],
        r#"
nodes.yaml:1:28: error: one ip for 2 nodes; write a host set of as many, like 10.0.0.[1-2]
    1 | db[1-2]: {user: mysql, ip: 1.2.3.4}
      |                            ^^^^^^^
nodes.yaml:2:1: error: node "db2" is defined twice
    2 | db2:
      | ^^^
      = first at nodes.yaml:1
nodes.yaml:3:9: error: user "-oProxyCommand=x" begins with "-", which ssh would take for an option
    3 |   user: -oProxyCommand=x
      |         ^^^^^^^^^^^^^^^^
nodes.yaml:4:3: error: unknown key "prot"; did you mean "port"?
    4 |   prot: ***
      |   ^^^^
nodes.yaml:5:23: error: port is 1 to 65535, not 99999
    5 | port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
      |                       ^^^^^
nodes.yaml:5:37: error: tag "***" is not a single word
    5 | port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
      |                                     ^^^
nodes.yaml:5:57: error: max_sessions is 1 to 1000, not 0
    5 | port: {user: a, port: 99999, tags: [a b], max_sessions: 0}
      |                                                         ^
nodes.yaml:6:1: error: node "empty" has no "user"
    6 | empty:
      | ^^^^^
nodes.yaml:7:7: error: node "list" is a mapping of settings, not a list
    7 | list: ***
      |       ^^^
nodes.yaml:8:29: error: identity "nowhere" cannot be used: no such file or directory
    8 | web: {user: root, identity: nowhere, password: ***}
      |                             ^^^^^^^
nodes.yaml:8:48: error: password is the text itself, or one of {file: PATH}, {command: [WORD, …]}, {credential: NAME}
    8 | web: {user: root, identity: nowhere, password: ***}
      |                                                ^^^
nodes.yaml:9:1: error: node name "w@x" contains "@"; the user belongs under the key "user"
    9 | w@x: {user: 'y%h', ssh_options: [a]}
      | ^^^
nodes.yaml:9:13: error: user "y%h" contains "%", which ssh would expand
    9 | w@x: {user: 'y%h', ssh_options: [a]}
      |             ^^^^^
nodes.yaml:9:33: error: ssh_options is a mapping of ssh_config's keywords, not a list
    9 | w@x: {user: 'y%h', ssh_options: [a]}
      |                                 ^^^
nodes.yaml:10:1: error: node name "***" contains a blank
   10 | ***: {user: x}
      | ^^^
nodes.yaml:11:5: error: host set "db[3-1]": the range runs backwards; write [1-3]
   11 | 'db[3-1]': {user: x}
      |     ^^^
nodes.yaml:12:1: error: node name "-x" begins with "-", which ssh would take for an option
   12 | -x: {user: x, ***: ***}
      | ^^
nodes.yaml:12:15: error: unknown key "***"
   12 | -x: {user: x, ***: ***}
      |               ^^^
      = the keys of node "-x" are user, ip, port, identity, password, tags, ssh_options, max_sessions
"#,
    );
}

#[test]
fn identities_are_private_keys_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let nodes = "a: {user: x, identity: open}\nb: {user: x, identity: id.pub}\nc: {user: x, identity: jobs}\nd: {user: x, identity: id}\n";
    let home = Home::with(&[("nodes.yaml", nodes), ("open", ""), ("id.pub", ""), ("id", "")]);
    std::fs::set_permissions(home.path("open"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = home.messages();
    assert!(
        told == r#"nodes.yaml:1:24: error: identity "open" can be read by others (mode 0644); ssh refuses it: chmod 600
    1 | a: {user: x, identity: open}
      |                        ^^^^
nodes.yaml:2:24: error: identity is the private key, not the .pub beside it
    2 | b: {user: x, identity: id.pub}
      |                        ^^^^^^
nodes.yaml:3:24: error: identity "jobs" is not a file
    3 | c: {user: x, identity: jobs}
      |                        ^^^^
"#,
        "{told}"
    );
}
