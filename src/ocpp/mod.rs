//! The bundled charging station management system (CSMS): stations connect over OCPP 1.6-J, 2.0.1
//! or 2.1 and are planned by the same core as everything else.
//!
//! - `rpc`: frames and calls, without I/O. `v16`, `v201`, `v21`: each version lowered into `message`.
//! - [`station`]: one station on one connection, without I/O: what it says goes in, what is to be
//!   sent, booked and told comes out. `books` its transactions, `caps` what it can do.
//! - [`Edge`]: who may connect, who is connected; `socket` the `WebSocket`s, `commit` the way to the
//!   sites; `uploads` and `sink` the files that stations are asked for.
//!
//! Nothing is answered before what it says is durable.

pub mod books;
pub mod caps;
mod certificate;
mod commit;
pub mod edge;
mod fields;
mod ids;
mod known;
mod limiter;
pub mod message;
pub mod meter;
mod password;
pub mod rpc;
mod schedule;
mod settings;
mod sink;
mod socket;
pub mod station;
pub mod tokens;
mod uploads;
mod v16;
mod v201;
mod v21;
pub mod version;
mod wire;
mod work;

pub use certificate::note_certificate;
pub use edge::{Approved, Called, Edge, EdgeError, Rotated, Setup, Waiting};
pub use known::Logged;
pub use password::LENGTHS as PASSWORD_LENGTHS;
pub use settings::Settings;
pub use sink::PATH as UPLOADS;
pub use socket::configure;
pub use uploads::{MAX_BYTES as MAX_UPLOAD_BYTES, Upload};
