//! What is accepted, and what becomes of it.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Home, JOB, MAIN, NODES, config, messages, symlink};
use crate::arg::Arg;
use crate::config::compose;
use crate::config::diagnostic::Diagnostic;
use crate::config::report::Report;
use crate::config::values::{self, Room};
use crate::config::yaml::{Anchors, MAX_NODES, Value};
use crate::config::{Config, load};
use crate::logging::Format;
use crate::password::Password;
use crate::protocol::frame;

/// The example that the original's own documentation gives.
const SEED_DATA: &str = "\
hosts: 
    - &cloudhosts [staging, production]
    - &dbservers [db1, db2, db3, db4]
mountpoints:
    - &storage
        host: root@staging
        remotepath: /mnt/storage
        mountpoint: /mnt/storage
        excludes: [staging]";

const SEED_JOBS: &str = "\
jobs:
    mountstorage:
        task: loom.system.add_sshfs_mount
        args: [*storage]
        schedule: \"* * * * *\"
        targets: [staging, production]
        description: Mount storage on forge and hive
    testtask:
        task: fabric.api.run
        args: [\"touch /tmp/loom_was_here\"]
        targets: *dbservers
";

const SEED_NODES: &str = "\
staging:
  user: root
  password: useidentinstead
  ip: 192.168.1.10
production: {user: root}
db[1-4]: {user: mysql}
";

#[test]
fn the_originals_own_example_loads() {
    let files =
        [("nodes.yaml", SEED_NODES), ("data.yaml", SEED_DATA), ("jobs/sub/a.yaml", SEED_JOBS)];
    let home = Home::with(&files);
    let config = home.config();

    let job = &config.jobs["mountstorage"];
    assert_eq!(job.targets, ["staging", "production"]);
    assert_eq!(job.description, "Mount storage on forge and hive");
    assert_eq!((job.source.file.clone(), job.source.line), (home.path("jobs/sub/a.yaml"), 2));
    let text = |s: &str| Arg::Str(s.to_string());
    let storage = vec![
        (text("host"), text("root@staging")),
        (text("remotepath"), text("/mnt/storage")),
        (text("mountpoint"), text("/mnt/storage")),
        (text("excludes"), Arg::List(vec![text("staging")])),
    ];
    assert_eq!(job.args, [Arg::Map(storage)]);

    let job = &config.jobs["testtask"];
    assert_eq!(job.schedule.expr(), "* * * * *");
    assert_eq!(job.targets, ["db1", "db2", "db3", "db4"]);
    assert_eq!(job.description, "fabric.api.run on db1, db2, db3, db4");
    assert!(job.enabled);

    let node = &config.nodes["staging"];
    assert_eq!((node.host(), node.user.as_str()), ("192.168.1.10", "root"));
    let Some(Password::Literal(password)) = &node.password else { panic!("no literal") };
    assert_eq!(password.expose_secret(), "useidentinstead");
}

#[test]
fn our_own_examples_load_without_a_word() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config-examples/loom.yaml");
    let loaded = load(file).unwrap_or_else(|found| panic!("{found:#?}"));
    // A checkout that belongs to somebody else is what root is told about. No worker lies beside a
    // unit test; tests/check.rs has one look for the Python tasks.
    let known = ["uid", "loom-worker is in none of"];
    let unknown = |w: &&Diagnostic| !known.iter().any(|known| w.message.contains(known));
    assert!(!loaded.warnings.iter().any(|w| unknown(&w)), "{:#?}", loaded.warnings);
    assert_eq!((loaded.config.jobs.len(), loaded.config.nodes.len()), (10, 9));
}

#[test]
fn the_reference_has_a_row_for_every_key() {
    use crate::config::{defaults, flows, listen, settings};
    use crate::job::{hooks::Occasion, policy::RetryOn};
    let reference = include_str!("../../../docs/configuration.md");
    let section = |title: &str| {
        let found = reference.split("\n## ").find(|section| section.starts_with(title));
        found.unwrap_or_else(|| panic!("no section {title}"))
    };
    let rows = |title: &str, keys: &[&str]| {
        for key in keys {
            assert!(section(title).contains(&format!("\n| `{key}` |")), "{key} in {title}");
        }
    };
    rows("The main file", &settings::KEYS);
    let listen = listen::KEYS.map(|key| format!("listen.{key}"));
    rows("The main file", &listen.each_ref().map(String::as_str));
    rows("Manifests", &defaults::KEYS);
    rows(
        "Manifests",
        &["retries.attempts", "retries.delay", "retries.backoff", "retries.jitter", "retries.on"],
    );
    rows("Flows", &flows::KEYS);
    rows("Rules of a job", &Occasion::ALL.map(Occasion::as_str));
    rows("Rules of a job", &["command", "webhook", "mail", "arguments", "timeout"]);
    rows("Rules of a job", &RetryOn::ALL.map(RetryOn::as_str));
}

