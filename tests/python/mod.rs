//! Python tasks, from the manifest to what became of them: what a module written for Fabric 1 found
//! there it finds here.
//!
//! [`check`] refuses what cannot work, [`called`] and [`names`] run what can, [`returned`] follows
//! a result to whoever asks for it. Beside the original itself are put: single calls ([`compare`],
//! the cases of `cases/`), whole modules ([`idioms`]) and libraries ([`libraries`]). [`examples`]
//! holds our own example and chapter to their word, [`imports`] counts what each start pays.
//! Crashes and hostile modules are among the faults (`tests/faults`), the conversation between
//! interpreter and worker among the worker's tests (`worker/tests/tasks/python.rs`).

mod called;
mod check;
mod compare;
mod examples;
mod idioms;
mod imports;
mod libraries;
mod names;
mod returned;
