//! Of the hooks of jobs.

use super::assert_told;

#[test]
fn a_hook_does_one_thing_on_a_known_occasion() {
    let job = "\
jobs:
  j:
    task: loom.run
    args: [a]
    targets: web1
    hooks:
      failure: x
      on_sucess: x
      on_failure: {command: a, mail: a@b.c}
      on_start: {arguments: perhaps, timeout: 11m}
      on_late: [x, ~, '', {command: [a]}, {run: x}]
      on_missed: [a, b, c, d, e, f, g, h, i, j, k]
";
    assert_told(
        &[("jobs/a.yaml", job)],
        r#"
jobs/a.yaml:7:7: error: unknown key "failure"; did you mean "on_failure"?
    7 |       failure: x
      |       ^^^^^^^
jobs/a.yaml:8:7: error: unknown key "on_sucess"; did you mean "on_success"?
    8 |       on_sucess: x
      |       ^^^^^^^^^
jobs/a.yaml:9:19: error: a hook has one of command, webhook and mail; this one has command and mail
    9 |       on_failure: {command: a, mail: a@b.c}
      |                   ^^^^^^^^^^^^^^^^^^^^^^^^^
jobs/a.yaml:10:17: error: a hook has one of command, webhook and mail; this one has none
   10 |       on_start: {arguments: perhaps, timeout: 11m}
      |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
jobs/a.yaml:10:29: error: arguments is true or false, not "perhaps"
   10 |       on_start: {arguments: perhaps, timeout: 11m}
      |                             ^^^^^^^
jobs/a.yaml:10:47: error: timeout is 1s to 10m, not 11m
   10 |       on_start: {arguments: perhaps, timeout: 11m}
      |                                               ^^^
jobs/a.yaml:11:20: error: on_late holds commands and mappings, not nothing
   11 |       on_late: [x, ~, '', {command: [a]}, {run: x}]
      |                    ^
jobs/a.yaml:11:23: error: on_late is empty
   11 |       on_late: [x, ~, '', {command: [a]}, {run: x}]
      |                       ^^
jobs/a.yaml:11:37: error: command is a single value, not a list
   11 |       on_late: [x, ~, '', {command: [a]}, {run: x}]
      |                                     ^^^
jobs/a.yaml:11:44: error: unknown key "run"
   11 |       on_late: [x, ~, '', {command: [a]}, {run: x}]
      |                                            ^^^
      = the keys of on_late are command, webhook, mail, arguments, timeout
jobs/a.yaml:12:18: error: more than 10 hooks for on_missed
   12 |       on_missed: [a, b, c, d, e, f, g, h, i, j, k]
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_url_or_an_address_alone_is_not_what_was_meant() {
    let job = "\
jobs:
  j:
    task: loom.run
    args: [a]
    targets: web1
    hooks:
      on_failure: https://hooks.example.com/T/B
      on_late: ops@example.com
      on_start: curl -s https://example.com/started
";
    assert_told(
        &[("jobs/a.yaml", job)],
        r#"
jobs/a.yaml:7:19: error: on_failure is a command here; a URL is written {webhook: URL}
    7 |       on_failure: https://hooks.example.com/***
      |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
jobs/a.yaml:8:16: warning: "ops@example.com" is run as a command; an address is written {mail: ADDRESS}
    8 |       on_late: ops@example.com
      |                ^^^^^^^^^^^^^^^
"#,
    );
}

#[test]
fn a_webhook_is_a_url_with_a_host() {
    for (url, problem) in [
        ("hooks.example.com/x", "is a URL that begins with http:// or https://"),
        ("ftp://hooks.example.com", "is a URL that begins with http:// or https://"),
        ("https:/hooks.example.com", "is a URL that begins with http:// or https://"),
        ("https://", "names no host"),
        ("https:///x", "names no host"),
        ("https://user:pw@/x", "names no host"),
        ("https://:80/x", "names no host"),
        ("https://-h/x", "has no valid host"),
        ("https://h!/x", "has no valid host"),
        ("https://höst/x", "has no valid host"),
        ("https://[::1/x", "has no valid host"),
        ("https://h:0/x", "has no valid port"),
        ("https://h:http/x", "has no valid port"),
        ("https://h:+1/x", "has no valid port"),
        ("https://h:/x", "has no valid port"),
        ("https://h/a b", "contains a blank or a control character"),
        ("https://h/\\u202e", "contains a blank or a control character"),
        ("https://h/a\\nb", "contains a blank or a control character"),
        ("", "is a URL that begins with http:// or https://"),
    ] {
        let hooks = format!("{{on_late: {{webhook: \"{url}\"}}}}");
        let job = format!(
            "jobs:\n  j:\n    task: loom.run\n    args: [a]\n    targets: web1\n    hooks: {hooks}\n"
        );
        let expected = format!(
            "
jobs/a.yaml:6:32: error: webhook {problem}
    6 |     hooks: {{on_late: {{webhook: ***}}}}
      |                                ^^^
"
        );
        assert_told(&[("jobs/a.yaml", &job)], &expected);
    }
}

#[test]
fn mail_goes_to_an_address() {
    for (address, problem) in [
        ("root", "is not an address like ops@example.org"),
        ("@example.org", "is not an address like ops@example.org"),
        ("ops@", "is not an address like ops@example.org"),
        ("-fx@example.org", "begins with \"-\", which sendmail would take for an option"),
        ("Ops <ops@example.org>", "contains a blank; it is the bare address"),
        ("a@b.c,d@e.f", "is more than an address; several are a list of hooks"),
    ] {
        let job = format!(
            "jobs:\n  j:\n    task: loom.run\n    args: [a]\n    targets: web1\n    hooks: {{on_late: {{mail: \"{address}\"}}}}\n"
        );
        let expected = format!(
            "
jobs/a.yaml:6:29: error: mail \"{address}\" {problem}
    6 |     hooks: {{on_late: {{mail: \"{address}\"}}}}
      |                             {}
",
            "^".repeat(address.len() + 2)
        );
        assert_told(&[("jobs/a.yaml", &job)], &expected);
    }
}
