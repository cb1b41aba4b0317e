//! Kept output.
