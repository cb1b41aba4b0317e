//! A new configuration for a running daemon: whole, or not at all.
//!
//! Asked for by SIGHUP or by changed files, it is loaded by an executed child, while the daemon
//! keeps time. What a reload means for the jobs and nodes that are running is decided here.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::changes::Changes;
use super::engine::{master_limits, pool_limits};
use super::gateway::Line;
use super::{Daemon, Engine, Token};
use crate::config::Config;
use crate::config::receive::Loading;
use crate::config::watch::Watch;
use crate::job::flow::FLOW;
use crate::job::{EXEC, Job};
use crate::logging;
use crate::node_state::{self, MasterId};
use crate::protocol::control::{Answer, Refusal, Reply, Why};
use crate::scheduler::Now;
use crate::sys::notify;
use crate::sys::poll::{Interest, Poll};

/// So many may wait to hear what comes of it.
const MOST_ASKERS: usize = 256;
/// Bytes of what they are told; the log has all of it.
const LONGEST_ANSWER: usize = 64 << 10;

/// Asking for it again while it is under way makes for one more load after it, not for many.
#[derive(Debug)]
pub struct Reload {
    candidates: String,
    watch: Watch,
    requested: bool,
    loading: Option<(Loading, SystemTime)>,
    /// It could not even be begun.
    broken: Option<String>,
    /// Who waits to hear of the next load, and of the one under way.
    asking: Vec<Asker>,
    waiting: Vec<Asker>,
    /// Why the last one was refused.
    trouble: Option<String>,
}

/// A request of a gateway, and the line it came by.
pub type Asker = (Line, u64);

impl Reload {
    pub fn new(candidates: String, watch: Watch, poll: &Poll) -> Reload {
        let reload = Reload {
            candidates,
            watch,
            requested: false,
            loading: None,
            broken: None,
            asking: Vec::new(),
            waiting: Vec::new(),
            trouble: None,
        };
        reload.watch_files(poll);
        reload
    }

    /// The watch may have got a new descriptor; that it is known already is no error.
    fn watch_files(&self, poll: &Poll) {
        if let Some(fd) = self.watch.fd() {
            match poll.add(fd.as_fd(), Token::Watch.into(), Interest::Read) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    log::error!(target: "loom::config", "files cannot be watched: {e}");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    pub fn request(&mut self) {
        self.requested = true;
    }

    /// To be answered when it is known what comes of it.
    pub fn request_for(&mut self, line: Line, id: u64) {
        self.requested = true;
        self.asking.push((line, id));
    }

    pub fn may_be_asked(&self) -> bool {
        self.asking.len() + self.waiting.len() < MOST_ASKERS
    }

    /// There is another gateway on this line, to which the numbers of requests mean others.
    pub fn forget(&mut self, line: Line) {
        self.asking.retain(|asker| asker.0 != line);
        self.waiting.retain(|asker| asker.0 != line);
    }

    /// Whoever has not been answered, when nothing more is loaded.
    pub fn give_up(&mut self) -> Vec<Asker> {
        let mut askers = std::mem::take(&mut self.waiting);
        askers.append(&mut self.asking);
        askers
    }

    /// Why the last reload was refused; the configuration in force is the one before.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub fn files_changed(&mut self) {
        self.watch.drain(Instant::now());
    }

    pub fn deadline(&self) -> Option<Instant> {
        let loading = self.loading.as_ref().map(|(loading, _)| loading.deadline());
        loading.or_else(|| self.watch.deadline())
    }

    /// Starts to load, if it was asked for or if files changed and have been quiet since.
    pub fn begin_if_due(&mut self, poll: &Poll) {
        if self.loading.is_some() {
            return;
        }
        let changed = self.watch.due(Instant::now());
        let requested = std::mem::take(&mut self.requested);
        if !changed && !requested {
            return;
        }
        // This load sees every change so far.
        self.waiting.append(&mut self.asking);
        self.watch.settle(Instant::now());
        log::info!(
            target: "loom::config",
            "loading the configuration again: {}",
            if changed { "files changed" } else { "asked for" }
        );
        notify::reloading();
        if let Err(e) = self.begin(poll) {
            self.broken = Some(format!("`loom check` cannot be started: {e}"));
        }
    }

    fn begin(&mut self, poll: &Poll) -> io::Result<()> {
        let begun = SystemTime::now();
        let loading = Loading::start(&self.candidates, Instant::now())?;
        for fd in loading.fds() {
            poll.add(fd, Token::Loader.into(), Interest::Read)?;
        }
        self.loading = Some((loading, begun));
        Ok(())
    }

    /// What has become of a load that was begun, once that is known.
    fn take(&mut self) -> Option<Result<(Config, String, SystemTime), String>> {
        if let Some(broken) = self.broken.take() {
            notify::ready();
            return Some(Err(broken));
        }
        let (loading, begun) = self.loading.as_mut()?;
        let begun = *begun;
        let result = loading.ready(Instant::now())?;
        self.loading = None;
        notify::ready();
        Some(result.map(|(config, warnings)| (config, warnings, begun)))
    }
}

impl Daemon {
    /// Takes the new configuration over if it is there, or says why it cannot be.
    pub(super) fn on_loader(&mut self) {
        let Some(result) = self.reload.take() else { return };
        let judged = result.and_then(|(config, warnings, begun)| {
            log_lines(log::Level::Warn, &warnings);
            match unchangeable(&self.engine.config, &config) {
                None => Ok((config, warnings, begun)),
                Some(why) => Err(why),
            }
        });
        let answer = match judged {
            Ok((config, warnings, begun)) => {
                let changes = self.take_over(config, begun);
                self.reload.trouble = None;
                self.tallies.reloads += 1;
                let (warnings, changes) = (cut(warnings), cut(changes));
                Ok(Answer::Reloaded { warnings, changes })
            }
            Err(text) => {
                log_lines(log::Level::Error, &text);
                log::error!(target: "loom::config", "the running configuration stays as it is");
                let text = cut(text);
                self.reload.trouble = Some(text.clone());
                self.tallies.reloads_refused += 1;
                Err(Refusal { why: Why::Invalid, text })
            }
        };
        let seq = self.engine.ledger.submitted();
        for (line, id) in std::mem::take(&mut self.reload.waiting) {
            self.gateways.reply(line, seq, Reply { id, answer: answer.clone() });
        }
    }

