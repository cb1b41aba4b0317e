//! Completion in the shells themselves: typed into a terminal, as a person would.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::process;
use crate::harness::site::loom_executable;
use crate::harness::skip::skip;
use crate::harness::{SOON, Site, until};

const JOBS: &str = "\
jobs:
  backup: {task: loom.run, args: [a], targets: web1}
  'nightly: full dump': {task: loom.run, args: [a], targets: web1}
  'db:dump': {task: loom.run, args: [a], targets: web1}
  'it''s $HOME': {task: loom.run, args: [a], targets: web1}
flows:
  rollout: {slots: [[backup]]}
";

/// What is typed before the tab, and the line after it. A word in quotes is left in them.
const LINES: &[(&str, &str)] = &[
    ("loom ne", "loom next"),
    ("loom -c loom.yaml next ba", "loom -c loom.yaml next backup"),
    ("loom -c loom.yaml run rol", "loom -c loom.yaml run rollout"),
    ("loom -c loom.yaml next db:d", "loom -c loom.yaml next db:dump"),
    ("loom -c loom.yaml next nig", r"loom -c loom.yaml next nightly:\ full\ dump"),
    ("loom -c loom.yaml next \"nig", "loom -c loom.yaml next \"nightly: full dump\""),
    ("loom -c loom.yaml next it", r"loom -c loom.yaml next it\'s\ \$HOME"),
    ("loom -c loom.yaml once backup --on @w", "loom -c loom.yaml once backup --on @web"),
    ("loom -c loom.yaml once x --on=web1,@w", "loom -c loom.yaml once x --on=web1,@web"),
    ("loom --config=lo", "loom --config=loom.yaml"),
    ("loom backup jo", "loom backup jobs/"),
    ("loom flow run nod", "loom flow run nodes.yaml"),
    ("loom tasks loom.scr", "loom tasks loom.script"),
];

fn site() -> Site {
    let site = Site::empty();
    site.write("nodes.yaml", "web1: {user: a, tags: [web]}\nweb2: {user: a, tags: [web]}\n");
    site.write("jobs/a.yaml", JOBS);
    for shell in ["bash", "zsh", "fish"] {
        let script = process::run(&mut site.loom(&["completions", shell]), SOON);
        assert!(script.status.success() && !script.stdout.is_empty(), "{shell}: {script:?}");
        std::fs::write(site.path(shell), script.stdout).unwrap();
    }
    std::fs::create_dir(site.path("functions")).unwrap();
    std::fs::rename(site.path("zsh"), site.path("functions/_loom")).unwrap();
    site
}

fn path() -> String {
    let own = loom_executable().parent().unwrap().display();
    format!("{own}:{}", std::env::var("PATH").unwrap_or_default())
}

/// Whether the programs are there; what is not is reported as a skip of `test`.
fn have(test: &str, programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = programs.iter().find(|program| {
        !std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    });
    if let Some(missing) = missing {
        skip(test, &format!("{missing} is not installed"));
    }
    missing.is_none()
}

/// A shell in a terminal of its own.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    fn start(site: &Site, shell: &str) -> Terminal {
        let terminal = Terminal { socket: site.path("tmux") };
        let mut command = terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "20", shell]);
        command.current_dir(site.root()).env("PATH", path()).env("HOME", site.root());
        command.env("SHELL", "/bin/sh").env("LANG", "C.UTF-8").env_remove("TMUX");
        let started = process::run(&mut command, SOON);
        assert!(started.status.success(), "{started:?}");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(arguments);
        command
    }

    fn keys(&self, keys: &[&str]) {
        let sent = process::run(self.tmux(&["send-keys"]).args(keys), SOON);
        assert!(sent.status.success(), "{sent:?}");
    }

    fn write(&self, text: &str) {
        self.keys(&["-l", text]);
    }

    fn screen(&self) -> String {
        let output = process::run(&mut self.tmux(&["capture-pane", "-p"]), SOON);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn wait_for_line(&self, line: &str) {
        let found = || self.screen().lines().any(|shown| shown.trim_end() == line).then_some(());
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(line, SOON, found);
        }));
        assert!(told.is_ok(), "{line:?} does not appear in\n{}", self.screen());
    }

    /// Types each of the lines and a tab, and waits for what is to become of it.
    fn complete(&self, lines: &[(&str, &str)]) {
        for (typed, completed) in lines {
            self.keys(&["C-u"]);
            self.keys(&["C-l"]);
            self.wait_for_line(">");
            self.write(typed);
            self.write("\t");
            self.wait_for_line(&format!("> {completed}"));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        process::run(&mut self.tmux(&["kill-server"]), SOON);
    }
}

