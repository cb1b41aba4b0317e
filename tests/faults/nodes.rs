//! Nodes that cannot be reached, are not who they were, or fall silent. n1 is in trouble, n2 is
//! not and must not care.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::socket::{Backlog, listen};

use crate::harness::farm::Options;
use crate::harness::ledger::Unit;
use crate::harness::{Books, Daemon, Farm, Fault, SOON, Site, books, until};

/// Three heartbeats of 10 s, or three unanswered questions of ssh, and then some.
const SILENCE: Duration = Duration::from_secs(90);
const ON_BOTH: &str = "schedule: '@yearly'\ntargets: [n1, n2]";

fn site(farm: &Farm) -> Site {
    let site = Site::new(farm);
    site.settings("connect_timeout: 2\nstop_timeout: 1\n");
    site
}

fn assert_outcome(unit: &Unit, outcome: &str) {
    assert_eq!(unit.outcome.as_deref(), Some(outcome), "{unit:?}");
}

/// A job on both nodes: unreachable on n1, for a reason that contains `why`, and done on n2. Then
/// `mended`, and it is done on both.
fn unreachable(mut farm: Farm, site: &Site, why: &str, mended: Option<fn(&mut Farm, &Site)>) {
    site.write_witnessed("mark", "true", ON_BOTH);
    let mut daemon = Daemon::start_with_control(site);
    let units = daemon.run_to_end("mark", SOON);
    assert_outcome(&units[0], "unreachable");
    assert_outcome(&units[1], "succeeded");
    let detail = units[0].detail.as_deref().unwrap_or_default();
    assert!(detail.contains(why), "{detail}");
    if let Some(mended) = mended {
        mended(&mut farm, site);
        until("n1 to be used again", SILENCE, || {
            let units = daemon.run_to_end("mark", SOON);
            (units[0].outcome.as_deref() == Some("succeeded")).then_some(())
        });
    }
    daemon.stop();
    Books::of(site).with(&farm).balance();
}

/// `nodes.yaml` with another address for n1.
fn move_n1(farm: &Farm, site: &Site, ip: &str, port: u16) {
    let node = farm.node("n1");
    let nodes = farm.nodes_yaml();
    let moved = nodes.replacen(
        &format!("ip: {}\n  port: {}\n", node.ip, node.port),
        &format!("ip: {ip}\n  port: {port}\n"),
        1,
    );
    assert_ne!(moved, nodes);
    site.write("nodes.yaml", &moved);
}

#[test]
fn a_refused_connection() {
    let _fault = Fault::new("connection refused");
    let mut farm = Farm::start(2);
    let site = site(&farm);
    farm.stop_node("n1");
    let mended: fn(&mut Farm, &Site) = |farm, _| farm.start_node("n1");
    unreachable(farm, &site, "Connection refused", Some(mended));
}

#[test]
fn a_frozen_listener() {
    let _fault = Fault::new("listener frozen");
    let farm = Farm::start(2);
    let site = site(&farm);
    farm.freeze_listener("n1");
    let mended: fn(&mut Farm, &Site) = |farm, _| farm.thaw("n1");
    unreachable(farm, &site, "", Some(mended));
}

/// A port whose queue is full: the kernel drops what comes, as a firewall would.
struct BlackHole {
    port: u16,
    _listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> BlackHole {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Once more, with another length of its queue.
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queued.push(stream);
            assert!(queued.len() < 20, "its queue has no end");
        }
        BlackHole { port: address.port(), _listener: listener, _queued: queued }
    }
}

#[test]
fn a_dropped_connection() {
    let _fault = Fault::new("connection dropped");
    let farm = Farm::start(2);
    let site = site(&farm);
    let hole = BlackHole::new();
    move_n1(&farm, &site, "127.0.0.1", hole.port);
    unreachable(farm, &site, "timed out", None);
}

#[test]
fn a_connection_that_is_closed_at_once() {
    let _fault = Fault::new("connection dropped");
    let farm = Farm::start(2);
    let site = site(&farm);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    move_n1(&farm, &site, "127.0.0.1", listener.local_addr().unwrap().port());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    unreachable(farm, &site, "", None);
}

