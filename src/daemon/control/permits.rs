//! Who may do what. Decides, and does nothing.

use crate::access::{Globs, Role, TokenHash};
use crate::daemon::gateway::Trust;
use crate::protocol::control::{Command, FlowOf, Refusal, Who, Why};
use crate::store::TokenRow;
use crate::sys::user;

/// Who asks, as far as it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// For the books: `NAME`, a user of this machine, or `token:NAME`.
    pub name: String,
    /// How they came in, for the audit.
    pub via: &'static str,
    pub role: Role,
    /// The only jobs there are, for them.
    pub jobs: Globs,
}

/// What a command is about, as the daemon knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The job that it names, or that of the run that it names.
    pub job: Option<&'a str>,
    /// All nodes it asks for are targets of the job.
    pub own_targets: bool,
}

/// Who asks, by what a gateway of this trust has shown. `own`: the daemon's user.
pub fn identify<'a>(
    trust: Trust,
    who: &Who,
    own: u32,
    tokens: impl Iterator<Item = &'a TokenRow>,
) -> Result<Person, Refusal> {
    let refused = |text: &str| Refusal { why: Why::Unauthorized, text: text.to_owned() };
    match (who, trust) {
        (Who::Peer { uid }, Trust::Local) if *uid == 0 || *uid == own => Ok(Person {
            name: user::name(*uid),
            via: "socket",
            role: Role::Admin,
            jobs: Globs::default(),
        }),
        (Who::Peer { .. }, Trust::Local) => Err(refused("it is another user's daemon")),
        (Who::Peer { .. }, Trust::Remote) => Err(refused("a token is needed here")),
        (Who::Token(token), _) => {
            let shown = TokenHash::of(token);
            // All of them are compared: which one it is is not to be told by the time it takes.
            let known = tokens.filter(|row| row.hash == shown).last();
            let row = known.ok_or_else(|| refused("this token is not known, or was revoked"))?;
            Ok(Person {
                name: format!("token:{}", row.name),
                via: "tcp",
                role: row.role,
                jobs: row.jobs.clone(),
            })
        }
    }
}

pub fn permit(person: &Person, command: &Command, about: Subject) -> Result<(), Refusal> {
    let Person { name, role, jobs, .. } = person;
    let needed = match command {
        Command::Status => return Ok(()),
        Command::Run { args, .. } if !args.is_empty() || !about.own_targets => Role::Admin,
        Command::Run { .. }
        | Command::Cancel { .. }
        | Command::Enable { .. }
        | Command::Disable { .. } => Role::Operator,
        Command::Flow(order) => match order.flow {
            FlowOf::Job(_) => Role::Operator,
            FlowOf::Given { .. } => Role::Admin,
        },
        Command::Exec(_)
        | Command::Pause
        | Command::Resume
        | Command::Reload
        | Command::Stop { .. }
        | Command::AddToken { .. }
        | Command::RevokeToken { .. } => Role::Admin,
    };
    let forbidden = |text| Err(Refusal { why: Why::Forbidden, text });
    match about.job {
        // Of what they may not see they are not told that it is there.
        Some(job) if !jobs.see(job) => return Err(unknown(command)),
        None if !jobs.is_all() => {
            return forbidden(format!("{name} is limited to jobs {jobs}, and this is about more"));
        }
        Some(_) | None => {}
    }
    if *role >= needed {
        return Ok(());
    }
    let what = match command {
        Command::Run { args, .. } if !args.is_empty() => "with other arguments, ",
        Command::Run { .. } if !about.own_targets => "on nodes that are not its own, ",
        _ => "",
    };
    forbidden(format!("{name} is {role}; {what}this takes {needed}"))
}

