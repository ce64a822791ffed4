//! The modules of evenload that do no I/O, as far as a station needs them, for the fuzzer.
#![allow(dead_code, unreachable_pub, reason = "only the station's part is used")]

#[path = "../../../src/domain/mod.rs"]
pub mod domain;
pub mod ocpp;