#[test]
fn a_name_that_does_not_resolve() {
    let _fault = Fault::new("name unresolvable");
    let farm = Farm::start(2);
    let site = site(&farm);
    move_n1(&farm, &site, "nowhere.invalid", 22);
    unreachable(farm, &site, "nowhere.invalid", None);
}

#[test]
fn a_changed_host_key() {
    let _fault = Fault::new("host key changed");
    let mut farm = Farm::start(2);
    let site = site(&farm);
    farm.change_host_key("n1");
    unreachable(farm, &site, "Host key verification failed", None);
}

#[test]
fn an_unknown_host_key() {
    let _fault = Fault::new("host key unknown");
    let farm = Farm::start(2);
    let site = site(&farm);
    fs::write(farm.known_hosts(), farm.node("n2").known_host()).unwrap();
    let mended: fn(&mut Farm, &Site) = |farm, _| {
        let known = farm.node("n1").known_host() + &farm.node("n2").known_host();
        fs::write(farm.known_hosts(), known).unwrap();
    };
    unreachable(farm, &site, "Host key verification failed", Some(mended));
}

#[test]
fn a_wrong_password_is_tried_once() {
    let _fault = Fault::new("wrong password");
    let farm = Farm::with(2, Options { passwords: true, ..Options::default() });
    let site = site(&farm);
    let key = format!("  identity: {}\n", farm.identity().display());
    let nodes = farm.nodes_yaml().replacen(&key, "  password: not-it-1234\n", 1);
    let nodes =
        nodes.replacen("  ssh_options:\n", "  ssh_options:\n    PubkeyAuthentication: \"no\"\n", 1);
    site.write("nodes.yaml", &nodes);
    fs::set_permissions(site.path("nodes.yaml"), fs::Permissions::from_mode(0o600)).unwrap();
    site.write_witnessed("mark", "true", ON_BOTH);
    let mut daemon = Daemon::start_with_control(&site);
    let units = daemon.run_to_end("mark", SOON);
    assert_outcome(&units[0], "unreachable");
    assert_outcome(&units[1], "succeeded");
    let tries = farm.node("n1").log().text().matches("Failed password").count();
    assert_eq!(tries, 1);
    daemon.stop();
    assert!(!daemon.log().text().contains("not-it-1234"));
    Books::of(&site).with(&farm).balance();
}

#[test]
fn an_identity_that_is_none() {
    let _fault = Fault::new("bad identity file");
    let farm = Farm::start(2);
    let site = site(&farm);
    let bad = site.path("bad");
    let good = format!("  identity: {}\n", farm.identity().display());
    let nodes = farm.nodes_yaml();
    let with_bad = nodes.replacen(&good, &format!("  identity: {}\n", bad.display()), 1);
    site.write("nodes.yaml", &with_bad);
    // What can be seen beforehand is refused beforehand.
    for (text, mode) in [(None, 0), (Some("no key"), 0o644)] {
        if let Some(text) = text {
            fs::write(&bad, text).unwrap();
            fs::set_permissions(&bad, fs::Permissions::from_mode(mode)).unwrap();
        }
        let output = site.check();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("nodes.yaml:"), "{said}");
    }
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o600)).unwrap();
    unreachable(farm, &site, "", None);
}

