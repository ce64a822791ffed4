//! What the site's meter shows beyond the EVSEs: load that we do not control.
//!
//! Readings of EVSEs and of the site are never of one moment, some are frozen, and some cars have
//! none. Whatever cannot be told from a car's draw counts as load.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{SiteMeter, SiteState};
use crate::domain::quantity::Power;
use crate::domain::session::Reading;
use crate::domain::time::Time;

/// Other load is taken to have fallen only after it was seen lower for so long: a car whose reading
/// is some seconds older than the site's may have stopped in between, and hides as much load.
const FALLS_AFTER: TimeDelta = TimeDelta::seconds(60);

/// Other load that was seen lower than it is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Falling {
    /// Since when.
    pub since: Time,
    /// The highest that was seen since then.
    pub highest: Power,
}

/// What the EVSEs of a site draw at an instant.
#[derive(Clone, Copy, Debug, Default)]
struct Drawn {
    /// As readings of that instant show.
    shown: Power,
    /// The most that those draw of which no reading shows it...
    at_most: Power,
    /// ... and what their last readings showed, whenever that was.
    last: Power,
}

impl SiteState {
    /// The site's meter was read.
    pub(super) fn site_metered(&mut self, reading: Reading, now: Time) {
        // A clock ahead of ours must not silence the readings to come.
        let reading = Reading {
            at: reading.at.min(now),
            ..reading
        };
        if self
            .meter
            .is_some_and(|meter| meter.reading.at > reading.at)
        {
            return;
        }
        let mut drawn = self.drawn_by_evses(reading.at, now);
        if drawn.shown > reading.power.scaled_up(105, 100) + Power::from_watts(500) {
            // They cannot all be right, or something feeds in: none of them is taken from the rest.
            drawn.at_most += drawn.shown;
            drawn.shown = Power::ZERO;
        }
        let least = (reading.power - drawn.shown - drawn.at_most).at_least_zero();
        let most = (reading.power - drawn.shown).at_least_zero();
        // Where the readings of EVSEs do not say what they draw just now, what was known goes on as
        // far as the site's meter bears it out. Above the limit that would let us lower what may be
        // drawn and is not: there what they drew last is taken for what they draw.
        let likely = (reading.power - drawn.shown - drawn.last).at_least_zero();
        let root = self.site.root();
        let is_over = root.is_some_and(|root| reading.power > self.limit(root).at(now));
        let likely = if is_over { likely } else { Power::ZERO };
        let seen = match self.meter {
            Some(meter) if drawn.at_most.is_positive() => {
                meter.uncontrolled.max(least).max(likely).min(most)
            }
            _ => most,
        };
        let falling = self.meter.map(|meter| (meter.uncontrolled, meter.falling));
        let (uncontrolled, falling) = lowered(falling, seen, reading.power.at_least_zero(), now);
        let (highest, since) = match self.meter {
            Some(meter) if now - meter.highest_since < TimeDelta::days(1) => {
                (meter.highest_uncontrolled, meter.highest_since)
            }
            _ => (Power::ZERO, now),
        };
        self.meter = Some(SiteMeter {
            reading,
            uncontrolled,
            falling,
            highest_uncontrolled: highest.max(uncontrolled),
            highest_since: since,
        });
    }

    /// What the EVSEs draw at `at`.
    fn drawn_by_evses(&self, at: Time, now: Time) -> Drawn {
        let running = self
            .site
            .evses
            .iter()
            .filter_map(|evse| Some((evse, self.evses.get(&evse.id)?)))
            .filter(|(_, state)| !state.is_free());
        let mut drawn = Drawn::default();
        for (evse, state) in running {
            if let Some(power) = state.draws(evse, at) {
                drawn.shown += power.min(evse.hardware_max());
                continue;
            }
            let bound = state.bound_at(evse, now);
            let most = state.drew(evse, at).map_or(bound, |drew| drew.min(bound));
            let last = state.reading.map_or(Power::ZERO, |reading| reading.power);
            drawn.at_most += most;
            drawn.last += last.min(most);
        }
        drawn
    }
}

