//! From plan and confirmed profiles to commands. Pure: it makes no choice that the plan or the
//! invariants did not make already.

mod defaults;
pub mod headroom;
pub mod pacing;
pub mod quota;
mod rank;
pub mod reconcile;
pub mod target;
mod trim;

#[cfg(test)]
mod default_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use reconcile::{Dispatch, kept_in_rollback, reconcile};
