//! A virtual depot whose cars draw honestly, and a CPO platform that speaks real OCPI for it.
//!
//! Schedules run on the scaled clock, sockets on real time; virtual time waits for messages in
//! flight. The same physics measure evenload and the methods it is compared with.

pub mod backtest;
pub mod circle;
pub mod clock;
pub mod cpo;
pub mod demo;
pub mod hunt;
pub mod methods;
pub mod recorded;
pub mod station;
pub mod world;
