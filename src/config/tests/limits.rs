//! Files made to hurt: a clear message, soon, and no crash.

use proptest::prelude::*;

use super::{Home, MAIN, NODES, messages};

fn job(targets: &str, args: &str) -> String {
    format!("jobs:\n  j: {{task: loom.run, targets: {targets}, args: {args}}}\n")
}

/// Ten to the twentieth, by twenty aliases.
fn bomb(core: &str) -> String {
    let levels =
        (1..20).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(",")));
    format!("a0: &a0 {core}\n{}", levels.collect::<String>())
}

#[test]
fn an_alias_bomb_goes_off_nowhere() {
    let told =
        |core: &str, job: &str| messages(&[("data.yaml", &bomb(core)), ("jobs/a.yaml", job)]);
    assert!(
        told("[x]", &job("web1", "[*a19]")).contains("the job's arguments take more than 960 KiB")
    );
    assert!(told("[]", &job("*a19", "[]")).contains("targets has more than 100000 entries"));
    assert!(told("[web1]", &job("*a19", "[]")).contains("targets has more than 100000 entries"));
    assert!(!told("[x]", &job("web1", "[a]")).contains("error"), "unused, it is harmless");
}

#[test]
fn merging_counts_as_writing() {
    let keys: Vec<String> = (0..5000).map(|i| format!("k{i}: 1")).collect();
    let merges: String = (0..500).map(|i| format!("c{i}: {{<<: *b}}\n")).collect();
    let text = format!("b: &b {{{}}}\n{merges}jobs: {{}}\n", keys.join(", "));
    assert!(messages(&[("jobs/a.yaml", &text)]).contains("error: too many values"));
}

#[test]
fn nesting_is_limited_by_brackets_by_blanks_and_by_aliases() {
    let aliases: String = (1..5000).map(|i| format!("a{i}: &a{i} [*a{}]\n", i - 1)).collect();
    let indented: String = (0..3000).map(|i| format!("{}jobs:\n", " ".repeat(i))).collect();
    for text in [
        format!("jobs: {}", "[".repeat(100_000)),
        format!("jobs: {}", "{a: ".repeat(10_000)),
        format!("jobs:\n{}", "- ".repeat(100_000)),
        format!("jobs:\n{}", "? ".repeat(50_000)),
        indented,
        format!("a0: &a0 []\n{aliases}jobs: {{}}\n"),
    ] {
        let told = messages(&[("jobs/a.yaml", &text)]);
        assert!(told.contains("error: nested deeper than 100 levels"), "{told}");
    }
    let args = format!("{}{}", "[".repeat(80), "]".repeat(80));
    assert!(
        messages(&[("jobs/a.yaml", &job("web1", &args))]).contains("nested deeper than 64 levels")
    );
}

#[test]
fn size_is_limited_by_bytes_and_by_values() {
    let home = Home::new();
    home.write("jobs/a.yaml", "jobs: []\n".repeat(2 << 20));
    assert_eq!(home.messages(), "jobs/a.yaml: error: is larger than 16 MiB\n");
    home.write("jobs/a.yaml", format!("jobs: [{}]", "[],".repeat(500_000)));
    assert!(home.messages().contains("error: too many values"));
    let big = format!("[\"{}\"]", "x".repeat(1 << 20));
    home.write("jobs/a.yaml", job("web1", &big));
    assert!(home.messages().contains("the job's arguments take more than 960 KiB"));
}

#[test]
fn all_jobs_arguments_together_are_limited_too() {
    let data = format!("x: &x \"{}\"\n", "x".repeat(900 << 10));
    let jobs: String = (0..30)
        .map(|i| format!("  j{i}: {{task: loom.run, targets: web1, args: [*x]}}\n"))
        .collect();
    let told = messages(&[("data.yaml", &data), ("jobs/a.yaml", &format!("jobs:\n{jobs}"))]);
    assert!(told.contains("the arguments of all jobs take more than 16 MiB"), "{told}");
}