#[test]
fn settings_have_the_documented_defaults_and_take_what_is_written() {
    let home = Home::new();
    let settings = home.config().settings;
    assert_eq!((settings.min_workers, settings.max_workers), (0, 10));
    assert_eq!(settings.idle_timeout, Duration::from_secs(20));
    assert_eq!(settings.recycle_after, 500);
    assert_eq!(settings.stop_timeout, Duration::from_secs(60));
    assert_eq!(settings.connect_timeout, Duration::from_secs(10));
    assert_eq!(settings.ssh_persist, Duration::from_secs(60));
    assert_eq!((settings.max_connecting, settings.max_output), (10, 10_000_000));
    assert_eq!((settings.keep.days, settings.keep.runs), (90, 1000));
    assert_eq!(settings.keep.bytes, 5_000_000_000);
    assert_eq!(settings.log_format, Format::Text);
    assert_eq!(settings.listen, None);
    assert_eq!(settings.nodesfile, home.path("nodes.yaml"));

    let more = "statedir: ./var/../state\nstop_timeout: 1h30m\nmax_output: 512KiB\n\
                keep: {bytes: 2GB}\nlog_format: json\n";
    home.write("loom.yaml", format!("{MAIN}{more}"));
    let settings = home.config().settings;
    assert_eq!(settings.statedir, home.path("var/../state"));
    assert_eq!(settings.stop_timeout, Duration::from_secs(5400));
    assert_eq!(settings.max_output, 512 << 10);
    assert_eq!((settings.keep.days, settings.keep.bytes), (90, 2_000_000_000));
    assert_eq!(settings.log_format, Format::Json);
}

#[test]
fn names_users_and_passwords_are_text_as_written() {
    let nodes = "0123: {user: 0755, password: 0x10, tags: [1.0, yes], ssh_options: {stricthostkeychecking: no}}";
    let job =
        "jobs:\n  0099: {task: loom.run, args: [\"true\"], targets: [0123], description: 1_0}";
    let config = config(&[("nodes.yaml", nodes), ("jobs/a.yaml", job)]);
    let node = &config.nodes["0123"];
    assert_eq!(node.user, "0755");
    assert_eq!(node.password, Some(Password::Literal("0x10".into())));
    assert_eq!(node.tags, ["1.0", "yes"]);
    assert_eq!(node.ssh_options["StrictHostKeyChecking"], "no");
    assert_eq!(config.jobs["0099"].description, "1_0");
}

#[test]
fn a_node_key_may_be_a_host_set_with_as_many_addresses() {
    let nodes = "db[08-10]: {user: mysql, ip: '10.0.0.[1-3]', max_sessions: 2}";
    let config = config(&[("nodes.yaml", nodes)]);
    let all: Vec<_> = config.nodes.values().map(|n| (n.name.as_str(), n.host())).collect();
    assert_eq!(all, [("db08", "10.0.0.1"), ("db09", "10.0.0.2"), ("db10", "10.0.0.3")]);
    assert!(config.nodes.values().all(|n| n.max_sessions == 2));
}

#[test]
fn a_nodes_ssh_options_lie_over_those_of_all() {
    let main = format!("{MAIN}ssh_options: {{Compression: yes, loglevel: ERROR}}\n");
    let nodes = "a: {user: x, ssh_options: {LogLevel: DEBUG}}\nb: {user: x}";
    let config = config(&[("loom.yaml", &main), ("nodes.yaml", nodes)]);
    let level = |node: &str| config.nodes[node].ssh_options["LogLevel"].clone();
    assert_eq!((level("a"), level("b")), ("DEBUG".to_string(), "ERROR".to_string()));
    assert_eq!(config.nodes["a"].ssh_options["Compression"], "yes");
}

#[test]
fn targets_are_names_host_sets_tags_and_lists_of_them() {
    let data = "x: [&both [web1, db1], &all [*both, web2]]";
    let targets = |written: &str| {
        let job = format!("jobs:\n  j: {{task: loom.run, args: [a], targets: {written}}}\n");
        config(&[("data.yaml", data), ("jobs/a.yaml", &job)]).jobs["j"].targets.join(" ")
    };
    assert_eq!(targets("web1"), "web1");
    assert_eq!(targets("'web[1-2]'"), "web1 web2");
    assert_eq!(targets("'web2,db1'"), "web2 db1");
    assert_eq!(targets("'@web'"), "web1 web2");
    assert_eq!(targets("*all"), "web1 db1 web2");
    assert_eq!(targets("[db1, *all, '@web']"), "db1 web1 web2");
}

