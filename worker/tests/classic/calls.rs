//! The calls.

use serde_json::{Value, json};

#[derive(Debug)]
pub struct Row {
    pub task: &'static str,
    pub args: Vec<Value>,
    pub kwargs: Value,
    /// Why the native task is meant to do something else.
    pub differs: Option<&'static str>,
}

fn row(task: &'static str, args: Value, kwargs: Value) -> Row {
    let Value::Array(args) = args else { panic!("{args}") };
    Row { task, args, kwargs, differs: None }
}

fn run(line: &str, mut kwargs: Value) -> Row {
    // The defaults are not the same.
    let kwargs_map = kwargs.as_object_mut().unwrap();
    kwargs_map.entry("pty").or_insert(json!(false));
    kwargs_map.entry("combine_stderr").or_insert(json!(false));
    row("run", json!([line]), kwargs)
}

fn sudo(line: &str, kwargs: Value) -> Row {
    Row { task: "sudo", ..run(line, kwargs) }
}

fn local(line: &str, mut kwargs: Value) -> Row {
    kwargs.as_object_mut().unwrap().entry("capture").or_insert(json!(true));
    row("local", json!([line]), kwargs)
}

fn put(from: &str, to: &str, kwargs: Value) -> Row {
    row("put", json!([from, to]), kwargs)
}

fn get(from: &str, to: &str, kwargs: Value) -> Row {
    row("get", json!([from, to]), kwargs)
}

impl Row {
    /// It wants the file of 5 MB.
    pub fn is_big(&self) -> bool {
        self.args.contains(&json!("{dir}/big"))
    }

    fn differs(self, why: &'static str) -> Row {
        Row { differs: Some(why), ..self }
    }
}

pub fn rows() -> Vec<Row> {
    let mut rows = commands();
    rows.extend(locals());
    rows.extend(puts());
    rows.extend(gets());
    rows
}

fn commands() -> Vec<Row> {
    vec![
        run("echo out; echo err >&2", json!({})),
        run("echo out; echo err >&2", json!({"combine_stderr": true})),
        run("echo a; tty >/dev/null && echo b >&2; echo $TERM; stty size", json!({"pty": true})),
        run("exit 3", json!({})),
        run("exit 3", json!({"pty": true})),
        run("echo x; exit 3", json!({"warn_only": true})),
        run("echo x; exit 3", json!({"quiet": true})),
        run("exit 3", json!({"ok_ret_codes": [0, 3]})),
        run("exit 4", json!({"ok_ret_codes": [0, 3]})),
        run("exit 0", json!({"ok_ret_codes": 3})),
        run("kill -9 $$", json!({})),
        run("kill -9 $$", json!({"warn_only": true}))
            .differs("a death by signal is no exit code that could be accepted"),
        run("no-such-command 2>/dev/null", json!({})),
        run("echo $0; shopt -q login_shell && echo login", json!({})),
        run("echo \"$HOME\" `echo x` \\$HOME \\\\ 'a  b'", json!({})),
        run("echo \"$A$HOME\"", json!({"shell": false})),
        run("echo a; echo b", json!({"shell": false, "pty": true})),
        run("echo $HOME", json!({"shell_escape": false})),
        run("pwd", json!({"cd": "{dir}/from"})),
        run("pwd", json!({"cd": ["{dir}", "from", "app/sub"]})),
        run("pwd", json!({"cd": ["/nowhere", "{dir}/from"]})),
        run("pwd", json!({"cd": ["{dir}/from", "a b"]})),
        run("pwd", json!({"cd": "{dir}/no-such"})),
        run("echo $A", json!({"prefix": ["export A=1", "export A=$A$A"]})),
        run("echo never", json!({"prefix": "false"})),
        run("echo \"$A|$B\"", json!({"shell_env": {"A": "one  \"two\" $3", "B": 2}})),
        run("echo ${PATH##*:}", json!({"path": "/opt/loom"})),
        run("echo ${PATH%%:*}", json!({"path": "/opt/loom", "path_behavior": "prepend"})),
        run("echo $PATH", json!({"path": "/usr/bin:/bin", "path_behavior": "replace"})),
        run(
            "pwd; echo $A ${PATH##*:} $B",
            json!({"cd": "{dir}/from", "prefix": "export B=b", "shell_env": {"A": "a"},
                   "path": "/opt/loom"}),
        ),
        run("echo 'ünïcödé ✓'", json!({})),
        run("printf 'no newline'", json!({})),
        run("seq 1 20000 | tail -c 3000", json!({})),
        run("echo a\necho b", json!({})),
        run("sleep 20", json!({"timeout": 1}))
            .differs("a timeout is an outcome of its own, without an exit code"),
        sudo("echo out; echo err >&2", json!({})),
        sudo("echo out; exit 5", json!({})),
        sudo("echo x; exit 5", json!({"warn_only": true})),
        sudo("echo $A", json!({"prefix": "export A=1", "cd": "{dir}"})),
        sudo("echo hi", json!({"user": "app", "group": "web"})),
        sudo("echo hi", json!({"user": 1000})),
    ]
}