#[test]
fn a_session_that_breaks_under_a_command_loses_its_unit_alone() {
    let _fault = Fault::new("the node's sshd session killed");
    let farm = Farm::start(2);
    let site = site(&farm);
    site.write_witnessed("long", "[ $LOOM_NODE = n2 ] || sleep 600", ON_BOTH);
    site.write_witnessed("next", "true", ON_BOTH);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("long");
    until("both commands", SOON, || (books::starts(&farm) == 2).then_some(()));
    farm.kill_sessions("n1");
    let (over, units) = daemon.ledger().wait_for_run("long", run, SOON);
    assert_outcome(&units[0], "lost");
    assert_outcome(&units[1], "succeeded");
    assert_eq!(over.state, "lost");
    until("n1 to be used again", SOON, || {
        let units = daemon.run_to_end("next", SOON);
        (units[0].outcome.as_deref() == Some("succeeded")).then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
#[ignore = "minutes: make faults"]
fn a_session_that_falls_silent_is_given_up() {
    let _fault = Fault::new("sshd session frozen");
    let farm = Farm::start(2);
    let site = site(&farm);
    site.write_witnessed("long", "[ $LOOM_NODE = n2 ] || sleep 600", ON_BOTH);
    site.write_witnessed("next", "true", ON_BOTH);
    let mut daemon = Daemon::start_with_control(&site);
    let run = daemon.run("long");
    until("both commands", SOON, || (books::starts(&farm) == 2).then_some(()));
    farm.freeze_sessions("n1");
    let (_, units) = daemon.ledger().wait_for_run("long", run, SILENCE);
    assert_outcome(&units[0], "lost");
    assert_outcome(&units[1], "succeeded");
    farm.thaw("n1");
    until("n1 to be used again", SILENCE, || {
        let units = daemon.run_to_end("next", SOON);
        (units[0].outcome.as_deref() == Some("succeeded")).then_some(())
    });
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

#[test]
fn half_of_the_nodes_hang_and_the_others_are_on_time() {
    let _fault = Fault::new("half of the nodes hang");
    const NODES: usize = 8;
    let farm = Farm::start(NODES);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\nmax_workers: 4\nmax_connecting: 4\n");
    let targets = farm.names().join(", ");
    // The dead ones are the first in line.
    let dead = &farm.names()[..NODES / 2];
    dead.iter().for_each(|node| farm.freeze(node));
    let more = format!("schedule: '@yearly'\ntargets: [{targets}]");
    site.write_witnessed("all", "true", &more);
    let mut daemon = Daemon::start_with_control(&site);
    for round in 0..3 {
        let run = daemon.run("all");
        let (run, units) = daemon.ledger().wait_for_run("all", run, 3 * SOON);
        assert_eq!(units.len(), NODES);
        for unit in &units {
            let took = Duration::from_millis((unit.finished_at.unwrap() - run.queued_at) as u64);
            if dead.contains(&unit.node) {
                assert_outcome(unit, "unreachable");
                continue;
            }
            assert_outcome(unit, "succeeded");
            // In the first round four connections that lead nowhere are made before the others.
            let limit = if round == 0 { 14 } else { 3 };
            assert!(took < Duration::from_secs(limit), "round {round}: {took:?} for {unit:?}");
        }
    }
    dead.iter().for_each(|node| farm.thaw(node));
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}

/// What has hung since it was last used is told from what works by its first unit, on which a
/// worker waits; the others' first units must not wait with it.
#[test]
#[ignore = "minutes: make faults"]
fn half_of_the_nodes_fall_silent_while_idle_and_the_others_are_on_time() {
    let _fault = Fault::new("half of the nodes hang");
    const NODES: usize = 8;
    /// Longer than a connection is trusted without a word from its node.
    const IDLE: Duration = Duration::from_secs(12);
    let farm = Farm::start(NODES);
    let site = Site::new(&farm);
    site.settings("connect_timeout: 5\nstop_timeout: 1\nmax_workers: 4\n");
    let names = farm.names();
    let more = format!("schedule: '@yearly'\ntargets: [{}]", names.join(", "));
    site.write_witnessed("all", "true", &more);
    let mut daemon = Daemon::start_with_control(&site);
    for unit in daemon.run_to_end("all", SOON) {
        assert_outcome(&unit, "succeeded");
    }
    std::thread::sleep(IDLE);
    let dead = &names[..NODES / 2];
    dead.iter().for_each(|node| farm.freeze(node));
    let run = daemon.run("all");
    let (run, units) = daemon.ledger().wait_for_run("all", run, 2 * SILENCE);
    dead.iter().for_each(|node| farm.thaw(node));
    for unit in &units {
        let took = Duration::from_millis((unit.finished_at.unwrap() - run.queued_at) as u64);
        eprintln!("{} {:?} after {took:?}: {:?}", unit.node, unit.outcome, unit.detail);
    }
    for unit in &units {
        let took = Duration::from_millis((unit.finished_at.unwrap() - run.queued_at) as u64);
        if dead.contains(&unit.node) {
            assert_outcome(unit, "unreachable");
        } else {
            assert_outcome(unit, "succeeded");
            assert!(took < Duration::from_secs(5), "{took:?} for {unit:?}");
        }
    }
    daemon.stop();
    Books::of(&site).with(&farm).balance();
}
