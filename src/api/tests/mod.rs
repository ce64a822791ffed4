//! The API as a client sees it, on a service that lives in memory.

mod fakes;
mod signals;
mod sites;

pub(super) use self::fakes::{Client, depot, kw, live_depot, now};
