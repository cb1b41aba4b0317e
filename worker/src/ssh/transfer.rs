//! Files to and from a node, whole or not at all.
//!
//! A file is written beside its place, compared by size and checksum, and then moved there.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::arrival::Arrival;
use super::command::{Captured, Command, Ended, Input, Receive, Remote, RemoteError, Stream, Sudo};
use super::wrapper::stripped;

/// What a file is to be like once it is there.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// `None` keeps what is there, else leaves it to the node's umask.
    pub mode: Option<u32>,
    pub sudo: Option<Sudo>,
}

impl Remote {
    /// Puts a local file, or bytes, at exactly this path on the node. Parents are not created.
    pub async fn upload(
        &self,
        input: Input,
        path: &str,
        placement: &Placement,
    ) -> Result<(), RemoteError> {
        let (size, sum) = measure(&input).await?;
        let mode = placement.mode.map(|mode| format!("{mode:o}")).unwrap_or_default();
        let args = [path, &size.to_string(), &sum, &mode];
        let script = Command::script(&stripped(include_str!("place.sh")), &args)
            .input(input)
            .sudo(placement.sudo.clone());
        checked(self.capture(&script).await?, path).map(drop)
    }

    /// Makes a private directory on the node, for the caller to remove. Should the caller not
    /// get there, a sweep for the unit's cookie will do it.
    pub async fn temporary_directory(&self, sudo: Option<Sudo>) -> Result<String, RemoteError> {
        let script = "umask 077; mktemp -d \"/tmp/loom-$1.XXXXXXXX\"";
        let script = Command::script(script, &[&self.cookie]).sudo(sudo);
        Ok(checked(self.capture(&script).await?, "/tmp")?.stdout_text())
    }

    /// Brings a file of the node to exactly this local path. Parents are not created.
    pub async fn download(
        &self,
        path: &str,
        local: &Path,
        sudo: Option<Sudo>,
    ) -> Result<(), RemoteError> {
        let file = Arrival::at(local).map_err(|e| named(local, e))?;
        let mut arriving = Arriving { file, said: Vec::new() };
        let script = Command::script("exec cat -- \"$1\"", &[path]).sudo(sudo);
        let ended = self.run(&script, &mut arriving).await?;
        let Arriving { file, said } = arriving;
        checked(Captured { ended, stdout: Vec::new(), stderr: said }, path)?;
        file.done().map_err(|e| named(local, e))
    }
}

fn checked(captured: Captured, path: &str) -> Result<Captured, RemoteError> {
    match captured.ended {
        Ended::Exit(0) => Ok(captured),
        Ended::Exit(_) => Err(RemoteError::Transfer(captured.stderr_text())),
        Ended::Signal(signal) => {
            Err(RemoteError::Transfer(format!("{path}: ended by signal {signal} on the node")))
        }
    }
}

fn named(path: &Path, error: io::Error) -> RemoteError {
    io::Error::new(error.kind(), format!("{}: {error}", path.display())).into()
}

/// Size, and SHA-256 in hexadecimal. Large files take their time, in which the worker goes on.
async fn measure(input: &Input) -> Result<(u64, String), RemoteError> {
    match input {
        Input::Nothing => Ok((0, hex(Sha256::new()))),
        Input::Bytes(bytes) => Ok((bytes.len() as u64, hex(Sha256::new_with_prefix(bytes)))),
        Input::File(path) => {
            let (path, opened) = (path.clone(), path.clone());
            let measured = tokio::task::spawn_blocking(move || measure_file(&opened)).await;
            measured.map_err(io::Error::from).flatten().map_err(|e| named(&path, e))
        }
        Input::Terminal(_) => {
            Err(RemoteError::Invalid("a file cannot be sent through a terminal".into()))
        }
    }
}

fn measure_file(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut sum = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((size, hex(sum))),
            n => {
                sum.update(&chunk[..n]);
                size += n as u64;
            }
        }
    }
}

fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Arriving {
    file: Arrival,
    said: Vec<u8>,
}

impl Receive for Arriving {
    fn receive(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            Stream::Stdout => self.file.write(bytes),
            Stream::Stderr => {
                let room = 4096usize.saturating_sub(self.said.len());
                self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(())
            }
        }
    }
}

/// The permission bits of a local file, for those who want them kept.
pub fn local_mode(path: &Path) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}
