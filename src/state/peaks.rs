//! The peaks a demand charge is billed by: the mean power of the running window, the highest of the
//! month, those of the months before. Learned from the site's meter, or from the EVSEs where there
//! is none.
//!
//! Where nothing was read for longer than a window, nothing is added: a peak that we did not see is
//! not counted on, so that the mistake is to draw less, never to pay for more.

use chrono::{Datelike, TimeDelta};
use serde::{Deserialize, Serialize};

use super::SiteState;
use crate::domain::event::EventKind;
use crate::domain::grid_rules::{DemandCharge, MAX_RATCHET_MONTHS};
use crate::domain::quantity::{Energy, Power, Price};
use crate::domain::signal::{SignalKind, SignalSeries};
use crate::domain::time::{Horizon, Time};

/// The length of a window where a signal gives a price and the site says nothing: 15 minutes.
const DEFAULT_WINDOW_S: u32 = 900;

/// A month of the site's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Month {
    /// The year.
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
}

impl Month {
    /// How many months it lies before `other`; negative = after.
    fn before(self, other: Self) -> i64 {
        let count = |it: Self| i64::from(it.year) * 12 + i64::from(it.month);
        count(other) - count(self)
    }
}

/// The highest window of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonthPeak {
    /// Which month.
    pub month: Month,
    /// Its mean power.
    pub peak: Power,
    /// When the window began; `None` = the operator stated it.
    pub at: Option<Time>,
}

/// The window that power is averaged over now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningWindow {
    /// When it began.
    pub start: Time,
    /// What was drawn since then, as far as it was seen.
    pub energy: Energy,
    /// Until when that is counted.
    pub until: Time,
    /// What was drawn then.
    pub power: Power,
}

/// What is known of a site's peaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// The window that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningWindow>,
    /// The highest window of each month, oldest first; two years and the current month at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<MonthPeak>,
}

/// What a demand charge comes to at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandStanding {
    /// Length of a window.
    pub window: TimeDelta,
    /// The highest of this month, whole windows only.
    pub reached: Power,
    /// What earlier months leave to be billed.
    pub ratchet: Power,
    /// What the operator said is billed in any case.
    pub minimum_billed: Power,
    /// The window that runs.
    pub running: Option<RunningWindow>,
}

impl DemandStanding {
    /// The mean of the running window if nothing more were drawn in it.
    pub fn running_mean(&self) -> Power {
        let drawn = self.running.map_or(Energy::ZERO, |it| it.energy);
        drawn.mean_power(self.window).at_least_zero()
    }

    /// What may be drawn without paying for more.
    pub fn free(&self) -> Power {
        self.reached
            .max(self.ratchet)
            .max(self.minimum_billed)
            .max(self.running_mean())
    }
}

impl Peaks {
    /// True if nothing is known.
    pub fn is_empty(&self) -> bool {
        self.running.is_none() && self.months.is_empty()
    }

    fn raise(&mut self, month: Month, peak: Power, at: Option<Time>) {
        match self.months.iter_mut().find(|known| known.month == month) {
            Some(known) if known.peak >= peak => {}
            Some(known) => (known.peak, known.at) = (peak, at),
            None => {
                self.months.push(MonthPeak { month, peak, at });
                self.months.sort_by_key(|known| known.month);
                let most = usize::from(MAX_RATCHET_MONTHS) + 1;
                let old = self.months.len().saturating_sub(most);
                self.months.drain(..old);
            }
        }
    }
}

impl SiteState {
    /// The price of each kW of peak in the window of an instant; `None` = peaks cost nothing then. The
    /// winning signal decides, where none speaks the site's own price.
    pub fn demand_price(&self, at: Time) -> Option<Price> {
        let signals = self.signals.values().map(AsRef::as_ref);
        let of_root = |series: &&SignalSeries| {
            let root = self.site.root().map(|root| &root.id);
            series.kind == SignalKind::DemandPrice
                && (series.circuit.is_none() || series.circuit.as_ref() == root)
        };
        let told = signals
            .filter(of_root)
            .filter_map(|series| Some((series.rank(), series.slot_at(at)?.value)))
            .min_by(|(a, _), (b, _)| a.cmp(b))
            .map(|(_, value)| Price::from_micros(value));
        let own = self.demand_charge().map(|charge| charge.per_kw);
        told.or(own).filter(|price| price.micros() > 0)
    }

    /// How a demand charge stands; `None` = the site has none.
    pub fn demand_standing(&self, now: Time) -> Option<DemandStanding> {
        if !self.has_demand_charge() {
            return None;
        }
        let month = self.month_of(now);
        let charge = self.demand_charge();
        let ratchet = charge.and_then(|charge| charge.ratchet);
        let of_before = |known: &&MonthPeak| {
            let ago = known.month.before(month);
            ratchet.is_some_and(|ratchet| (1..=i64::from(ratchet.months)).contains(&ago))
        };
        let highest = self.peaks.months.iter().filter(of_before);
        let highest = highest.map(|known| known.peak).max();
        let percent = ratchet.map_or(0, |ratchet| i64::from(ratchet.percent));
        let this = self.peaks.months.iter().find(|it| it.month == month);
        let window = self.demand_window();
        Some(DemandStanding {
            window,
            reached: this.map_or(Power::ZERO, |it| it.peak),
            ratchet: highest.map_or(Power::ZERO, |it| it.scaled_down(percent, 100)),
            minimum_billed: charge
                .and_then(|charge| charge.minimum_billed)
                .unwrap_or(Power::ZERO),
            running: self
                .peaks
                .running
                .filter(|running| now >= running.start && now < running.start + window),
        })
    }