/// What other load is taken for after `seen`: at once what is higher, and what is lower once it has
/// been so for a while; never more than the site's meter shows in all.
fn lowered(
    before: Option<(Power, Option<Falling>)>,
    seen: Power,
    whole: Power,
    now: Time,
) -> (Power, Option<Falling>) {
    let Some((taken, falling)) = before.filter(|(taken, _)| seen < *taken) else {
        return (seen, None);
    };
    let falling = falling.unwrap_or(Falling {
        since: now,
        highest: Power::ZERO,
    });
    let highest = falling.highest.max(seen);
    if now - falling.since >= FALLS_AFTER {
        return (highest, None);
    }
    let falling = Falling { highest, ..falling };
    (taken.min(whole), Some(falling))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::command::{Answer, Evidence};
    use crate::domain::event::EventKind;
    use crate::domain::quantity::Energy;
    use crate::state::testing::{amps, at, evse_id, happen, issue, kw, live, session, site_of};

    /// A car under a profile that is confirmed at second 6.
    fn charging(tenths: i64) -> SiteState {
        let mut state = live(site_of(50.0, 1));
        let session = Box::new(session(1, 0));
        happen(&mut state, 0, EventKind::SessionSeen { session });
        let command = issue(&mut state, 5, 1, amps(5, &[(0, tenths)]));
        let answer = Answer::Applied {
            evidence: Evidence::Result,
        };
        let kind = EventKind::CommandAnswered { command, answer };
        happen(&mut state, 6, kind);
        state
    }

    fn reading(second: i64, kilowatts: f64) -> Reading {
        Reading {
            power: kw(kilowatts),
            at: at(second),
        }
    }

    /// The car's meter says so many kW, and so many kWh so far.
    fn measured(state: &mut SiteState, second: i64, kilowatts: f64, kwh: f64) {
        let kind = EventKind::EvseMeasured {
            evse: evse_id(1),
            reading: reading(second, kilowatts),
            energy: Some(Energy::from_kilowatt_hours(kwh)),
        };
        happen(state, second, kind);
    }

    /// The site's meter says so many kW; gives what is taken for other load.
    fn metered(state: &mut SiteState, second: i64, kilowatts: f64) -> Power {
        let reading = reading(second, kilowatts);
        happen(state, second, EventKind::SiteMetered { reading });
        let metered = state.metered_uncontrolled(at(second));
        metered.expect("just read")
    }

    #[test]
    fn a_first_reading_says_nothing_of_now_where_the_limit_changed_since_the_session_began() {
        let mut state = charging(0);
        // A mean over what was drawn before the limit held.
        measured(&mut state, 7, 7.0, 0.01);
        assert!(metered(&mut state, 8, 8.0) >= kw(8.0));
    }

    #[test]
    fn other_load_does_not_hide_in_what_a_steady_car_leaves_of_its_bound() {
        let mut state = charging(160);
        measured(&mut state, 10, 10.0, 0.02);
        measured(&mut state, 40, 10.0, 0.1);
        assert_eq!(metered(&mut state, 41, 10.0), Power::ZERO);
        // Two minutes later, with nothing newer of the car, whose bound is 12.144 kW.
        assert_eq!(metered(&mut state, 160, 14.0), kw(4.0));
    }

    #[test]
    fn a_car_that_stopped_between_two_readings_hides_other_load_for_no_moment() {
        let mut state = charging(160);
        measured(&mut state, 10, 10.0, 0.02);
        measured(&mut state, 40, 10.0, 0.1);
        assert_eq!(metered(&mut state, 41, 17.0), kw(7.0));
        // It stopped at second 45: what the site shows now is other load.
        assert_eq!(metered(&mut state, 50, 12.0), kw(7.0));
        measured(&mut state, 70, 0.0, 0.11);
        // Truly fallen, it is believed after a minute, and what rises at once.
        assert_eq!(metered(&mut state, 75, 3.0), kw(3.0));
        assert_eq!(metered(&mut state, 80, 5.0), kw(5.0));
        measured(&mut state, 100, 0.0, 0.11);
        assert_eq!(metered(&mut state, 101, 4.0), kw(4.0), "no more than all");
    }

    #[test]
    fn what_fell_is_believed_after_a_minute_at_the_highest_of_it() {
        let seen = |taken: (Power, Option<Falling>), kilowatts: f64, second: i64| {
            lowered(Some(taken), kw(kilowatts), kw(40.0), at(second))
        };
        let first = seen((kw(9.0), None), 2.0, 0);
        let second = seen(first, 4.0, 30);
        let third = seen(second, 3.0, 59);
        assert_eq!((first.0, second.0, third.0), (kw(9.0), kw(9.0), kw(9.0)));
        assert_eq!(seen(third, 1.0, 60), (kw(4.0), None));
        assert_eq!(seen(third, 10.0, 59), (kw(10.0), None));
    }

    #[test]
    fn a_frozen_meter_takes_nothing_from_other_load() {
        let mut state = charging(160);
        measured(&mut state, 10, 10.0, 0.02);
        measured(&mut state, 40, 10.0, 0.1);
        assert_eq!(metered(&mut state, 41, 11.0), kw(1.0));
        // The car stopped, and its meter says the same for ever; its register stands still.
        measured(&mut state, 400, 10.0, 0.1);
        measured(&mut state, 430, 10.0, 0.1);
        assert_eq!(
            metered(&mut state, 431, 20.0),
            kw(7.856),
            "20 less its bound"
        );
    }

    #[test]
    fn cars_that_draw_more_than_the_site_are_not_taken_from_it() {
        let mut state = charging(160);
        measured(&mut state, 10, 10.0, 0.02);
        measured(&mut state, 40, 10.0, 0.1);
        assert_eq!(metered(&mut state, 41, 13.0), kw(3.0));
        // For longer than a fall takes: one of the two meters is wrong, or something feeds in.
        for second in [70, 100, 130] {
            measured(&mut state, second - 1, 10.0, 0.1 + 0.003 * 30.0);
            assert_eq!(metered(&mut state, second, 8.0), kw(3.0), "at {second} s");
        }
    }
}