fn locals() -> Vec<Row> {
    vec![
        local("echo out; echo err >&2", json!({})),
        local("exit 3", json!({})),
        local("echo x; exit 3", json!({"warn_only": true})),
        local("exit 3", json!({"ok_ret_codes": [3]})),
        local("pwd", json!({"lcd": ["{dir}", "from"]})),
        local("pwd", json!({"lcd": "{dir}/from/a b"})),
        local("echo $A ${PATH##*:}", json!({"shell_env": {"A": "a $b"}, "path": "/opt/loom"})),
        local("echo $A", json!({"prefix": "A=1"})),
        local("shopt -q login_shell; echo $? $BASH", json!({"shell": "/bin/bash"})),
        local("kill -9 $$", json!({})).differs("a death by signal is told as one, not as -9"),
    ]
}

fn puts() -> Vec<Row> {
    vec![
        put("{dir}/from/one.txt", "{dir}/there/new", json!({})),
        put("{dir}/from/one.txt", "{dir}/there/old", json!({})),
        put("{dir}/from/one.txt", "{dir}/there", json!({})),
        put("{dir}/from/one.txt", "{dir}/there/", json!({})),
        put("{dir}/from/one.txt", "{dir}/there/link", json!({})),
        put("{dir}/from/one.txt", "{dir}/there/dlink", json!({})),
        put("{dir}/from/one.txt", "{dir}/no/such", json!({})),
        put("{dir}/from/one.txt", "{dir}/no/", json!({})),
        put("{dir}/from/gone", "{dir}/there", json!({})),
        put("{dir}/from/*.txt", "{dir}/there", json!({})),
        put("{dir}/from/*", "{dir}/there/sub", json!({})),
        put("{dir}/from/*.md", "{dir}/there", json!({})),
        put("{dir}/from/?n*", "{dir}/there", json!({})),
        put("{dir}/from/[x]", "{dir}/there", json!({})),
        put("{dir}/from/[x]", "{dir}/there", json!({"use_glob": false})),
        put("{dir}/from/.h*", "{dir}/there", json!({})),
        put("{dir}/from/a b", "{dir}/there", json!({})),
        put("{dir}/from/it's \"$1\" `x`", "{dir}/there", json!({})),
        put("{dir}/from/back\\slash", "{dir}/there", json!({})),
        put("{dir}/from/one.txt", "{dir}/there/it's; \"$1\"", json!({})),
        put("{dir}/from/empty", "{dir}/there", json!({})),
        put("{dir}/big", "{dir}/there", json!({})),
        put("{dir}/from/app", "{dir}/there", json!({})),
        put("{dir}/from/app/", "{dir}/there", json!({})),
        put("{dir}/from/app", "{dir}/there/new", json!({})),
        put("{dir}/from/app", "{dir}/there", json!({"mode": 0o640})),
        put("{dir}/from/app", "{dir}/there", json!({"mirror_local_mode": true})),
        put("{dir}/from/dlink", "{dir}/there", json!({})),
        put("{dir}/from/link.txt", "{dir}/there", json!({})),
        put("{dir}/from/run.sh", "{dir}/there", json!({})),
        put("{dir}/from/run.sh", "{dir}/there", json!({"mirror_local_mode": true})),
        put("{dir}/from/run.sh", "{dir}/there", json!({"mode": 0o751})),
        put("{dir}/from/run.sh", "{dir}/there", json!({"mode": "0751"})),
        put("{dir}/from/run.sh", "{dir}/there", json!({"mode": "751"})),
        put("{dir}/from/run.sh", "{dir}/there/old", json!({"mode": 0o755})),
        put(
            "{dir}/from/run.sh",
            "{dir}/there/old",
            json!({"mode": 0o600, "mirror_local_mode": true}),
        ),
        put("{dir}/from/one.txt", "{rel}/new", json!({})),
        put("{dir}/from/one.txt", "{rel}", json!({})),
        put("{dir}/from/one.txt", "~/{rel}/new", json!({})),
        put("{up}/from/one.txt", "{dir}/there", json!({})),
        put("{dir}/from/one.txt", "{dir}/there", json!({"use_sudo": true})),
        put("{dir}/from/one.txt", "{dir}/there/old", json!({"use_sudo": true}))
            .differs("a file that exists keeps its mode, with sudo too"),
        put("{dir}/from/run.sh", "{dir}/there", json!({"use_sudo": true, "mode": 0o750})),
        put(
            "{dir}/from/run.sh",
            "{dir}/there",
            json!({"use_sudo": true, "mirror_local_mode": true}),
        ),
        put("{dir}/from/app", "{dir}/there", json!({"use_sudo": true})),
        put(
            "{dir}/from/one.txt",
            "{dir}/there",
            json!({"use_sudo": true, "temp_dir": "{dir}/there/sub"}),
        ),
        put("{dir}/from/one.txt", "{dir}/no/such", json!({"use_sudo": true, "temp_dir": "{dir}"})),
    ]
}

