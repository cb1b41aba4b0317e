//! The same against a real daemon, its gateway and its nodes.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;

use crate::harness::process::{self, Process};
use crate::harness::{Daemon, Farm, SOON, Site, until};

use super::terminal::Terminal;

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

#[test]
fn a_run_is_started_followed_and_summed_up() {
    let farm = Farm::start(3);
    let site = Site::new(&farm);
    let command = "echo out of $LOOM_NODE; echo err >&2; [ $LOOM_NODE != n2 ] || exit 3";
    site.write_command("picky", command, &["n1", "n2", "n3"]);
    let _daemon = Daemon::start(&site);
    let output = ended(&site, &["run", "picky", "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let (said, told) = (stdout(&output), stderr(&output));
    for node in ["n1", "n2", "n3"] {
        assert!(said.contains(&format!("{node} | out of {node}\n")), "{said}");
        assert!(told.contains(&format!("{node} | err\n")), "{told}");
    }
    assert!(told.contains("failed, exit 3: picky on n2"), "{told}");
    assert!(told.contains("2 of 3 units succeeded"), "{told}");

    let output = ended(&site, &["run", "picky", "--on", "n[1,3]", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_gateway_may_die_while_somebody_waits() {
    const LINES: usize = 4;
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    let command = "for i in 1 2 3 4; do echo line $i; \
                   until [ -e $LOOM_EVIDENCE/go$i ]; do sleep 0.05; done; done";
    site.write_command("steps", command, &["n1"]);
    let daemon = Daemon::start(&site);
    let mut loom = loom(&site, &["run", "steps", "--wait"]);
    let mut child = loom.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    for i in 1..=LINES {
        assert_eq!(said.next().unwrap().unwrap(), format!("n1 | line {i}"));
        let children = daemon.process().children();
        let gateway =
            children.into_iter().find(|child| child.is_alive() && child.runs("loom-gateway"));
        gateway.expect("it has just spoken").signal(Signal::SIGKILL);
        std::fs::write(farm.node("n1").evidence().join(format!("go{i}")), "").unwrap();
    }
    assert!(said.next().is_none(), "nothing is told twice");
    assert_eq!(process::wait(&mut child, SOON).expect("it ends").code(), Some(0));
}

#[test]
fn a_command_gets_its_words_as_they_were_given() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    let _daemon = Daemon::start(&site);
    let args = ["exec", "--on", "n1", "--", "printf", "%s|", "a b", "$HOME", "it's", "", "*"];
    let output = ended(&site, &args);
    assert_eq!(stdout(&output), "n1 | a b|$HOME|it's||*|\n", "{}", stderr(&output));
    let output = ended(&site, &["exec", "--on", "n1", "--", "echo a; exit 7"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(7), "n1 | a\n"));
    let output = ended(&site, &["exec", "--on", "n[1-2]", "--", "exit 7"]);
    assert_eq!(output.status.code(), Some(1));
    let args = ["exec", "--on", "n1", "--timeout", "1s", "--", "sleep 60"];
    assert_eq!(ended(&site, &args).status.code(), Some(255));
    let output = ended(&site, &["exec", "--fold", "--on", "n[1-2]", "--", "echo same"]);
    assert!(stdout(&output).contains("n[1-2] (2)\n---------------\nsame\n"), "{}", stdout(&output));
}

#[test]
fn ctrl_c_cancels_on_the_node_too() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("long", "echo begun; sleep 600; touch $LOOM_EVIDENCE/over", &["n1"]);
    let _daemon = Daemon::start(&site);
    let mut terminal = Terminal::run(&loom(&site, &["run", "long", "--wait"]));
    terminal.wait_for("n1 | begun");
    terminal.press("\x03");
    terminal.wait_for("[c/d/g]");
    terminal.press("c");
    assert_eq!(terminal.end().code(), Some(1), "{}", terminal.seen());
    assert!(terminal.seen().contains("cancelled"), "{}", terminal.seen());
    assert!(!farm.node("n1").evidence().join("over").exists());
}

#[test]
fn what_was_said_can_be_read_again_and_followed() {
    let farm = Farm::start(2);
    let site = Site::new(&farm);
    site.write_command("says", "printf 'one\\ntwo\\n'; echo err >&2; printf end", &["n1"]);
    let command = "echo begun; until [ -e $LOOM_EVIDENCE/go ]; do sleep 0.1; done; echo over";
    site.write_command("slow", command, &["n1", "n2"]);
    let _daemon = Daemon::start(&site);
    assert_eq!(ended(&site, &["logs", "says"]).status.code(), Some(1), "it has not run yet");
    ended(&site, &["run", "says", "--wait"]);
    let of = |args: &[&str]| stdout(&ended(&site, args));
    assert_eq!(of(&["logs", "says", "--stdout"]), "one\ntwo\nend");
    assert_eq!(of(&["logs", "says", "--stderr"]), "err\n");
    assert_eq!(of(&["logs", "1", "--stdout", "--tail", "1"]), "end");
    assert!(of(&["logs", "1", "--cri"]).contains(" stdout F one\n"));

    assert!(of(&["run", "slow"]).starts_with("run 2 of slow on 2 nodes"));
    let mut loom = loom(&site, &["logs", "2", "-f"]);
    let following = std::thread::spawn(move || process::run(&mut loom, SOON));
    for node in ["n1", "n2"] {
        std::fs::write(farm.node(node).evidence().join("go"), "").unwrap();
    }
    let output = following.join().unwrap();
    let mut lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["n1 | begun", "n1 | over", "n2 | begun", "n2 | over"]);
}

#[test]
fn top_shows_what_runs() {
    let farm = Farm::start(1);
    let site = Site::new(&farm);
    site.write_command("long", "sleep 600", &["n1"]);
    let _daemon = Daemon::start(&site);
    ended(&site, &["run", "long"]);
    until("a running unit", SOON, || {
        let shown = stdout(&ended(&site, &["top"]));
        (shown.contains("long") && shown.contains("running")).then_some(())
    });
    let mut terminal = Terminal::run(&loom(&site, &["top", "--interval", "0.2"]));
    terminal.wait_for("long");
    Process::of(terminal.pid()).unwrap().signal(Signal::SIGHUP);
    assert_eq!(terminal.end().code(), Some(129));
    assert!(terminal.is_restored());
}
