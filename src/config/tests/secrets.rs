//! No secret ever appears in a message.

use proptest::prelude::*;

use super::{Home, MAIN, NODES};
use crate::config::dump;

const SECRET: &str = "hunter2";

fn assert_silent(nodes: &str) {
    let home = Home::with(&[("nodes.yaml", nodes)]);
    let messages = home.messages();
    assert!(!messages.contains(SECRET), "{nodes}\n----\n{messages}");
}

#[test]
fn passwords_are_masked_in_whatever_form_they_were_written() {
    for nodes in [
        "a: {user: -x, password: hunter2}",
        "a: {password: hunter2, prot: 22}",
        "a: {user: x, pasword: hunter2}",
        "a: {user: x, passwort: {is: [hunter2]}}",
        "a: {user: x, pass word: hunter2}",
        "a: {user: x, secret-thing: hunter2}",
        "a: {user: x, password hunter2}",
        "a: {user: x, password:hunter2}",
        "a: {user: x password hunter2}",
        "a:\n  user: x\n  password hunter2\n",
        "a:\n  port: 22\n  password hunter2\n",
        "a:\n  user: x\n  password: hunter2\n  password: hunter2x\n",
        "a:\n  user: x\n  passwor: hunter2\n  passwor: hunter2x\n",
        "a:\n  user: x\n  password: |\n    hunter2\n    and more\n",
        "a:\n  user: x\n  password: \"one\n    hunter2\"\n  prot: 1\n",
        "a:\n  user: x\n  password: [hunter2]\n",
        "a:\n  user: x\n  password: {fil: hunter2}\n",
        "a:\n  user: x\n  password: {command: hunter2}\n",
        "a:\n  user: x\n  password: !hunter2\n",
        "a:\n  user: x\n  password: *hunter2\n",
        "a:\n  user: x\n  password: @hunter2\n",
        "a:\n  user: x\n  password: \"hunter2\n",
        "a:\n  user: x\npassword: hunter2\n",
        "a: hunter2",
        "hunter2",
        "- hunter2",
    ] {
        assert_silent(nodes);
    }
}

#[test]
fn an_unreadable_byte_does_not_uncover_its_line() {
    let home = Home::new();
    home.write("nodes.yaml", b"a: {user: x, password: hunter2\xff}");
    let messages = home.messages();
    assert!(messages.contains("nodes.yaml:1:31: error: not UTF-8: byte 0xff"), "{messages}");
    assert!(!messages.contains(SECRET));
}

#[test]
fn arguments_that_speak_of_passwords_are_masked_as_well() {
    let job = "jobs:\n  j: {task: loom.run, tagets: a, kwargs: {env: {DB_PASSWORD: hunter2}}}\n";
    let messages = Home::with(&[("jobs/a.yaml", job)]).messages();
    assert!(messages.contains("DB_PASSWORD: ***}}}"), "{messages}");
    assert!(!messages.contains(SECRET));
}

#[test]
fn answers_are_masked_in_whatever_form_they_were_written() {
    for answers in [
        "answers: hunter2",
        "answers: [hunter2]",
        "answers: {Pw: [hunter2]}",
        "answers: {Pw: {fil: hunter2}}",
        "answers: {Pw: hunter2, Pw: hunter2x}",
        "answers: {Pw: hunter2}, bidge: loom",
        "anwers: x, answers: {[x]: hunter2}",
    ] {
        let job = format!("jobs:\n  j: {{task: loom.run, args: [a], targets: a, {answers}}}\n");
        let messages = Home::with(&[("jobs/a.yaml", &job)]).messages();
        assert!(messages.contains("***") && !messages.contains(SECRET), "{answers}\n{messages}");
    }
}

#[test]
fn a_dump_masks_them() {
    let nodes = format!(
        "{NODES}p: {{user: x, password: hunter2}}\nq: {{user: x, password: {{command: [echo, hunter2]}}}}\n"
    );
    let job = "jobs:\n  j: {task: loom.run, args: [a], targets: web1, kwargs: {env: {DB_PASSWORD: hunter2}}}\n";
    let config = Home::with(&[("nodes.yaml", &nodes), ("jobs/a.yaml", job)]).config();
    let dumped = dump(&config).to_string();
    assert!(!dumped.contains(SECRET), "{dumped}");
    assert!(dumped.contains("\"DB_PASSWORD\":\"***\""), "{dumped}");
}

#[test]
fn a_readable_nodes_file_with_a_password_in_it_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with(&[("nodes.yaml", "a: {user: x, password: y}")]);
    assert_eq!(home.messages(), "");
    std::fs::set_permissions(home.path("nodes.yaml"), std::fs::Permissions::from_mode(0o644))
        .unwrap();
    assert_eq!(
        home.messages(),
        "nodes.yaml: warning: holds a password (line 1) and can be read by others (mode 0644): chmod 600\n"
    );
    home.write("loom.yaml", MAIN);
}

/// The token of a webhook; its host may be shown.
const URL: &str = "https://user:hunter2@hooks.example.com:8443/hunter2/x?key=hunter2#hunter2";

#[track_caller]
fn assert_hooks_silent(hooks: &str) -> String {
    let main = format!("{MAIN}defaults:\n  tmeout: 1\n  hooks: {hooks}\n");
    let job = "jobs:\n  j:\n    task: loom.run\n    args: [a]\n    targets: web1\n    hooks: ";
    let told = Home::with(&[("jobs/a.yaml", &format!("{job}{hooks}\n"))]).messages()
        + &Home::with(&[("loom.yaml", &main)]).messages();
    assert!(!told.contains(SECRET), "{hooks}\n----\n{told}");
    told
}

