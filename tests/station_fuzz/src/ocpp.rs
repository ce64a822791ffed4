//! `evenload::ocpp` without its sockets and its edge.

#[path = "../../../src/ocpp/books/mod.rs"]
pub mod books;
#[path = "../../../src/ocpp/caps.rs"]
pub mod caps;
#[path = "../../../src/ocpp/fields.rs"]
mod fields;
#[path = "../../../src/ocpp/message.rs"]
pub mod message;
#[path = "../../../src/ocpp/meter.rs"]
pub mod meter;
#[path = "../../../src/ocpp/rpc/mod.rs"]
pub mod rpc;
#[path = "../../../src/ocpp/schedule.rs"]
mod schedule;
#[path = "../../../src/ocpp/station/tests/script.rs"]
mod script;
#[path = "../../../src/ocpp/station/mod.rs"]
pub mod station;
#[path = "../../../src/ocpp/tokens.rs"]
pub mod tokens;
#[path = "../../../src/ocpp/v16/mod.rs"]
mod v16;
#[path = "../../../src/ocpp/v201/mod.rs"]
mod v201;
#[path = "../../../src/ocpp/v21.rs"]
mod v21;
#[path = "../../../src/ocpp/version.rs"]
pub mod version;
#[path = "../../../src/ocpp/wire.rs"]
mod wire;

/// Plays one script at a station.
pub fn play(script: &str) {
    script::play(script);
}
