//! The nouns of smart charging: no I/O, no async, no clock, no wire formats.

pub mod audit;
pub mod command;
pub mod curve;
pub mod dispatch;
pub mod duration;
pub mod event;
pub mod evse;
pub mod feed;
pub mod group;
pub mod hmac;
pub mod id;
pub mod json;
pub mod key;
pub mod limit_source;
pub mod plan;
pub mod policy;
pub mod ports;
pub mod profile;
pub mod quantity;
pub mod runs;
pub mod session;
pub mod signal;
pub mod signal_unit;
pub mod site;
pub mod tariff_source;
pub mod time;
