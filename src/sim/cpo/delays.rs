//! How long the SCSP takes from hearing of a session to its first profile.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::time::Time;
use crate::service::clock::Stopwatch;

/// Sessions watched at the same time, and delays kept; later ones are not measured.
const MAX_WATCHED: usize = 100_000;

/// Stopwatches from the push of a session to the first request that sets its profile, in real time
/// and in that of the platform.
#[derive(Debug, Default)]
pub(super) struct Delays {
    running: BTreeMap<String, (Stopwatch, Time)>,
    real: Vec<Duration>,
    told: Vec<TimeDelta>,
}

impl Delays {
    /// The first byte of a session's PUT is about to leave.
    pub(super) fn pushed(&mut self, session: &str, now: Time) {
        if self.running.len() < MAX_WATCHED {
            let begun = (Stopwatch::start(), now);
            self.running.insert(session.to_owned(), begun);
        }
    }

    /// A request to set a profile of the session has come.
    pub(super) fn profile_came(&mut self, session: &str, now: Time) {
        if let Some((watch, pushed_at)) = self.running.remove(session)
            && self.real.len() < MAX_WATCHED
        {
            self.real.push(watch.elapsed());
            self.told.push(now - pushed_at);
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

    /// Real time, in the order in which the profiles came.
    pub(super) fn real(&self) -> &[Duration] {
        &self.real
    }

    /// The platform's time, in the same order.
    pub(super) fn told(&self) -> &[TimeDelta] {
        &self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        chrono::DateTime::from_timestamp(1_795_000_200 + second, 0).expect("in range")
    }

    #[test]
    fn only_the_first_profile_of_a_pushed_session_is_timed() {
        let mut delays = Delays::default();
        delays.pushed("a", at(0));
        delays.pushed("b", at(0));
        assert_eq!(delays.waiting(), 2);
        delays.profile_came("a", at(2));
        delays.profile_came("a", at(3));
        delays.profile_came("never pushed", at(3));
        assert_eq!((delays.real().len(), delays.waiting()), (1, 1));
        assert_eq!(delays.told(), [TimeDelta::seconds(2)]);
        delays.ended("b");
        delays.profile_came("b", at(4));
        assert_eq!((delays.real().len(), delays.waiting()), (1, 0));
    }
}
