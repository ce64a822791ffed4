//! Behaviour of the parts that need no network, one file each.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod answers;
mod being_registered;
mod headers;
mod lenient_reading;
mod paging;
mod quirks;
mod registering_there;
mod samples;
mod tokens;
mod versions_of_shapes;
