//! The native tasks: their dotted paths, parameters and documentation.
