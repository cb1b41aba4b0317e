//! The terminal: keys as they are pressed, another screen, and all of it put back as it was.
//!
//! There is one terminal, so what has to be put back is kept here once; any thread may do it, and
//! it can be done twice. What keys mean is the caller's business.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::termios::{
    LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};
use nix::unistd::{getpgrp, read, tcgetpgrp};

use super::poll;

const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J\x1b[H";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

struct Changed {
    keys: Option<Termios>,
    screen: bool,
}

static CHANGED: Mutex<Changed> = Mutex::new(Changed { keys: None, screen: false });

fn changed() -> MutexGuard<'static, Changed> {
    // Whoever panicked with it left it as sound as it was.
    CHANGED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Somebody can be asked: stdin and stderr are terminals, and we are in the foreground.
pub fn can_ask() -> bool {
    io::stderr().is_terminal() && has_keyboard()
}

/// Keys would reach us. A terminal that is not ours to control has no foreground, and will do.
pub fn has_keyboard() -> bool {
    let stdin = io::stdin();
    stdin.is_terminal() && tcgetpgrp(stdin.as_fd()).map_or(true, |group| group == getpgrp())
}

/// From now on keys come without Enter and are not shown, until [`restore`]; Ctrl-C goes on to be
/// a signal.
pub fn keys() -> io::Result<()> {
    let stdin = io::stdin();
    let mut changed = changed();
    let before = tcgetattr(stdin.as_fd())?;
    let mut now = before.clone();
    now.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
    now.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    now.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    tcsetattr(stdin.as_fd(), SetArg::TCSANOW, &now)?;
    changed.keys.get_or_insert(before);
    Ok(())
}

/// Shows an empty screen without a cursor, until [`restore`].
pub fn other_screen() -> io::Result<()> {
    let mut changed = changed();
    let mut stdout = io::stdout().lock();
    changed.screen = true;
    stdout.write_all(ENTER).and_then(|()| stdout.flush())
}

/// Puts back what was changed.
pub fn restore() {
    let mut changed = changed();
    if let Some(before) = changed.keys.take() {
        // There is no more to be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &before);
    }
    if std::mem::take(&mut changed.screen) {
        say(io::stdout().as_fd(), LEAVE);
    }
}

/// Restores when it is dropped, however that comes about.
pub struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        restore();
    }
}

/// A key, as its first byte; blocks. `None` at the end of the terminal.
pub fn key() -> Option<u8> {
    let mut byte = [0];
    loop {
        match read(io::stdin(), &mut byte) {
            Ok(1..) => return Some(byte[0]),
            Err(Errno::EINTR) => {}
            Ok(0) | Err(_) => return None,
        }
    }
}

/// Writes past every lock and buffer, and not at all if that would wait: for last words.
pub fn say(to: BorrowedFd<'_>, text: &[u8]) {
    if poll::is_writable(to, Duration::ZERO) {
        // Last words nobody hears are no trouble.
        let _ = nix::unistd::write(to, text);
    }
}
