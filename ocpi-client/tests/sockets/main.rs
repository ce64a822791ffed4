//! The client over real loopback sockets, against servers that misbehave.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod calls;
mod crawling;
mod faults;
mod registering;
mod server;