#[test]
fn merge_keys_merge_and_the_mappings_own_entries_win() {
    let data = "\
a: &a {task: loom.run, targets: web1, timeout: 1m}
b: &b {timeout: 2m, description: b}
";
    let job = "\
jobs:
  j:
    <<: [*a, *b]
    args: [\"true\"]
    targets: db1
";
    let config = config(&[("data.yaml", data), ("jobs/a.yaml", job)]);
    let job = &config.jobs["j"];
    assert_eq!((job.targets.join(" "), job.description.as_str()), ("db1".to_string(), "b"));
    assert_eq!(job.timeout, Some(Duration::from_secs(60)));
}

#[test]
fn a_manifest_may_hide_an_anchor_of_the_datafile_but_no_other_manifests() {
    let data = "x: &t web1";
    let own = "before: [*t]\nmine: &t web2\njobs:\n  j: {task: loom.run, args: [a], targets: *t}\n";
    let other = "jobs:\n  k: {task: loom.run, args: [a], targets: *t}\n";
    let config = config(&[("data.yaml", data), ("jobs/a.yaml", own), ("jobs/b.yaml", other)]);
    assert_eq!(
        (&config.jobs["j"].targets[..], &config.jobs["k"].targets[..]),
        (&["web2".to_string()][..], &["web1".to_string()][..])
    );
    let stray = [("jobs/a.yaml", "x: &t web1\njobs: {}"), ("jobs/b.yaml", other)];
    let told = messages(&stray);
    assert!(told.starts_with("jobs/b.yaml:2:43: error: unknown anchor \"t\"\n"), "{told}");
}

#[test]
fn line_ends_and_byte_order_marks_make_no_difference() {
    let job = format!("\u{feff}---\n{JOB}").replace('\n', "\r\n");
    let data = "\u{feff}---\r\nx: &t web1\r\ny: 1";
    let config = config(&[("jobs/a.yaml", &job), ("data.yaml", data)]);
    assert_eq!(config.jobs["j"].source.line, 3);
}

#[test]
fn only_yaml_files_with_a_top_level_jobs_mapping_are_manifests() {
    let files = [
        ("jobs/a.yaml", JOB),
        ("jobs/b.yml", "jobs: nonsense"),
        ("jobs/values.yaml", "{{ not ours }}"),
        ("jobs/other.yaml", "nested: {jobs: 1}\nx: *nowhere"),
        ("jobs/empty.yaml", ""),
        ("jobs/commented.yaml", "jobs:\n#  j: {}\n"),
        ("jobs/.git/x.yaml", "jobs: nonsense"),
    ];
    let home = Home::with(&files);
    let loaded = home.load().unwrap();
    assert_eq!(loaded.config.jobs.len(), 1);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.files, 5, "loom.yaml, nodes, datafile and two manifests");
}

#[test]
fn symlinks_are_followed_once_and_loops_do_no_harm() {
    let home = Home::with(&[(
        "elsewhere/b.yaml",
        "jobs:\n  k: {task: loom.run, args: [a], targets: db1}\n",
    )]);
    home.write("jobs/a.yaml", JOB);
    symlink(home.path("elsewhere"), home.path("jobs/linked"));
    symlink(home.path("elsewhere"), home.path("jobs/linked-again"));
    symlink(".", home.path("jobs/loop"));
    symlink("a.yaml", home.path("jobs/z.yaml"));
    symlink("nowhere", home.path("jobs/.#a.yaml"));
    let config = home.config();
    assert_eq!(config.jobs.keys().collect::<Vec<_>>(), ["j", "k"]);
    for watched in
        ["loom.yaml", "nodes.yaml", "data.yaml", "jobs", "elsewhere", "jobs/linked", "jobs/a.yaml"]
    {
        let path = home.path(watched);
        assert!(config.watch.contains(&path), "{watched} is not in {:#?}", config.watch);
    }
}

#[test]
fn the_configurations_own_files_are_no_manifests() {
    let main = "nodesfile: nodes.yaml\njobspath: .\ndatafile: data.yaml\n";
    let home = Home::with(&[("loom.yaml", main), ("data.yaml", "jobs: {x: 1}"), ("a.yaml", JOB)]);
    assert_eq!(home.config().jobs.len(), 1);
}

#[test]
fn two_thousand_jobs_in_one_manifest_share_an_alias() {
    let mut manifest = "x: &t [web1, web2]\njobs:\n".to_string();
    for i in 0..2000 {
        manifest +=
            &format!("  job{i}:\n    task: loom.run\n    args: [\"true\"]\n    targets: *t\n");
    }
    let config = config(&[("jobs/a.yaml", &manifest)]);
    assert_eq!(config.jobs.len(), 2000);
    assert!(config.jobs.values().all(|job| job.targets.len() == 2));
}