fn gets() -> Vec<Row> {
    vec![
        get("{dir}/from/one.txt", "{dir}/here/new", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/old", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/link", json!({})),
        get("{dir}/from/one.txt", "{dir}/here", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/new/", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/x/y/z", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/%(host)s/%(path)s", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/%(dirname)s/%(basename)s", json!({})),
        get("{dir}/from/one.txt", "{dir}/here/%(basename)s.%(host)s", json!({})),
        get("{dir}/from/app", "{dir}/here/%(host)s/%(path)s", json!({})),
        get("{dir}/from/app", "{dir}/here", json!({})),
        get("{dir}/from/app/", "{dir}/here", json!({})),
        get("{dir}/from/app", "{dir}/here/new", json!({})),
        get("{dir}/from/app", "{dir}/here/%(dirname)s-%(basename)s", json!({})),
        get("{dir}/from/app", "{dir}/here/%(basename)s", json!({})),
        get("{dir}/from/*.txt", "{dir}/here", json!({})),
        get("{dir}/from/*", "{dir}/here/%(path)s", json!({})),
        get("{dir}/from/?n*", "{dir}/here", json!({})),
        get("{dir}/from/.h*", "{dir}/here", json!({}))
            .differs("a pattern that begins with a dot finds such names, as it does for put"),
        get("{dir}/from/[op]*.txt", "{dir}/here", json!({})),
        get("{dir}/from/*.md", "{dir}/here", json!({})),
        get("{dir}/from/gone", "{dir}/here", json!({})).differs("no empty file is left behind"),
        get("{dir}/from/a b", "{dir}/here", json!({})),
        get("{dir}/from/it's \"$1\" `x`", "{dir}/here", json!({})),
        get("{dir}/from/empty", "{dir}/here", json!({})),
        get("{dir}/big", "{dir}/here", json!({})),
        get("{dir}/from/link.txt", "{dir}/here", json!({})),
        get("{dir}/from/dlink", "{dir}/here", json!({})),
        get("{rel}/file", "{dir}/here", json!({})),
        get("~/{rel}/file", "{dir}/here", json!({})),
        get("{dir}/from/one.txt", "{up}/here/new", json!({}))
            .differs("a path here is told as it was given, not made absolute"),
        get("{dir}/from/one.txt", "{dir}/here", json!({"use_sudo": true})),
        get("{dir}/from/app", "{dir}/here/%(path)s", json!({"use_sudo": true})),
    ]
}
