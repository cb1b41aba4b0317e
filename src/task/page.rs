//! docs/tasks.md: its chapters stand there; what it says of each task is written from the table.

use std::fmt::Write;

use super::{Default, Param, TASKS, Task};

/// The page as it is in the sources.
pub const PAGE: &str = include_str!("../../docs/tasks.md");

/// So many parameters in common with an earlier task are told there alone.
const MANY: usize = 5;

/// The page as it is to be: its chapters, with the parts between marks written anew.
pub fn page() -> String {
    let page = between(PAGE, "list", &list());
    between(&page, "sections", &sections())
}

/// `<!-- NAME: … -->` and `<!-- NAME ends -->` enclose what is written.
fn between(page: &str, name: &str, text: &str) -> String {
    let missing = |mark: &str| -> ! { panic!("docs/tasks.md has no `{mark}`") };
    let (begin, end) = (format!("<!-- {name}: "), format!("<!-- {name} ends -->"));
    let Some((before, rest)) = page.split_once(&begin) else { missing(&begin) };
    let Some((mark, rest)) = rest.split_once(" -->\n") else { missing(&begin) };
    let Some((_, after)) = rest.split_once(&end) else { missing(&end) };
    format!("{before}{begin}{mark} -->\n{text}{end}{after}")
}

fn list() -> String {
    let mut text = "| Task | |\n|---|---|\n".to_owned();
    for task in TASKS {
        let _ = writeln!(text, "| {} | {} |", link(task), task.doc);
    }
    text
}

fn sections() -> String {
    let sections = TASKS.iter().enumerate().map(|(at, task)| section(task, &TASKS[..at]));
    sections.collect()
}

fn section(task: &Task, earlier: &[Task]) -> String {
    let Task { path, long, example, .. } = task;
    let mut text = format!("\n## {path}\n\n`{task}`\n\n{long}\n\n");
    text.push_str("| Parameter | Takes | Default | |\n|---|---|---|---|\n");
    let (like, told) = told_before(task, earlier);
    let is_told = |param: &&Param| told.iter().any(|known| known.name == param.name);
    for param in task.params.iter().filter(|param| !is_told(param)) {
        let (name, takes, doc) = (param.name, param.takes(), param.doc);
        let _ = writeln!(text, "| `{name}` | {takes} | {} | {doc} |", default(param));
    }
    if let Some(like) = like {
        let names: Vec<String> = told.iter().map(|param| format!("`{}`", param.name)).collect();
        let _ = writeln!(text, "| {} | | | as for {} |", names.join(", "), link(like));
    }
    let _ = write!(text, "\n```yaml\n{example}\n```\n");
    text
}

/// The task that has most of these parameters too, and those.
fn told_before<'a>(task: &Task, earlier: &'a [Task]) -> (Option<&'a Task>, Vec<&'a Param>) {
    let common = |other: &'a Task| -> Vec<&'a Param> {
        let shared = |param: &&Param| task.params.iter().any(|own| own.is_like(param));
        other.params.iter().filter(shared).collect()
    };
    // The first of several: it tells them itself.
    let most = earlier.iter().rev().max_by_key(|other| common(other).len());
    match most.map(|other| (other, common(other))) {
        Some((other, params)) if params.len() >= MANY => (Some(other), params),
        Some(_) | None => (None, Vec::new()),
    }
}

fn default(param: &Param) -> String {
    match param.default {
        Default::Required => "required".into(),
        given @ (Default::Absent | Default::Flag(_) | Default::Text(_) | Default::Seconds(_)) => {
            format!("`{given}`")
        }
    }
}

/// To the task's section.
fn link(task: &Task) -> String {
    format!("[`{}`](#{})", task.path, task.path.replace('.', ""))
}