#[test]
fn what_aliases_and_host_sets_multiply_is_limited() {
    let data = format!("x: &x {}\ny: &y [{}]\n", "x".repeat(5000), "'n[1-10000]',".repeat(200));
    let nodes = "n[1-10000]: {user: x}\n";
    let told = |nodes: &str, job: &str| {
        messages(&[("data.yaml", &data), ("nodes.yaml", nodes), ("jobs/a.yaml", job)])
    };
    let long = "jobs:\n  j: {task: loom.run, args: [a], targets: n1, description: *x}\n";
    assert!(told(nodes, long).contains("error: description is longer than 4096 bytes"));
    assert!(told(nodes, &job("*y", "[a]")).contains("error: more than 1000000 targets"));
    let nodes: String = (0..20).map(|i| format!("m{i}n[1-10000]: {{user: x}}\n")).collect();
    assert!(told(&nodes, "").contains("error: the nodes take more than 32 MiB"));
}

#[test]
fn what_defaults_multiply_is_limited() {
    let command = "x".repeat(4000);
    let main = format!(
        "{MAIN}defaults: {{hooks: {{on_late: [{}]}}}}\n",
        format!("{command}, ").repeat(10)
    );
    let jobs = |count: usize| -> String {
        let jobs =
            (0..count).map(|i| format!("  j{i}: {{task: loom.run, targets: web1, args: [a]}}\n"));
        format!("jobs:\n{}", jobs.collect::<String>())
    };
    let told = |count: usize| messages(&[("loom.yaml", &main), ("jobs/a.yaml", &jobs(count))]);
    assert_eq!(told(1000), "");
    let found = told(2000);
    assert!(found.contains("hooks of all jobs take more than 64 MiB"), "{found}");
    assert_eq!(found.matches("error").count(), 1);
}

const NEVER: &str = "schedule: '@never'";

/// What is told of these jobs and flows.
fn flows(data: &str, jobs: &str, flows: &str) -> String {
    let manifest = format!("jobs:\n{jobs}flows:\n{flows}");
    messages(&[("data.yaml", data), ("jobs/a.yaml", &manifest)])
}

#[test]
fn an_alias_bomb_of_slots_goes_off_nowhere() {
    let job = format!("  j: {{task: loom.run, targets: web1, args: [a], {NEVER}}}\n");
    let told = |slots: &str| flows(&bomb("[j]"), &job, &format!("  f: {{slots: {slots}}}\n"));
    assert!(told("*a19").contains("a job of a flow is a name or a mapping, not a list"));
    assert!(!told("[[j]]").contains("error"), "unused, it is harmless");
    let many = format!("[[{}]]", "j,".repeat(1001));
    let found = told(&many);
    assert!(found.contains("more than 1000 jobs in one flow, rescues included"), "{found}");
    assert_eq!(found.matches("error").count(), 1);
    assert!(!told(&format!("[[{}]]", "j,".repeat(1000))).contains("error"));
    let empty = format!("[{}]", "[],".repeat(2000));
    assert!(told(&empty).contains("and 1000 more, not listed"));
}

#[test]
fn what_rescues_multiply_is_limited() {
    let job = format!("  j: {{task: loom.run, targets: web1, args: [a], {NEVER}}}\n");
    let own = |name: &str, more: &str| {
        format!("{{name: {name}, task: loom.run, args: [a], targets: web1{more}}}")
    };
    let inner = own("c", ", on_failure: {rescue: j}");
    let middle = own("b", &format!(", on_failure: {{rescue: {inner}}}"));
    let outer = own("a", &format!(", on_failure: {{rescue: {middle}}}"));
    let told = |times: usize| {
        let slots = format!("[[{outer}], [{}]]", "a,".repeat(times));
        flows("", &job, &format!("  f: {{slots: {slots}}}\n"))
    };
    // Four jobs each.
    assert!(!told(249).contains("error"), "{}", told(249));
    let found = told(250);
    assert!(found.contains("more than 1000 jobs in one flow, rescues included"), "{found}");
}

