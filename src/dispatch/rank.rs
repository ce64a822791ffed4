//! In which order sessions give power up: the plan's priorities, read from the plan itself.

use std::cmp::Reverse;

use chrono::TimeDelta;

use crate::domain::evse::Evse;
use crate::domain::plan::{PlannedEvse, Reason};
use crate::domain::time::Time;

/// No charging is reckoned with for longer than a year.
const LONGEST_S: i64 = 365 * 86_400;

/// Where a session stands in the order of a plan. Who gives power up first is the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    need: Need,
    /// Time of the stay beyond what its energy takes at full power: who has more gives up first.
    slack: Reverse<TimeDelta>,
}

/// What a plan serves a session for, by rising importance (the rules of `planner::stages`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// It may wait for a cheaper time.
    #[default]
    Price,
    /// Nobody said when it leaves.
    Guess,
    /// It has no time left.
    Deadline,
    /// Somebody asked for it now.
    Override,
}

impl Rank {
    /// Where a planned session stands.
    pub(super) fn of(planned: &PlannedEvse, evse: &Evse, now: Time) -> Self {
        let need = match planned.reasons.first() {
            Some(Reason::Override) => Need::Override,
            Some(Reason::Deadline) => Need::Deadline,
            _ if planned.unmet.is_positive() => Need::Deadline,
            Some(Reason::AsSoonAsPossible) => Need::Guess,
            _ => Need::Price,
        };
        let left = planned.departure.map_or(TimeDelta::zero(), |at| at - now);
        let takes = planned.needed.joules() / evse.max.watts().max(1);
        let slack = left - TimeDelta::seconds(takes.clamp(0, LONGEST_S));
        Self {
            need,
            slack: Reverse(slack.max(TimeDelta::zero())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SessionId;
    use crate::domain::quantity::Energy;
    use crate::state::testing::{at, evse_id, site_of};

    /// A session that leaves after so many seconds and needs so many kWh at 11.04 kW.
    fn rank(reason: Reason, leaves: i64, kwh: f64, unmet: f64) -> Rank {
        let planned = PlannedEvse {
            evse: evse_id(1),
            session: SessionId::new("s").expect("valid"),
            power: Vec::new(),
            reasons: vec![reason],
            unmet: Energy::from_kilowatt_hours(unmet),
            ready_at: None,
            departure: Some(at(leaves)),
            needed: Energy::from_kilowatt_hours(kwh),
            limited_by: Vec::new(),
        };
        Rank::of(&planned, &site_of(50.0, 1).evses[0], at(0))
    }

    #[test]
    fn who_has_time_gives_up_before_who_has_none_and_an_override_last() {
        // 11.04 kWh take an hour.
        let much_time = rank(Reason::CheapSlot, 4 * 3600, 11.04, 0.0);
        let little_time = rank(Reason::CircuitLimit, 2 * 3600, 11.04, 0.0);
        let nobody_knows = rank(Reason::AsSoonAsPossible, 9 * 3600, 11.04, 0.0);
        let no_time = rank(Reason::Deadline, 3600, 11.04, 0.0);
        let short = rank(Reason::CircuitLimit, 3600, 11.04, 1.0);
        let asked_for = rank(Reason::Override, 90_000, 11.04, 0.0);
        let order = [much_time, little_time, nobody_knows, no_time, asked_for];
        assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
        assert_eq!(short, no_time);
    }
}
