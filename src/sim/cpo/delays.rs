//! How long the SCSP takes from hearing of a session to its first profile, in real time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::service::clock::Stopwatch;

/// Sessions watched at the same time, and delays kept; later ones are not measured.
const MAX_WATCHED: usize = 100_000;

/// Stopwatches from the push of a session to the first request that sets its profile.
#[derive(Debug, Default)]
pub(super) struct Delays {
    running: BTreeMap<String, Stopwatch>,
    measured: Vec<Duration>,
}

impl Delays {
    /// The first byte of a session's PUT is about to leave.
    pub(super) fn pushed(&mut self, session: &str) {
        if self.running.len() < MAX_WATCHED {
            self.running.insert(session.to_owned(), Stopwatch::start());
        }
    }

    /// A request to set a profile of the session has come.
    pub(super) fn profile_came(&mut self, session: &str) {
        if let Some(watch) = self.running.remove(session)
            && self.measured.len() < MAX_WATCHED
        {
            self.measured.push(watch.elapsed());
        }
    }

    /// A session is over; if no profile came, it never will.
    pub(super) fn ended(&mut self, session: &str) {
        self.running.remove(session);
    }

    /// Sessions that still wait for their first profile.
    pub(super) fn waiting(&self) -> usize {
        self.running.len()
    }

    /// What was measured, in the order in which the profiles came.
    pub(super) fn measured(&self) -> &[Duration] {
        &self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_profile_of_a_pushed_session_is_timed() {
        let mut delays = Delays::default();
        delays.pushed("a");
        delays.pushed("b");
        assert_eq!(delays.waiting(), 2);
        delays.profile_came("a");
        delays.profile_came("a");
        delays.profile_came("never pushed");
        assert_eq!((delays.measured().len(), delays.waiting()), (1, 1));
        delays.ended("b");
        delays.profile_came("b");
        assert_eq!((delays.measured().len(), delays.waiting()), (1, 0));
    }
}
