//! The gateway's end of the control channel.

use std::os::unix::net::UnixStream;

use loom::protocol::control::{Answer, Command, FromParent, Reply, Request, Status, Who};
use loom::protocol::frame;

use super::SOON;

pub struct Control {
    stream: UnixStream,
    next: u64,
}

impl Control {
    pub fn new(stream: UnixStream) -> Control {
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.set_write_timeout(Some(SOON)).unwrap();
        Control { stream, next: 1 }
    }

    /// The socket itself, to be abused.
    pub fn stream(&self) -> UnixStream {
        self.stream.try_clone().unwrap()
    }

    /// Blocks for the answer.
    pub fn request(&mut self, command: Command) -> Result<Answer, String> {
        let id = self.next;
        self.next += 1;
        let who = Who::Peer { uid: nix::unistd::getuid().as_raw() };
        let request = Request { id, who, key: None, command: command.clone() };
        frame::write(&mut self.stream, &request, frame::CAP).unwrap();
        let Reply { id: answered, answer } = self.reply(&command);
        assert_eq!(answered, id, "the answer to another request");
        answer.map_err(|refusal| refusal.to_string())
    }

    /// Asks for all of these at once; the answers in the order they come, with their commands.
    pub fn requests(&mut self, commands: &[Command]) -> Vec<(Command, Result<Answer, String>)> {
        let (mut bytes, mut asked) = (Vec::new(), std::collections::HashMap::new());
        for command in commands {
            let (id, who) = (self.next, Who::Peer { uid: nix::unistd::getuid().as_raw() });
            self.next += 1;
            let request = Request { id, who, key: None, command: command.clone() };
            bytes.extend(frame::encode(&request, frame::CAP).unwrap());
            asked.insert(id, command.clone());
        }
        std::io::Write::write_all(&mut self.stream, &bytes).unwrap();
        let answered = commands.iter().map(|command| {
            let Reply { id, answer } = self.reply(command);
            let command = asked.remove(&id).expect("nothing is answered twice");
            (command, answer.map_err(|refusal| refusal.to_string()))
        });
        answered.collect()
    }

    /// The next reply; what else is told is left aside.
    fn reply(&mut self, command: &Command) -> Reply {
        loop {
            let message = frame::read(&mut self.stream, frame::CAP)
                .unwrap_or_else(|e| panic!("no answer to {command:?}: {e}"));
            match message {
                Some(FromParent::Reply(reply)) => return reply,
                Some(FromParent::Hello(_) | FromParent::Catalog(_) | FromParent::News(_)) => {}
                None => panic!("hung up instead of answering {command:?}"),
            }
        }
    }

    /// Runs a job on its targets, now; the run's id.
    pub fn run(&mut self, job: &str) -> i64 {
        let command = Command::run(job);
        match self.request(command) {
            Ok(Answer::Run(Some(run))) => run.0 as i64,
            other => panic!("{job} is not run: {other:?}"),
        }
    }

    pub fn status(&mut self) -> Status {
        match self.request(Command::Status) {
            Ok(Answer::Status(status)) => *status,
            other => panic!("no status: {other:?}"),
        }
    }
}
