//! Mails, by a sendmail that keeps what it gets.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use loom::job::hooks::Action;

use super::{AMPLE, Rig, firing, is_there};
use crate::harness::process::Process;

fn rig_with(sendmail: &str) -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let rig = Rig { dir, ..Rig::with_path(&path) };
    let file = rig.path("sendmail");
    fs::write(&file, format!("#!/bin/sh\nD={}\n{sendmail}\n", rig.dir.path().display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    rig
}

fn mail(rig: &mut Rig, body: &[u8]) -> Result<(), String> {
    let action = Action::Mail("ops@example.com".to_owned());
    rig.fire(firing("backup", action, AMPLE, body));
    rig.result()
}

#[test]
fn sendmail_gets_the_mail_as_it_is() {
    let mut rig = rig_with("echo \"$@\" >$D/args; exec cat >$D/mail");
    let body = "To: ops@example.com\nSubject: Loom: backup failed\n\nfull\n.\nstill the mail: ü\n";
    assert_eq!(mail(&mut rig, body.as_bytes()), Ok(()));
    assert_eq!(rig.read("mail"), body);
    assert_eq!(rig.read("args"), "-i -t\n");
}

#[test]
fn sendmail_may_refuse() {
    let mut rig = rig_with("cat >/dev/null; echo 'queue is full' >&2; exit 75");
    assert_eq!(mail(&mut rig, b""), Err("it exited with 75: queue is full".to_owned()));
}

#[test]
fn what_it_delivers_in_the_background_is_left_alone() {
    let mut rig = rig_with("sleep 600 & echo $! >$D/delivery; exit 0");
    assert_eq!(mail(&mut rig, b""), Ok(()));
    assert!(is_there(&rig.path("delivery")));
    let delivery = Process::of(rig.read("delivery").trim().parse().unwrap()).unwrap();
    assert!(delivery.is_alive());
    delivery.signal(nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn a_machine_without_sendmail_says_so() {
    if ["/usr/sbin/sendmail", "/usr/lib/sendmail"].iter().any(|path| fs::exists(path).unwrap()) {
        crate::harness::skip::skip("a_machine_without_sendmail_says_so", "it has one");
        return;
    }
    let mut rig = Rig::with_path("/nowhere:relative:");
    assert_eq!(
        mail(&mut rig, b""),
        Err("there is no sendmail in PATH, nor /usr/sbin/sendmail or /usr/lib/sendmail".to_owned())
    );
}