#[test]
fn what_flows_multiply_is_limited_over_all_of_them() {
    let one = |more: &str| format!("  j: {{task: loom.run, targets: web1, {more}, {NEVER}}}\n");
    let slots = format!("[[{}]]", "j,".repeat(1000));
    let many = |count: usize| -> String {
        (0..count).map(|i| format!("  f{i}: {{slots: *slots, description: f}}\n")).collect()
    };
    let data = format!("slots: &slots {slots}\n");
    let found = flows(&data, &one("args: [a]"), &many(101));
    assert!(found.contains("more than 100000 jobs, those of flows counted"), "{found}");
    assert_eq!(found.matches("error").count(), 1);
    let long = format!("args: [\"{}\"]", "x".repeat(20 << 10));
    let found = flows(&data, &one(&long), &many(1));
    assert!(found.contains("the arguments of all jobs take more than 16 MiB"), "{found}");
    assert_eq!(found.matches("error").count(), 1);
    let long = format!("args: [a], description: \"{}\"", "x".repeat(4000));
    let found = flows(&data, &one(&long), &many(20));
    assert!(found.contains("hooks of all jobs take more than 64 MiB"), "{found}");
    let jobs =
        format!("jobs:\n  j: {{task: loom.run, targets: 'n[1-2000]', args: [a], {NEVER}}}\n");
    let manifest = format!("{jobs}flows:\n{}", many(1));
    let nodes = "n[1-2000]: {user: x}\n";
    let files = [("data.yaml", &*data), ("nodes.yaml", nodes), ("jobs/a.yaml", &manifest)];
    let found = messages(&files);
    assert!(found.contains("more than 1000000 targets of all jobs"), "{found}");
    assert_eq!(found.matches("error").count(), 1);
}

#[test]
fn an_alias_bomb_of_hooks_goes_off_nowhere() {
    for core in ["[]", "[x]"] {
        let job = job("web1", "[a], hooks: {on_late: *a19}");
        let found = messages(&[("data.yaml", &bomb(core)), ("jobs/a.yaml", &job)]);
        assert!(found.contains("error: on_late has more than 100000 entries"), "{found}");
    }
}

#[test]
fn endless_mistakes_are_counted_rather_than_listed() {
    let jobs: String =
        (0..3000).map(|i| format!("  j{i}: {{tsk: loom.run, targets: [wob{i}]}}\n")).collect();
    let told = messages(&[("jobs/a.yaml", &format!("jobs:\n{jobs}"))]);
    assert_eq!(told.matches(": error: ").count(), 1000);
    assert!(told.trim_end().ends_with("and 8000 more, not listed"), "{told}");
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let home = Home::with(&[("jobs/a.yaml", super::JOB)]);
    nix::unistd::mkfifo(&home.path("jobs/b.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    super::symlink("/dev/zero", home.path("jobs/c.yaml"));
    assert_eq!(
        home.messages(),
        "jobs/b.yaml: warning: not a regular file; ignored\njobs/c.yaml: warning: not a regular file; ignored\n"
    );
}

fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "jobs:",
        "web1",
        "db[1-3]",
        "user: x",
        "task: loom.run",
        "targets:",
        "args: [",
        "]",
        "{",
        "}",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        ": ",
        ", ",
        "&a ",
        "*a",
        "*b ",
        "<<: *a",
        "!!int ",
        "!x ",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "# ",
        "---\n",
        "...\n",
        "? ",
        "\t",
        "0755",
        "~",
        "@web",
        "schedule: \"* * * * *\"",
        "\u{202e}",
        "é",
        "%YAML 1.1\n",
        "keep: {days: 1}",
        "password: {file: x}",
        "ssh_options: {",
        "nodesfile: nodes.yaml\n",
        "jobspath: jobs\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_written_is_loaded_or_explained(
        which in prop::sample::select(vec!["loom.yaml", "nodes.yaml", "data.yaml", "jobs/a.yaml"]),
        text in yamlish(),
        prefixed in any::<bool>(),
    ) {
        let sound = match which {
            "loom.yaml" => MAIN,
            "nodes.yaml" => NODES,
            "data.yaml" => "x: &a [web1]\n",
            _ => super::JOB,
        };
        let text = if prefixed { format!("{sound}{text}") } else { text };
        let home = Home::with(&[("data.yaml", "x: &a [web1]\n"), ("jobs/a.yaml", super::JOB)]);
        home.write(which, text);
        if let Err(found) = home.load() {
            prop_assert!(found.iter().any(|d| d.is_error()));
            let hidden = home.text(&found).contains('\u{202e}');
            prop_assert!(!hidden, "a bidi character came through");
        }
    }

    #[test]
    fn arbitrary_bytes_are_loaded_or_explained(
        which in prop::sample::select(vec!["loom.yaml", "nodes.yaml", "data.yaml", "jobs/a.yaml"]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let home = Home::new();
        bytes.splice(..0, *b"jobs: ");
        home.write(which, bytes);
        if let Err(found) = home.load() {
            prop_assert!(found.iter().any(|d| d.is_error()));
        }
    }
}
