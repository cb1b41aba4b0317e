//! `loom completions`: the script for a shell, and what that script asks each time.
//!
//! The scripts hand over the words before the cursor, as they are written, and get a candidate a
//! line. What could stand there is known by clap from the same definitions that parse it; names of
//! jobs, nodes and runs come from [`candidates`](super::candidates).

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, ValueEnum};
use clap_complete::engine::{self, CompletionCandidate};

use super::{Cli, candidates};
use crate::config::diagnostic::{escape, is_invisible};

/// Print the script that completes loom's arguments in a shell
///
/// Jobs, nodes and runs are completed by name, as the running daemon knows them or else as the
/// configuration has them; tasks as the configuration has them.
///
///   bash:  loom completions bash >~/.local/share/bash-completion/completions/loom
///   zsh:   loom completions zsh >DIRECTORY/_loom, for a DIRECTORY in $fpath
///   fish:  loom completions fish >~/.config/fish/completions/loom.fish
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// bash, zsh or fish
    #[arg(hide_possible_values = true)]
    shell: Shell,

    /// For the script: the words up to the cursor, the command's own name first
    #[arg(last = true, hide = true, value_name = "WORD")]
    words: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub fn script(self) -> &'static str {
        match self {
            Shell::Bash => include_str!("loom.bash"),
            Shell::Zsh => include_str!("loom.zsh"),
            Shell::Fish => include_str!("loom.fish"),
        }
    }
}

pub fn completions(args: &Args) -> ExitCode {
    let text = match args.words.is_empty() {
        true => args.shell.script().to_owned(),
        false => found(args.shell, &args.words),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A candidate a line, as its shell takes it. Nothing is said of errors: the person is typing.
fn found(shell: Shell, words: &[OsString]) -> String {
    let last = words.len() - 1;
    // fish has unquoted all but the one being written.
    let plain = |(at, word): (usize, &OsString)| match shell {
        Shell::Fish if at < last => word.clone(),
        Shell::Bash | Shell::Zsh | Shell::Fish => unquoted(word),
    };
    let words: Vec<OsString> = words.iter().enumerate().map(plain).collect();
    let current = words[last].clone();
    candidates::asked_by(&words);
    let here = std::env::current_dir().ok();
    let found = engine::complete(&mut Cli::command(), words, last, here.as_deref());
    let mut found = found.unwrap_or_default();
    if !current.as_encoded_bytes().starts_with(b"-") {
        let is_option = |c: &CompletionCandidate| starts_with_dash(c.get_value());
        if found.iter().any(|candidate| !is_option(candidate)) {
            found.retain(|candidate| !is_option(candidate));
        }
    }
    found.iter().filter_map(|candidate| line(shell, candidate)).collect()
}

fn starts_with_dash(value: &OsStr) -> bool {
    value.as_encoded_bytes().starts_with(b"-")
}

/// `None` for what would be more than a line, or look like something else.
fn line(shell: Shell, candidate: &CompletionCandidate) -> Option<String> {
    let value = candidate.get_value().to_str()?;
    if value.is_empty() || value.contains(|c: char| c.is_control() || is_invisible(c)) {
        return None;
    }
    let help = candidate.get_help().map(|help| help.to_string()).unwrap_or_default();
    let help = escape(help.lines().next().unwrap_or_default());
    Some(match (shell, help.is_empty()) {
        (Shell::Bash, _) | (Shell::Fish, true) => format!("{value}\n"),
        (Shell::Fish, false) => format!("{value}\t{help}\n"),
        // To zsh's _describe the first colon ends the value.
        (Shell::Zsh, empty) => {
            let value = value.replace('\\', "\\\\").replace(':', "\\:");
            if empty { format!("{value}\n") } else { format!("{value}:{help}\n") }
        }
    })
}

/// Quotes and backslashes taken away as a shell would; a quote may be open still.
fn unquoted(word: &OsStr) -> OsString {
    let Some(text) = word.to_str() else { return word.to_owned() };
    let (mut plain, mut quote) = (String::new(), None);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '\\') => plain.extend(chars.next()),
            (Some('"'), '\\') if matches!(chars.peek(), Some('"' | '\\' | '$' | '`')) => {
                plain.extend(chars.next());
            }
            (_, c) => plain.push(c),
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(shell: Shell, words: &[&str]) -> Vec<String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        found(shell, &words).lines().map(str::to_owned).collect()
    }

    #[test]
    fn subcommands_come_with_their_help_where_a_shell_shows_it() {
        assert_eq!(lines(Shell::Bash, &["loom", "ne"]), ["next"]);
        let help = "Print coming fire times, one ISO 8601 time with offset a line";
        assert_eq!(lines(Shell::Fish, &["loom", "ne"]), [format!("next\t{help}")]);
        assert_eq!(lines(Shell::Zsh, &["loom", "ne"]), [format!("next:{help}")]);
        assert!(!lines(Shell::Bash, &["loom", ""]).iter().any(|line| line.starts_with('-')));
        assert!(lines(Shell::Bash, &["loom", "check", "--d"]).contains(&"--dump".to_owned()));
        assert!(lines(Shell::Bash, &["loom", "next", "--no-such-option", "-"]).len() > 3);
        assert_eq!(lines(Shell::Bash, &["loom", "completions", "z"]), ["zsh"]);
    }

    #[test]
    fn words_are_read_as_the_shell_reads_them() {
        for (written, plain) in [
            ("a", "a"),
            ("'a b'", "a b"),
            ("\"a b", "a b"),
            ("a\\ b", "a b"),
            ("\"a\\\"b\\c\"", "a\"b\\c"),
            ("'a\\'b\\", "a\\b"),
            ("", ""),
        ] {
            assert_eq!(unquoted(OsStr::new(written)), OsStr::new(plain), "{written}");
        }
    }
}
