//! What gateways ask for: proven, permitted, carried out, written down, answered.
//!
//! Only typed messages in our own frames arrive here, from processes of our own; and yet a gateway
//! is believed no more than what it can show ([`permits`]).

mod flow;
mod permits;
mod requests;
mod start;
mod tokens;
mod words;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::unistd::geteuid;

use super::Daemon;
use super::gateway::{Line, Trust};
use crate::job::{self};
use crate::protocol::control::{
    Answer, Command, FromParent, News, Refusal, Reply, Request, Status, Switched, Who, Why,
};
use crate::scheduler::Now;
use crate::store::{AuditRow, MEMORY, Record, RequestRow};
use crate::sys::signals::Signal;
use crate::unit::Canceller;
use permits::{Person, Subject, permit, unknown};
pub use requests::Requests;
use words::Words;

/// Longest key that is remembered, in bytes.
const LONGEST_KEY: usize = 256;
/// So long one gateway is listened to before others get their turn.
const TURN: Duration = Duration::from_millis(5);

impl Daemon {
    pub(super) fn on_control(&mut self, line: Line) {
        let until = Instant::now() + TURN;
        let Some(channel) = self.gateways.channel(line) else { return };
        let more = channel.fill();
        let more = loop {
            let Some(channel) = self.gateways.channel(line) else { return };
            let Request { id, who, key, command } = match channel.take() {
                Ok(Some(request)) => request,
                Ok(None) => break more,
                Err(e) => break Err(e),
            };
            match self.answer(line, id, &who, key, command) {
                // Nothing has changed that anybody could look for in the ledger.
                Some(answer @ (Err(_) | Ok(Answer::Status(_)))) => {
                    self.gateways.say(line, &FromParent::Reply(Reply { id, answer }));
                }
                Some(answer) => {
                    let seq = self.engine.ledger.submitted();
                    self.gateways.reply(line, seq, Reply { id, answer });
                }
                None => {}
            }
            if Instant::now() >= until {
                // The rest has its turn; what became of the socket is found out again after it.
                return;
            }
        };
        match more {
            Ok(true) => {}
            Ok(false) => self.gateways.hang_up(&self.engine.poll, line, None),
            Err(e) => self.gateways.hang_up(&self.engine.poll, line, Some(&e.to_string())),
        }
    }

    /// `None`: the answer comes later.
    fn answer(
        &mut self,
        line: Line,
        id: u64,
        who: &Who,
        key: Option<String>,
        command: Command,
    ) -> Option<Result<Answer, Refusal>> {
        let person = match self.identify(line, who) {
            Ok(person) => person,
            Err(refusal) => return Some(Err(refusal)),
        };
        if command == Command::Status {
            return Some(Ok(Answer::Status(Box::new(self.status()))));
        }
        if let Err(refusal) = self.may_be_recorded(&command) {
            return Some(Err(refusal));
        }
        let name = &person.name;
        log::info!(target: "loom::control", "{}", words::line(&person, &command));
        let answer = match command {
            Command::Reload => self.ask_to_reload(&person, line, id).err().map(Err),
            _ => Some(self.once(&person, key, &command)),
        };
        if let Some(Err(refusal)) = &answer {
            log::warn!(target: "loom::control", "{name}: refused: {refusal}");
        }
        answer
    }

    /// It is answered when it is known what comes of it.
    fn ask_to_reload(&mut self, person: &Person, line: Line, id: u64) -> Result<(), Refusal> {
        permit(person, &Command::Reload, Subject::default())?;
        if self.stopping.is_some() {
            return Err(conflict("it is being stopped, and reads no configuration any more"));
        }
        if !self.reload.may_be_asked() {
            return Err(unavailable("too many wait for a reload already"));
        }
        self.audit(person, &Command::Reload, None);
        self.reload.request_for(line, id);
        Ok(())
    }

    /// A request with a key is carried out once.
    fn once(
        &mut self,
        person: &Person,
        key: Option<String>,
        command: &Command,
    ) -> Result<Answer, Refusal> {
        let Some(key) = key else { return self.obey(person, command) };
        if key.is_empty() || key.len() > LONGEST_KEY {
            let text = format!("an idempotency key has 1 to {LONGEST_KEY} bytes");
            return Err(Refusal { why: Why::Invalid, text });
        }
        let (digest, at) = (requests::digest(command), Timestamp::now());
        if let Some(run) = self.requests.before(&person.name, &key, digest, at)? {
            return Ok(Answer::Run(run));
        }
        let answer = self.obey(person, command)?;
        if let Answer::Run(run) = answer {
            let row = RequestRow { key, who: person.name.clone(), digest, run, at };
            self.requests.note(row.clone());
            self.engine.ledger.submit(Record::Request(row));
        }
        Ok(answer)
    }

    /// Who asks, by what was shown on this line.
    fn identify(&self, line: Line, who: &Who) -> Result<Person, Refusal> {
        let trust = line.trust();
        let known = permits::identify(trust, who, geteuid().as_raw(), self.tokens.values());
        known.inspect_err(|_| match (trust, who) {
            (Trust::Remote, Who::Peer { .. }) => log::error!(
                target: "loom::control",
                "the gateway of the network names a user of this machine, and is not believed"
            ),
            (Trust::Local, Who::Peer { .. }) | (_, Who::Token(_)) => {}
        })
    }

