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
            // A car goes on as it did while nothing changes for it. What it may draw is more than
            // what it does, and the difference would hide as much of other load.
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
