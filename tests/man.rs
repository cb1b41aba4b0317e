//! The manual page, as the programs that show it take it.

use std::fs;
use std::process::Command;

use crate::harness::process;
use crate::harness::skip::skip;
use crate::harness::{SOON, Site};

/// What one of them prints besides the page, or `None` where it is not installed.
fn complaints(program: &str, arguments: &[&str], site: &Site) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).arg(site.path("loom.1")).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
    command.env("MANPAGER", "cat").env("HOME", site.root()).stdin(std::process::Stdio::null());
    let there = Command::new(program).arg("--version").output().is_ok();
    there.then(|| {
        let output = process::run(&mut command, SOON);
        assert!(output.status.code().is_some_and(|code| code < 4), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
            + if program == "mandoc" { std::str::from_utf8(&output.stdout).unwrap() } else { "" }
    })
}

#[test]
fn the_page_is_sound_roff() {
    let site = Site::empty();
    let output = process::run(&mut site.loom(&["man"]), SOON);
    assert!(output.status.success(), "{output:?}");
    fs::write(site.path("loom.1"), &output.stdout).unwrap();
    match complaints("mandoc", &["-T", "lint", "-W", "error"], &site) {
        Some(told) => assert_eq!(told, ""),
        None => skip("the_page_is_sound_roff", "mandoc is not installed"),
    }
    match complaints("man", &["--warnings", "-l"], &site) {
        Some(told) => assert_eq!(told, ""),
        None => skip("the_page_is_sound_roff", "man is not installed"),
    }
}
