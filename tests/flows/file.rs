//! `loom flow run FILE`: what is in the file is what is done on the nodes, and nothing of it is if
//! there is a mistake.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Daemon, Farm, SOON, Site, api, process, until};

/// Waiting for a flow included, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

struct Did {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Did {
    fn of(output: Output) -> Did {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Did { code: output.status.code(), stdout, stderr }
    }

    #[track_caller]
    fn exits(self, code: i32) -> Did {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn json(self) -> Value {
        let Did { stdout, .. } = self.exits(0);
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout}"))
    }
}

fn command(site: &Site, args: &[&str]) -> Command {
    let mut loom = site.loom(&["flow", "run"]);
    loom.args(args).current_dir(site.root());
    for name in ["LOOM_HOST", "LOOM_TOKEN", "LOOM_CACERT"] {
        loom.env_remove(name);
    }
    loom
}

/// `loom flow run ARGS`, in the site's directory.
fn flow_run(site: &Site, args: &[&str]) -> Did {
    Did::of(process::run(&mut command(site, args), LIMIT))
}

/// Nodes by the names of Roadrunner's document: two dbs, two apis, four frontends.
fn deployment() -> (Farm, Site) {
    let farm = Farm::start(8);
    let site = Site::empty();
    let names = ["db1", "db2", "api1", "api2", "fe1", "fe2", "fe3", "fe4"];
    let nodes = names.iter().zip(farm.names());
    let nodes: String = nodes.map(|(name, node)| farm.node_yaml(name, farm.node(&node))).collect();
    site.write("nodes.yaml", &nodes);
    (farm, site)
}

/// A line when it begins and one when it ends, with nanoseconds, and its word.
fn witness(word: &str, does: &str) -> String {
    format!(
        "echo \"$(date +%s%N) begin {word}\" >>$LOOM_EVIDENCE/log; {does}; rc=$?; \
         echo \"$(date +%s%N) end {word}\" >>$LOOM_EVIDENCE/log; exit $rc"
    )
}

/// As Roadrunner's users wrote it: all that is a number is a text, but for some that are not.
fn sample(install: &str) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let [pkg1, pkg2] = ["pkg1", "pkg2"].map(|pkg| quoted(&witness(pkg, install)));
    let restart = quoted(&witness("restart", "sleep 0.4"));
    format!(
        "{{
\t\"default_job_timeout\": \"60\",
\t\"default_retries\": \"1\",
\t\"job_flow\": [
\t\t{{
\t\t\t\"slot_id\": \"1\",
\t\t\t\"jobs\": [
\t\t\t\t{{\"job_id\": \"1\", \"cmd\": {pkg1}, \"hosts\": [\"db[1-2]\"], \"success_constraint\": \"50%\"}},
\t\t\t\t{{\"job_id\": 2, \"cmd\": {pkg2}, \"hosts\": [\"api1\", \"api2\"]}}
\t\t\t]
\t\t}},
\t\t{{
\t\t\t\"slot_id\": \"2\",
\t\t\t\"jobs\": [
\t\t\t\t{{\"job_id\": \"3\", \"cmd\": {restart}, \"hosts\": [\"fe[1-4]\"], \"parallelism\": \"50%\",
\t\t\t\t \"success_constraint\": \"100%\", \"timeout\": 30, \"retries\": \"1\"}}
\t\t\t]
\t\t}}
\t]
}}
"
    )
}

/// What the nodes saw: when, what and of which word, in the order of time.
fn seen(farm: &Farm) -> Vec<(u128, String, String)> {
    let lines = farm.names().into_iter().map(|node| farm.evidence(&node, "log"));
    let lines: Vec<String> =
        lines.flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut seen: Vec<_> = lines
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[0].parse().unwrap(), words[1].to_owned(), words[2].to_owned())
        })
        .collect();
    seen.sort();
    seen
}

/// Nothing has run, and no run was made.
fn assert_untouched(farm: &Farm, site: &Site) {
    let runs = site.ledger().query("SELECT count(*) FROM runs", &[], |row| row.get::<_, i64>(0));
    assert_eq!(runs, [0]);
    assert_eq!(seen(farm), []);
}

