//! `loom.system`: the system management tasks that Loom came with from the start.
//!
//! Their scripts lie in the Python package, whose module of this name runs them too.

use loom::protocol::message::Endpoint;
use loom::task::{Call, Mount};

use super::{Context, TaskResult};
use crate::ssh::{Command, Stream};

const FSTAB: &str = "/etc/fstab";
const ADD_SSHFS_MOUNT: &str = include_str!("../../python/common/loom/add_sshfs_mount.sh");
const RUN_DAEMON_CMD: &str = "exec \"/etc/init.d/$1\" \"$2\"";
const GETHOSTIP: &str = include_str!("../../python/common/loom/gethostip.sh");

pub async fn call(context: &mut Context, call: &Call) -> TaskResult {
    let Some(mut command) = command(call, &context.remote.endpoint) else {
        context.begins_here();
        context.output.line(Stream::Stdout, "every mount excludes this node");
        return Ok(());
    };
    if call.becomes() {
        command.sudo = Some(context.sudo(None).await?);
    }
    context.remote.run(&command, &mut context.output).await?.verdict()
}

/// What the node is to run for this call; `None` when there is nothing to do there.
fn command(call: &Call, node: &Endpoint) -> Option<Command> {
    let text = |name| call.text(name);
    Some(match call.task.path {
        "loom.system.gethostip" => Command::script(GETHOSTIP, &[text("hostname")]),
        "loom.system.run_daemon_cmd" => {
            Command::script(RUN_DAEMON_CMD, &[text("name"), text("command")])
        }
        "loom.system.mount" => Command::script("mount \"$1\"", &[text("mountpoint")]),
        "loom.system.unmount" => Command::script("umount \"$1\"", &[text("mountpoint")]),
        _add_sshfs_mount => {
            let wanted: Vec<&Mount> =
                call.mounts().filter(|mount| !excluded(mount, node)).collect();
            if wanted.is_empty() {
                return None;
            }
            sshfs_mounts(FSTAB, &wanted)
        }
    })
}

