//! The imperative shell: clock, tasks, shutdown, telemetry.

pub mod activity;
pub mod backups;
mod bodies;
pub mod clock;
pub mod directory;
mod feed_watch;
mod group_watch;
mod key;
mod limit_watch;
mod oscp;
pub mod outlet;
mod outside;
mod restored;
mod run;
mod settler;
pub mod site_actor;
pub mod site_core;
pub mod sites;
pub mod station_desk;
pub mod supervisor;
mod tariff_watch;
pub mod telemetry;
pub mod tls;
pub mod tokens;
pub mod vault;
mod vtn;
mod webhooks;

#[cfg(test)]
mod tests;

pub use crate::api::notice;
pub use crate::api::openapi::document as openapi;
pub use run::{Base, Running, StartError, listen, start, start_on};
