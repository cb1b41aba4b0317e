//! The text that goes around every command on a node, and the quoting that gets it there.
//!
//! What the text does is written in `wrapper.sh`, with a test for each sentence. Here it is only
//! given its parameters. Knows nothing of sessions.

use std::sync::LazyLock;
use std::time::Duration;

use libc::{SIGINT, SIGPIPE};

use super::command::{Command, Ended, Input, Sudo};

/// The wrapper as it is sent: without its comments.
pub static TEXT: LazyLock<String> = LazyLock::new(|| stripped(include_str!("wrapper.sh")));

/// Prints the process group that sshd made, and leaves the rest to sudo.
const SUDO: &str = r#"printf '%s@%s\n' "$1" $$ >&2; shift; exec "$@""#;

/// What a command line needs besides itself.
pub struct Frame<'a> {
    pub nonce: &'a str,
    /// Found in the environment of everything the command starts.
    pub cookie: &'a str,
    /// Between TERM and KILL when the lease ends.
    pub grace: Duration,
    /// Of data that will arrive on stdin.
    pub size: u64,
}

/// The line to give to the user's login shell, whichever it is.
pub fn line(command: &Command, frame: &Frame<'_>) -> String {
    let variant = match command.input {
        Input::Nothing => "lease",
        Input::Bytes(_) | Input::File(_) => "data",
        Input::Terminal(_) => "terminal",
    };
    let grace = frame.grace.as_millis().div_ceil(1000).to_string();
    let size = frame.size.to_string();
    let cookie = format!("LOOM_UNIT={}", frame.cookie);

    let mut words = vec!["exec".to_owned()];
    if let Some(sudo) = &command.sudo {
        words.extend(["/bin/sh", "-c", SUDO, "loom", frame.nonce].map(quote));
        words.extend(sudo_words(sudo, frame.nonce).iter().map(|word| quote(word)));
    }
    words.extend(["/bin/sh", "-c", &TEXT, "loom", frame.nonce, &grace, variant, &size].map(quote));
    words.push(quote(command.chdir.as_deref().unwrap_or_default()));
    // The login shell itself says which one it is; so the line is read by it behind sudo, too,
    // where the other user may have no shell at all.
    words.push(command.shell.as_deref().map_or_else(|| "\"$SHELL\"".to_owned(), quote));
    words.push(quote(&command.line));
    words.push(quote(&cookie));
    words.extend(command.env.iter().map(|(name, value)| quote(&format!("{name}={value}"))));
    words.join(" ")
}

fn sudo_words(sudo: &Sudo, nonce: &str) -> Vec<String> {
    let mut words = vec!["sudo".to_owned(), "-S".into(), "-p".into(), format!("{nonce}?")];
    for (option, name) in [("-u", &sudo.user), ("-g", &sudo.group)] {
        if let Some(name) = name {
            words.extend([option.to_owned(), name.clone()]);
        }
    }
    words.push("--".into());
    words
}

/// One word for any shell: POSIX ones and fish agree on it (fish reads backslashes even in
/// single quotes).
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('\'');
    for c in word.chars() {
        match c {
            '\'' => quoted.push_str(r"'\''"),
            '\\' => quoted.push_str(r"'\\'"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// How the command ended, by the wrapper's STATUS. `None`: the shell that waited for it was killed.
pub fn ended(status: &[u8]) -> Option<Ended> {
    let text = String::from_utf8_lossy(status);
    let text = text.trim_end();
    let at = text.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let code: i32 = text[at..].parse().ok()?;
    let said = text[..at].trim();
    let died = match said.strip_prefix('b') {
        // bash lists every job that ended: those that exited as `Exit N`, in POSIX mode `Done(N)`.
        Some(jobs) => !jobs.contains("Exit ") && !jobs.contains("Done"),
        // ash has a message for every signal but these two, and none for an exit: statuses 130
        // and 141 count as theirs.
        None => !said.is_empty() || [SIGINT, SIGPIPE].contains(&(code - 128)),
    };
    Some(match code {
        129..=255 if died => Ended::Signal(code - 128),
        // The Korn shell keeps signals apart by itself.
        257.. => Ended::Signal(code - 256),
        _ => Ended::Exit(code),
    })
}

pub(super) fn stripped(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    code.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command as Process;

    #[test]
    fn nothing_of_the_comments_is_sent() {
        assert!(TEXT.starts_with("n=$1 g=$2"));
        assert!(!TEXT.contains("# "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_quoted_word_arrives_byte_for_byte(word in "[^\0]{0,40}") {
            for shell in ["dash", "bash"] {
                let line = format!("printf %s {}", quote(&word));
                let output = Process::new(shell).arg("-c").arg(line).output().unwrap();
                prop_assert_eq!(&String::from_utf8(output.stdout).unwrap(), &word);
            }
        }
    }
}
