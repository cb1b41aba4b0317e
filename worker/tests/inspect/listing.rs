//! Every task on the path.

use super::{Modules, ask, assert_not_run, is_2, pythons, shown, traps};
use loom::inspect::{Answer, Ask};

#[test]
fn a_module_that_uses_fabric_has_its_tasks_or_its_functions() {
    let modules = Modules::new(&[]);
    let (trap, it_was_run) = traps(&modules);
    let marked = "from fabric.api import task, run\nfrom functions import deploy\n\
                  @task\ndef one(a):\n    '''First.'''\ndef helper(): pass\n@task\ndef _hidden(): pass\n\
                  two = task(helper)\n";
    modules.write("marked.py", format!("{trap}{marked}"));
    modules.write(
        "functions.py",
        "from fabric.api import run\nfrom os import getcwd\nVERSION = 1\nclass C: pass\n\
         def deploy(a, b=2): pass\ndef _inner(): pass\n",
    );
    modules.write("native.py", "import loom.system\ndef mounts(): pass\n");
    modules.write("plain.py", "# nothing of fabric\ndef f(): pass\n");
    modules.write("a/b/__init__.py", "import fabric\ndef packaged(): pass\n");
    modules.write("a/b/c/d/e.py", "import fabric\ndef too_deep(): pass\n");
    modules.write("a/__init__.py", "");
    modules.write("broken.py", "import fabric\ndef f(:\n");
    modules.write("not_ours.py", "def f(:\n");
    for dir in [".hidden", "node_modules", "__pycache__", "site-packages", "venv"] {
        modules.write(&format!("{dir}/m.py"), "import fabric\ndef unseen(): pass\n");
    }
    modules.write("venv/pyvenv.cfg", "home = /usr\n");
    modules.write("env/m.py", "import fabric\ndef seen(): pass\n");
    for python in pythons() {
        let Answer::Tasks { tasks, unread } = ask(&modules.question(python, Ask::Tasks)) else {
            panic!()
        };
        let prefix = format!("{}/", modules.path().display());
        let found: Vec<String> = tasks
            .iter()
            .map(|task| format!("{} {}", task.task, shown(task).replace(&prefix, "")))
            .collect();
        let mut expected = vec![
            "a.b.packaged a/b/__init__.py:2 ()",
            "env.m.seen env/m.py:2 ()",
            "functions.deploy functions.py:5 (a, b=2)",
            "marked.one marked.py:5 (a)",
            "marked.two marked.py:7 ()",
            "native.mounts native.py:2 ()",
        ];
        if is_2(python) {
            // Without an __init__.py it is no package there.
            expected.retain(|line| !line.starts_with("env."));
        }
        assert_eq!(found, expected, "{python}");
        assert_eq!(
            tasks.iter().find(|t| t.task == "marked.one").unwrap().doc.as_deref(),
            Some("First.")
        );
        assert_eq!(unread.len(), 1, "{unread:?}");
        assert!(unread[0].file.ends_with("broken.py") && unread[0].line == 2, "{unread:?}");
        assert_not_run(&it_was_run);
    }
}

#[test]
fn a_path_without_end_is_bounded() {
    let modules = Modules::new(&[]);
    for n in 0..2100 {
        modules.write(&format!("m{n}.py"), "import fabric\ndef f(): pass\n");
    }
    std::os::unix::fs::symlink("..", modules.path().join("up")).unwrap();
    let Answer::Tasks { tasks, .. } = ask(&modules.question("python3", Ask::Tasks)) else {
        panic!()
    };
    assert_eq!(tasks.len(), 2000);
}
