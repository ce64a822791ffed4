//! Adapters that turn what the outside says into domain signals.
//!
//! Everything here is pure: text in, a [`Series`] or a [`FeedError`] out. Sockets and timers are
//! the service's (`service::feed_watch`, `service::vtn`, `service::oscp`).

pub mod charges;
pub mod csv_file;
pub mod entsoe;
pub mod feed;
pub mod http_json;
pub mod openadr;
pub mod oscp;
pub mod series;
mod xml;

pub use charges::Charges;
pub use series::{FeedError, Series};
