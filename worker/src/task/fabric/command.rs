//! The command lines Fabric 1 would send, byte for byte.
//!
//! Its quirks are kept, since manifests were written against them: only `"`, `$` and the backtick
//! are escaped, a backslash is not; `cd` escapes blanks and nothing else.

use loom::task::Call;

/// The command behind its exports, its directory (from the parameter `directories`) and its
/// prefixes.
pub fn in_context(call: &Call, directories: &str) -> String {
    let mut line = exports(call);
    let directory = directory(call.texts(directories));
    if !directory.is_empty() {
        line.push_str(&format!("cd {directory} >/dev/null && "));
    }
    for prefix in call.texts("prefix") {
        line.push_str(prefix);
        line.push_str(" && ");
    }
    line.push_str(call.text("command"));
    line
}

/// What the node's login shell is given: in a login bash, unless the call says otherwise.
pub fn wrapped(call: &Call) -> String {
    let line = in_context(call, "cd");
    match (call.flag("shell"), call.flag("shell_escape")) {
        (true, true) => in_login_bash(&line),
        (true, false) => format!("/bin/bash -l -c \"{line}\""),
        (false, _) => line,
    }
}

/// A line as it is, in a login bash.
pub fn in_login_bash(line: &str) -> String {
    format!("/bin/bash -l -c \"{}\"", escape(line))
}

/// The same, with its stderr turned into stdout over there, where their order is known.
pub fn sent(call: &Call) -> String {
    let line = wrapped(call);
    if call.maybe_flag("combine_stderr") == Some(true) {
        combined(&line, call.flag("shell"))
    } else {
        line
    }
}

/// A line with its stderr in its stdout. `shell`: it is one call of a shell.
pub fn combined(line: &str, shell: bool) -> String {
    match shell {
        // In place of the outer shell, which would report a death by signal as an exit code.
        true => format!("exec {line} 2>&1"),
        false => format!("{{ {line}\n}} 2>&1"),
    }
}

/// As sudo's `-u` and `-g` take it: digits are a number, not a name.
pub fn identity(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
        format!("#{name}")
    } else {
        name.to_owned()
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// PATH is written unescaped, so that it can refer to itself.
fn exports(call: &Call) -> String {
    let mut variables: Vec<(&str, String)> = Vec::new();
    if let Some(path) = call.maybe_text("path").filter(|path| !path.is_empty()) {
        let value = match call.text("path_behavior") {
            "prepend" => format!("\"{path}\":$PATH"),
            "replace" => format!("\"{path}\""),
            _append => format!("$PATH:\"{path}\""),
        };
        variables.push(("PATH", value));
    }
    for (name, value) in call.env("shell_env") {
        let value = if name == "PATH" { value.clone() } else { escape(value) };
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some(variable) => variable.1 = value,
            None => variables.push((name, value)),
        }
    }
    if variables.is_empty() {
        return String::new();
    }
    let assignments: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("export {} && ", assignments.join(" "))
}