#[test]
fn a_configuration_survives_the_frame() {
    let config = config(&[
        ("nodes.yaml", &format!("{NODES}p: {{user: x, password: y}}")),
        ("jobs/a.yaml", JOB),
    ]);
    let encoded = frame::encode(&config, frame::CONFIG_CAP).unwrap();
    let back: Option<Config> = frame::read(&mut encoded.as_slice(), frame::CONFIG_CAP).unwrap();
    assert_eq!(back, Some(config));
}

#[test]
fn the_first_candidate_that_is_a_file_is_used() {
    let home = Home::new();
    let (dir, file) = (home.path("jobs"), home.path("loom.yaml"));
    let candidates = format!("/nowhere/loom.yaml, {},{}", dir.display(), file.display());
    assert_eq!(load(&candidates).unwrap().config.settings.file, file);
    let found = load("/nowhere/a,/nowhere/b").unwrap_err();
    assert!(
        found[0].to_string().starts_with("/nowhere/a,/nowhere/b: error: none of these is a file\n")
    );
}

/// `args` in YAML, and what the task gets.
fn args(written: &str) -> (Arg, String) {
    let mut report = Report::default();
    let file = report.sources.add("args".as_ref());
    let parsed = compose::parse(file, written, &Anchors::default(), MAX_NODES, &mut report.hints);
    let root = parsed.root.as_ref().map(Value::item).unwrap();
    let arg = values::read(root, &mut Room::default(), &mut report).unwrap();
    let messages = report.finish().iter().map(|d| d.message.clone()).collect::<Vec<_>>();
    (arg, messages.join("\n"))
}

#[test]
fn arguments_are_read_as_yaml_1_1() {
    use Arg::*;
    let text = |s: &str| Str(s.to_string());
    let cases = [
        ("0755", Int(493)),
        ("-0x1F", Int(-31)),
        ("0b101", Int(5)),
        ("1_000", Int(1000)),
        ("+12", Int(12)),
        ("0", Int(0)),
        ("-9223372036854775808", Int(i64::MIN)),
        ("9223372036854775808", text("9223372036854775808")),
        ("0xffffffffffffffff", text("18446744073709551615")),
        (
            "-1234567890123456789012345678901234567890123",
            text("-1234567890123456789012345678901234567890123"),
        ),
        ("0o17", text("0o17")),
        ("089", text("089")),
        ("1.5", Float(1.5)),
        ("-.5", Float(-0.5)),
        ("1.", Float(1.0)),
        ("1_0.2_5", Float(10.25)),
        ("1.0e+3", Float(1000.0)),
        ("1e3", text("1e3")),
        ("1.0e3", text("1.0e3")),
        ("-.inf", Float(f64::NEG_INFINITY)),
        (".", text(".")),
        ("1.2.3", text("1.2.3")),
        ("yes", Bool(true)),
        ("Off", Bool(false)),
        ("y", text("y")),
        ("~", Null),
        ("null", Null),
        ("'~'", text("~")),
        ("\"0755\"", text("0755")),
        ("!!str 0755", text("0755")),
        ("!!int 0755", Int(493)),
        ("!!float 3", Float(3.0)),
        ("- -", Null),
        ("12:34 Uhr", text("12:34 Uhr")),
        ("10.0.0.1:80", text("10.0.0.1:80")),
    ];
    for (written, expected) in cases {
        match args(written) {
            (Arg::List(items), _) => assert_eq!(items, [Arg::List(vec![Arg::Null])], "{written}"),
            (arg, messages) => {
                assert_eq!(arg, expected, "{written}");
                assert_eq!(messages, "", "{written}");
            }
        }
    }
}

#[test]
fn times_and_dates_stay_text_with_a_warning() {
    for written in
        ["1:30", "190:20:30", "20:30.15", "2026-11-21", "2026-11-21T10:00:00Z", "2026-1-2 10:00:00"]
    {
        let (arg, warning) = args(written);
        assert_eq!(arg, Arg::Str(written.to_string()));
        assert!(warning.contains("is passed as text"), "{written}: {warning:?}");
        assert_eq!(args(&format!("'{written}'")).1, "");
    }
}

#[test]
fn mappings_keep_their_order_and_any_scalar_as_key() {
    let (arg, _) = args("{z: 1, 2: b, 'a': {<<: {q: 1}, r: 2}}");
    let text = |s: &str| Arg::Str(s.to_string());
    let inner = vec![(text("r"), Arg::Int(2)), (text("q"), Arg::Int(1))];
    assert_eq!(
        arg,
        Arg::Map(vec![
            (text("z"), Arg::Int(1)),
            (Arg::Int(2), text("b")),
            (text("a"), Arg::Map(inner)),
        ])
    );
}
