//! What an interpreter asks for while its task runs, one request after the other: commands and
//! files on the unit's node.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use loom::arg::Arg;
use loom::password::Password;
use loom::protocol::cookie::Rights;
use secrecy::ExposeSecret;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::channel::{Channel, Packet};
use super::value::{Fields, map, text};
use crate::milestone::Milestone;
use crate::rejoin::{self, Back, Rejoin, Watch};
use crate::ssh::{Command, Ended, Input, Receive, Remote, RemoteError, Stream, Sudo};
use crate::task::fabric::command::{combined, identity};
use crate::task::fabric::get::Get;
use crate::task::fabric::put::Put;
use crate::task::fabric::terminal;
use crate::task::{Context, TaskError, resolve};

/// What the parent may take to keep the unit's rights. A disk that does not answer is given up by
/// it after ten seconds.
const KEEPING: Duration = Duration::from_secs(15);

pub struct Requests<'a> {
    channel: &'a Channel,
    remote: Remote,
    /// The node's.
    password: Option<Password>,
    rejoin: Rejoin,
    told: UnboundedSender<Milestone>,
    /// What a sweep for this unit would have to be done with, as the parent knows.
    rights: BTreeSet<Rights>,
    /// The node was made to go away, and has not come back yet.
    leaving: Option<Watch>,
    /// Why the node could not be worked on any more.
    pub broken: Option<RemoteError>,
}

impl<'a> Requests<'a> {
    pub fn new(channel: &'a Channel, context: &Context) -> Requests<'a> {
        let (remote, password) = (context.remote.clone(), context.password.clone());
        let (rejoin, told) = (context.rejoin.clone(), context.told.clone());
        let rights = BTreeSet::new();
        Requests { channel, remote, password, rejoin, told, rights, leaving: None, broken: None }
    }

    /// Until the interpreter has said how the task went, or is gone without a word.
    pub async fn serve(&mut self) -> io::Result<Option<Arg>> {
        loop {
            self.channel.flush().await;
            match self.channel.next().await? {
                None => return Ok(None),
                Some(Packet::Done(done)) => return Ok(Some(done)),
                Some(Packet::Request(request)) => {
                    let reply = self.perform(Fields(&request)).await;
                    self.channel.reply(&reply);
                }
                // For a command that has ended meanwhile.
                Some(Packet::Typed(_) | Packet::Password) => {}
            }
        }
    }

    /// How the task went, if it was said before the interpreter ended.
    pub fn last_word(&self) -> io::Result<Option<Arg>> {
        while let Some(packet) = self.channel.left()? {
            if let Packet::Done(done) = packet {
                return Ok(Some(done));
            }
        }
        Ok(None)
    }

    async fn perform(&mut self, ask: Fields<'_>) -> Arg {
        let answer = match ask.text("op") {
            Some("run") => self.run(ask).await,
            Some("put") => self.put(ask).await,
            Some("get") => self.get(ask).await,
            Some("reconnect") => self.reconnect(ask).await,
            other => Err(unknown(other)),
        };
        answer.unwrap_or_else(|error| self.refusal(error))
    }

    async fn run(&mut self, ask: Fields<'_>) -> Result<Arg, TaskError> {
        let line = ask.text("line").ok_or_else(|| unknown(Some("run")))?;
        let sudo = self.sudo(ask).await?;
        let line = match ask.flag("combine") {
            true => combined(line, ask.flag("shell")),
            false => line.to_owned(),
        };
        let command = Command {
            line,
            // The target user's own shell may be one that lets nobody in.
            shell: sudo.as_ref().map(|_| "/bin/sh".into()),
            input: if ask.flag("pty") { Input::Terminal(terminal()) } else { Input::Nothing },
            sudo,
            ..Command::default()
        };
        if ask.flag("leaves") {
            self.leaving = Some(Watch::new(rejoin::boot_id(&self.remote).await?, false));
            self.rejoin.leaving();
        }
        let mut relay = Relay { channel: self.channel, password: self.password.as_ref() };
        let running = self.remote.run(&command, &mut relay);
        let ended = match ask.seconds("timeout") {
            Some(limit) => match timeout(limit, running).await {
                Ok(ended) => ended?,
                Err(_) => {
                    let kill = self.remote.kill().await;
                    return Ok(map([
                        ("timed_out", Arg::Bool(true)),
                        ("kill", text(kill.to_string())),
                    ]));
                }
            },
            None => match (running.await, &mut self.leaving) {
                (Err(RemoteError::Lost(_)), Some(watch)) if ask.flag("leaves") => {
                    watch.gone = true;
                    self.remote.forget_running();
                    return Ok(map([("left", Arg::Bool(true))]));
                }
                (ended, _) => ended?,
            },
        };
        Ok(match ended {
            Ended::Exit(status) => map([("exit", Arg::Int(status.into()))]),
            Ended::Signal(signal) => map([("signal", Arg::Int(signal.into()))]),
        })
    }

    /// Waits until the node takes sessions again. Whatever was lost with it before is forgiven.
    async fn reconnect(&mut self, ask: Fields<'_>) -> Result<Arg, TaskError> {
        let within = ask.seconds("within").ok_or_else(|| unknown(Some("reconnect")))?;
        let mut watch = self.leaving.take().unwrap_or_else(|| Watch::new(None, false));
        watch.gone |= self.broken.is_some();
        let back = rejoin::back(&self.remote, &self.rejoin, watch, within).await?;
        Ok(match back {
            Ok(back) => {
                self.broken = None;
                let rebooted = back == Back::Rebooted;
                map([("back", Arg::Bool(true)), ("rebooted", Arg::Bool(rebooted))])
            }
            Err(why) => map([("back", Arg::Bool(false)), ("why", text(why))]),
        })
    }

    async fn put(&mut self, ask: Fields<'_>) -> Result<Arg, TaskError> {
        let put = Put {
            local: ask.text("local").unwrap_or_default(),
            remote: ask.text("remote").unwrap_or_default(),
            sudo: self.sudo(ask).await?,
            mirror_local_mode: ask.flag("mirror_local_mode"),
            mode: ask.int("mode").and_then(|mode| u32::try_from(mode).ok()),
            use_glob: ask.flag("use_glob"),
        };
        let mut paths = Vec::new();
        put.perform(&self.remote, |path| paths.push(text(path))).await?;
        Ok(map([("paths", Arg::List(paths))]))
    }

    async fn get(&mut self, ask: Fields<'_>) -> Result<Arg, TaskError> {
        let get = Get {
            remote: ask.text("remote").unwrap_or_default(),
            local: ask.text("local").unwrap_or_default(),
            host: ask.text("host").unwrap_or_default(),
            sudo: self.sudo(ask).await?,
        };
        let mut paths = Vec::new();
        get.perform(&self.remote, |path| paths.push(text(path.to_string_lossy()))).await?;
        Ok(map([("paths", Arg::List(paths))]))
    }

    /// `sudo: {user, group, password}`, each of which may be missing.
    async fn sudo(&mut self, ask: Fields<'_>) -> Result<Option<Sudo>, TaskError> {
        let Some(sudo) = ask.get("sudo").filter(|sudo| **sudo != Arg::Null).map(Fields) else {
            return Ok(None);
        };
        let password = match (sudo.text("password"), &self.password) {
            (Some(password), _) => Some(password.into()),
            (None, Some(source)) => Some(resolve(source).await?),
            (None, None) => None,
        };
        let user = sudo.text("user").map(identity);
        let group = sudo.text("group").map(identity);
        self.will_have(rights(user.as_deref(), group.as_deref())).await;
        Ok(Some(Sudo { user, group, password }))
    }

    /// Before anything gets these rights, the parent knows of it: should the worker or the parent
    /// die under the unit, what it left would not be seen without them.
    async fn will_have(&mut self, rights: Rights) {
        if !self.rights.insert(rights.clone()) {
            return;
        }
        let (kept, is_kept) = oneshot::channel();
        let _ = self.told.send(Milestone::Rights { rights, kept });
        // What is wanted of the node is worth more than what a crash could leave there.
        if timeout(KEEPING, is_kept).await.is_err() {
            eprintln!("the parent has not answered for {KEEPING:?}; the unit goes on");
        }
    }

    /// `kind` is what the other side makes an exception of.
    fn refusal(&mut self, error: TaskError) -> Arg {
        let sentence = text(error.to_string());
        let kind = match error {
            TaskError::Remote(error) => self.trouble(error),
            TaskError::Exit(_)
            | TaskError::Signal(_)
            | TaskError::Said { .. }
            | TaskError::Failed(_)
            | TaskError::Io(_) => "file",
        };
        map([("error", sentence), ("kind", text(kind))])
    }

    fn trouble(&mut self, error: RemoteError) -> &'static str {
        self.broken = Some(match error {
            RemoteError::Sudo(_) => return "sudo",
            RemoteError::Transfer(_) | RemoteError::Io(_) => return "file",
            RemoteError::Shell(_) | RemoteError::Invalid(_) => return "command",
            // The interpreter has begun: nobody can say that nothing was done.
            RemoteError::Unreachable(why) | RemoteError::Refused(why) => RemoteError::Lost(why),
            RemoteError::Lost(_) | RemoteError::Stopped => error,
        });
        "node"
    }
}

