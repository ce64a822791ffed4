//! Platforms with every quirk and fault we know, each a partner of its own of one whole service on a
//! virtual clock: nothing panics, no session is lost, every deviation is told, and nobody else
//! notices anything.
#![expect(clippy::print_stdout, reason = "the figures of a run are printed")]

mod down;
mod quirks;
mod units;
mod world;