    /// What has changed.
    fn take_over(&mut self, config: Config, begun: SystemTime) -> String {
        // What is due by the old schedules is theirs.
        let now = self.look();
        self.reload.watch.replace(&config.watch, begun, Instant::now());
        self.reload.watch_files(&self.engine.poll);
        let summary = Changes::between(&self.engine.config, &config).to_string();
        self.engine.reconfigure(config);
        self.adopt_jobs(now);
        log::info!(target: "loom::config", "reloaded: {summary}");
        self.publish_catalog();
        summary
    }
}

impl Engine {
    /// Running units are untouched; queued ones keep the job and node they were made of, unless
    /// either is gone.
    fn reconfigure(&mut self, config: Config) {
        self.config = Arc::new(config);
        self.adopt_config();
        self.paths.max_output = self.config.settings.max_output;
        logging::set_format(self.config.settings.log_format);
        let settings = &self.config.settings;
        self.scheduler.adjust(Now::read(), pool_limits(settings), master_limits(settings));
        self.retire_connections();
        let Engine { jobs, nodes, scheduler, .. } = self;
        let is_gone =
            |job: &Job| ![EXEC, FLOW].contains(&job.name.as_str()) && !jobs.contains_key(&job.name);
        scheduler.end_removed_flows(Now::read(), is_gone);
        scheduler.skip_removed(Now::read(), |job, node| {
            is_gone(job) || (node.is_written() && !nodes.contains_key(&node.name))
        });
        self.settle();
    }

    /// Connections whose parameters nobody has any more end with their last session.
    fn retire_connections(&mut self) {
        let used: Vec<(String, MasterId)> =
            self.parameter_index.iter().map(|(name, id)| (name.clone(), *id)).collect();
        for (name, id) in used {
            let now = self.nodes.get(&name).cloned().map(|node| self.master_of(&node));
            if now != Some(id) {
                self.scheduler.on_master(Now::read(), node_state::Event::Retire(id));
            }
            if now.is_none() {
                self.parameter_index.remove(&name);
            }
        }
    }
}

/// A key that cannot change while the daemon runs, by name.
fn unchangeable(old: &Config, new: &Config) -> Option<String> {
    let (old, new) = (&old.settings, &new.settings);
    if old.statedir != new.statedir {
        let (old, new) = (old.statedir.display(), new.statedir.display());
        return Some(format!(
            "statedir cannot change from {old} to {new} while the daemon runs; restart it"
        ));
    }
    if old.listen == new.listen {
        return None;
    }
    let [old, new] = [old, new].map(|settings| match &settings.listen {
        Some(listen) => listen.address.to_string(),
        None => "nothing".to_owned(),
    });
    let what = if old == new {
        format!("the certificate, hosts or plaintext of listen ({old})")
    } else {
        format!("listen, from {old} to {new},")
    };
    Some(format!("{what} cannot change while the daemon runs; restart it"))
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST_ANSWER {
        text.truncate(text.floor_char_boundary(LONGEST_ANSWER));
        text.push_str("\n… the daemon's log has the rest\n");
    }
    text
}

fn log_lines(level: log::Level, text: &str) {
    for line in text.lines() {
        log::log!(target: "loom::config", level, "{line}");
    }
}
