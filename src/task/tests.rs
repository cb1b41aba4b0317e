use std::time::Duration;

use super::*;

fn text(text: &str) -> Arg {
    Arg::Str(text.into())
}

fn kwargs(entries: &[(&str, Arg)]) -> Vec<(String, Arg)> {
    entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
}

fn map(entries: &[(&str, Arg)]) -> Arg {
    Arg::Map(entries.iter().map(|(name, value)| (text(name), value.clone())).collect())
}

/// The problem's message, whichever it is.
fn message(task: &str, args: &[Arg], named: &[(&str, Arg)]) -> String {
    match bind(task, args, &kwargs(named)).unwrap_err() {
        Problem::Unknown { suggestions } => suggestions.join(" "),
        Problem::Kwarg { message, .. }
        | Problem::Arg { message, .. }
        | Problem::Call { message } => message,
    }
}

#[test]
fn the_table_is_well_formed() {
    let mut names: Vec<&str> = Vec::new();
    for task in TASKS {
        names.extend([task.path].iter().chain(task.aliases));
        let forms: Vec<u8> = task
            .params
            .iter()
            .map(|p| match p.form {
                Form::Positional => 0,
                Form::Rest => 1,
                Form::Keyword => 2,
            })
            .collect();
        assert!(forms.is_sorted(), "{}: by place, the rest, by name", task.path);
        assert!(forms.iter().filter(|form| **form == 1).count() <= 1, "{}: one rest", task.path);
        assert!(task.example.starts_with(&format!("task: {}\n", task.path)), "{}", task.path);
        assert!(task.doc.ends_with('.'), "{}", task.path);
        for (i, param) in task.params.iter().enumerate() {
            let fits = match (param.kind, param.default) {
                (_, Default::Required | Default::Absent) => true,
                (Kind::Flag, Default::Flag(_)) => true,
                (Kind::Choice(words), Default::Text(word)) => words.contains(&word),
                (Kind::Text, Default::Text(_)) => true,
                (Kind::Seconds, Default::Seconds(_)) => true,
                _ => false,
            };
            assert!(fits, "{}({}): the default is not of its kind", task.path, param.name);
            assert!(!task.params[..i].iter().any(|other| other.name == param.name));
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a path stands for one task");
}

#[test]
fn arguments_bind_by_place_and_by_name() {
    let args = [text("uptime"), Arg::Bool(false)];
    let named = kwargs(&[
        ("timeout", Arg::Float(1.5)),
        ("cd", text("/srv")),
        ("prefix", Arg::List(vec![text("a"), text("b")])),
        ("shell_env", map(&[("PORT", Arg::Int(80)), ("A", text("x y"))])),
        ("ok_ret_codes", Arg::List(vec![Arg::Int(0), Arg::Int(3)])),
        ("combine_stderr", Arg::Null),
    ]);
    let call = bind("fabric.operations.run", &args, &named).unwrap();
    assert_eq!(call.task.path, "fabric.api.run");
    assert_eq!(call.text("command"), "uptime");
    assert!(!call.flag("shell"));
    assert!(call.flag("shell_escape"));
    assert_eq!(call.maybe_flag("combine_stderr"), None);
    assert_eq!(call.seconds("timeout"), Some(Duration::from_millis(1500)));
    assert_eq!(call.texts("cd"), ["/srv"]);
    assert_eq!(call.texts("prefix"), ["a", "b"]);
    assert_eq!(call.env("shell_env"), [("PORT".into(), "80".into()), ("A".into(), "x y".into())]);
    assert_eq!(call.text("path_behavior"), "append");
    assert_eq!(call.codes("ok_ret_codes"), Some([0, 3].as_slice()));
}

#[test]
fn a_mode_is_bits_or_octal_digits() {
    let mode = |value: Arg| {
        let named = kwargs(&[("mode", value)]);
        bind("fabric.api.put", &[text("a")], &named).map(|call| call.mode("mode"))
    };
    assert_eq!(mode(Arg::Int(493)), Ok(Some(0o755)));
    for digits in ["755", "0755", "0o755"] {
        assert_eq!(mode(text(digits)), Ok(Some(0o755)));
    }
    assert_eq!(mode(Arg::Null), Ok(None));
    for bad in [
        Arg::Int(755),
        Arg::Int(644),
        Arg::Int(-1),
        Arg::Int(4096),
        text("rwx"),
        text("+755"),
        text("8"),
        text("77777"),
    ] {
        assert!(mode(bad.clone()).is_err(), "{bad:?}");
    }
}

#[test]
fn a_bad_call_is_told_in_words_to_act_on() {
    let run = |args: &[Arg], named: &[(&str, Arg)]| message("fabric.api.run", args, named);
    assert_eq!(
        run(&[], &[("comand", text("x"))]),
        "fabric.api.run() has no parameter `comand`; did you mean `command`?"
    );
    assert_eq!(run(&[], &[]), "fabric.api.run() needs `command`: the command line");
    assert_eq!(
        run(&[text("x")], &[("command", text("y"))]),
        "fabric.api.run() is given `command` twice: by its place in args and by name"
    );
    assert_eq!(
        run(&[text("x")], &[("shell", text("no"))]),
        "`shell` of fabric.api.run() takes true or false, not a string"
    );
    assert_eq!(
        run(&[Arg::Bool(true)], &[]),
        "`command` of fabric.api.run() takes a string, \
         not a boolean (text that reads as one must be quoted)"
    );
    assert_eq!(
        run(&vec![text("x"); 7], &[]),
        "`shell` of fabric.api.run() takes true or false, not a string"
    );
    assert_eq!(
        message("loom.run", &[text("x"), text("y")], &[]),
        "loom.run() takes one argument by place, and args has 2; name the others in kwargs"
    );
    assert_eq!(
        message("loom.run", &[text("x")], &[("become_user", text("app"))]),
        "`become_user` of loom.run() needs `become: true` beside it"
    );
    assert_eq!(
        message("loom.system.gethostip", &[text("x")], &[("verbose", Arg::Bool(true))]),
        "loom.system.gethostip() has no parameter `verbose`; it takes hostname"
    );
    assert!(run(&[text("a\0b")], &[]).ends_with("not a string with a NUL byte in it"));
    assert!(run(&[text("a")], &[("timeout", Arg::Int(0))]).ends_with("seconds, not 0"));
    assert!(run(&[text("a")], &[("timeout", Arg::Float(f64::NAN))]).ends_with("not NaN"));
    assert!(run(&[text("a")], &[("ok_ret_codes", Arg::Int(256))]).ends_with("not 256"));
    assert!(run(&[text("a")], &[("shell_env", map(&[("A-B", text("x"))]))]).contains("\"A-B\""));
}

#[test]
fn a_problem_says_where_it_is() {
    let at = |args: &[Arg], named: &[(&str, Arg)]| {
        bind("fabric.api.run", args, &kwargs(named)).unwrap_err()
    };
    assert!(matches!(at(&[text("x"), text("y")], &[]), Problem::Arg { index: 1, .. }));
    assert!(matches!(
        at(&[text("x")], &[("pty", Arg::Bool(true)), ("cd", Arg::Int(1))]),
        Problem::Kwarg { name, .. } if name == "cd"
    ));
}

#[test]
fn a_check_tells_all_that_is_wrong_with_a_call() {
    let told = |args: &[Arg], named: &[(&str, Arg)]| -> Vec<String> {
        let found = check("fabric.api.run", args, &kwargs(named)).into_iter();
        found
            .map(|problem| match problem {
                Problem::Unknown { suggestions } => suggestions.join(" "),
                Problem::Kwarg { message, .. }
                | Problem::Arg { message, .. }
                | Problem::Call { message } => message,
            })
            .collect()
    };
    assert_eq!(
        told(&[], &[("pty", Arg::Int(1)), ("tiemout", Arg::Int(1)), ("cd", Arg::Int(1))]),
        [
            "`pty` of fabric.api.run() takes true or false, not an integer",
            "fabric.api.run() has no parameter `tiemout`; did you mean `timeout`?",
            "`cd` of fabric.api.run() takes a string or a list of strings, not an integer",
            "fabric.api.run() needs `command`: the command line",
        ]
    );
    assert_eq!(
        told(&[], &[("comand", text("x"))]),
        ["fabric.api.run() has no parameter `comand`; did you mean `command`?"],
        "what was misspelt is not missing as well"
    );
    assert_eq!(
        told(&[Arg::Null, text("x")], &[("shell", Arg::Bool(true))]),
        [
            "`command` of fabric.api.run() takes a string, not null",
            "`shell` of fabric.api.run() takes true or false, not a string",
            "fabric.api.run() is given `shell` twice: by its place in args and by name",
        ]
    );
    let become_user = kwargs(&[("become", text("x")), ("become_user", text("app"))]);
    assert_eq!(check("loom.run", &[text("x")], &become_user).len(), 1, "nor is the rule broken");
    assert_eq!(check("loom.run", &[text("x")], &[]), []);
}

#[test]
fn near_names_are_offered_for_unknown_paths() {
    for (written, meant) in [
        ("fabric.api.rum", "fabric.api.run"),
        ("fabric.operations.runn", "fabric.api.run"),
        ("fabric.put", "fabric.api.put"),
        ("sudo", "fabric.api.sudo"),
        ("Loom.Run", "loom.run"),
        ("loom.system.umount", "loom.system.unmount"),
        ("loom.sytem.add_sshfs_mounts", "loom.system.add_sshfs_mount"),
    ] {
        match bind(written, &[], &[]).unwrap_err() {
            Problem::Unknown { suggestions } => {
                assert_eq!(suggestions.first().map(String::as_str), Some(meant), "{written}");
            }
            other => panic!("{written}: {other:?}"),
        }
    }
    assert_eq!(check("site.tasks.deploy", &[], &[]), [Problem::Unknown { suggestions: vec![] }]);
}

#[test]
fn mounts_are_the_rest_of_the_arguments() {
    let storage = map(&[
        ("host", text("root@staging")),
        ("remotepath", text("/mnt/storage")),
        ("mountpoint", text("/mnt/storage")),
        ("excludes", Arg::List(vec![text("staging")])),
    ]);
    let task = "loom.system.add_sshfs_mount";
    let call = bind(task, &[storage.clone(), storage.clone()], &[]).unwrap();
    assert_eq!(call.mounts().count(), 2);
    assert_eq!(call.mounts().next().unwrap().excludes, ["staging"]);
    assert_eq!(
        message(task, &[], &[]),
        format!("{task}() needs `mounts`: the file systems to mount, one mapping each")
    );
    assert!(
        message(task, &[map(&[("host", text("a"))])], &[]).ends_with("not one without remotepath")
    );
    assert!(message(task, &[Arg::Null], &[]).ends_with("not null"));
    let args = [storage.clone()];
    assert!(message(task, &args, &[("mounts", storage)]).contains("has no parameter"));
}

#[test]
fn sudo_is_seen_wherever_it_is_asked_for() {
    let wants =
        |task, args: &[Arg], named: &[(&str, Arg)]| wants_password(task, args, &kwargs(named));
    assert!(wants("fabric.operations.sudo", &[text("id")], &[]));
    assert!(wants("loom.run", &[text("id")], &[("become", Arg::Bool(true))]));
    assert!(wants("fabric.api.put", &[text("a"), text("b"), Arg::Bool(true)], &[]));
    assert!(!wants("loom.run", &[text("sudo id")], &[]));
    assert!(!wants("fabric.api.get", &[text("a")], &[]));
    assert!(!wants("fabric.api.run", &[], &[]), "it does not bind");
    assert!(wants("my.own", &[], &[]), "what a Python task does is not known");
}

#[test]
fn a_call_knows_whose_rights_it_needs() {
    let of = |task, named: &[(&str, Arg)]| rights(task, &[text("id")], &kwargs(named));
    let become_root = ("become", Arg::Bool(true));
    assert_eq!(of("loom.run", &[]), Rights::Own);
    assert_eq!(of("no.such", &[]), Rights::Own);
    assert_eq!(of("loom.run", std::slice::from_ref(&become_root)), Rights::Root);
    let postgres = Rights::User("postgres".into());
    assert_eq!(of("loom.run", &[become_root, ("become_user", text("postgres"))]), postgres);
    assert_eq!(of("fabric.api.sudo", &[]), Rights::Root);
    assert_eq!(of("fabric.api.sudo", &[("user", text("postgres"))]), postgres);
    assert_eq!(of("fabric.api.sudo", &[("user", Arg::Int(26))]), Rights::User("#26".into()));
}

#[test]
fn a_call_may_set_a_limit_of_its_own() {
    let limit = |task, value| timeout(task, &[text("id")], &kwargs(&[("timeout", value)]));
    assert_eq!(limit("fabric.api.run", Arg::Int(30)), Some(Duration::from_secs(30)));
    assert_eq!(limit("fabric.api.sudo", Arg::Null), None);
    assert_eq!(limit("loom.run", Arg::Int(30)), None);
    assert_eq!(timeout("loom.run", &[text("id")], &[]), None);
}

#[test]
fn a_task_shows_its_signature() {
    let shown = |path| find(path).unwrap().to_string();
    assert_eq!(
        shown("loom.run"),
        "loom.run(command, *, env=null, chdir=null, become=false, become_user=null, stdin=null)"
    );
    assert_eq!(
        shown("loom.system.add_sshfs_mount"),
        "loom.system.add_sshfs_mount(*mounts, become=false)"
    );
}

/// `make tasks-page` writes it.
#[test]
fn the_page_says_what_the_table_says() {
    for (written, expected) in page::PAGE.lines().zip(page().lines()) {
        assert_eq!(written, expected, "`make tasks-page` writes docs/tasks.md anew");
    }
    assert_eq!(page::PAGE.lines().count(), page().lines().count());
}

#[test]
fn every_task_says_all_of_itself() {
    let page = page();
    for task in TASKS {
        let Task { path, doc, long, .. } = task;
        let beginning = |text: &str| text.chars().take(20).collect::<String>();
        assert_eq!(beginning(doc), beginning(long), "{path}");
        assert!(long.ends_with('.'), "{path}: {long}");
        assert!(long.lines().all(|line| line.chars().count() <= 100), "{path}: {long}");
        assert!(page.contains(&format!("\n## {path}\n\n`{task}`\n\n{long}\n\n")), "{path}");
        let section = page.split(&format!("\n## {path}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        for param in task.params {
            assert!(section.contains(&format!("`{}`", param.name)), "{path}: {}", param.name);
            assert!(!param.doc.contains('|') && !param.phrase().ends_with('.'), "{}", param.doc);
        }
    }
}

#[test]
fn every_example_is_a_job_that_passes_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let mut jobs = "jobs:\n".to_owned();
    for task in TASKS {
        jobs += &format!("  {}:\n    targets: [n1]\n", task.path);
        jobs.extend(task.example.lines().map(|line| format!("    {line}\n")));
    }
    write("loom.yaml", "nodesfile: nodes.yaml\njobspath: .\n");
    write("nodes.yaml", "n1: {user: root}\n");
    write("jobs.yaml", &jobs);
    let loaded = crate::config::load(dir.path().join("loom.yaml").to_str().unwrap()).unwrap();
    assert_eq!(loaded.config.jobs.len(), TASKS.len());
    assert_eq!(loaded.warnings.len(), 0, "{:?}", loaded.warnings);
}