    fn obey(&mut self, person: &Person, command: &Command) -> Result<Answer, Refusal> {
        match command {
            // Answered before.
            Command::Status | Command::Reload => {}
            Command::Run { job, on, args, retry_of } => {
                return self.run_job(person, command, job, on.as_deref(), args, *retry_of);
            }
            Command::Exec(exec) => {
                permit(person, command, Subject::default())?;
                return self.exec(person, command, exec);
            }
            Command::Flow(order) => return self.flow(person, command, order),
            Command::Cancel { run } => {
                let job = self.engine.scheduler.job_of(*run).ok_or_else(|| unknown(command))?;
                let about = Subject { job: Some(&job.name), own_targets: true };
                permit(person, command, about)?;
                self.audit(person, command, Some(job.name.clone()));
                let by = Canceller::User(person.name.clone());
                self.engine.scheduler.cancel_run(Now::read(), *run, &by);
                self.engine.settle();
            }
            Command::Enable { job } | Command::Disable { job } => {
                let about = Subject { job: Some(job), own_targets: true };
                permit(person, command, about)?;
                self.switch(person, command, job)?;
            }
            Command::Pause | Command::Resume => {
                permit(person, command, Subject::default())?;
                self.audit(person, command, None);
                self.pause(*command == Command::Pause);
            }
            Command::Stop { drain } => {
                permit(person, command, Subject::default())?;
                let begun = match &mut self.stopping {
                    None => false,
                    // Whoever asks has waited for a drain for long enough.
                    Some((_, stopping)) => !drain && stopping.limit(&self.engine),
                };
                if self.stopping.is_some() && !begun {
                    return Err(conflict("it is being stopped already"));
                }
                self.audit(person, command, None);
                if !begun {
                    self.begin_to_stop(Signal::Term, *drain);
                }
            }
            Command::AddToken { name, role, jobs } => {
                permit(person, command, Subject::default())?;
                let token = self.add_token(person, name, *role, jobs)?;
                self.audit(person, command, None);
                return Ok(token);
            }
            Command::RevokeToken { name } => {
                permit(person, command, Subject::default())?;
                if !self.revoke_token(name) {
                    return Err(unknown(command));
                }
                self.audit(person, command, None);
            }
        }
        Ok(Answer::Done)
    }

    /// Whatever is done is written down. While the ledger takes nothing that is kept in memory,
    /// which is not for gateways to fill.
    fn may_be_recorded(&self, command: &Command) -> Result<(), Refusal> {
        let is_full = self.engine.is_ledger_down() && self.engine.ledger.backlog() > 2 * MEMORY;
        let is_exempt = matches!(command, Command::Stop { .. } | Command::Status);
        if is_full && !is_exempt {
            return Err(unavailable("the ledger cannot be written, and too much waits for it"));
        }
        Ok(())
    }

    /// By hand, on or off. What is due at this instant is still judged as it was before.
    fn switch(&mut self, person: &Person, command: &Command, name: &str) -> Result<(), Refusal> {
        let Some(written) = self.engine.config.jobs.get(name) else { return Err(unknown(command)) };
        let is_off = self.engine.switched_off.contains_key(name);
        let off = matches!(command, Command::Disable { .. });
        if off && is_off {
            return Err(conflict(&format!("{name} is switched off already")));
        }
        if !off && !is_off {
            let job::Source { file, line } = &written.source;
            return Err(conflict(&match written.enabled {
                true => format!("{name} is enabled already"),
                false => format!(
                    "{name} is disabled where it is written, {}:{line}; set `enabled: true` there",
                    file.display()
                ),
            }));
        }
        let now = self.look();
        self.audit(person, command, None);
        let off = off.then(|| Switched { by: person.name.clone(), at: now });
        self.engine.switch(name, off.clone());
        self.timetable.replace(&self.engine.jobs, now);
        let job = name.to_owned();
        self.engine.ledger.submit(Record::Switch { job: job.clone(), off: off.clone() });
        self.gateways.tell(self.engine.ledger.submitted(), &News::Switched { job, off });
        Ok(())
    }

    /// What is due at this instant is still judged by what was in force before it.
    fn pause(&mut self, paused: bool) {
        if self.paused != paused {
            self.look();
            self.paused = paused;
            self.engine.ledger.submit(Record::Paused(paused));
            self.gateways.tell(self.engine.ledger.submitted(), &News::Paused(paused));
            log::info!("{}", if paused { "all schedules are paused" } else { "schedules go on" });
        }
    }

    fn audit(&mut self, person: &Person, command: &Command, came_of_it: Option<String>) {
        let Words { action, subject, detail } = words::words(command);
        self.engine.ledger.submit(Record::Audit(AuditRow {
            at: Timestamp::now(),
            who: person.name.clone(),
            via: person.via.to_owned(),
            action: action.to_owned(),
            subject,
            detail: words::join([detail, came_of_it]),
        }));
    }

    fn status(&self) -> Status {
        let units = self.engine.scheduler.count_units();
        let settings = &self.engine.config.settings;
        Status {
            paused: self.paused,
            stopping: self.stopping.is_some(),
            runs: self.engine.scheduler.open_runs(),
            units,
            workers: self.engine.scheduler.workers(),
            busy: units.running,
            min_workers: settings.min_workers,
            max_workers: settings.max_workers,
            connected: self.engine.connected(),
            backlog: self.engine.ledger.backlog(),
            trouble: self.engine.trouble.clone(),
            reload_trouble: self.reload.trouble().map(str::to_owned),
            counters: self.tallies.counters(),
        }
    }
}

fn invalid(text: String) -> Refusal {
    Refusal { why: Why::Invalid, text }
}

fn unavailable(text: &str) -> Refusal {
    Refusal { why: Why::Unavailable, text: text.to_owned() }
}

pub(super) fn conflict(text: &str) -> Refusal {
    Refusal { why: Why::Conflict, text: text.to_owned() }
}