#[test]
fn a_webhooks_token_is_masked_wherever_it_was_written() {
    for hooks in [
        "{on_failure: {webhook: URL, timeot: 3}}",
        "{on_failure: {webhok: URL, timeout: 3}}",
        "{on_failure: {command: URL}}",
        "{on_failure: URL}",
        "{on_failur: URL}",
        "{on_failure: [URL, {URL: x}]}",
        "{on_failure: {URL}}",
        "{on_failure: 'URL'}",
        "{on_failure: {webhook: \"URL and more\"}}",
        "{on_failure: {webhook URL}}",
        "{on_failure: {webhook:URL}}",
        "{on_failure: {webhook: [URL]}}",
        "{on_failure: {webhook: {url: URL}}}",
        "{on_failure: {mail: URL}}",
        "{on_failure: {webhook: hunter2}}",
        "{on_failure: {webhook: 'https:/h/hunter2'}}",
        "{on_failure: {webhook: \"https:\\/\\/h\\/hunter2 \", timeot: 3}}",
        "{on_failure: {webhook: URL, webhook: URL}}",
        "{on_failure: {webhook: !URL}}",
        "{on_failure: {webhook: *URL}}",
        "{on_failure: {webhook: @URL}}",
        "{on_failure: {webhook: \"URL}}",
        "{on_failure: x, on_lat: y} # URL",
        "URL",
        "[URL]",
    ] {
        let told = assert_hooks_silent(&hooks.replace("URL", URL));
        assert!(told.contains("error"), "{hooks}");
    }
}

#[test]
fn a_webhooks_token_is_masked_in_the_datafile_and_in_other_keys() {
    let data = format!("urls: [&url {URL}, &hook {{webhook: {URL}, timeot: 1}}]\n");
    for rest in [
        "hooks: {on_failure: *url}",
        "hooks: {on_failure: *hook}",
        "overlap: *url",
        "parallel: *url",
        "retries: {attempts: *url}",
        "log: *url\n    overlp: 1",
        "locks: *url",
        "schedule: *url",
        "timezone: *url",
        "tags: [a b, *url]",
        "*url : 1",
    ] {
        let job = format!(
            "jobs:\n  j:\n    task: loom.run\n    args: [a]\n    targets: web1\n    {rest}\n"
        );
        let told = Home::with(&[("data.yaml", &data), ("jobs/a.yaml", &job)]).messages();
        assert!(told.contains("error") && !told.contains(SECRET), "{rest}\n----\n{told}");
    }
}

#[test]
fn a_dump_and_debug_show_a_webhooks_host_alone() {
    let job = format!(
        "jobs:\n  j:\n    task: loom.run\n    args: [a]\n    targets: web1\n    hooks: {{on_late: {{webhook: '{URL}'}}}}\n"
    );
    let config = Home::with(&[("jobs/a.yaml", &job)]).config();
    for shown in [dump(&config).to_string(), format!("{config:?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(shown.contains("https://hooks.example.com:8443/…"), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// One slip of the finger anywhere in a nodes file, but for the secret itself.
    #[test]
    fn a_typo_does_not_uncover_a_password(
        template in 0usize..3,
        at in any::<prop::sample::Index>(),
        slip in prop::sample::select(vec!["", " ", ":", ",", "{", "}", "[", "]", "\"", "'", "#", "\n", "\t", "!", "&", "*", "|", ">", "%", "@", "-", "x"]),
        replace in any::<bool>(),
    ) {
        let text = [
            "a:\n  user: -x\n  password: hunter2\n  prot: 1\nb: {user: y}\n",
            "a: {password: hunter2, user: -x, prot: 1}\nb: {user: y}\n",
            "a:\n  password: \"hunter2\"\n  ip: 1\n  tags: [a b]\nb:\n  user: y\n  password:\n    hunter2\n",
        ][template];
        let places: Vec<usize> = (0..text.len())
            .filter(|i| text.match_indices(SECRET).all(|(s, _)| *i < s || *i >= s + SECRET.len()))
            .collect();
        let place = places[at.index(places.len())];
        let end = place + usize::from(replace);
        assert_silent(&format!("{}{slip}{}", &text[..place], &text[end..]));
    }

    /// One slip of the finger anywhere around a webhook's URL.
    #[test]
    fn a_typo_does_not_uncover_a_webhook(
        template in 0usize..3,
        at in any::<prop::sample::Index>(),
        slip in prop::sample::select(vec!["", " ", ":", ",", "{", "}", "[", "]", "\"", "'", "#", "\n", "\t", "!", "&", "*", "|", ">", "%", "@", "-", "x"]),
        replace in any::<bool>(),
    ) {
        let text = [
            "{on_failure: {webhook: https://h.example/hunter2, timeot: 3}}",
            "\n      on_failure:\n        - webhook: \"https://h.example/hunter2\"\n          tmeout: 3\n",
            "\n      on_failure: [x, {mail: x, webhook: 'https://h.example/hunter2'}]\n      on_lat: https://h.example/hunter2\n",
        ][template];
        let url = "https://h.example/hunter2";
        let places: Vec<usize> = (0..text.len())
            .filter(|i| text.match_indices(url).all(|(s, _)| *i < s || *i >= s + url.len()))
            .collect();
        let place = places[at.index(places.len())];
        let end = place + usize::from(replace);
        assert_hooks_silent(&format!("{}{slip}{}", &text[..place], &text[end..]));
    }
}
