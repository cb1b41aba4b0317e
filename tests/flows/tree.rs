//! What a person sees of a run of a flow: the tree on a terminal, lines in a pipe, and what `show`,
//! `runs` and `logs` say of it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cli_follow::terminal::Terminal;
use crate::harness::process::{self, Process};
use crate::harness::{Daemon, Farm, SOON, Site, until};

/// Waits for a file on the node.
fn gate(name: &str) -> String {
    format!("until [ -e $LOOM_EVIDENCE/{name} ]; do sleep 0.05; done")
}

fn open(farm: &Farm, nodes: &[&str], name: &str) {
    for node in nodes {
        std::fs::write(farm.node(node).evidence().join(name), "").unwrap();
    }
}

const ALL: [&str; 4] = ["n1", "n2", "n3", "n4"];

/// Slot 1: `fetch`, which is held back by the gate `one`, and `warm`, a job of its own. Slot 2:
/// `restart`, held back by `two`, which fails on n3; then `never`.
fn site(farm: &Farm) -> Site {
    let site = Site::new(farm);
    site.write_command("warm", "echo warm on $LOOM_NODE", &["n1"]);
    let fetch =
        serde_json::to_string(&format!("echo fetch on $LOOM_NODE; {}", gate("one"))).unwrap();
    let restart = format!("echo restart on $LOOM_NODE; {}; [ $LOOM_NODE != n3 ]", gate("two"));
    let restart = serde_json::to_string(&restart).unwrap();
    site.write(
        "jobs/deploy.yaml",
        &format!(
            "flows:
  deploy:
    slots:
      - - warm
        - name: fetch
          task: loom.run
          args: [{fetch}]
          targets: [\"n[1-4]\"]
      - - name: restart
          task: loom.run
          args: [{restart}]
          targets: [\"n[1-4]\"]
      - - name: never
          task: loom.run
          args: [\"true\"]
          targets: [n1]
"
        ),
    );
    site
}

fn loom(site: &Site, args: &[&str]) -> Command {
    let mut loom = site.loom(args);
    loom.env_remove("LOOM_HOST").env_remove("LOOM_TOKEN");
    loom
}

fn ended(site: &Site, args: &[&str]) -> Output {
    process::run(&mut loom(site, args), SOON)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the flow to its end and waits for that; the command's output.
fn whole(farm: &Farm, site: &Site, args: &[&str]) -> Output {
    open(farm, &ALL, "one");
    open(farm, &ALL, "two");
    ended(site, args)
}

#[test]
fn a_terminal_shows_a_tree_that_grows_and_stays() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let mut daemon = Daemon::start(&site);
    let mut terminal = Terminal::run(&loom(&site, &["run", "deploy", "--wait"]));
    terminal.wait_for_screen("the first slot under way", |screen| {
        screen.contains("  fetch  [--------------------]  0/4  4 running\n    running on n[1-4]\n")
            && screen.contains("  warm   [####################]  1/1  succeeded in ")
            && screen.contains("slot 2  to come  restart\nslot 3  to come  never\n")
    });
    open(&farm, &ALL, "one");
    open(&farm, &["n1", "n3"], "two");
    terminal.wait_for_screen("the second slot with a failure", |screen| {
        screen.contains("  warm 1/1, fetch 4/4\nslot 2  for ")
            && screen.contains("  restart  [#####!!!!!----------]  2/4  1 failed, 2 running\n    n3  failed, exit 1\n")
    });
    open(&farm, &ALL, "two");
    assert_eq!(terminal.end().code(), Some(1), "{}", terminal.seen());
    terminal.wait_for("takes it up where it ended");
    let screen = terminal.screen();
    let lines: Vec<&str> = screen.trim_end().lines().collect();
    for (line, begin, end) in [
        (0, "deploy, run 1: failed in ", ""),
        (1, "slot 1  done in ", ""),
        (2, "  warm   [####################]  1/1  succeeded in ", "  run 2"),
        (3, "  fetch  [####################]  4/4  succeeded in ", "  run 3"),
        (4, "slot 2  failed in ", ""),
        (5, "  restart  [###############!!!!!]  4/4  failed in ", ", 1 failed  run 4"),
        (6, "    n3  failed, exit 1", ""),
        (7, "slot 3  not begun  never on 1 node", ""),
        (8, "failed, exit 1: deploy/restart on n3", ""),
        (9, "8 of 9 units succeeded in ", ""),
        (10, "run 1 is failed; `loom flow retry 1`", ""),
    ] {
        let shown = lines[line];
        assert!(shown.starts_with(begin) && shown.ends_with(end), "{begin:?}\n{screen}");
    }
    assert_eq!(lines.len(), 11, "{screen}");
    assert!(terminal.is_restored());
    assert!(!terminal.seen().contains("\x1b[3"), "NO_COLOR is set: {:?}", terminal.seen());
    daemon.stop();
}

#[test]
fn a_narrow_terminal_is_enough_and_colours_are_used_where_they_are_wanted() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let _daemon = Daemon::start(&site);
    let mut loom = loom(&site, &["run", "deploy", "--wait"]);
    loom.env_remove("NO_COLOR");
    let mut terminal = Terminal::sized(&loom, 38, 6);
    terminal.wait_for_screen("four at once", |screen| {
        screen.contains("fetch  [--------]  0/4  4 runn")
    });
    open(&farm, &ALL, "one");
    open(&farm, &["n3"], "two");
    // Without the nodes where it runs: there is no room for that.
    terminal.wait_for_screen("a failure", |screen| {
        let lines: Vec<&str> = screen.lines().collect();
        lines.len() <= 6 && screen.contains("  restart  [!!------]  1/4  1 failed")
    });
    let screen = terminal.screen();
    assert!(screen.lines().all(|line| line.chars().count() <= 38), "{screen}");
    open(&farm, &ALL, "two");
    assert_eq!(terminal.end().code(), Some(1), "{}", terminal.seen());
    terminal.wait_for("takes it up where it ended");
    let screen = terminal.screen();
    assert_eq!(screen.matches("slot 1  ").count(), 1, "{screen}");
    assert!(terminal.seen().contains("\x1b[31m!!"), "{:?}", terminal.seen());
}

#[test]
fn a_terminal_may_change_its_size_meanwhile() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let _daemon = Daemon::start(&site);
    let mut terminal = Terminal::run(&loom(&site, &["run", "deploy", "--wait"]));
    terminal.wait_for_screen("four at once", |screen| screen.contains("4 running"));
    let before = terminal.seen().len();
    terminal.resize(38);
    let drawn = || terminal.seen()[before..].to_owned();
    until("a tree of that width", SOON, || drawn().contains("[--------]  0/4").then_some(()));
    open(&farm, &ALL, "one");
    open(&farm, &ALL, "two");
    assert_eq!(terminal.end().code(), Some(1), "{}", terminal.seen());
}

#[test]
fn what_is_no_terminal_gets_a_line_for_each_thing_that_happens() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let mut daemon = Daemon::start(&site);
    let output = whole(&farm, &site, &["run", "deploy", "--wait"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(!said.contains(['\x1b', '\r']), "{said:?}");
    // How long it took differs.
    let told: Vec<String> = said
        .lines()
        .map(|line| {
            line.split(' ')
                .map(|word| {
                    match word.strip_suffix("s:").is_some_and(|n| n.parse::<f64>().is_ok()) {
                        true => "TIME:",
                        false => word,
                    }
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    let place = |line: &str| {
        told.iter().position(|told| told == line).unwrap_or_else(|| panic!("{line:?}\n{said}"))
    };
    let order = [
        "slot 1: fetch begins on 4 nodes, run 3",
        "slot 1: fetch succeeded in TIME: 4 of 4 nodes succeeded",
        "slot 2: restart begins on 4 nodes, run 4",
        "slot 2: restart on n3: failed, exit 1",
        "slot 2: restart failed in TIME: 3 of 4 nodes succeeded, 1 failed",
        "slot 3: never was not begun",
    ]
    .map(place);
    assert!(order.is_sorted(), "{said}");
    place("slot 1: warm begins on 1 node, run 2");
    place("slot 1: warm succeeded in TIME: 1 of 1 node succeeded");
    assert_eq!(told.len(), 8, "{said}");
    let summary = stderr(&output);
    assert!(summary.contains("failed, exit 1: deploy/restart on n3\n8 of 9 units"), "{summary}");

    let output = whole(&farm, &site, &["run", "deploy", "--wait", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let detail: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(detail["state"], "failed");
    assert_eq!(detail["slots"][1][0]["run"]["state"], "failed");
    daemon.stop();
}

#[test]
fn ctrl_c_asks_and_detaches_and_where_nobody_can_be_asked_it_detaches() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let daemon = Daemon::start(&site);
    let mut terminal = Terminal::run(&loom(&site, &["run", "deploy", "--wait"]));
    terminal.wait_for_screen("four at once", |screen| screen.contains("4 running"));
    terminal.press("\x03");
    terminal.wait_for_screen("the question", |screen| {
        screen.ends_with("never\ncancel the run, detach, or go on? [c/d/g]\n")
    });
    terminal.press("g");
    terminal.wait_for_screen("it goes on", |screen| screen.ends_with("never\n\n"));
    terminal.press("\x03");
    terminal.wait_for_screen("the question again", |screen| screen.contains("[c/d/g]"));
    terminal.press("d");
    assert_eq!(terminal.end().code(), Some(130), "{}", terminal.seen());
    terminal.wait_for("run 1 goes on");
    let screen = terminal.screen();
    assert!(!screen.contains("[c/d/g]") && screen.contains("slot 1  for "), "{screen}");
    assert!(terminal.is_restored());

    // It still runs: the flow does not overlap itself.
    let output = ended(&site, &["run", "deploy", "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    open(&farm, &ALL, "one");
    open(&farm, &ALL, "two");
    let state = || {
        daemon
            .ledger()
            .query("select state from runs where id = 1", &[], |row| row.get::<_, String>(0))
    };
    until("the end of the flow", SOON, || (state() == ["failed"]).then_some(()));
    for node in ALL {
        std::fs::remove_file(farm.node(node).evidence().join("one")).unwrap();
    }
    let mut loom = loom(&site, &["run", "deploy", "--wait"]);
    loom.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = loom.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().contains(" begins on "));
    Process::of(child.id() as i32).unwrap().signal(Signal::SIGINT);
    let status = process::wait(&mut child, SOON).expect("it detaches");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn ctrl_c_cancels_the_flow() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let mut daemon = Daemon::start(&site);
    let mut terminal = Terminal::run(&loom(&site, &["run", "deploy", "--wait"]));
    terminal.wait_for_screen("four at once", |screen| screen.contains("4 running"));
    terminal.press("\x03");
    terminal.wait_for_screen("the question", |screen| screen.contains("[c/d/g]"));
    terminal.press("c");
    assert_eq!(terminal.end().code(), Some(1), "{}", terminal.seen());
    terminal.wait_for("run 1 is cancelled");
    let screen = terminal.screen();
    assert!(screen.starts_with("deploy, run 1: cancelled in "), "{screen}");
    assert!(screen.contains("slot 1  cancelled in "), "{screen}");
    assert!(screen.contains("slot 2  not begun  restart on 4 nodes\n"), "{screen}");
    assert!(screen.contains(": deploy/fetch on n[1-4]\n"), "{screen}");
    daemon.stop();
}

#[test]
fn the_gateway_may_die_while_somebody_watches_a_flow() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let daemon = Daemon::start(&site);
    let mut loom = loom(&site, &["run", "deploy", "--wait"]);
    loom.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = loom.spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told: Vec<String> = (0..3).map(|_| said.next().unwrap().unwrap()).collect();
    let children = daemon.process().children();
    let gateway = children.into_iter().find(|child| child.is_alive() && child.runs("loom-gateway"));
    gateway.expect("it has just spoken").signal(Signal::SIGKILL);
    open(&farm, &ALL, "one");
    open(&farm, &ALL, "two");
    told.extend(said.map(Result::unwrap));
    assert_eq!(process::wait(&mut child, SOON).expect("it ends").code(), Some(1));
    // All there was to tell, and nothing twice.
    assert_eq!(told.len(), 8, "{told:#?}");
    assert!(told.contains(&"slot 2: restart on n3: failed, exit 1".to_owned()), "{told:#?}");
}

#[test]
fn a_cancel_says_what_follows_for_the_flow() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let _daemon = Daemon::start(&site);
    let of = |args: &[&str]| stdout(&ended(&site, args));
    let shown = |run: &str, what: &str| {
        until(what, SOON, || of(&["show", run]).contains(what).then_some(()));
    };
    of(&["run", "deploy"]);
    shown("1", "4 running");
    let said = of(&["cancel", "3"]);
    assert_eq!(said, "run 3 is being cancelled; run 1, its flow, ends after slot 1\n");
    shown("1", "state        cancelled");
    assert!(of(&["show", "1"]).contains("slot 2  not begun  restart on 4 nodes\n"));
    of(&["run", "deploy"]);
    shown("4", "4 running");
    let said = of(&["cancel", "4"]);
    let follows = "no other part of the flow begins, those under way end";
    assert_eq!(said, format!("run 4 is being cancelled; {follows}\n"));
    shown("4", "state        cancelled");
}

#[test]
fn a_flow_and_its_parts_are_shown_listed_and_read() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let _daemon = Daemon::start(&site);
    let of = |args: &[&str]| stdout(&ended(&site, args));
    assert_eq!(of(&["run", "deploy"]), "run 1 of deploy: 3 slots, 4 jobs, 10 units\n");
    let mut follows = loom(&site, &["logs", "-f", "1"]);
    let following = std::thread::spawn(move || process::run(&mut follows, SOON));
    until("the first slot", SOON, || {
        of(&["runs", "--flow", "1"]).contains("succeeded").then_some(())
    });
    let shown = of(&["show", "1"]);
    assert!(shown.contains("\nslot 2  to come  restart on 4 nodes\n"), "{shown}");
    open(&farm, &ALL, "one");
    open(&farm, &ALL, "two");
    let followed = following.join().unwrap();
    let mut lines: Vec<String> = stdout(&followed).lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected = vec!["n1 | warm on n1".to_owned()];
    for job in ["fetch", "restart"] {
        expected.extend(ALL.map(|node| format!("{node} | {job} on {node}")));
    }
    expected.sort();
    assert_eq!(lines, expected, "{}", stderr(&followed));

    // Slot after slot.
    let output = ended(&site, &["logs", "deploy"]);
    let lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    let mut sorted = lines.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    assert!(lines[..5].iter().all(|line| !line.contains("restart")), "{lines:?}");
    assert!(
        stderr(&output).contains("run 4 of deploy/restart: slot 2, job 1\n"),
        "{}",
        stderr(&output)
    );
    assert_eq!(of(&["logs", "1", "--node", "n3"]), "fetch on n3\nrestart on n3\n");
    let output = ended(&site, &["logs", "1", "--node", "n9"]);
    assert!(stderr(&output).contains("run 1 is not on n9"), "{}", stderr(&output));

    let shown = of(&["show", "1"]);
    for part in [
        "job          deploy\nstate        failed: 8 of 9 units succeeded, 1 failed\n",
        "  warm   [####################]  1/1  succeeded in ",
        ", 1 failed  run 4\n    n3  failed, exit 1\n",
        "slot 3  not begun  never on 1 node\n",
    ] {
        assert!(shown.contains(part), "{part:?}\n{shown}");
    }
    let shown = of(&["show", "4"]);
    assert!(shown.contains("part of      deploy, run 1: slot 2, job 1\n"), "{shown}");
    let runs = |args: &[&str]| -> Vec<String> {
        let all = of(&[&["runs"], args].concat());
        all.lines().skip(1).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
    };
    assert_eq!(runs(&[]), ["1"]);
    assert_eq!(runs(&["--parts"]), ["4", "3", "2", "1"]);
    assert_eq!(runs(&["--flow", "1"]), ["4", "3", "2"]);
    assert_eq!(runs(&["--job", "warm"]), ["2"]);
    assert_eq!(runs(&["--node", "n2"]), ["4", "3"]);
    assert!(of(&["runs", "--job", "warm"]).contains("flow 1"));
    let top = of(&["top"]);
    assert!(top.contains("deploy") && !top.contains("restart"), "{top}");
}

#[test]
fn what_the_parts_said_is_folded_at_the_end() {
    let farm = Farm::start(4);
    let site = site(&farm);
    let same = "flows:
  same:
    slots:
      - - {name: hello, task: loom.run, args: [echo same], targets: \"n[1-4]\"}
      - - {name: who, task: loom.run, args: [\"echo $LOOM_NODE\"], targets: \"n[1-2]\"}
";
    site.write("jobs/same.yaml", same);
    let _daemon = Daemon::start(&site);
    let output = ended(&site, &["run", "same", "--wait", "--fold"]);
    let (told, remarks) = (stdout(&output), stderr(&output));
    let bar = "-".repeat(15);
    let group = |head: &str, text: &str| format!("{bar}\n{head}\n{bar}\n{text}\n");
    let folded = [group("n[1-4] (4)", "same"), group("n1", "n1"), group("n2", "n2")].concat();
    assert!(told.ends_with(&folded), "{told}\n{remarks}");
    for heading in ["run 2 of same/hello: slot 1, job 1\n", "run 3 of same/who: slot 2, job 1\n"] {
        assert!(remarks.contains(heading), "{remarks}");
    }

    // A flow that is taken up, as JSON.
    let failed = whole(&farm, &site, &["run", "deploy", "--wait"]);
    assert_eq!(failed.status.code(), Some(1));
    let output = ended(&site, &["flow", "retry", "4", "--wait", "--fold", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["run"]["retry_of"], 4);
    let parts = told["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 1, "{told:#}");
    assert_eq!(parts[0]["job"], "deploy/restart");
    assert_eq!(parts[0]["groups"][0]["output"], "restart on n3\n");
}
