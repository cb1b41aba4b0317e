//! All tasks, a line each: the native ones, then each Python module's.

use unicode_width::UnicodeWidthStr;

use super::catalog::Entry;
use crate::cli::screen::{Screen, Tone, cut, escape};

/// No summary is cut shorter than this for a long name's sake.
const SHORTEST: usize = 8;

pub fn list(entries: &[Entry], screen: &Screen) -> String {
    let names = entries.iter().map(|entry| escape(&entry.task).width());
    let wide = names.max().unwrap_or(0);
    let mut text = String::new();
    for group in entries.chunk_by(|one, other| one.module() == other.module()) {
        let title = match group[0].module() {
            None => "native".to_owned(),
            Some((module, file)) => {
                format!("{} ({})", escape(module), escape(&file.to_string_lossy()))
            }
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&screen.paint.tone(Tone::Bold, &title));
        text.push('\n');
        for entry in group {
            text.push_str(line(entry, wide, screen).trim_end());
            text.push('\n');
        }
    }
    text
}

fn line(entry: &Entry, wide: usize, screen: &Screen) -> String {
    let name = escape(&entry.task);
    let blanks = " ".repeat(wide.saturating_sub(name.width()));
    let summary = escape(entry.summary.as_deref().unwrap_or_default());
    let before = format!("  {name}{blanks}  ");
    let summary = match screen.width {
        Some(width) => cut(&summary, width.saturating_sub(before.width()).max(SHORTEST)),
        None => summary,
    };
    before + &summary
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::catalog::Catalog;
    use super::super::catalog::tests::python;
    use super::*;

    #[test]
    fn each_module_is_a_group_under_its_file() {
        let mut entries = Catalog::native().entries;
        entries.truncate(1);
        entries.extend(["deploy.release", "deploy.undo"].map(python));
        entries[2].summary = Some("a\u{1b}[2Jb".into());
        entries.push(Entry {
            file: Some("/x/ops.py".into()),
            summary: None,
            ..python("ops.restart")
        });
        let shown = list(&entries, &Screen::pipe(Timestamp::UNIX_EPOCH));
        assert_eq!(
            shown,
            "native\n  loom.run        Runs a command line on the node, as `ssh node 'command'` \
             would.\n\n\
             deploy (/srv/loom/deploy.py)\n  deploy.release  Puts a version there.\n  \
             deploy.undo     a\\u{1b}[2Jb\n\nops (/x/ops.py)\n  ops.restart\n"
        );
    }

    #[test]
    fn a_terminal_cuts_what_is_said_and_never_a_name() {
        let entries = Catalog::native().entries;
        for width in [20, 50, 80, 200] {
            let screen = Screen { width: Some(width), ..Screen::pipe(Timestamp::UNIX_EPOCH) };
            for (line, entry) in list(&entries, &screen).lines().skip(1).zip(&entries) {
                assert!(line.trim().starts_with(&entry.task), "{line}");
                assert!(line.width() <= width.max(27 + 4 + SHORTEST), "{width}: {line}");
            }
        }
    }
}
