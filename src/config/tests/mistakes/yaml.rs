//! Of YAML itself, and how a place in it is shown.

use super::{Home, assert_told};

#[test]
fn broken_yaml() {
    let seven = |rest: &str| format!("jobs:\n  seven:\n    task: x\n{rest}");
    let files = [
        ("jobs/a.yaml", seven("    schedule: * * * * *\n")),
        ("jobs/b.yaml", seven("    schedule: */5 * * * *\n")),
        ("jobs/c.yaml", seven("\ttargets: web1\n")),
        ("jobs/d.yaml", seven("    schedule: @daily\n")),
        ("jobs/e.yaml", seven("    schedule: \"0 4 * * *\n")),
        ("jobs/f.yaml", seven("    targets: [a, db[1-3]]\n")),
        ("jobs/g.yaml", seven("    targets: [a, b\n")),
        ("jobs/h.yaml", "jobs: !!python/object:os.system {}\n".to_string()),
        ("jobs/i.yaml", "jobs: {}\n---\njobs: {}\n".to_string()),
        ("jobs/j.yaml", "jobs: [1, 2]\n".to_string()),
        ("jobs/k.yaml", "jobs: &a [*a]\n".to_string()),
        (
            "jobs/l.yaml",
            "jobs:\n  j: {<<: 3, task: loom.run, args: [a], targets: web1}\n".to_string(),
        ),
        ("jobs/m.yaml", "jobs:\n  a: \u{1}\n".to_string()),
        ("jobs/n.yaml", "jobs: {}\npassword: \"x\nfoo: 1\n".to_string()),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_told(
        &files,
        r#"
jobs/a.yaml:4:15: error: a value that begins with "*" must be quoted, or it is an alias
    4 |     schedule: * * * * *
      |               ^
jobs/b.yaml:4:15: error: a value that begins with "*" must be quoted, or it is an alias
    4 |     schedule: */5 * * * *
      |               ^
jobs/c.yaml:4:1: error: a tab; YAML is indented by blanks only
    4 | \ttargets: web1
      | ^^
jobs/d.yaml:4:15: error: a value that begins with "@" must be quoted
    4 |     schedule: @daily
      |               ^
jobs/e.yaml:5:1: error: a quoted value goes on here without being indented; is it closed above?
    5 |
      | ^
jobs/f.yaml:4:20: error: expected "," or "]"; inside a list a host set is quoted: "db[1-3]"
    4 |     targets: [a, db[1-3]]
      |                    ^
jobs/g.yaml:4:14: error: "[" is opened here and never closed
    4 |     targets: [a, b
      |              ^
jobs/h.yaml:1:7: error: unsupported tag "!!python/object:os.system"
    1 | jobs: !!python/object:os.system {}
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^
jobs/i.yaml:2:1: error: a second document; a file holds one
    2 | ---
      | ^^^
jobs/j.yaml:1:7: error: jobs is a mapping of names to jobs, not a list
    1 | jobs: [1, 2]
      |       ^^^^^^
jobs/k.yaml:1:11: error: an alias to a value that it is a part of
    1 | jobs: &a [*a]
      |           ^^
jobs/l.yaml:2:11: error: "<<" takes a mapping, or a list of mappings
    2 |   j: {<<: 3, task: loom.run, args: [a], targets: web1}
      |           ^
jobs/m.yaml:2:6: error: control character U+0001 is not allowed in YAML
    2 |   a: \u{1}
      |      ^^^^^
jobs/n.yaml:3:1: error: a quoted value goes on here without being indented; is it closed above?
      = the line is not shown: it may hold a password
"#,
    );
}

#[test]
fn bytes_that_are_no_text() {
    let home = Home::new();
    home.write("jobs/a.yaml", b"jobs:\n  \xc3\xa9\xff: {}\n");
    home.write("jobs/b.yaml", b"\xff\xfej\0o\0b\0s\0");
    let told = home.messages();
    assert!(
        told == r#"jobs/a.yaml:2:4: error: not UTF-8: byte 0xff
    2 |   é�: {}
      |    ^
jobs/b.yaml:1:1: error: not UTF-8; this looks like UTF-16
    1 | ��j\u{0}o\u{0}b\u{0}s\u{0}
      | ^
"#,
        "{told}"
    );
}

#[test]
fn what_would_steer_a_terminal_is_escaped() {
    let job = "jobs:\n  j: {task: loom.run, args: [a], targets: \"web1\u{202e}\u{9b}31m\"}\n";
    let quoted = "jobs:\n  j: {task: loom.run, args: [a], targets: \"web1\u{202e}\\e[31m\"}\n";
    assert_told(
        &[("jobs/a.yaml", quoted)],
        r#"
jobs/a.yaml:2:43: error: host set "web1\u{202e}\u{1b}[31m": a bracket is opened and never closed
    2 |   j: {task: loom.run, args: [a], targets: "web1\u{202e}\e[31m"}
      |                                           ^^^^^^^^^^^^^^^^^^^^
"#,
    );
    assert_told(
        &[("jobs/a.yaml", job)],
        r#"
jobs/a.yaml:2:49: error: control character U+009B is not allowed in YAML
    2 |   j: {task: loom.run, args: [a], targets: "web1\u{202e}\u{9b}31m"}
      |                                                        ^^^^^^
"#,
    );
}

#[test]
fn long_lines_are_cropped_around_the_mistake() {
    let job = format!(
        "jobs: {{j: {{description: {}, tsk: loom.run, tags: [{}]}}}}\n",
        "é".repeat(300),
        "y, ".repeat(100)
    );
    assert_told(
        &[("jobs/a.yaml", &job)],
        r#"
jobs/a.yaml:1:8: error: job "j" has no "task"
    1 | jobs: {j: {description: ééééééééééééééééééééééééééééééééééééééééééé…
      |        ^
jobs/a.yaml:1:8: error: job "j" has no "targets"
    1 | jobs: {j: {description: ééééééééééééééééééééééééééééééééééééééééééé…
      |        ^
jobs/a.yaml:1:327: error: unknown key "tsk"; did you mean "task"?
    1 | …éééééééééééééééééééééééééééééééééééééééééééééééééééééééééé, tsk: loom.run, tags: [y, y, y, y, y, y, y, y, y, y, y, y, y,…
      |                                                              ^^^
"#,
    );
}
