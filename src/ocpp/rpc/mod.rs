//! OCPP-J's remote procedure calls without I/O: frames, one outstanding call per direction, a
//! bounded queue, timeouts.

mod connection;
mod error;
mod frame;
mod outgoing;
#[cfg(test)]
mod tests;

pub use connection::{CALL_TIMEOUT_S, Connection, Heard, TIMEOUTS_TO_CLOSE};
pub use error::{CallError, ErrorCode};
pub use frame::{BadFrame, Frame, MAX_DEPTH, MAX_ID_CHARS, MAX_MESSAGE_BYTES, read};
pub use outgoing::{Call, MAX_WAITING, Priority, Ticket};
