//! The physics: cars, EVSEs, the grid connection and its meter. Pure and event-driven.
//!
//! Between two events every power is constant, so energy is integrated exactly: in whole
//! millijoules, on whole milliseconds.

pub mod car;
pub mod depot;
pub mod energy;
pub mod evse;
pub mod grid;
pub mod meter;

#[cfg(test)]
mod tests;

pub use car::{Car, Taper};
pub use depot::{Depot, DepotEvent, DepotEventKind};
pub use energy::FineEnergy;
pub use evse::{Layer, SimEvse};
pub use grid::{Grid, PriceSeries};
pub use meter::{Cause, Excursion, SiteMeter};
