//! The state directory is found whatever has become of the rest.

use super::{Home, MAIN};
use crate::config::settings::default_statedir;
use crate::config::{Located, locate};

fn located(home: &Home) -> Located {
    let found = locate(home.path("loom.yaml").to_str().unwrap());
    found.unwrap_or_else(|found| panic!("{}", home.text(&found)))
}

#[test]
fn it_is_what_a_load_would_say() {
    for more in ["", "statedir: state\n", "statedir: ./a/../b\n", "x: &d ~/x\nstatedir: *d\n"] {
        let home = Home::with(&[(
            "loom.yaml",
            &format!("{MAIN}{}", more.replace("x: &d", "ssh_options:\n  ProxyJump: &d")),
        )]);
        let expected = Located { statedir: home.config().settings.statedir, note: None };
        assert_eq!(located(&home), expected, "{more}");
    }
}

#[test]
fn broken_files_are_no_obstacle() {
    let home = Home::new();
    home.write("jobs/a.yaml", "jobs: [");
    home.write("nodes.yaml", "- {");
    home.write("data.yaml", b"\xff\xfe");
    for main in [
        format!("{MAIN}statedir: state\nmax_workers: many\nlisten: everywhere\nkeep: 3\n"),
        "statedir: state\n".to_string(),
        format!("{MAIN}statedir: state\nkeep: {{days: 1\n"),
        format!("{MAIN}statedir: 'state' # here\n\tkeep: 3\n"),
        format!("{MAIN}x: *nowhere\nstatedir: state\nstatedir: other\n"),
    ] {
        home.write("loom.yaml", &main);
        assert!(home.load().is_err(), "{main}");
        assert_eq!(located(&home).statedir, home.path("state"), "{main}");
    }
    home.write("loom.yaml", format!("{MAIN}keep: {{\n"));
    let located = located(&home);
    assert_eq!(located.statedir, default_statedir());
    assert!(located.note.unwrap().contains("no line of it begins with \"statedir:\""));
}

#[test]
fn a_statedir_that_cannot_be_understood_is_not_guessed() {
    for (written, message) in [
        ("[a]", "loom.yaml:4:11: error: statedir is a single value, not a list\n"),
        ("~nobody-of-this-name/x", "error: statedir: the home directory of"),
        ("*nowhere", "loom.yaml:4:11: error: statedir cannot be understood; see `loom check`\n"),
    ] {
        let home = Home::with(&[("loom.yaml", &format!("{MAIN}statedir: {written}\n"))]);
        let told = home.text(&locate(home.path("loom.yaml").to_str().unwrap()).unwrap_err());
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn without_a_configuration_it_is_the_default_and_says_who_was_looked_for() {
    let home = Home::new();
    let candidates = format!("{0}/none.yaml,{0}/neither.yaml", home.path("").display());
    let located = locate(&candidates).unwrap();
    assert_eq!(located.statedir, default_statedir());
    assert!(located.note.unwrap().contains("/none.yaml,"));
    let second =
        format!("{}/none.yaml, {}", home.path("").display(), home.path("loom.yaml").display());
    home.write("loom.yaml", "statedir: here");
    assert_eq!(locate(&second).unwrap().statedir, home.path("here"));
}
