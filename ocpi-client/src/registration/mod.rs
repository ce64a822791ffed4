//! Registration, without I/O, from both ends.
//!
//! [`Outgoing`]: we hold the token A of a platform and register there. [`Incoming`]: a platform
//! that holds our token A registers with us. Both also do the update by PUT: new tokens, other
//! endpoints, another version.
//!
//! Both are driven in the same way: perform [`Step`], feed its [`StepResult`] back, until the step
//! is [`Step::Finished`] or [`Step::Failed`].

mod check;
mod discovery;
mod incoming;
mod outgoing;
mod step;

pub use check::{Check, Outcome};
pub use discovery::{Modules, choose_version};
pub use incoming::{Incoming, Request};
pub use outgoing::{Outgoing, Target};
pub use step::{Failure, Method, OurSide, Refusal, Registered, Step, StepResult};
