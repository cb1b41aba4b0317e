//! The event loop: it owns everything and decides nothing.
