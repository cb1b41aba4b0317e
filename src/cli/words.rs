//! Words that a person gave us, made into what a daemon takes: a command line for a node's shell,
//! `NAME=VALUE`, a job or a run. Texts only; whether there is such a job is asked elsewhere.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::diagnostic::quoted;
use crate::config::read_argument;

/// The command line that a POSIX shell takes apart into these words again. One word alone is a
/// command line already.
pub fn command_line(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        _ => {
            let quoted: Vec<String> =
                words.iter().enumerate().map(|(i, word)| quote(word, i == 0)).collect();
            quoted.join(" ")
        }
    }
}

/// Where a command stands these mean something else.
const RESERVED: [&str; 17] = [
    "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "time", "until", "while",
];

fn quote(word: &str, first: bool) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+:,./-".contains(c);
    let plain = word.chars().all(|c| is_plain(c) || c == '=' && !first);
    if plain && !word.is_empty() && !(first && RESERVED.contains(&word)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A run's number. The ledger's numbers end where an `i64` does.
pub fn run(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number <= i64::MAX as u64);
    number.ok_or_else(|| "a run is a number, as `loom runs` shows it".to_owned())
}

/// `NAME=VALUE`, of `--arg`.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: String,
    pub value: Value,
    pub warnings: Vec<String>,
}

impl std::str::FromStr for Argument {
    type Err = String;

    fn from_str(text: &str) -> Result<Argument, String> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("write NAME=VALUE, the name of one of the task's parameters")?;
        let (value, warnings) = read_argument(value)?;
        Ok(Argument { name: name.to_owned(), value, warnings })
    }
}

/// By name, each once.
pub fn arguments(given: &[Argument]) -> Result<BTreeMap<String, Value>, String> {
    let mut all = BTreeMap::new();
    for Argument { name, value, warnings: _ } in given {
        if all.insert(name.clone(), value.clone()).is_some() {
            return Err(format!("--arg {} is given twice", quoted(name)));
        }
    }
    Ok(all)
}

/// What may be a job's name or a run's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    Job(String),
    /// Only digits: a run, unless there is a job of that name.
    Either {
        job: String,
        run: u64,
    },
}

impl Subject {
    pub fn read(text: &str) -> Subject {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(run) if digits => Subject::Either { job: text.to_owned(), run },
            _ => Subject::Job(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::process::Command;

    fn line(words: &[&str]) -> String {
        command_line(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn one_word_is_a_command_line_and_several_are_quoted() {
        assert_eq!(line(&["df -h | tail"]), "df -h | tail");
        assert_eq!(line(&["df", "-h", "/srv/x"]), "df -h /srv/x");
        assert_eq!(line(&["echo", "a b", ""]), "echo 'a b' ''");
        assert_eq!(line(&["echo", "it's", "$HOME"]), r"echo 'it'\''s' '$HOME'");
        assert_eq!(line(&["dd", "if=/dev/zero"]), "dd if=/dev/zero");
        assert_eq!(line(&["A=b", "c"]), "'A=b' c");
        assert_eq!(line(&["time", "time"]), "'time' time");
        assert_eq!(line(&["echo", "~", "*", "#x"]), "echo '~' '*' '#x'");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn a_shell_gives_the_words_back(
            words in prop::collection::vec("[^\\x00]{0,8}|[ -~]{0,8}|if|~|-n|a=b", 1..5)
        ) {
            let mut all = vec!["printf".to_owned(), "%s\\0".to_owned()];
            all.extend(words.clone());
            let said = Command::new("/bin/sh").arg("-c").arg(command_line(&all)).output().unwrap();
            let expected: Vec<u8> = words.iter().flat_map(|w| [w.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(said.stdout, expected);
        }
    }

    #[test]
    fn a_reserved_word_is_looked_for_as_a_command() {
        for word in RESERVED {
            let script = format!("PATH=/nonexistent; {}", line(&[word, "x"]));
            let status = Command::new("/bin/sh").args(["-c", &script]).output().unwrap().status;
            assert_eq!(status.code(), Some(127), "{script}");
        }
    }

    #[test]
    fn an_argument_has_a_name_and_a_value() {
        let argument: Argument = "n=0755".parse().unwrap();
        assert_eq!((argument.name.as_str(), argument.value), ("n", json!(493)));
        let argument: Argument = "query=a=b".parse().unwrap();
        assert_eq!(argument.value, json!("a=b"));
        assert_eq!("n=".parse::<Argument>().unwrap().value, Value::Null);
        assert!("=x".parse::<Argument>().is_err());
        assert!("x".parse::<Argument>().is_err());
        let twice: Vec<Argument> = vec!["n=1".parse().unwrap(), "n=2".parse().unwrap()];
        assert_eq!(arguments(&twice).unwrap_err(), "--arg \"n\" is given twice");
        assert_eq!(arguments(&twice[1..]).unwrap()["n"], json!(2));
    }

    #[test]
    fn digits_are_a_run_unless_a_job_is_called_so() {
        let either = Subject::Either { job: "12".to_owned(), run: 12 };
        assert_eq!(Subject::read("12"), either);
        assert_eq!(Subject::read("012"), Subject::Either { job: "012".to_owned(), run: 12 });
        for name in ["nightly", "12a", "+12", "", "99999999999999999999999"] {
            assert_eq!(Subject::read(name), Subject::Job(name.to_owned()));
        }
    }
}
