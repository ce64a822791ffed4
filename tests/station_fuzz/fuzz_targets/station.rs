//! A station that says anything: see `script.rs` beside the station's tests for what must hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    evenload_fuzz::ocpp::play(&String::from_utf8_lossy(bytes));
});
