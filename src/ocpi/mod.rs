//! Our side of OCPI as a smart charging service provider (SCSP): partners register us or register
//! with us, their sessions and locations come in, charging profiles go out, results come back.
//!
//! - [`Edge`] is all of it for one tenant; [`configure`] serves it; [`Edge::run`] pulls.
//! - In: `inbound` answers partners, `intake` makes sessions durable and gives them to their sites.
//! - Out: `send` asks for profiles, `handshake` registers, `pull` reads partners back.
//! - Pure: `translate` between wire and domain, `guard` says which addresses are called.
//!
//! Nothing is acknowledged before it is durable, and nothing leaves before what its answer needs is
//! durable.

mod advice;
mod alive;
mod breaker;
pub mod check;
pub mod deviations;
pub mod edge;
pub mod exchange;
pub mod guard;
mod handshake;
mod hub;
mod inbound;
mod intake;
mod object;
pub mod partner;
mod partners;
pub mod patience;
mod peer;
mod probe;
pub mod pull;
pub mod ratings;
mod results;
mod run;
pub mod secret;
mod send;
pub mod settings;
mod tariff_price;
pub mod translate;

#[cfg(test)]
mod tests;

pub use check::{CheckRow, CheckStatus};
pub use deviations::SeenDeviation;
pub use edge::{Edge, EdgeError};
pub use inbound::configure;
pub use partners::{Invitation, PartnerView};
pub use peer::Health;
pub use pull::{Pulled, Reach};
pub use ratings::OfferedEvse;
pub use settings::Settings;
