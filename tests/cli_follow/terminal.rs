//! A command with a terminal of its own, whose keys we press and whose screen we read.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::harness::{SOON, process, until};

pub struct Terminal {
    child: Child,
    keyboard: File,
    /// Held, so that its settings can be looked at when the command has ended.
    line: File,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// `setsid --ctty` makes it the command's own, so that Ctrl-C is a signal to it.
    pub fn run(command: &Command) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let line = File::from(pty.slave);
        let mut inner = Command::new("setsid");
        inner.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inner.env(name, value),
                None => inner.env_remove(name),
            };
        }
        inner.stdin(line.try_clone().unwrap());
        inner.stdout(line.try_clone().unwrap());
        inner.stderr(line.try_clone().unwrap());
        let child = inner.spawn().expect("setsid is part of util-linux");
        drop(inner);
        let keyboard = File::from(pty.master);
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut screen, log) = (keyboard.try_clone().unwrap(), seen.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                log.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Terminal { child, keyboard, line, seen }
    }

    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was ever on it.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    pub fn wait_for(&self, text: &str) {
        until(&format!("{text:?}"), SOON, || self.seen().contains(text).then_some(()));
    }

    /// Keys are shown and come by lines.
    pub fn is_restored(&self) -> bool {
        let flags = tcgetattr(self.line.as_fd()).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn end(&mut self) -> ExitStatus {
        process::wait(&mut self.child, SOON)
            .unwrap_or_else(|| panic!("it goes on:\n{}", self.seen()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}
