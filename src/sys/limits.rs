//! What this process and its children may have: descriptors, and core files.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// No daemon needs more, and some kernels say "unlimited".
const MOST: u64 = 1 << 19;

/// What this process starts leaves no core file of its memory, unless it asks for one.
pub fn no_core_files() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    Ok(setrlimit(Resource::RLIMIT_CORE, 0, hard)?)
}

/// Raises the soft limit to the hard one, which is there for processes that know what they do.
/// The limit as it is then.
pub fn raise_descriptors() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(MOST);
    if wanted <= soft {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    Ok(wanted)
}
