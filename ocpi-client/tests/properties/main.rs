//! What must hold for whatever a peer sends.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod arbitrary;
mod headers;
mod objects;
mod paging;
mod registration;
mod scalars;