/// Whoever has another group, too, is seen by root alone.
fn rights(user: Option<&str>, group: Option<&str>) -> Rights {
    match (user, group) {
        (None | Some("root" | "#0"), _) | (_, Some(_)) => Rights::Root,
        (Some(user), None) => Rights::User(user.to_owned()),
    }
}

fn unknown(op: Option<&str>) -> TaskError {
    TaskError::Failed(format!("the worker does not understand the request {op:?}"))
}

/// Passes on what a command says, and what is typed.
struct Relay<'a> {
    channel: &'a Channel,
    password: Option<&'a Password>,
}

impl Receive for Relay<'_> {
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => self.channel.stdout(bytes),
            Stream::Stderr => self.channel.stderr(bytes),
        }
        Ok(())
    }

    async fn room(&self) {
        self.channel.flush().await;
    }

    async fn typed(&self) -> io::Result<Zeroizing<Vec<u8>>> {
        match self.channel.next().await? {
            Some(Packet::Typed(bytes)) => Ok(Zeroizing::new(bytes)),
            Some(Packet::Password) => {
                let Some(source) = self.password else {
                    return Err(io::Error::other(
                        "a password is asked for, and none is configured",
                    ));
                };
                let password =
                    resolve(source).await.map_err(|e| io::Error::other(e.to_string()))?;
                let mut bytes = Zeroizing::new(password.expose_secret().as_bytes().to_vec());
                bytes.push(b'\n');
                Ok(bytes)
            }
            // A thread of its had the command run, and has been left behind.
            Some(done @ Packet::Done(_)) => {
                self.channel.put_back(done);
                Err(io::Error::other("the task ended while a command ran"))
            }
            Some(Packet::Request(_)) => {
                Err(io::Error::other("the interpreter asked for more while a command ran"))
            }
            // It is gone, which is noticed elsewhere.
            None => std::future::pending().await,
        }
    }
}
