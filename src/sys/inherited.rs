//! Descriptors that the parent left open for us at numbers both know.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::close;

/// Takes over what the parent put at this number, and keeps it from our own children.
///
/// # Errors
/// EBADF if there is nothing.
///
/// # Safety
/// To be called once for each number, before anything in this process opens a descriptor.
pub unsafe fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: used for this one call only, which reports a number that is not open.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, and by the caller's promise nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Moves what the parent put at this number to a descriptor of our own, which our children do not
/// get. To be called before anything in this process opens a descriptor: the number is closed.
///
/// # Errors
/// EBADF if there is nothing, or for one of the standard three.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(Errno::EBADF.into());
    }
    // SAFETY: used in this function only, by calls that report a number that is not open.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let ours = fd.try_clone_to_owned()?;
    close(number)?;
    Ok(ours)
}