fn sshfs_mounts(fstab: &str, mounts: &[&Mount]) -> Command {
    let mut args = vec![fstab.to_owned()];
    for mount in mounts {
        args.push(field(&format!("{}:{}", mount.host, mount.remotepath)));
        args.push(field(&mount.mountpoint));
        args.push(mount.mountpoint.clone());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    Command::script(ADD_SSHFS_MOUNT, &args)
}

fn excluded(mount: &Mount, node: &Endpoint) -> bool {
    mount.excludes.iter().any(|name| *name == node.name || *name == node.host)
}

/// As fstab(5) writes blanks, and the backslash that this takes.
fn field(text: &str) -> String {
    text.replace('\\', r"\134").replace(' ', r"\040")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::process::{self, Output};

    use super::*;
    use loom::arg::Arg;
    use loom::task::bind;

    /// The shells the scripts are held to.
    const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

    /// Nothing is mounted in a unit test: the calls are printed.
    const STAND_INS: &str = "mount() { echo \"mount $1\"; }; umount() { return 1; }\n";

    fn mount(host: &str, mountpoint: &Path) -> Mount {
        Mount {
            host: host.into(),
            remotepath: "/mnt/my files".into(),
            mountpoint: mountpoint.to_str().unwrap().into(),
            excludes: vec![],
        }
    }

    /// Runs a command's line in this shell, behind a prelude.
    fn run(shell: &[&str], prelude: &str, command: &Command) -> Output {
        let line = format!("{prelude}{}", command.line);
        process::Command::new(shell[0]).args(&shell[1..]).args(["-c", &line]).output().unwrap()
    }

    /// The exit code and output, with nothing mounted.
    fn add(shell: &[&str], fstab: &Path, mounts: &[&Mount]) -> (Option<i32>, String) {
        let command = sshfs_mounts(fstab.to_str().unwrap(), mounts);
        let output = run(shell, STAND_INS, &command);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn a_mount_is_entered_once_and_mounted_each_time() {
        for shell in SHELLS {
            let dir = tempfile::tempdir().unwrap();
            let fstab = dir.path().join("fstab");
            // A longer mountpoint, a comment and a missing newline must not mislead it.
            let before = format!(
                "/dev/sda1 / ext4 defaults 0 1\n# x {0}/a\n/dev/b {0}/a\\040b/c ext4 defaults 0 0",
                dir.path().display()
            );
            fs::write(&fstab, &before).unwrap();
            fs::set_permissions(&fstab, fs::Permissions::from_mode(0o640)).unwrap();
            let old = fs::File::open(&fstab).unwrap();
            let (spaced, plain) = (dir.path().join("a b"), dir.path().join("a"));
            let mounts = [&mount("root@staging", &spaced), &mount("staging", &plain)];

            for _ in 0..2 {
                let (code, output) = add(shell, &fstab, &mounts);
                assert_eq!(code, Some(0), "{shell:?}");
                assert_eq!(
                    output,
                    format!("mount {}\nmount {}\n", spaced.display(), plain.display())
                );
            }

            let options = "fuse\tdefaults,allow_other,exec,reconnect,transform_symlinks\t0 0";
            let expected = format!(
                "{before}\nsshfs#root@staging:/mnt/my\\040files\t{0}/a\\040b\t{options}\n\
                 sshfs#staging:/mnt/my\\040files\t{0}/a\t{options}\n",
                dir.path().display()
            );
            assert_eq!(fs::read_to_string(&fstab).unwrap(), expected, "{shell:?}");
            let after = fs::metadata(&fstab).unwrap();
            assert_eq!(after.mode() & 0o7777, 0o640);
            let untouched = std::io::read_to_string(old).unwrap();
            assert_eq!(untouched, before, "written beside it, not into it");
            assert!(spaced.is_dir() && plain.is_dir());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left beside it");
        }
    }

    #[test]
    fn a_mountpoint_is_the_same_with_a_slash_at_its_end() {
        for shell in SHELLS {
            let dir = tempfile::tempdir().unwrap();
            let fstab = dir.path().join("fstab");
            let point = dir.path().join("m");
            let before = format!("old\t{}/\tfuse\tdefaults 0 0\n", point.display());
            fs::write(&fstab, &before).unwrap();
            add(shell, &fstab, &[&mount("h", &point)]);
            assert_eq!(fs::read_to_string(&fstab).unwrap(), before, "{shell:?}");
        }
    }

    #[test]
    fn an_fstab_behind_a_symlink_stays_there_and_a_missing_one_is_made() {
        for shell in SHELLS {
            let dir = tempfile::tempdir().unwrap();
            let (link, real) = (dir.path().join("fstab"), dir.path().join("real"));
            symlink(&real, &link).unwrap();
            let (code, _) = add(shell, &link, &[&mount("h", &dir.path().join("m"))]);
            assert_eq!(code, Some(0), "{shell:?}");
            assert!(link.is_symlink());
            assert_eq!(fs::read_to_string(&real).unwrap().lines().count(), 1);
            assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o644);
        }
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let fstab = dir.path().join("fstab");
        std::thread::scope(|scope| {
            for i in 0..8 {
                let (fstab, point) = (&fstab, dir.path().join(format!("m{i}")));
                scope.spawn(move || add(SHELLS[i % 3], fstab, &[&mount("h", &point)]));
            }
        });
        assert_eq!(fs::read_to_string(&fstab).unwrap().lines().count(), 8);
    }

    #[test]
    fn a_name_resolves_to_an_address_or_fails() {
        let look_up =
            |shell: &[&str], name: &str| run(shell, "", &Command::script(GETHOSTIP, &[name]));
        for shell in SHELLS {
            let found = look_up(shell, "127.0.0.9");
            assert_eq!(String::from_utf8_lossy(&found.stdout), "127.0.0.9\n", "{shell:?}");
            let missing = look_up(shell, "no such; host");
            assert_eq!(missing.status.code(), Some(1), "{shell:?}");
            assert!(missing.stdout.is_empty());
            assert_eq!(
                String::from_utf8_lossy(&missing.stderr),
                "no such; host: no address found\n"
            );
        }
    }

    #[test]
    fn a_node_without_getent_asks_nslookup() {
        const PRELUDE: &str = "command() { return 1; }; nslookup() { printf \
            'Server:\\t10.0.0.53\\nAddress:\\t10.0.0.53:53\\n\\nName:\\tdb\\nAddress: 10.0.0.7\\n'; }\n";
        for shell in SHELLS {
            let found = run(shell, PRELUDE, &Command::script(GETHOSTIP, &["db"]));
            assert_eq!(String::from_utf8_lossy(&found.stdout), "10.0.0.7\n", "{shell:?}");
        }
    }

    fn node(name: &str, host: &str) -> Endpoint {
        Endpoint {
            name: name.into(),
            host: host.into(),
            user: "root".into(),
            port: None,
            identity: None,
            control: "/nowhere".into(),
        }
    }

    #[test]
    fn excluded_nodes_are_left_alone() {
        let text = |text: &str| Arg::Str(text.into());
        let storage = Arg::Map(vec![
            (text("host"), text("root@staging")),
            (text("remotepath"), text("/mnt/storage")),
            (text("mountpoint"), text("/mnt/storage")),
            (
                text("excludes"),
                Arg::List(["staging", "10.0.0.7", "db8.example.org"].map(text).into()),
            ),
        ]);
        let call = bind("loom.system.add_sshfs_mount", &[storage], &[]).unwrap();
        // By its name, by its address, and by the host that it is reached at.
        for (name, host) in
            [("staging", "10.0.0.1"), ("db7", "10.0.0.7"), ("db8", "db8.example.org")]
        {
            assert!(command(&call, &node(name, host)).is_none(), "{name}");
        }
        for (name, host) in [("db1", "db1"), ("staging2", "10.0.0.70"), ("root", "example.org")] {
            let line = command(&call, &node(name, host)).unwrap().line;
            assert!(line.contains("/etc/fstab"), "{name}");
        }
    }
}