    fn demand_charge(&self) -> Option<&DemandCharge> {
        self.site.grid.demand_charge.as_ref()
    }

    fn has_demand_charge(&self) -> bool {
        let told = || {
            self.signals
                .values()
                .any(|it| it.kind == SignalKind::DemandPrice)
        };
        self.demand_charge().is_some() || told()
    }

    fn demand_window(&self) -> TimeDelta {
        let seconds = self
            .demand_charge()
            .map_or(DEFAULT_WINDOW_S, |it| it.window_s);
        TimeDelta::seconds(i64::from(seconds))
    }

    fn month_of(&self, at: Time) -> Month {
        let local = at.with_timezone(&self.site.time_zone);
        Month {
            year: local.year(),
            month: local.month(),
        }
    }

    /// Looks at what an event says of the power at the connection.
    pub(super) fn observe_peak(&mut self, kind: &EventKind, now: Time) {
        let metered = match kind {
            EventKind::SiteMetered { .. } => true,
            EventKind::EvseMeasured { .. } | EventKind::SessionSeen { .. } => false,
            _ => return,
        };
        if !self.has_demand_charge() {
            return;
        }
        let window = self.demand_window();
        let by_meter = self
            .meter
            .map(|meter| meter.reading)
            .filter(|reading| metered || now - reading.at <= window);
        let power = match by_meter {
            // The meter says all of it, the EVSEs only their part.
            Some(_) if !metered => return,
            Some(reading) => reading.power.at_least_zero(),
            None => self.drawn_as_read(now, window),
        };
        self.advance_peak(now, window);
        let start = window_start(now, window);
        let running = self.peaks.running.get_or_insert(RunningWindow {
            start,
            energy: Energy::ZERO,
            until: now,
            power,
        });
        running.power = power;
    }

    /// What the running sessions draw by their last readings, and other load as it is expected.
    fn drawn_as_read(&self, now: Time, window: TimeDelta) -> Power {
        let running = self.evses.values().filter(|state| !state.is_free());
        let readings = running.filter_map(|state| state.reading);
        let fresh = readings.filter(|reading| now - reading.at <= window);
        let drawn: Power = fresh.map(|reading| reading.power).sum();
        let root = self.site.root();
        let other = root.map_or(Power::ZERO, |root| self.uncontrolled(root, now).at(now));
        drawn + other
    }

    /// Adds what was drawn until `now`, and closes the windows that are over.
    fn advance_peak(&mut self, now: Time, window: TimeDelta) {
        let Some(mut running) = self.peaks.running.take() else {
            return;
        };
        // A changed length of windows begins anew.
        running.start = window_start(running.start, window);
        let seen_until = now.min(running.until + window);
        // Twice at most: what was seen reaches into the window after this one and no further.
        while seen_until >= running.start + window {
            let end = running.start + window;
            let span = (end - running.until).max(TimeDelta::zero());
            running.energy += running.power.over(span);
            let mean = running.energy.mean_power(window);
            if self.demand_price(running.start).is_some() {
                let month = self.month_of(running.start);
                self.peaks.raise(month, mean, Some(running.start));
            }
            running = RunningWindow {
                start: end,
                energy: Energy::ZERO,
                until: end,
                power: running.power,
            };
        }
        let span = (seen_until - running.until).max(TimeDelta::zero());
        running.energy += running.power.over(span);
        running.until = now.max(running.until);
        if now >= running.start + window {
            // Nothing was read for long: the window that was begun counts as far as it was seen.
            let mean = running.energy.mean_power(window);
            if self.demand_price(running.start).is_some() {
                let month = self.month_of(running.start);
                self.peaks.raise(month, mean, Some(running.start));
            }
            running.start = window_start(now, window);
            running.energy = Energy::ZERO;
        }
        self.peaks.running = Some(running);
    }

    /// A peak that the operator states with the site's description counts for the month in which it
    /// is stated, once.
    pub(super) fn state_peak(&mut self, before: Option<&DemandCharge>, now: Time) {
        let stated = self.demand_charge().and_then(|charge| charge.peak_so_far);
        if let Some(peak) = stated
            && before.and_then(|charge| charge.peak_so_far) != stated
        {
            let month = self.month_of(now);
            self.peaks.raise(month, peak, None);
        }
    }
}

fn window_start(at: Time, window: TimeDelta) -> Time {
    let seconds = u32::try_from(window.num_seconds()).unwrap_or(DEFAULT_WINDOW_S);
    Horizon::containing(at, seconds, 1).start
}

#[cfg(test)]
#[path = "peak_tests.rs"]
mod tests;
