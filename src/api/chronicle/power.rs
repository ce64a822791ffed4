//! Powers of a site, one sample per minute: means over the minute, weighted by time.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;

use super::shelf::hour_of;
use crate::domain::quantity::{Power, Price};
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::limits::UNLIMITED;

/// Samples kept: two days.
pub(in crate::api) const MAX_SAMPLES: usize = 2 * 24 * 60;
const MINUTE_S: i64 = 60;

/// One minute. Powers in watts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Sample {
    /// Start of the minute, in minutes since the Unix epoch.
    pub(in crate::api) minute: i64,
    /// Sum of the EVSEs' readings.
    pub(in crate::api) evses_w: i64,
    /// The site meter less the EVSEs; 0 without a meter.
    pub(in crate::api) uncontrolled_w: i64,
    /// What the plan wanted for the EVSEs.
    pub(in crate::api) planned_w: i64,
    /// The lowest limit of the root circuit within the minute; `None` = no limit is known.
    pub(in crate::api) limit_w: Option<i64>,
    /// Import price at the end of the minute, millionths of the currency per kWh.
    pub(in crate::api) price_micros: Option<i64>,
}

impl Sample {
    /// When the minute began.
    pub(in crate::api) fn at(&self) -> Option<Time> {
        Time::from_timestamp(self.minute * MINUTE_S, 0)
    }
}

/// What holds between two turns.
#[derive(Clone, Copy, Debug)]
struct Level {
    evses_w: i64,
    uncontrolled_w: i64,
    planned_w: i64,
    limit_w: Option<i64>,
    price_micros: Option<i64>,
}

/// The minute under way: watt-seconds so far.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    seconds_ms: i64,
    evses: i64,
    uncontrolled: i64,
    planned: i64,
    limit_w: Option<i64>,
}

/// The last two days.
#[derive(Debug, Default)]
pub(in crate::api) struct PowerLog {
    samples: VecDeque<Sample>,
    open: Open,
    level: Option<(Time, Level)>,
    /// The newest minute that is kept.
    saved_to: Option<i64>,
}

impl PowerLog {
    /// Takes over the minutes of an hour that was kept, oldest hour first.
    pub(super) fn resume(&mut self, kept: Vec<Sample>) {
        for sample in kept {
            if self.samples.len() >= MAX_SAMPLES {
                self.samples.pop_front();
            }
            self.saved_to = self.saved_to.max(Some(sample.minute));
            self.samples.push_back(sample);
        }
    }

    /// The hours with minutes that are not kept yet, whole.
    pub(super) fn unsaved_hours(&self) -> BTreeMap<u64, Vec<Sample>> {
        let newest = self.samples.back().map(|sample| sample.minute);
        let Some(first) = self
            .samples
            .iter()
            .find(|sample| Some(sample.minute) > self.saved_to)
            .filter(|_| newest > self.saved_to)
        else {
            return BTreeMap::new();
        };
        let hour = hour_of(first.minute);
        let mut hours: BTreeMap<u64, Vec<Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let of = hour_of(sample.minute);
            if of >= hour {
                hours.entry(of).or_default().push(*sample);
            }
        }
        hours
    }

    /// All up to a minute are kept.
    pub(super) fn saved_to(&mut self, minute: i64) {
        self.saved_to = Some(minute);
    }

    /// The full minutes, oldest first.
    pub(in crate::api) fn samples(&self) -> impl DoubleEndedIterator<Item = &Sample> + Clone {
        self.samples.iter()
    }

    /// Takes in a turn; true if a minute became full.
    pub(super) fn take(&mut self, state: &SiteState, now: Time) -> bool {
        let full = self.advance(now);
        self.level = Some((now, level(state, now)));
        full
    }

    /// What held since the last turn goes on until `now`.
    fn advance(&mut self, now: Time) -> bool {
        let Some((since, level)) = self.level else {
            return true;
        };
        let mut from = since.timestamp_millis();
        let until = now.timestamp_millis();
        // After a longer silence than is kept only its end matters.
        let longest = TimeDelta::days(2).num_milliseconds();
        if until - from > longest {
            from = until - longest;
            self.open = Open::default();
        }
        let minute_ms = MINUTE_S * 1_000;
        let mut full = false;
        // At most MAX_SAMPLES + 1 turns.
        while from < until {
            let minute = from.div_euclid(minute_ms);
            let border = (minute + 1) * minute_ms;
            let to = border.min(until);
            self.open.add(&level, to - from);
            if to == border {
                full = true;
                let sample = self.open.close(minute, &level);
                if self.samples.len() >= MAX_SAMPLES {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
                self.open = Open::default();
            }
            from = to;
        }
        full
    }
}

impl Open {
    fn add(&mut self, level: &Level, ms: i64) {
        self.seconds_ms += ms;
        self.evses += level.evses_w * ms;
        self.uncontrolled += level.uncontrolled_w * ms;
        self.planned += level.planned_w * ms;
        self.limit_w = match (self.limit_w, level.limit_w) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    fn close(&self, minute: i64, level: &Level) -> Sample {
        let mean = |sum: i64| sum / self.seconds_ms.max(1);
        Sample {
            minute,
            evses_w: mean(self.evses),
            uncontrolled_w: mean(self.uncontrolled),
            planned_w: mean(self.planned),
            limit_w: self.limit_w,
            price_micros: level.price_micros,
        }
    }
}

fn level(state: &SiteState, now: Time) -> Level {
    let evses: Power = state
        .evses
        .values()
        .filter(|evse| !evse.is_free())
        .filter_map(|evse| evse.reading)
        .map(|reading| reading.power)
        .sum();
    let planned: Power = state.plan.as_ref().map_or(Power::ZERO, |plan| {
        let slot = plan.slot_at(now);
        plan.evses
            .iter()
            .filter_map(|evse| evse.power.get(slot?).copied())
            .sum()
    });
    let limit = state
        .site
        .root()
        .map(|root| state.limit(root).at(now))
        .filter(|limit| *limit < UNLIMITED);
    Level {
        evses_w: evses.watts(),
        uncontrolled_w: state.meter.map_or(0, |meter| meter.uncontrolled.watts()),
        planned_w: planned.watts(),
        limit_w: limit.map(Power::watts),
        price_micros: price(state, now).map(Price::micros),
    }
}

/// The import price at an instant: of the live signal that wins, else the site's flat one.
pub(super) fn price(state: &SiteState, now: Time) -> Option<Price> {
    state
        .signals
        .values()
        .filter(|series| series.kind == SignalKind::ImportPrice)
        .filter_map(|series| Some((series, series.slot_at(now)?)))
        .min_by_key(|(series, _)| (series.priority, std::cmp::Reverse(series.received_at)))
        .map(|(_, slot)| Price::from_micros(slot.value))
        .or(state.site.flat_price)
}