#[test]
fn bash_completes_what_is_typed() {
    if !have("bash_completes_what_is_typed", &["tmux", "bash"]) {
        return;
    }
    let site = site();
    let terminal = Terminal::start(&site, "env PS1='> ' bash --norc --noprofile");
    terminal.write(". ./bash; PS1='> '\n");
    terminal.complete(LINES);
    // Behind another command, whose words are none of loom's.
    terminal.complete(&[("true -c; loom ne", "true -c; loom next")]);
}

#[test]
fn zsh_completes_what_is_typed() {
    if !have("zsh_completes_what_is_typed", &["tmux", "zsh"]) {
        return;
    }
    let site = site();
    let terminal = Terminal::start(&site, "env PS1='> ' zsh -f");
    // As it is installed: a function that is loaded when it is first needed.
    terminal.write("fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D\n");
    terminal.write("PS1='> '\n");
    terminal.complete(LINES);
}

#[test]
fn fish_completes_what_is_typed() {
    if !have("fish_completes_what_is_typed", &["tmux", "fish"]) {
        return;
    }
    let site = site();
    let terminal = Terminal::start(&site, "fish --no-config");
    terminal.write("function fish_prompt; echo -n '> '; end; source fish\n");
    terminal.complete(LINES);
}

/// Without a terminal: the words as bash hands them over.
#[test]
fn bash_is_given_candidates_a_word_each() {
    let site = site();
    let script = r#"
        . ./bash
        COMP_LINE='loom -c loom.yaml once backup --on web1,@' COMP_POINT=${#COMP_LINE}
        COMP_WORDS=(loom -c loom.yaml once backup --on web1, @) COMP_CWORD=7
        _loom loom @ web1,
        printf '<%s>' "${COMPREPLY[@]}"
        COMP_LINE='loom -c loom.yaml next x' COMP_POINT=$((${#COMP_LINE} - 1))
        COMP_WORDS=(loom -c loom.yaml next x) COMP_CWORD=4
        _loom loom '' next
        printf '<%s>' "${COMPREPLY[@]}"
        for command in run disable enable why jobs show; do
            COMP_LINE="loom -c loom.yaml $command ba" COMP_POINT=${#COMP_LINE}
            COMP_WORDS=(loom -c loom.yaml "$command" ba) COMP_CWORD=4
            _loom loom ba "$command"
            printf '<%s %s>' "$command" "${COMPREPLY[*]}"
        done
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-c", script]).current_dir(site.root()).env("PATH", path());
    let output = process::run(&mut bash, SOON);
    let expected = r"<@web><backup><db:dump><it\'s\ \$HOME><nightly:\ full\ dump><rollout>"
        .to_owned()
        + "<run backup><disable backup><enable backup><why backup><jobs backup><show backup>";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
}

#[test]
fn what_is_broken_yields_nothing_and_is_silent() {
    let site = site();
    site.write("jobs/b.yaml", "jobs: [");
    for line in [
        &["-c", "loom.yaml", "next", "b"][..],
        &["-c", "none.yaml", "next", "b"],
        &["--host", "https://127.0.0.1:1", "-c", "loom.yaml", "next", "b"],
        &["no-such-command", "x"],
        &[],
    ] {
        let mut command = Command::new(loom_executable());
        command.args(["completions", "bash", "--", "loom"]).args(line).current_dir(site.root());
        let output = process::run(&mut command, SOON);
        assert!(output.status.success() && output.stderr.is_empty(), "{line:?}: {output:?}");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(line.is_empty() || lines.is_empty(), "{line:?}: {lines}");
    }
}
