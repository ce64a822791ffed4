//! evenload: smart charging that any charging network can plug in (as an OCPI SCSP) and any depot
//! can run alone.
//!
//! The circle has one direction: event, state, snapshot, plan, command, event. `docs/ARCHITECTURE.md`
//! walks one session through it.

pub mod api;
pub mod cli;
pub mod config;
pub mod dispatch;
pub mod domain;
pub mod ocpi;
pub mod ocpp;
pub mod planner;
pub mod service;
pub mod signals;
pub mod sim;
pub mod state;
pub mod store;