/// Each directory is relative to the one before, unless it begins with `/` or `~`.
fn directory(steps: &[String]) -> String {
    let mut directory = String::new();
    for step in steps {
        let step = step.replace(' ', "\\ ");
        if directory.is_empty() || step.starts_with(['/', '~']) {
            directory = step;
        } else {
            directory = format!("{directory}/{step}");
        }
    }
    directory
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::arg::Arg;
    use loom::task::bind;

    /// Task, command, what is given by name, and what Fabric 1 (fab-classic 1.21) made of it.
    type Row = (&'static str, &'static str, &'static [(&'static str, Given)], &'static str);

    enum Given {
        Texts(&'static [&'static str]),
        Env(&'static [(&'static str, &'static str)]),
        Text(&'static str),
        No,
    }
    use Given::{Env, No, Text, Texts};

    const RUN: &str = "fabric.api.run";
    const LOCAL: &str = "fabric.api.local";

    const TABLE: &[Row] = &[
        (RUN, "uptime", &[], r#"/bin/bash -l -c "uptime""#),
        (
            RUN,
            r#"echo "$HOME" `id` \ 'a'"#,
            &[],
            r#"/bin/bash -l -c "echo \"\$HOME\" \`id\` \ 'a'""#,
        ),
        (RUN, "echo $HOME", &[("shell", No)], "echo $HOME"),
        (RUN, r#"echo "$HOME""#, &[("shell_escape", No)], r#"/bin/bash -l -c "echo "$HOME"""#),
        (
            RUN,
            "ls",
            &[("cd", Texts(&["/srv", "my app", "x/"]))],
            r#"/bin/bash -l -c "cd /srv/my\ app/x/ >/dev/null && ls""#,
        ),
        (
            RUN,
            "ls",
            &[("cd", Texts(&["a", "~/b", "c"]))],
            r#"/bin/bash -l -c "cd ~/b/c >/dev/null && ls""#,
        ),
        (
            RUN,
            "ls",
            &[("cd", Texts(&["a", "b", ".."]))],
            r#"/bin/bash -l -c "cd a/b/.. >/dev/null && ls""#,
        ),
        (RUN, "ls", &[("cd", Text("/"))], r#"/bin/bash -l -c "cd / >/dev/null && ls""#),
        (
            RUN,
            "ls",
            &[("cd", Texts(&["/", "etc"]))],
            r#"/bin/bash -l -c "cd //etc >/dev/null && ls""#,
        ),
        (RUN, "ls", &[("cd", Texts(&["", "x"]))], r#"/bin/bash -l -c "cd x >/dev/null && ls""#),
        (
            RUN,
            "ls",
            &[("prefix", Texts(&[". v/bin/activate", "set -e"]))],
            r#"/bin/bash -l -c ". v/bin/activate && set -e && ls""#,
        ),
        (
            RUN,
            "ls",
            &[
                ("cd", Text("/srv")),
                ("prefix", Text("p")),
                ("shell_env", Env(&[("A", r#"x "y" $Z"#), ("B", "2")])),
                ("path", Text("/opt/bin")),
            ],
            r#"/bin/bash -l -c "export PATH=\"\$PATH:\"/opt/bin\"\" A=\"x \\"y\\" \\$Z\" B=\"2\" && cd /srv >/dev/null && p && ls""#,
        ),
        (
            RUN,
            "ls",
            &[("path", Text("/opt/bin")), ("path_behavior", Text("prepend"))],
            r#"/bin/bash -l -c "export PATH=\"\"/opt/bin\":\$PATH\" && ls""#,
        ),
        (
            RUN,
            "ls",
            &[
                ("shell", No),
                ("shell_env", Env(&[("A", "b")])),
                ("path", Text("/opt/bin")),
                ("path_behavior", Text("replace")),
            ],
            r#"export PATH=""/opt/bin"" A="b" && ls"#,
        ),
        (
            RUN,
            "ls",
            &[("shell_env", Env(&[("PATH", r#"/x:"q""#), ("A", "1")])), ("path", Text("/opt"))],
            r#"/bin/bash -l -c "export PATH=\"/x:\"q\"\" A=\"1\" && ls""#,
        ),
        (
            RUN,
            "ls",
            &[("shell_env", Env(&[("Z", "1"), ("PATH", r#"$HOME/"a""#)]))],
            r#"/bin/bash -l -c "export Z=\"1\" PATH=\"\$HOME/\"a\"\" && ls""#,
        ),
        (RUN, "", &[("cd", Text("/x"))], r#"/bin/bash -l -c "cd /x >/dev/null && ""#),
        (LOCAL, "make", &[], "make"),
        (LOCAL, "make", &[("lcd", Text("~/x"))], "cd ~/x >/dev/null && make"),
        (
            LOCAL,
            r#"make "$X""#,
            &[
                ("lcd", Texts(&["/srv", "a b"])),
                ("prefix", Text("p")),
                ("shell_env", Env(&[("A", r#"x "y" $Z"#)])),
                ("path", Text("/opt/bin")),
            ],
            r#"export PATH="$PATH:"/opt/bin"" A="x \"y\" \$Z" && cd /srv/a\ b >/dev/null && p && make "$X""#,
        ),
    ];

    fn arg(given: &Given) -> Arg {
        let text = |text: &&str| Arg::Str(text.to_string());
        match given {
            Texts(texts) => Arg::List(texts.iter().map(text).collect()),
            Env(env) => Arg::Map(env.iter().map(|(n, v)| (text(n), text(v))).collect()),
            Text(one) => text(one),
            No => Arg::Bool(false),
        }
    }

    #[test]
    fn command_lines_are_fabrics() {
        for (task, command, given, expected) in TABLE {
            let kwargs: Vec<(String, Arg)> =
                given.iter().map(|(name, given)| (name.to_string(), arg(given))).collect();
            let call = bind(task, &[Arg::Str(command.to_string())], &kwargs).unwrap();
            let line = if *task == LOCAL { in_context(&call, "lcd") } else { wrapped(&call) };
            assert_eq!(line, *expected);
        }
    }

    #[test]
    fn sudo_takes_names_and_numbers() {
        assert_eq!(identity("postgres"), "postgres");
        assert_eq!(identity("1000"), "#1000");
        assert_eq!(identity("1st"), "1st");
    }
}
