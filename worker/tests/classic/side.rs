//! What both sides of the comparison work with: one node, a directory for each, a fab-classic.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use loom::arg::Arg;
use loom::password::Password;
use loom::protocol::message::UnitOrder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::rig::{Rig, current_user};

const PASSWORD: &str = "let me in";

/// Takes what both sides say to sudo, asks for [`PASSWORD`], and gives nobody other rights. On a
/// terminal, which Fabric's `put` insists on, it does not ask.
const SUDO: &str = r#"#!/bin/sh
prompt=
while :; do
    case $1 in
    -p) prompt=$2; shift 2 ;;
    -u | -g) echo "sudo $1 $2" >>"$SUDO_LOG"; shift 2 ;;
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
    esac
done
if [ ! -t 0 ]; then
    printf %s "$prompt" >&2
    read -r given
    [ "$given" = 'let me in' ] || { echo 'Sorry, try again.' >&2; exit 1; }
fi
exec "$@"
"#;

pub struct Node {
    pub rig: Rig,
    bin: TempDir,
    /// The home directory in which sessions start; a directory of ours in it.
    home: PathBuf,
    in_home: String,
}

impl Node {
    pub fn new() -> Node {
        let bin = tempfile::Builder::new().prefix("loom-sudo").tempdir().unwrap();
        let sudo = bin.path().join("sudo");
        fs::write(&sudo, SUDO).unwrap();
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).unwrap();
        let bin_path = bin.path().display();
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
        let lines = format!(
            "Subsystem sftp internal-sftp\nMaxSessions 100\n\
             SetEnv HOME=/nonexistent PATH={bin_path}:/usr/bin:/bin SUDO_LOG={bin_path}/log"
        );
        let in_home = format!(".loom-test-{}", std::process::id());
        Node { rig: Rig::new(&current_user(), &lines), bin, home: user.dir, in_home }
    }

    pub fn order(&self, task: &str) -> UnitOrder {
        let mut order = self.rig.order(task, &[]);
        // As Fabric has it for `%(host)s`.
        order.node.name = order.node.host.clone();
        order.password = Some(Password::Literal(PASSWORD.into()));
        order
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.home.join(&self.in_home));
        let _ = fs::remove_dir_all(self.bin.path());
    }
}

/// A fresh directory with `from`, `there` and `here`, and `home` in the home directory.
pub struct Sandbox {
    dir: PathBuf,
    home: PathBuf,
    /// The one in the home directory, relative to it.
    rel: String,
    before: Vec<PathBuf>,
}

