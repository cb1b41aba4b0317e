//! All about one task, wrapped to the terminal: how it is called, what it does, who uses it.

use std::env;
use std::path::Path;

use unicode_width::UnicodeWidthStr;

use super::catalog::{Entry, Param, Usage};
use crate::cli::screen::{Screen, Tone, escape};

/// Longer lines are hard to read.
const WIDEST: usize = 100;

/// Where nobody says how wide it is, as in a pipe.
const USUAL: usize = 80;

/// Of the configuration in `file`, if there is one.
pub fn page(entry: &Entry, file: Option<&Path>, screen: &Screen) -> String {
    let width = screen.width.unwrap_or(USUAL).clamp(40, WIDEST);
    let title = |text: &str| format!("\n{}\n", screen.paint.tone(Tone::Bold, text));
    let mut text = wrapped(&escape(&entry.signature), ", ", "", "    ", width);
    text.push_str(&origin(entry));
    if let Some(doc) = &entry.doc {
        text.push('\n');
        match entry.native {
            true => text.push_str(&prose(doc, width)),
            false => doc.lines().for_each(|line| text.push_str(&(escape(line) + "\n"))),
        }
    }
    if let Some(params) = entry.params.as_ref().filter(|params| !params.is_empty()) {
        text.push_str(&title("Parameters"));
        text.push_str(&table(params, width));
    }
    text.push_str(&title("Example"));
    for line in entry.example.lines() {
        text.push_str(&format!("  {}\n", escape(line)));
    }
    if let Some(file) = file {
        text.push_str(&title("Jobs"));
        text.push_str(&jobs(&entry.jobs, file));
    }
    text
}

fn origin(entry: &Entry) -> String {
    match (&entry.file, entry.aliases.as_slice()) {
        (Some(file), _) => format!("{}\n", place(file, entry.line.unwrap_or_default())),
        (None, []) => String::new(),
        (None, aliases) => format!("also {}\n", aliases.join(", ")),
    }
}

/// As short as it can be written here.
fn place(file: &Path, line: u32) -> String {
    let here = env::current_dir().ok();
    let short = here.and_then(|here| file.strip_prefix(here).ok().map(Path::to_owned));
    let shown = short.as_deref().unwrap_or(file).to_string_lossy();
    format!("{}:{line}", escape(&shown))
}

fn table(params: &[Param], width: usize) -> String {
    let wide = params.iter().map(|param| escape(&param.name).width()).max().unwrap_or(0);
    let indent = " ".repeat(wide + 4);
    let mut text = String::new();
    for param in params {
        let name = escape(&param.name);
        let blanks = " ".repeat(wide.saturating_sub(name.width()));
        let first = format!("  {name}{blanks}  ");
        text.push_str(&wrapped(&escape(&what(param)), " ", &first, &indent, width));
        if let Some(doc) = &param.doc {
            text.push_str(&wrapped(&without_links(doc), " ", &indent, &indent, width));
        }
    }
    text
}

fn what(param: &Param) -> String {
    let given = match (&param.default, param.required) {
        (Some(default), _) => format!("default {default}"),
        (None, true) => "required".to_owned(),
        (None, false) if param.name.starts_with("**") => "any others, by name".to_owned(),
        (None, false) => "any number, by place".to_owned(),
    };
    match &param.takes {
        Some(takes) => format!("{takes}; {given}"),
        None => given,
    }
}

fn jobs(jobs: &[Usage], file: &Path) -> String {
    if jobs.is_empty() {
        return format!("  none of {} uses it\n", escape(&file.to_string_lossy()));
    }
    let wide = jobs.iter().map(|usage| escape(&usage.job).width()).max().unwrap_or(0);
    let mut text = String::new();
    for usage in jobs {
        let job = escape(&usage.job);
        let blanks = " ".repeat(wide.saturating_sub(job.width()));
        text.push_str(&format!("  {job}{blanks}  {}\n", place(&usage.file, usage.line)));
    }
    text
}

/// Markdown's paragraphs and lists, for a terminal.
fn prose(markdown: &str, width: usize) -> String {
    let mut text = String::new();
    for (at, paragraph) in markdown.split("\n\n").enumerate() {
        if at > 0 {
            text.push('\n');
        }
        // An item's further lines are indented.
        for block in paragraph.replace("\n  ", " ").split("\n- ") {
            let (block, first, rest) = match (paragraph.starts_with("- "), block.strip_prefix("- "))
            {
                (true, item) => (item.unwrap_or(block), "- ", "  "),
                (false, _) => (block, "", ""),
            };
            text.push_str(&wrapped(
                &without_links(&block.replace('\n', " ")),
                " ",
                first,
                rest,
                width,
            ));
        }
    }
    text
}

