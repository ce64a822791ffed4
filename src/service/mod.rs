//! The imperative shell: clock, tasks, shutdown, telemetry.

pub mod activity;
pub mod clock;
pub mod metrics;
pub mod outlet;
pub mod site_actor;
pub mod site_core;
pub mod sites;
pub mod telemetry;
pub mod vault;

#[cfg(test)]
mod tests;
