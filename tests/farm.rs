//! The harness itself: a farm that is not what it claims would make every other test lie.

use std::net::TcpStream;

use crate::harness::farm::Options;
use crate::harness::process::{self, Process};
use crate::harness::{Farm, SOON, until};

#[test]
fn plain_ssh_reaches_every_node_and_each_knows_its_name() {
    let farm = Farm::start(3);
    for name in farm.names() {
        let mut ssh = farm.ssh(&name);
        let command = "echo \"$LOOM_NODE\" | tee \"$LOOM_EVIDENCE/name\"";
        assert_eq!(process::must(ssh.arg(command), SOON).trim(), name);
        assert_eq!(farm.evidence(&name, "name").trim(), name);
    }
}

#[test]
fn a_stopped_node_refuses_and_comes_back_on_its_port() {
    let mut farm = Farm::start(2);
    let address = (farm.node("n1").ip.clone(), farm.node("n1").port);
    farm.stop_node("n1");
    assert!(TcpStream::connect((address.0.as_str(), address.1)).is_err());
    process::must(farm.ssh("n2").arg("true"), SOON);
    farm.start_node("n1");
    assert_eq!((farm.node("n1").ip.clone(), farm.node("n1").port), address);
    process::must(farm.ssh("n1").arg("true"), SOON);
}

#[test]
fn a_changed_host_key_is_refused_by_ssh() {
    let mut farm = Farm::start(1);
    farm.change_host_key("n1");
    let output = process::run(farm.ssh("n1").arg("true"), SOON);
    assert_eq!(output.status.code(), Some(255));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("Host key verification failed"), "{stderr}");
}

#[test]
fn killed_sessions_end_and_the_node_stays() {
    let farm = Farm::start(1);
    let mut ssh = farm.ssh("n1").arg("echo ready; exec sleep 600").spawn().unwrap();
    let sessions =
        until("a session", SOON, || Some(farm.node("n1").sessions()).filter(|s| !s.is_empty()));
    farm.kill_sessions("n1");
    let status = process::wait(&mut ssh, SOON).expect("ssh outlives its session");
    assert_eq!(status.code(), Some(255));
    assert!(sessions.into_iter().all(|sshd| !sshd.is_alive()));
    process::must(farm.ssh("n1").arg("true"), SOON);
}

#[test]
fn a_frozen_node_accepts_and_answers_only_once_thawed() {
    let farm = Farm::start(1);
    farm.freeze("n1");
    let mut ssh = farm.ssh("n1");
    let mut waiting = ssh.arg("true").spawn().unwrap();
    assert!(process::wait(&mut waiting, std::time::Duration::from_millis(300)).is_none());
    farm.thaw("n1");
    assert!(process::wait(&mut waiting, SOON).expect("thawed, and still silent").success());
}

#[test]
fn the_cap_on_sessions_is_the_one_asked_for() {
    let farm = Farm::with(1, Options { max_sessions: 2, ..Options::default() });
    let control = farm.root().join("m");
    let mut master = farm.ssh("n1");
    let mut master = master.arg("-M").arg("-N").arg("-S").arg(&control).spawn().unwrap();
    until("the master's socket", SOON, || control.exists().then_some(()));
    let over = |command: &str| {
        let mut ssh = farm.ssh("n1");
        ssh.arg("-S").arg(&control).args(["-o", "ControlMaster=no", command]);
        ssh
    };
    let hold = "touch $LOOM_EVIDENCE/held.$$; exec sleep 600";
    let mut held = [over(hold).spawn().unwrap(), over(hold).spawn().unwrap()];
    let evidence = farm.node("n1").evidence();
    until("two sessions", SOON, || (evidence.read_dir().unwrap().count() == 2).then_some(()));
    let third = process::run(&mut over("true"), SOON);
    let stderr = String::from_utf8_lossy(&third.stderr);
    assert!(stderr.contains("Session open refused by peer"), "{stderr}");
    held.iter_mut().for_each(process::end);
    process::end(&mut master);
}

#[test]
fn a_dropped_farm_leaves_nothing_behind() {
    let farm = Farm::start(1);
    let root = farm.root().to_owned();
    let command = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $!";
    let pid = process::must(farm.ssh("n1").arg(command), SOON).trim().parse().unwrap();
    let escapee = Process::of(pid).expect("the escapee runs");
    drop(farm);
    until("the escapee's end", SOON, || (!escapee.is_alive()).then_some(()));
    assert!(!root.exists());
    assert!(process::mentioning_path(&root).is_empty());
}
