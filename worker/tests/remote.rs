//! What tasks build on: terminals, data, captures and files, over a real master.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use loom_worker::ssh::transfer::Placement;
use loom_worker::ssh::{Command, Ended, Input, Pty, Remote, RemoteError};
use loom_worker::stop::Stop;
use tokio::sync::mpsc;

use crate::rig::{Rig, eventually, is_running, rig};

fn remote(rig: &Rig, stop: &Stop) -> Remote {
    let order = rig.order("loom.run", &[]);
    let (started, _) = mpsc::unbounded_channel();
    Remote::new(order.node, order.cookie, Duration::from_secs(1), stop.clone(), started)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

fn terminal() -> Input {
    Input::Terminal(Pty { term: "vt100".into(), cols: 77, rows: 33 })
}

#[test]
fn a_terminal_has_its_size_and_its_line_ends_and_a_true_status() {
    let rig = rig();
    let line = "test -t 0 && test -t 1 && test -t 2 && stty size && echo $TERM && echo e >&2";
    let remote = remote(&rig, &Stop::default());
    block_on(async {
        let seen = remote.capture(&Command::new(line).input(terminal())).await.unwrap();
        assert_eq!(String::from_utf8(seen.stdout).unwrap(), "33 77\r\nvt100\r\ne\r\n");
        assert_eq!(seen.ended, Ended::Exit(0));
        let seen = remote.capture(&Command::new("kill -TERM $$").input(terminal())).await.unwrap();
        assert_eq!(seen.ended, Ended::Signal(15));
    });
}

#[test]
fn a_terminal_that_is_let_go_of_hangs_up_even_on_who_does_not_listen() {
    let rig = rig();
    for (index, trap) in ["", "trap '' HUP; ", "trap '' HUP TERM; "].into_iter().enumerate() {
        let seconds = format!("703.{}{index}", std::process::id());
        let stop = Stop::default();
        let remote = remote(&rig, &stop);
        let command = Command::new(format!("{trap}sleep {seconds}")).input(terminal());
        block_on(async {
            let stopping = async {
                while !is_running(&seconds) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                stop.request();
            };
            let (ended, ()) = tokio::join!(remote.capture(&command), stopping);
            assert!(matches!(ended, Err(RemoteError::Stopped)), "{ended:?}");
        });
        eventually("it was hung up on", || !is_running(&seconds));
    }
}

#[test]
fn data_goes_through_whole_whether_or_not_it_is_read() {
    let rig = rig();
    let remote = remote(&rig, &Stop::default());
    let data: Vec<u8> = (0..5_000_000u32).map(|i| (i % 7919 % 256) as u8).collect();
    block_on(async {
        let cat = Command::new("cat").input(Input::Bytes(data.clone()));
        let seen = remote.capture(&cat).await.unwrap();
        assert!(seen.stdout == data, "{} bytes", seen.stdout.len());
        let none = Command::new("exit 5").input(Input::Bytes(data));
        assert_eq!(remote.capture(&none).await.unwrap().ended, Ended::Exit(5));
    });
}

#[test]
fn a_file_arrives_whole_with_its_mode_and_comes_back() {
    let rig = rig();
    let remote = remote(&rig, &Stop::default());
    let (local, there, back) = (rig.path("local"), rig.path("it's there"), rig.path("back"));
    let data: Vec<u8> = (0..1_000_000u32).map(|i| (i * 31 % 256) as u8).collect();
    fs::write(&local, &data).unwrap();
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    block_on(async {
        let file = || Input::File(local.clone().into());
        remote.upload(file(), &there, &Placement { mode: Some(0o640), sudo: None }).await.unwrap();
        assert_eq!((fs::read(&there).unwrap() == data, mode(&there)), (true, 0o640));
        remote.upload(Input::Bytes(b"new".into()), &there, &Placement::default()).await.unwrap();
        assert_eq!((fs::read(&there).unwrap(), mode(&there)), (b"new".to_vec(), 0o640));
        remote.download(&there, back.as_ref(), None).await.unwrap();
        assert_eq!(fs::read(&back).unwrap(), b"new");
    });
}

#[test]
fn what_cannot_be_placed_leaves_nothing_and_says_why() {
    let rig = rig();
    let remote = remote(&rig, &Stop::default());
    let before = fs::read_dir(rig.dir.path()).unwrap().count();
    block_on(async {
        let bytes = || Input::Bytes(b"x".into());
        for (path, reason) in [(rig.path("no/dir"), "no"), (rig.path(""), "is a directory")] {
            let error = remote.upload(bytes(), &path, &Placement::default()).await.unwrap_err();
            assert!(matches!(&error, RemoteError::Transfer(said) if said.contains(reason)));
        }
        let error = remote.download("/nonexistent", rig.path("x").as_ref(), None).await;
        assert!(error.unwrap_err().to_string().contains("/nonexistent"));
    });
    assert_eq!(fs::read_dir(rig.dir.path()).unwrap().count(), before);
}

#[test]
fn what_left_the_middle_of_a_transfer_is_not_installed() {
    let rig = rig();
    let there = rig.path("there");
    fs::write(&there, "old").unwrap();
    let stop = Stop::default();
    let remote = remote(&rig, &stop);
    let placement = Placement::default();
    block_on(async {
        let upload = remote.upload(Input::Bytes(vec![0; 64 << 20]), &there, &placement);
        let parts = || fs::read_dir(rig.dir.path()).unwrap().flatten();
        let part = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(".loom.");
        let stopping = async {
            while !parts().any(|entry| {
                part(&entry.file_name()) && entry.metadata().is_ok_and(|data| data.len() > 0)
            }) {
                tokio::task::yield_now().await;
            }
            stop.request();
        };
        let (ended, ()) = tokio::join!(upload, stopping);
        assert!(ended.is_err());
        assert_eq!(fs::read(&there).unwrap(), b"old");
        eventually("the part is gone", || !parts().any(|entry| part(&entry.file_name())));
    });
}
