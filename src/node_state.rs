//! Down, Connecting, Up, Backoff: when to make and drop a node's master.
