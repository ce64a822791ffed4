//! OCPI 2.2.1 and 2.3.0 for platforms that talk to charge point operators: wire types, lenient
//! reading, registration and paging without I/O, and a client over `reqwest`.
//!
//! - [`types`]: the objects of both versions, every field with unit, cardinality and section;
//! - [`read`]: reading that tolerates what peers really send and writes down every deviation;
//! - [`token`] and [`headers`]: what goes into the headers, as plain pairs of name and value;
//! - [`paging`] and [`registration`]: state machines that name the next request and take its
//!   result;
//! - [`profile_request`] and [`plausibility`]: what peers mean when they answer or measure oddly;
//! - [`response`] and [`error`]: from an HTTP answer to data, or to whose fault it is;
//! - [`request`]: from a request's body to its object, or to the answer that refuses it;
//! - [`client`]: all of it over HTTP, with a deadline, a size limit and a record of the exchange.
//!
//! Nothing a peer sends can make this crate panic, and nothing here reads a clock.

pub mod client;
pub mod error;
pub mod headers;
pub mod paging;
pub mod plausibility;
pub mod profile_request;
pub mod read;
pub mod registration;
pub mod request;
pub mod response;
pub mod token;
pub mod types;

pub use client::{Client, Reply};
pub use error::{Culprit, Error};

/// Compiles the examples in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