#[test]
fn roadrunners_sample_runs_slot_by_slot() {
    let (farm, site) = deployment();
    site.write("deploy.json", &sample("sleep 0.3"));
    let mut daemon = Daemon::start(&site);
    flow_run(&site, &["deploy.json", "--wait"]).exits(0);

    let seen = seen(&farm);
    let count = |what: &str, word: &str| {
        seen.iter().filter(|(_, each, of)| each == what && of == word).count()
    };
    assert_eq!(["pkg1", "pkg2", "restart"].map(|word| count("end", word)), [2, 2, 4]);
    let installed = seen.iter().filter(|(_, what, word)| what == "end" && word.starts_with("pkg"));
    let installed = installed.map(|(at, ..)| *at).max().unwrap();
    let restarts = seen.iter().filter(|(_, _, word)| word == "restart");
    let (mut at_once, mut most) = (0i32, 0);
    for (at, what, _) in restarts {
        assert!(*at > installed, "a restart before all was installed: {seen:?}");
        at_once += if what == "begin" { 1 } else { -1 };
        most = most.max(at_once);
    }
    assert_eq!(most, 2, "{seen:?}");

    let ledger = site.ledger();
    let runs =
        |job: &str| -> Vec<String> { ledger.runs(job).into_iter().map(|run| run.state).collect() };
    for job in ["@flow", "@flow/1", "@flow/2", "@flow/3"] {
        assert_eq!(runs(job), ["succeeded"], "{job}");
    }
    daemon.stop();
}

#[test]
fn a_slot_that_fails_is_the_last_and_the_key_is_heeded() {
    let (farm, site) = deployment();
    // The nodes of api fail, all of which have to succeed.
    site.write("deploy.json", &sample("case $LOOM_NODE in n3) exit 7;; esac"));
    let mut daemon = Daemon::start(&site);
    let told = flow_run(&site, &["deploy.json", "--wait", "--key", "one"]).exits(1);
    let seen = seen(&farm);
    assert!(seen.iter().all(|(_, _, word)| word != "restart"), "{}{seen:?}", told.stderr);
    // Once, however often it is asked for.
    flow_run(&site, &["deploy.json", "--wait", "--key", "one"]).exits(1);
    assert_eq!(site.ledger().runs("@flow").len(), 1);
    assert_eq!(self::seen(&farm), seen);
    daemon.stop();
}

#[test]
fn a_dry_run_tells_the_numbers_and_starts_nothing() {
    let (farm, site) = deployment();
    site.write(
        "deploy.yaml",
        "job_flow:
- jobs:
  - {job_id: pkg1, cmd: install pkg1, hosts: 'db[1-2]', success_constraint: 50%, timeout: 300}
  - {job_id: pkg2, cmd: install pkg2, hosts: [api2, api1], retries: 2}
- jobs:
  - {job_id: restart, cmd: apachectl restart, hosts: 'fe[1-4]', parallelism: 50%}
  - {job_id: canary, cmd: try, hosts: 'fe[1-4]', parallelism: [1, 50%]}
",
    );
    let mut daemon = Daemon::start(&site);
    let told = flow_run(&site, &["deploy.yaml", "--dry-run"]).exits(0);
    assert_eq!(
        told.stdout,
        "\
slot 1
  pkg1: install pkg1
    on db[1-2]: all 2 at once; 1 of 2 must succeed; 5m at most
  pkg2: install pkg2
    on api[1-2]: all 2 at once; all 2 must succeed; up to 2 attempts
slot 2
  restart: apachectl restart
    on fe[1-4]: 2 at a time; all 4 must succeed
  canary: try
    on fe[1-4]: first 1, then 2 at a time; all 4 must succeed
"
    );
    assert_eq!(told.stderr, "2 slots, 4 jobs, 12 units on 8 nodes; nothing was started\n");
    let plan = flow_run(&site, &["deploy.yaml", "--dry-run", "--json"]).json();
    let restart = &plan["slots"][1][0];
    assert_eq!((&restart["needed"], &restart["at_once"][0]), (&4.into(), &2.into()));
    assert_eq!(restart["targets"][3], "fe4");
    assert_untouched(&farm, &site);
    daemon.stop();
}

