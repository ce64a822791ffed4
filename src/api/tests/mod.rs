//! The API as a client sees it, on a service that lives in memory.

mod bad_bodies;
mod cars;
mod dispatches;
mod effects;
mod fakes;
mod grid_rules;
mod importing;
mod looking_back;
mod operating;
mod partners;
mod people;
mod reading;
mod signals;
mod sites;
mod watching;

pub(super) use self::fakes::{Client, Shelf, depot, kw, live_depot, now};
