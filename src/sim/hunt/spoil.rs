//! Rules broken on purpose, in tests only: the simulator must find each of them.
//!
//! They sit at the seams of the core - what it is told, what it believes, what leaves it - so that
//! not a line of the core knows of them, and outside of tests there is nothing to switch on.

#[cfg(test)]
pub(super) use super::mutants::Spoil;

#[cfg(not(test))]
pub(super) use nothing::Spoil;

#[cfg(not(test))]
mod nothing {
    use crate::domain::command::Command;
    use crate::domain::event::EventKind;
    use crate::service::site_core::SiteCore;

    /// Nothing is broken.
    #[derive(Clone, Debug)]
    pub(in crate::sim::hunt) struct Spoil(());

    #[expect(clippy::unused_self, reason = "in tests it has something to look at")]
    impl Spoil {
        pub(in crate::sim::hunt) fn off() -> Self {
            Self(())
        }

        pub(in crate::sim::hunt) fn is_off(&self) -> bool {
            true
        }

        pub(in crate::sim::hunt) fn told(&mut self, _kind: &mut EventKind) {}

        pub(in crate::sim::hunt) fn believed(&mut self, _core: &mut SiteCore) {}

        pub(in crate::sim::hunt) fn leaving(&mut self, command: Command) -> Command {
            command
        }
    }
}