impl Sandbox {
    pub fn new(node: &Node, side: &str, big: bool) -> Sandbox {
        let dir = PathBuf::from(node.rig.path(side));
        let rel = format!("{}/{side}", node.in_home);
        let home = node.home.join(&rel);
        for old in [&dir, &home] {
            let _ = fs::remove_dir_all(old);
            fs::create_dir_all(old).unwrap();
        }
        let mut sandbox = Sandbox { dir, home, rel, before: Vec::new() };
        for (name, content, mode) in [
            ("from/one.txt", "one", 0o644),
            ("from/two.txt", "two", 0o600),
            ("from/run.sh", "#!/bin/sh\n", 0o755),
            ("from/a b", "blank", 0o644),
            ("from/it's \"$1\" `x`", "quotes", 0o644),
            ("from/back\\slash", "backslash", 0o644),
            ("from/empty", "", 0o644),
            ("from/.hidden", "hidden", 0o644),
            ("from/[x]", "brackets", 0o644),
            ("from/x", "x", 0o644),
            ("from/app/a", "a", 0o644),
            ("from/app/.h", "h", 0o640),
            ("from/app/sub/deep", "deep", 0o751),
            ("from/app/sub/.h2", "h2", 0o644),
            ("there/old", "old", 0o604),
            ("there/sub/keep", "keep", 0o644),
            ("here/old", "old", 0o640),
            ("here/sub/keep", "keep", 0o644),
        ] {
            let path = sandbox.dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(sandbox.dir.join("from/app/none")).unwrap();
        fs::write(sandbox.home.join("file"), "at home").unwrap();
        if big {
            let much: Vec<u8> = (0..5 << 20).map(|i: u32| (i % 251) as u8).collect();
            fs::write(sandbox.dir.join("big"), much).unwrap();
        }
        for (link, to) in [
            ("from/app/flink", "a"),
            ("from/app/dlink", "sub"),
            ("from/link.txt", "one.txt"),
            ("from/dlink", "app"),
            ("there/link", "old"),
            ("there/dlink", "sub"),
            ("here/link", "old"),
        ] {
            symlink(to, sandbox.dir.join(link)).unwrap();
        }
        sandbox.before = sandbox.files();
        sandbox
    }

    /// With the paths of this sandbox in it: `{dir}`, `{rel}` (below the home directory) and
    /// `{up}` (from the working directory).
    pub fn filled(&self, value: &Value) -> Value {
        let up = "../".repeat(std::env::current_dir().unwrap().components().count() - 1);
        let up = format!("{up}{}", self.dir.to_str().unwrap().trim_start_matches('/'));
        match value {
            Value::String(text) => {
                let text = text.replace("{dir}", self.dir.to_str().unwrap());
                json!(text.replace("{rel}", &self.rel).replace("{up}", &up))
            }
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(name, value)| (name.clone(), self.filled(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// The other way.
    pub fn plain(&self, text: &str) -> String {
        let text = text.replace(self.dir.to_str().unwrap(), "{dir}");
        let text = text.replace(self.home.to_str().unwrap(), "{home}");
        text.replace(&self.rel, "{rel}")
    }

    pub fn sorted(&self, paths: Vec<String>) -> Vec<String> {
        let mut paths: Vec<String> = paths.iter().map(|path| self.plain(path)).collect();
        paths.sort();
        paths
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = ["there", "here", "made"].map(|name| self.dir.join(name)).to_vec();
        directories.push(self.home.clone());
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        found
    }

    /// A line for all that is there. What `get` makes anew is readable for its user only in Loom,
    /// and what the umask says in Fabric: such a mode is left out.
    pub fn tree(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .files()
            .into_iter()
            .map(|path| {
                let name = self.plain(path.to_str().unwrap());
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_symlink() {
                    return format!("{name} -> {}", fs::read_link(&path).unwrap().display());
                }
                let here = name.starts_with("{dir}/here") && !self.before.contains(&path);
                let mode = if here { 0 } else { meta.mode() & 0o7777 };
                if meta.is_dir() {
                    return format!("{name}/ {mode:o}");
                }
                let sum = Sha256::digest(fs::read(&path).unwrap());
                format!("{name} {mode:o} {} {:02x}{:02x}", meta.len(), sum[0], sum[1])
            })
            .collect();
        lines.sort();
        lines
    }
}

pub struct Classic {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Classic {
    pub fn start(python: &Path, node: &Node) -> Classic {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic/classic.py");
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut classic = Classic { child, to, from };
        let order = node.order("loom.run");
        classic.tell(&json!({
            "user": order.node.user, "host": order.node.host, "port": order.node.port,
            "key": node.rig.path("user"), "password": PASSWORD,
        }));
        classic
    }

    fn tell(&mut self, value: &Value) {
        writeln!(self.to, "{value}").unwrap();
        self.to.flush().unwrap();
    }

    pub fn call(&mut self, call: &Value) -> Value {
        self.tell(call);
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{call}: {e}: {line:?}"))
    }
}

impl Drop for Classic {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn arg(value: &Value) -> Arg {
    match value {
        Value::Null => Arg::Null,
        Value::Bool(flag) => Arg::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Arg::Int(int),
            None => Arg::Float(number.as_f64().unwrap()),
        },
        Value::String(text) => Arg::Str(text.clone()),
        Value::Array(items) => Arg::List(items.iter().map(arg).collect()),
        Value::Object(entries) => {
            let entry = |(name, value): (&String, &Value)| (Arg::Str(name.clone()), arg(value));
            Arg::Map(entries.iter().map(entry).collect())
        }
    }
}

/// The code in the native tasks' word on `warn_only`.
pub fn accepted(stderr: &str) -> Option<i64> {
    let line = stderr.lines().find(|line| line.ends_with("accepted by warn_only"))?;
    line.strip_prefix("exit ")?.split(',').next()?.parse().ok()
}

/// The code in Fabric's message of a failed command.
pub fn code_in(message: &str) -> Option<i64> {
    let at = message.find("return code ")? + "return code ".len();
    let digits = message[at..].split(|c: char| !c.is_ascii_digit() && c != '-').next()?;
    digits.parse().ok()
}

/// Fabric's command line behind its sudo.
pub fn without_sudo(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("sudo -S -p 'sudo password:' ") else { return line };
    let mut rest = rest.trim_start();
    while let Some(option) = ["-u \"", "-g \""].iter().find(|option| rest.starts_with(**option)) {
        let value = &rest[option.len()..];
        rest = value.split_once('"').map_or("", |(_, after)| after.trim_start());
    }
    rest
}
