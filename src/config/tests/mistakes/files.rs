//! Of files and directories rather than of what is in them.

use super::{Home, JOB, MAIN, symlink};

#[test]
fn directories_that_cannot_be_read() {
    let home = Home::with(&[("loom.yaml", &MAIN.replace(": jobs", ": jobz"))]);
    let told = home.messages();
    assert!(
        told.contains(
            "loom.yaml:2:11: error: jobspath \"jobz\" cannot be read: no such file or directory\n"
        ),
        "{told}"
    );
    symlink("nowhere", home.path("jobs/dangling.yaml"));
    home.write("loom.yaml", MAIN);
    home.write("jobs/z.yaml", JOB.replace("task", "tsk"));
    let told = home.messages();
    assert!(told.contains("jobs/z.yaml:2:7: error: unknown key \"tsk\""), "{told}");
    home.write("jobs/z.yaml", JOB);
    assert_eq!(
        home.messages(),
        "jobs/dangling.yaml: error: links to \"nowhere\", which cannot be read: no such file or directory\n"
    );
}

#[test]
fn root_does_not_obey_what_everybody_can_write() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with(&[("jobs/a.yaml", JOB)]);
    let set = |name: &str, mode| {
        std::fs::set_permissions(home.path(name), std::fs::Permissions::from_mode(mode)).unwrap()
    };
    set("jobs/a.yaml", 0o666);
    set("jobs", 0o777);
    let expected = match nix::unistd::geteuid().is_root() {
        true => {
            "\
jobs: error: can be written by everybody; root does not obey it: chmod o-w
jobs/a.yaml: error: can be written by everybody; root does not obey it: chmod o-w
"
        }
        false => "",
    };
    assert_eq!(home.messages(), expected);
}
