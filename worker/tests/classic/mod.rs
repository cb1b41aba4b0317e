//! The native tasks beside fab-classic: the same calls, against the same sshd, and what came of
//! each.
//!
//! Where the two are meant to differ, the row says why, and a row that no longer differs fails.

mod calls;
mod side;

use loom::task::bind;
use loom_worker::task::fabric::command;
use serde_json::{Value, json};

use crate::fabric;
use crate::rig::{Worker, stderr, stdout};
use crate::skip::skip;
use calls::Row;
use side::{Classic, Node, Sandbox};

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
struct Came {
    succeeded: bool,
    /// Of the command, where there is one.
    exit: Option<i64>,
    stdout: String,
    stderr: String,
    /// What `put` and `get` say they made, sorted.
    paths: Vec<String>,
    /// What is in the sandbox now.
    tree: Vec<String>,
    /// As it was sent to the shell, without sudo.
    line: Option<String>,
    /// Why it failed; not compared.
    why: String,
}

impl Came {
    /// Without what only one side tells: why it failed and what it wrote before, and which code
    /// was accepted.
    fn to_compare(&self) -> Came {
        let mut came = Came { why: String::new(), ..self.clone() };
        if came.succeeded {
            came.exit = None;
        } else {
            came.stdout.clear();
            came.stderr.clear();
        }
        came
    }
}

#[test]
fn calls_come_to_the_same_as_under_fab_classic() {
    let Some(python) = fabric::python() else {
        return skip("calls_come_to_the_same_as_under_fab_classic", fabric::MISSING);
    };
    let node = Node::new();
    let mut classic = Classic::start(&python, &node);
    let mut worker = Worker::start();
    let mut wrong = Vec::new();
    let rows = calls::rows();
    for row in &rows {
        let ours = ours(&node, &mut worker, row);
        let theirs = theirs(&node, &mut classic, row);
        let same = ours.to_compare() == theirs.to_compare();
        if same == row.differs.is_some() {
            wrong.push(format!("{row:?}\n  native: {ours:#?}\n  fab-classic: {theirs:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() >= 60);
    let otherwise = rows.iter().filter(|row| row.differs.is_some()).count();
    println!("{} calls, {otherwise} of them different on purpose", rows.len());
}

fn ours(node: &Node, worker: &mut Worker, row: &Row) -> Came {
    let sandbox = Sandbox::new(node, "native", row.is_big());
    let task = format!("fabric.api.{}", row.task);
    let mut order = node.order(&task);
    order.args = row.args.iter().map(|arg| side::arg(&sandbox.filled(arg))).collect();
    let kwargs = sandbox.filled(&row.kwargs);
    let kwargs = kwargs.as_object().unwrap().iter();
    order.kwargs = kwargs.map(|(name, value)| (name.clone(), side::arg(value))).collect();
    let line = bind(&task, &order.args, &order.kwargs).ok().and_then(|call| match row.task {
        "run" | "sudo" => Some(command::wrapped(&call)),
        // Fabric does not tell it when it has failed; the command's output does.
        _ => None,
    });
    let report = worker.run(order);
    let moves = ["put", "get"].contains(&row.task);
    let out = stdout(&report);
    let paths = out.lines().filter(|line| line.starts_with('/') || line.starts_with('.'));
    let paths = if moves { paths.map(str::to_owned).collect() } else { Vec::new() };
    let accepted = |line: &&str| !line.ends_with("accepted by warn_only");
    let err: Vec<String> = stderr(&report).lines().filter(accepted).map(str::to_owned).collect();
    let exit = match report.outcome {
        loom::unit::Outcome::Failed { exit } => exit.map(i64::from),
        loom::unit::Outcome::Signaled { .. } => Some(-1),
        _ => side::accepted(&stderr(&report)).or(Some(0)),
    };
    Came {
        succeeded: report.outcome.is_success(),
        exit: exit.filter(|_| !moves),
        stdout: if moves { String::new() } else { sandbox.plain(out.trim()) },
        stderr: sandbox.plain(err.join("\n").trim()),
        paths: sandbox.sorted(paths),
        tree: sandbox.tree(),
        line: line.map(|line| sandbox.plain(&line)),
        why: format!("{:?} {:?}", report.outcome, report.detail),
    }
}

fn theirs(node: &Node, classic: &mut Classic, row: &Row) -> Came {
    let sandbox = Sandbox::new(node, "fabric", row.is_big());
    let args: Vec<Value> = row.args.iter().map(|arg| sandbox.filled(arg)).collect();
    let kwargs = sandbox.filled(&row.kwargs);
    let said = classic.call(&json!({"task": row.task, "args": args, "kwargs": kwargs}));
    let text = |name: &str| said[name].as_str().map(str::to_owned);
    let why = text("aborted").or_else(|| text("raised")).unwrap_or_default();
    let moves = ["put", "get"].contains(&row.task);
    let strings = |value: &Value| {
        let items = value.as_array().into_iter().flatten();
        items.map(|item| item.as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    let aborted = side::code_in(&why);
    let executed = why.split_once("Executed: ").map(|(_, after)| after);
    let executed = executed.and_then(|after| after.split("\n\n====").next()).map(str::to_owned);
    let line = text("real_command").or(executed).filter(|_| ["run", "sudo"].contains(&row.task));
    // A command that was accepted is a success of the unit.
    let accepts = row.kwargs["warn_only"] == json!(true) || row.kwargs["quiet"] == json!(true);
    let failed = said["failed"] == json!(true) && !(accepts && said["code"].is_i64());
    Came {
        succeeded: !failed,
        exit: said["code"].as_i64().or(aborted).filter(|_| !moves),
        stdout: sandbox.plain(&text("stdout").unwrap_or_default()),
        stderr: sandbox.plain(&text("stderr").unwrap_or_default()),
        paths: sandbox.sorted(strings(&said["paths"])),
        tree: sandbox.tree(),
        line: line.map(|line| sandbox.plain(side::without_sudo(&line))),
        why,
    }
}
