//! The headers of OCPI, as plain pairs of name and value.
//!
//! Nothing here depends on an HTTP library: reading takes pairs of `(name, value)`, writing gives
//! such pairs. Names are compared without regard to case.

mod party;
mod request_ids;
mod routing;

pub use party::Party;
pub use request_ids::{CORRELATION_ID, MAX_ID_CHARS, REQUEST_ID, RequestIds};
pub use routing::{FROM_COUNTRY_CODE, FROM_PARTY_ID, Routing, TO_COUNTRY_CODE, TO_PARTY_ID};

/// The first value of a header.
fn first<'a>(headers: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
}
