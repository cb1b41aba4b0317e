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
    columns: u16,
    rows: u16,
}

impl Terminal {
    pub fn run(command: &Command) -> Terminal {
        Terminal::sized(command, 80, 24)
    }

    /// `setsid --ctty` makes it the command's own, so that Ctrl-C is a signal to it.
    pub fn sized(command: &Command, columns: u16, rows: u16) -> Terminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
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
        Terminal { child, keyboard, line, seen, columns, rows }
    }

    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes it so many columns wide.
    pub fn resize(&self, columns: u16) {
        let mut stty = Command::new("stty");
        stty.args(["cols", &columns.to_string()]).stdin(self.line.try_clone().unwrap());
        assert!(stty.status().unwrap().success());
    }

    /// All that was ever on it.
    pub fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    pub fn wait_for(&self, text: &str) {
        until(&format!("{text:?}"), SOON, || self.seen().contains(text).then_some(()));
    }

    /// What a person sees of it by now, from the top of the scrollback.
    pub fn screen(&self) -> String {
        screen(&self.seen(), self.columns, self.rows)
    }

    pub fn wait_for_screen(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let end = std::time::Instant::now() + SOON;
        while !is_so(&self.screen()) {
            assert!(std::time::Instant::now() < end, "{what}, in vain:\n{}", self.screen());
            thread::sleep(std::time::Duration::from_millis(10));
        }
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

/// As a terminal shows it that knows lines' ends, going up, and erasing to the end of a line and of
/// the screen.
fn screen(seen: &str, columns: u16, rows: u16) -> String {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut chars = seen.chars();
    while let Some(c) = chars.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                let mut number = String::new();
                let ends = |c: &char| c.is_ascii_alphabetic();
                let end = chars.by_ref().skip(1).inspect(|c| number.push(*c)).find(ends);
                let number = number[..number.len().saturating_sub(1)].parse().unwrap_or(0);
                match end {
                    Some('A') => {
                        row =
                            row.saturating_sub(number).max(lines.len().saturating_sub(rows.into()));
                    }
                    Some('K') => lines[row].truncate(column),
                    Some('J') => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    Some('m') => {}
                    // What has not come whole.
                    None => {}
                    Some(other) => panic!("{other:?}"),
                }
            }
            c => {
                if column == usize::from(columns) {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let lines = lines.into_iter().map(|line| line.into_iter().collect::<String>());
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}
