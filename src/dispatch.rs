//! Which unit goes next.