/// `[loom.run](#loomrun)` is `loom.run`.
fn without_links(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link.split_once("](").and_then(|(name, target)| {
            let (_, after) = target.split_once(')')?;
            (!name.contains('[')).then_some((name, after))
        });
        text.push_str(before);
        match parts {
            Some((name, after)) => {
                text.push_str(name);
                rest = after;
            }
            None => {
                text.push('[');
                rest = link;
            }
        }
    }
    text + rest
}

/// Lines of at most `width` columns, broken behind `gap`, the first one behind `first` and all
/// others behind `rest`. What has no gap is not broken.
fn wrapped(text: &str, gap: &str, first: &str, rest: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut is_begun = false;
    for word in text.split_inclusive(gap) {
        if is_begun && (line.width() + word.trim_end().width()) > width {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = rest.to_owned();
        }
        line.push_str(word);
        is_begun = true;
    }
    lines + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::catalog::Catalog;
    use super::super::catalog::tests::python;
    use super::*;

    fn screen(width: Option<usize>) -> Screen {
        Screen { width, ..Screen::pipe(Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn a_python_task_says_where_it_is_and_how_it_is_called() {
        let usage = Usage { job: "nightly".into(), file: "/srv/loom/jobs/a.yaml".into(), line: 3 };
        let entry = Entry { jobs: vec![usage], ..python("deploy.release") };
        let shown = page(&entry, Some(Path::new("/srv/loom/loom.yaml")), &screen(None));
        assert_eq!(
            shown,
            "deploy.release(version, restart=True)\n/srv/loom/deploy.py:12\n\n\
             Puts a version there.\n\nAnd starts it.\n\n\
             Parameters\n  version  required\n  restart  default True\n\n\
             Example\n  task: deploy.release\n  args: [<version>]\n\n\
             Jobs\n  nightly  /srv/loom/jobs/a.yaml:3\n"
        );
        let unused = page(&python("a.b"), Some(Path::new("/srv/loom/loom.yaml")), &screen(None));
        assert!(unused.ends_with("Jobs\n  none of /srv/loom/loom.yaml uses it\n"), "{unused}");
        assert!(!page(&python("a.b"), None, &screen(None)).contains("Jobs"));
    }

    #[test]
    fn nothing_of_a_native_task_is_lost_and_nothing_is_too_wide() {
        for entry in &Catalog::native().entries {
            for width in [40, 80, 300] {
                let shown = page(entry, None, &screen(Some(width)));
                let words = |text: &str| -> Vec<String> {
                    without_links(text).split_whitespace().map(str::to_owned).collect()
                };
                let all = words(&shown).join(" ");
                let doc = words(entry.doc.as_deref().unwrap());
                assert!(all.contains(&doc.join(" ")), "{shown}");
                for param in entry.params.iter().flatten() {
                    assert!(
                        all.contains(&words(param.doc.as_deref().unwrap()).join(" ")),
                        "{shown}"
                    );
                }
                let example: Vec<&str> = entry.example.lines().map(str::trim).collect();
                let too_wide = |line: &&str| line.width() > width.clamp(40, WIDEST);
                let wide: Vec<&str> = shown.lines().filter(too_wide).collect();
                let is_whole =
                    |line: &&str| example.contains(&line.trim()) || !line.trim().contains(' ');
                assert!(wide.iter().all(is_whole), "{wide:#?}");
            }
        }
    }

    #[test]
    fn text_of_a_module_cannot_steer_a_terminal() {
        let doc = Some("a\u{1b}[2J\tb".to_owned());
        let shown = page(&Entry { doc, ..python("a.\u{202e}b") }, None, &screen(None));
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\t']), "{shown:?}");
    }

    #[test]
    fn links_and_lists_are_text() {
        assert_eq!(without_links("as [`a`](#a), `[` and [x](y.md#z)."), "as `a`, `[` and x.");
        assert_eq!(without_links("`*`, `?` and `[` in [b"), "`*`, `?` and `[` in [b");
        let list = "One\ntwo.\n\n- a b\n  c d\n- e";
        assert_eq!(prose(list, 40), "One two.\n\n- a b c d\n- e\n");
        assert_eq!(wrapped("a b c d", " ", "- ", "  ", 5), "- a b\n  c d\n");
    }
}
