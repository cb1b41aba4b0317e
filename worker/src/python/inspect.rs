//! `loom-worker --inspect`: what is known of Python tasks without running them.
//!
//! One question on stdin, one answer on stdout, both as `loom::inspect` has them. The interpreter
//! that would run the tasks reads their source, with the package's `loom_bridge.inspect`; we see to
//! it that there is an answer whatever becomes of it, and that it ends with us.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use loom::inspect::{Answer, MAX_ANSWER, Question, READING};
use loom::sys::converse::{Said, converse};
use serde_json::Value;

use super::package::Package;

/// Without the current directory, which `-c` puts first.
const START: &str = "import sys; sys.path[0] = sys.argv[1] + '/common'; \
                     from loom_bridge import inspect; inspect.main()";
/// How a line begins that names the file that is being read.
const READS: &str = "reading ";

pub fn main() -> ExitCode {
    match answer(READING) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loom-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer(limit: Duration) -> io::Result<()> {
    let mut text = Vec::new();
    io::stdin().lock().take(MAX_ANSWER as u64).read_to_end(&mut text)?;
    let question: Question = serde_json::from_slice(&text)?;
    let answer = inspect(&question, limit)?;
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &answer)?;
    stdout.flush()
}

/// # Errors
/// Nothing can be said of the tasks; it is no matter of the interpreter.
fn inspect(question: &Question, limit: Duration) -> io::Result<Answer> {
    let near = tempfile::tempdir()?;
    let package = Package::laid_out(near.path())?;
    let mut asked = serde_json::to_value(question)?;
    if let Value::Object(fields) = &mut asked {
        fields.insert("root".into(), package.root().to_string_lossy().into());
    }
    let mut command = Command::new(&question.interpreter);
    command.args(["-S", "-c", START]).arg(package.root());
    super::clean(|name| {
        command.env_remove(name);
    });
    command.env("PYTHONPYCACHEPREFIX", package.compiled());
    let name = &question.interpreter;
    match converse(command, &serde_json::to_vec(&asked)?, limit, MAX_ANSWER) {
        Ok(said) => Ok(understood(name, &said)),
        Err(e) if e.kind() == ErrorKind::TimedOut => {
            let path: Vec<_> = question.path.iter().map(|dir| dir.to_string_lossy()).collect();
            let path = path.join(", ");
            let message = format!("{name} could not read the modules in {path} within {limit:?}");
            Err(io::Error::other(message))
        }
        Err(e) if e.kind() == ErrorKind::FileTooLarge => {
            Ok(Answer::NoInterpreter(format!("{name} is no Python: it writes without end")))
        }
        Err(e) => Ok(Answer::NoInterpreter(super::not_there(name, &e))),
    }
}

fn understood(name: &str, said: &Said) -> Answer {
    let stderr = String::from_utf8_lossy(&said.stderr);
    let (reading, complaints): (Vec<&str>, Vec<&str>) = stderr
        .lines()
        .filter(|line| !line.trim().is_empty())
        .partition(|line| line.starts_with(READS));
    let last = reading.last().and_then(|line| line.strip_prefix(READS));
    if let (Some(signal), Some(file)) = (said.status.signal(), last) {
        let message = format!("{name} died of signal {signal} while it read {file}");
        return Answer::NoInterpreter(message);
    }
    if said.status.success()
        && let Ok(answer) = serde_json::from_slice(&said.stdout)
    {
        return answer;
    }
    let stdout = String::from_utf8_lossy(&said.stdout);
    // A traceback says last what was wrong, all else first.
    let traced = complaints.iter().any(|line| line.starts_with("Traceback "));
    let complaint = if traced { complaints.last() } else { complaints.first() };
    let words = complaint.copied().or(stdout.lines().next()).unwrap_or_default();
    let words: String = words.trim().chars().take(200).collect();
    let ended = match (said.status.code(), said.status.signal()) {
        (Some(code), _) => format!("it exited with {code}"),
        (None, Some(signal)) => format!("it died of signal {signal}"),
        (None, None) => "it ended".to_owned(),
    };
    Answer::NoInterpreter(match words.as_str() {
        "" => format!("{name} is no Python that Loom can use: {ended} and said nothing"),
        words => format!("{name} is no Python that Loom can use: {ended} and said {words:?}"),
    })
}
