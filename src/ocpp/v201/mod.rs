//! OCPP 2.0.1, and 2.1 where it is the same, lowered into [`super::message`]. What only 2.1 has is
//! in [`super::v21`].

mod ask;
mod hear;

pub(super) use ask::{ask, understand};
pub(super) use hear::{hear, spell};
