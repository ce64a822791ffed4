//! What survives: the real binary killed, damaged, on a full disk, gone for good, and what a reader of
//! its disk learns.
//!
//! At length: `tests/durability/long.sh`.
#![expect(clippy::print_stdout, reason = "the figures of a run are printed")]

mod after_death;
mod damage;
mod disk;
mod history;
mod kill;
mod load;
mod secrets;
#[path = "../common/served.rs"]
mod served;
mod thousand;
mod world;

/// A number of the environment, for the long runs.
fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var_os(name).and_then(|text| text.into_string().ok());
    text.map_or(otherwise, |text| text.parse().expect("a whole number"))
}
