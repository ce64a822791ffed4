//! Charging stations that connect as real WebSocket clients over OCPP 1.6-J, 2.0.1 and 2.1, on the
//! physics of the simulated depot.

mod charger;
mod client;
mod fleet;
mod odd;
mod words;

pub use charger::{Charger, Effect};
pub use fleet::{Fleet, FleetCounts, FleetOptions, StationSpec};
pub use odd::Oddities;