#[test]
fn what_is_wrong_is_told_whole_and_nothing_is_started() {
    let (farm, site) = deployment();
    let mut daemon = Daemon::start(&site);
    let file = "\
job_flow:
- slot_id: 1
  jobs:
  - {job_id: a, cmd: 'touch $LOOM_EVIDENCE/log', hosts: db1}
  - {job_id: b, cmd: x, hosts: ['db[1-3]', '@web', apl1], success_constraint: 101%}
- slot_id: 2
  jobs: []
- slot_id: 3
  jobs:
  - {job_id: a, cmd: x, hosts: fe1, retries: 0, parallel: 1}
";
    site.write("bad.yaml", file);
    for wait in [&["bad.yaml"][..], &["bad.yaml", "--wait"], &["bad.yaml", "--dry-run"]] {
        let told = flow_run(&site, wait).exits(2);
        assert_eq!(told.stdout, "");
        let heads = told.stderr.lines().filter(|line| line.contains(": error: "));
        let heads: Vec<&str> = heads.collect();
        assert_eq!(
            heads,
            [
                "bad.yaml:5:33: error: unknown node \"db3\" (of \"db[1-3]\"); did you mean \"db1\"?",
                "bad.yaml:5:44: error: no node has the tag \"web\"",
                "bad.yaml:5:52: error: unknown node \"apl1\"; did you mean \"api1\"?",
                "bad.yaml:5:79: error: success_constraint is a percentage from 1% to 100%, not \
                 \"101%\"",
                "bad.yaml:7:9: error: jobs is empty; it needs one job at least",
                "bad.yaml:10:14: error: job_id \"a\" is used twice",
                "bad.yaml:10:46: error: retries counts the first attempt too: 1 means no retry, 0 \
                 would be never",
                "bad.yaml:10:49: error: unknown key \"parallel\"; did you mean \"parallelism\"?",
            ]
        );
        assert!(
            told.stderr.contains("with --any-host, hosts that are no nodes"),
            "{}",
            told.stderr
        );
        assert!(told.stderr.ends_with("loom: 8 errors; nothing was started\n"), "{}", told.stderr);
    }
    assert_untouched(&farm, &site);
    let told = flow_run(&site, &["none.json"]).exits(2).stderr;
    assert!(told.starts_with("none.json: error: cannot be read: no such file"), "{told}");
    daemon.stop();

    // Without a daemon the rest is told, and that there is none.
    let told = flow_run(&site, &["bad.yaml"]).exits(2).stderr;
    assert!(told.contains("bad.yaml:7:9: error") && !told.contains("unknown node"), "{told}");
    site.write("good.json", &sample("true"));
    let told = flow_run(&site, &["good.json", "--dry-run"]).exits(4).stderr;
    assert!(told.contains("no daemon"), "{told}");
}

#[test]
fn standard_input_is_a_file_too() {
    let (farm, site) = deployment();
    let mut daemon = Daemon::start(&site);
    let mut loom = command(&site, &["-", "--json"]);
    loom.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = loom.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sample("true").as_bytes()).unwrap();
    let started = Did::of(child.wait_with_output().unwrap()).json();
    let run = started["run"].as_i64().unwrap();
    let (run, _) = site.ledger().wait_for_run("@flow", run, LIMIT);
    assert_eq!(run.state, "succeeded");
    assert!(seen(&farm).iter().any(|(_, _, word)| word == "restart"));
    daemon.stop();
}

/// An ssh-agent of the test's own, which has the farm's key.
struct Agent {
    process: Child,
    dir: TempDir,
}

impl Agent {
    fn start(farm: &Farm) -> Agent {
        let dir = tempfile::Builder::new().prefix("loom-agent.").tempdir().unwrap();
        let socket = dir.path().join("agent");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        let process = agent.spawn().expect("ssh-agent does not start");
        let agent = Agent { process, dir };
        until("the agent's socket", SOON, || socket.exists().then_some(()));
        let mut add = Command::new("ssh-add");
        process::must(add.arg("-q").arg(farm.identity()).env("SSH_AUTH_SOCK", &socket), SOON);
        agent
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        process::end(&mut self.process);
    }
}

/// One node is written down; the others are found by what loom.yaml says of all hosts.
fn strangers() -> (Farm, Site) {
    let farm = Farm::start(3);
    let site = Site::empty();
    let ways = ["s2", "s3"].iter().zip(["n2", "n3"]).map(|(host, node)| {
        let node = farm.node(node);
        format!("{host}) exec 3<>/dev/tcp/{}/{};;\n", node.ip, node.port)
    });
    let ways: String = ways.collect();
    let script = format!("case $1 in\n{ways}*) exit 1;;\nesac\ncat <&3 &\ncat >&3\nkill $!\n");
    site.write("way", &script);
    let [way, known] = ["way", "known_hosts"].map(|name| site.path(name).display().to_string());
    site.settings(&format!(
        "connect_timeout: 5
stop_timeout: 5
ssh_options:
  ProxyCommand: bash {way} %h
  StrictHostKeyChecking: accept-new
  UserKnownHostsFile: {known}
  GlobalKnownHostsFile: /dev/null
"
    ));
    let written = farm.node_yaml("written", farm.node("n1"));
    site.write(
        "nodes.yaml",
        &written.replace("ssh_options:\n", "ssh_options:\n    ProxyCommand: none\n"),
    );
    (farm, site)
}

