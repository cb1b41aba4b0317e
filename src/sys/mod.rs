//! The only libc and unsafe: what the kernel offers, with its contracts written down.
