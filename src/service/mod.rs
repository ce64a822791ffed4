//! The imperative shell: clock, tasks, shutdown, telemetry.

pub mod activity;
pub mod clock;
pub mod metrics;
pub mod site_core;
pub mod telemetry;
pub mod vault;
