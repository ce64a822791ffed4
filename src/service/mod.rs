//! The imperative shell: clock, tasks, shutdown, telemetry.

pub mod clock;
pub mod telemetry;
