//! A CPO platform that speaks OCPI 2.2.1 and 2.3.0 over loopback for the simulated depot.
//!
//! Written against the text of OCPI, with its own small wire code, so that it is a second opinion
//! on ours. `platform` is pure: it holds depot and sessions, and says what is to be sent;
//! `server`, `serve` and `outbox` are its sockets; `spoil` makes it wrong where it has `quirks`. What a
//! peer does against the text is kept as a complaint ([`Cpo::complaints`]).

mod answer;
mod book;
mod client;
mod counts;
mod delays;
mod faults;
mod handshake;
mod options;
mod outbox;
mod platform;
mod profile_wire;
mod quirks;
mod routes;
mod serve;
mod server;
mod session_wire;
mod site_wire;
mod spoil;
mod station;

#[cfg(test)]
mod tests;

pub use counts::CpoCounts;
pub use faults::{Faults, Refusal};
pub use handshake::{HandshakeError, HandshakeRow};
pub use options::{CpoOptions, PreferencesBy};
pub use quirks::{Quirk, Quirks};
pub use server::{Cpo, DueMessages};
