//! The yardstick of `make bench`: a bare client of running ssh masters, and nothing else.
//!
//! `mux_loop COUNT TASKS LINE CONTROL…` runs the remote command line LINE COUNT times, TASKS at
//! once, over the masters behind the CONTROL sockets in turn, and prints the seconds it took.
//! It speaks the mux protocol as the worker does and reads all output, but knows no unit, no
//! timeout and no ledger. `mux_loop line COMMAND` prints the remote command line that the worker
//! sends for COMMAND, so that all are measured with the same.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use loom_worker::ssh::Command;
use loom_worker::ssh::wrapper::{self, Frame};
use openssh::{Session, Stdio};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

struct Work {
    line: String,
    sessions: Vec<Session>,
    count: usize,
    begun: AtomicUsize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, command] = args.as_slice()
        && word == "line"
    {
        println!("{}", remote_line(command));
        return Ok(());
    }
    let [count, tasks, line, controls @ ..] = args.as_slice() else {
        bail!("usage: mux_loop COUNT TASKS LINE CONTROL…");
    };
    ensure!(!controls.is_empty(), "no control socket");
    let resume = |control: &String| Session::resume_mux(Path::new(control).into(), None);
    let work = Arc::new(Work {
        line: line.clone(),
        sessions: controls.iter().map(resume).collect(),
        count: count.parse().context("COUNT")?,
        begun: AtomicUsize::new(0),
    });

    let start = Instant::now();
    let mut tasks: JoinSet<Result<()>> =
        (0..tasks.parse().context("TASKS")?).map(|_| work_off(work.clone())).collect();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    println!("{:.4}", start.elapsed().as_secs_f64());
    Ok(())
}

fn remote_line(command: &str) -> String {
    let frame = Frame {
        nonce: "0123456789abcdef",
        cookie: "bench-1",
        grace: Duration::from_secs(5),
        size: 0,
    };
    wrapper::line(&Command::new(command), &frame)
}

async fn work_off(work: Arc<Work>) -> Result<()> {
    loop {
        let number = work.begun.fetch_add(1, Ordering::Relaxed);
        if number >= work.count {
            return Ok(());
        }
        once(&work.sessions[number % work.sessions.len()], &work.line).await?;
    }
}

/// Holds stdin open until all output is there: the lease of the wrapper ends with it.
async fn once(session: &Session, line: &str) -> Result<()> {
    let mut command = session.raw_command(line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().await?;
    let stdin = child.stdin().take();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut out = child.stdout().take().context("no stdout")?;
    let mut err = child.stderr().take().context("no stderr")?;
    tokio::try_join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr))?;
    drop(stdin);
    let status = child.wait().await?;
    ensure!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    Ok(())
}