#[test]
fn a_host_that_is_no_node_is_taken_if_that_is_wanted_and_outlives_a_reload() {
    let (farm, site) = strangers();
    let agent = Agent::start(&farm);
    let gate = site.path("gate");
    let wait = format!("until [ -e {} ]; do sleep 0.05; done", gate.display());
    let first = witness("first", &format!("[ $LOOM_NODE != n1 ] || {wait}"));
    let flow = json!({"job_flow": [
        {"jobs": [{"job_id": "first", "cmd": first, "hosts": ["written", "s[2-3]"],
                   "parallelism": 1}]},
        {"jobs": [{"job_id": "second", "cmd": witness("second", "true"), "hosts": ["s2"]}]},
    ]});
    site.write("flow.json", &flow.to_string());
    let mut loom = site.loom(&["-n"]);
    loom.env("SSH_AUTH_SOCK", agent.socket());
    let mut daemon = Daemon::start_as(&site, loom);

    let told = flow_run(&site, &["flow.json"]).exits(2).stderr;
    assert!(told.contains("unknown node \"s2\" (of \"s[2-3]\"), nor 1 more"), "{told}");
    let told = flow_run(&site, &["flow.json", "--any-host", "--dry-run"]).exits(0).stderr;
    assert!(told.starts_with("s[2-3] are no nodes: taken as ssh"), "{told}");
    assert_untouched(&farm, &site);

    let started = flow_run(&site, &["flow.json", "--any-host", "--json"]).json();
    let run = started["run"].as_i64().unwrap();
    until("the first node", SOON, || (!farm.evidence("n1", "log").is_empty()).then_some(()));
    site.write_command("other", "true", &["written"]);
    let reloaded = Did::of(process::run(&mut site.loom(&["reload"]), LIMIT)).exits(0);
    assert!(reloaded.stdout.contains("job added: other"), "{}", reloaded.stdout);
    fs::write(&gate, "").unwrap();
    let (ended, _) = site.ledger().wait_for_run("@flow", run, LIMIT);
    assert_eq!(ended.state, "succeeded", "{}", daemon.log().text());
    let words: Vec<String> = seen(&farm).into_iter().map(|(_, _, word)| word).collect();
    assert_eq!(words, ["first", "first", "first", "first", "first", "first", "second", "second"]);
    for (node, lines) in [("n1", 2), ("n2", 4), ("n3", 2)] {
        assert_eq!(farm.evidence(node, "log").lines().count(), lines, "{node}");
    }
    daemon.stop();
}

#[test]
fn the_daemon_itself_takes_no_host_that_ssh_would_misread() {
    let (farm, site) = strangers();
    let mut daemon = Daemon::start(&site);
    let ask = |host: &str, any_host: bool| {
        let job = json!({"job": "a", "command": "true", "targets": [host]});
        let body = json!({"from": "x", "any_host": any_host, "slots": [[job]]});
        let answer = api::ask(&site, "POST", "flows", Some(body)).unwrap();
        (answer.status, answer.json()["detail"].as_str().unwrap_or_default().to_owned())
    };
    for host in ["-oProxyCommand=touch", "ssh://s2", "root@s2", "s2;id", "%h"] {
        let (status, detail) = ask(host, true);
        assert_eq!(status, 400, "{host}: {detail}");
        assert!(detail.starts_with(&format!("job \"a\": host \"{host}\"")), "{detail}");
    }
    let (status, detail) = ask("s2", false);
    assert_eq!((status, detail.as_str()), (400, "job \"a\": there is no node \"s2\""));
    let jobs = |host: &str, count: usize| {
        let job = |n: usize| json!({"job": n.to_string(), "command": "true", "targets": [host]});
        let jobs: Vec<Value> = (0..count).map(job).collect();
        json!({"from": "x", "any_host": true, "slots": [jobs]})
    };
    let answer = api::ask(&site, "POST", "flows", Some(jobs("h[1-10000]", 11))).unwrap();
    assert_eq!(
        (answer.status, &answer.json()["detail"]),
        (400, &json!("the jobs of a flow have at most 100000 hosts"))
    );
    assert_untouched(&farm, &site);
    daemon.stop();
}
