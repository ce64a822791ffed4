//! Which session of an EVSE counts: an EVSE serves one at a time, but peers speak of several, late,
//! out of order, and of some that never charged.
//!
//! Two rules decide. What may draw is never forgotten on the word of *another* session. And what a
//! peer shows as running, newer than what we knew, runs.

use crate::domain::session::{Session, SessionStatus};

/// What becomes of a session that is seen at an EVSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Succession {
    /// Newer word of the session that is known.
    Update,
    /// It takes the place of the one that is known, or of none.
    Replace,
    /// It is over, and another one counts: a past session.
    Past,
    /// Nothing new.
    Old,
}

/// Decides between what is known of an EVSE and what is seen now.
pub(super) fn succeed(known: Option<&Session>, seen: &Session) -> Succession {
    let Some(known) = known else {
        return Succession::Replace;
    };
    let newer = seen.updated_at > known.updated_at;
    let (runs, ran) = (
        seen.status != SessionStatus::Ended,
        known.status != SessionStatus::Ended,
    );
    if known.id == seen.id {
        return match (ran, runs) {
            (true, _) if seen.updated_at >= known.updated_at => Succession::Update,
            // It was over and is shown to run after all: what draws must count, from the
            // beginning, since its profiles have lapsed.
            (false, true) if newer => Succession::Replace,
            _ => Succession::Old,
        };
    }
    match (ran, runs) {
        (_, false) => Succession::Past,
        (false, true) if newer || seen.started_at >= known.started_at => Succession::Replace,
        // One that may never charge does not take the place of one that does.
        (true, true) if seen.status == SessionStatus::Pending => Succession::Old,
        (true, true) if newer => Succession::Replace,
        (true, true) if known.status == SessionStatus::Pending => Succession::Replace,
        _ => Succession::Old,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::{at, session};

    /// Session `number` (all at one EVSE), started and last updated at those seconds.
    fn seen(number: usize, status: SessionStatus, started: i64, updated: i64) -> Session {
        Session {
            status,
            started_at: at(started),
            updated_at: at(updated),
            ..session(number, started)
        }
    }

    use SessionStatus::{Active, Ended, Pending};

    #[test]
    fn of_one_session_the_newest_word_counts() {
        let known = seen(1, Active, 0, 10);
        assert_eq!(
            succeed(Some(&known), &seen(1, Active, 0, 10)),
            Succession::Update
        );
        assert_eq!(
            succeed(Some(&known), &seen(1, Ended, 0, 11)),
            Succession::Update
        );
        assert_eq!(
            succeed(Some(&known), &seen(1, Ended, 0, 9)),
            Succession::Old
        );
    }

    #[test]
    fn a_session_that_was_over_runs_again_only_on_newer_word() {
        let over = seen(1, Ended, 0, 10);
        assert_eq!(
            succeed(Some(&over), &seen(1, Active, 0, 10)),
            Succession::Old
        );
        assert_eq!(
            succeed(Some(&over), &seen(1, Active, 0, 11)),
            Succession::Replace
        );
        assert_eq!(
            succeed(Some(&over), &seen(1, Ended, 0, 11)),
            Succession::Old
        );
    }

    #[test]
    fn a_failed_start_beside_a_running_session_takes_nothing_from_it() {
        let running = seen(1, Active, 0, 10);
        assert_eq!(
            succeed(Some(&running), &seen(2, Pending, 20, 20)),
            Succession::Old
        );
        assert_eq!(
            succeed(Some(&running), &seen(2, Ended, 20, 30)),
            Succession::Past
        );
    }

    #[test]
    fn the_next_car_takes_the_place_and_a_late_word_of_the_last_does_not_take_it_back() {
        let running = seen(1, Active, 0, 10);
        let next = seen(2, Active, 20, 20);
        assert_eq!(succeed(Some(&running), &next), Succession::Replace);
        assert_eq!(
            succeed(Some(&next), &seen(1, Active, 0, 15)),
            Succession::Old
        );
        assert_eq!(
            succeed(Some(&next), &seen(1, Ended, 0, 25)),
            Succession::Past
        );
    }

    #[test]
    fn an_earlier_session_that_goes_on_while_a_later_one_has_ended_counts_again() {
        let void = seen(2, Ended, 20, 30);
        assert_eq!(
            succeed(Some(&void), &seen(1, Active, 0, 40)),
            Succession::Replace
        );
        assert_eq!(
            succeed(Some(&void), &seen(1, Active, 0, 15)),
            Succession::Old
        );
    }

    #[test]
    fn a_pending_session_gives_way_to_any_that_is_active() {
        let pending = seen(1, Pending, 50, 60);
        assert_eq!(
            succeed(Some(&pending), &seen(2, Active, 40, 55)),
            Succession::Replace
        );
    }
}
