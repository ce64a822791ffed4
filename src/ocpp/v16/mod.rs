//! OCPP 1.6-J with its security extension, lowered into [`super::message`].

mod ask;
mod hear;

pub(super) use ask::{ask, understand};
pub(super) use hear::{hear, spell};