/// There is nothing by that name.
pub fn unknown(command: &Command) -> Refusal {
    let text = match command {
        Command::Run { job, .. } | Command::Enable { job } | Command::Disable { job } => {
            format!("there is no job {job:?}")
        }
        Command::Cancel { run } => format!("run {run} is not under way"),
        Command::RevokeToken { name } => format!("there is no token {name:?}"),
        Command::Status
        | Command::Exec(_)
        | Command::Flow(_)
        | Command::Pause
        | Command::Resume
        | Command::Reload
        | Command::Stop { .. }
        | Command::AddToken { .. } => "there is no such thing".to_owned(),
    };
    Refusal { why: Why::Unknown, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::EXEC;
    use crate::unit::RunId;

    fn person(role: Role, jobs: &[&str]) -> Person {
        let jobs = Globs::new(jobs).unwrap();
        Person { name: "token:t".to_owned(), via: "tcp", role, jobs }
    }

    fn run() -> Command {
        Command::Run { job: "web".into(), on: None, args: Vec::new(), retry_of: None }
    }

    const WEB: Subject = Subject { job: Some("web"), own_targets: true };
    const NOTHING: Subject = Subject { job: None, own_targets: false };

    fn why(role: Role, jobs: &[&str], command: &Command, about: Subject) -> Option<Why> {
        permit(&person(role, jobs), command, about).err().map(|refusal| refusal.why)
    }

    #[test]
    fn a_gateway_of_the_network_can_show_tokens_and_nothing_else() {
        let row = |name: &str, token: &str, role| TokenRow {
            name: name.to_owned(),
            hash: TokenHash::of(token),
            role,
            jobs: Globs::new(["web-*"]).unwrap(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            created_by: "root".to_owned(),
            revoked_at: None,
        };
        let rows = [row("ci", "loom_1", Role::Operator), row("eye", "loom_2", Role::Viewer)];
        let known = |trust, who: Who| identify(trust, &who, 1000, rows.iter());
        for uid in [0, 1000] {
            assert!(known(Trust::Remote, Who::Peer { uid }).is_err());
            assert_eq!(known(Trust::Local, Who::Peer { uid }).unwrap().role, Role::Admin);
        }
        assert!(known(Trust::Local, Who::Peer { uid: 1001 }).is_err());
        let person = known(Trust::Remote, Who::Token("loom_1".to_owned())).unwrap();
        assert_eq!((person.name.as_str(), person.role), ("token:ci", Role::Operator));
        assert!(person.jobs.matches("web-1") && !person.jobs.matches("db"));
        assert!(known(Trust::Remote, Who::Token("loom_".to_owned())).is_err());
    }

    #[test]
    fn a_viewer_changes_nothing() {
        assert_eq!(why(Role::Viewer, &[], &Command::Status, NOTHING), None);
        let job = || "web".to_owned();
        let commands = [
            (run(), WEB),
            (Command::Cancel { run: RunId(1) }, WEB),
            (Command::Enable { job: job() }, WEB),
            (Command::Disable { job: job() }, WEB),
            (Command::Pause, NOTHING),
            (Command::Resume, NOTHING),
            (Command::Reload, NOTHING),
            (Command::Stop { drain: true }, NOTHING),
            (Command::RevokeToken { name: job() }, NOTHING),
        ];
        for (command, about) in commands {
            let forbidden = Some(Why::Forbidden);
            assert_eq!(why(Role::Viewer, &[], &command, about), forbidden, "{command:?}");
            assert_eq!(why(Role::Admin, &[], &command, about), None, "{command:?}");
        }
    }

    #[test]
    fn an_operator_runs_jobs_as_they_are_written() {
        assert_eq!(why(Role::Operator, &[], &run(), WEB), None);
        let elsewhere = Subject { own_targets: false, ..WEB };
        assert_eq!(why(Role::Operator, &[], &run(), elsewhere), Some(Why::Forbidden));
        let args = vec![("x".to_owned(), crate::arg::Arg::Null)];
        let otherwise = Command::Run { job: "web".into(), on: None, args, retry_of: None };
        assert_eq!(why(Role::Operator, &[], &otherwise, WEB), Some(Why::Forbidden));
        assert_eq!(why(Role::Admin, &[], &otherwise, elsewhere), None);
    }

    #[test]
    fn jobs_that_one_is_not_for_are_not_there() {
        assert_eq!(why(Role::Admin, &["db-*"], &run(), WEB), Some(Why::Unknown));
        assert_eq!(why(Role::Operator, &["w*"], &run(), WEB), None);
        assert_eq!(why(Role::Admin, &["w*"], &Command::Pause, NOTHING), Some(Why::Forbidden));
        let exec = Subject { job: Some(EXEC), own_targets: true };
        let cancel = Command::Cancel { run: RunId(1) };
        assert_eq!(why(Role::Admin, &["*"], &cancel, exec), Some(Why::Unknown));
        assert_eq!(why(Role::Operator, &[], &cancel, exec), None);
    }
}
