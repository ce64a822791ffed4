//! Between the wire's objects and the domain's nouns. Pure: no I/O, no clock.

pub mod connector;
pub mod profile;
pub mod session;
pub mod tariff;
