//! From the market's price to what the site pays:
//! `all-in = (market * factor + adders of the time) * (1 + VAT)`.
//!
//! With a factor of 0 the adders alone are a static time-of-use tariff.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Timelike, Weekday};
use chrono_tz::Tz;

use super::series::MAX_SLOT;
use crate::domain::quantity::Price;
use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalSlot};
use crate::domain::time::Time;

/// Grid fee, tax, margin: so much per kWh at certain local times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adder {
    /// On which days; empty = every day.
    pub days: Vec<Weekday>,
    /// In which months, 1 to 12; empty = every month.
    pub months: Vec<u32>,
    /// From this local time on.
    pub from: NaiveTime,
    /// Until this local time; not after `from` = until the end of the day.
    pub to: NaiveTime,
    /// How much.
    pub price: Price,
}

impl Adder {
    /// The same at all times.
    pub fn always(price: Price) -> Self {
        Self {
            days: Vec::new(),
            months: Vec::new(),
            from: NaiveTime::MIN,
            to: NaiveTime::MIN,
            price,
        }
    }

    fn holds_at(&self, local: &DateTime<Tz>) -> bool {
        let time = local.time();
        (self.days.is_empty() || self.days.contains(&local.weekday()))
            && (self.months.is_empty() || self.months.contains(&local.month()))
            && time >= self.from
            && (self.to <= self.from || time < self.to)
    }
}

/// What a site pays on top of the market's price.
#[derive(Clone, Debug, PartialEq)]
pub struct Charges {
    /// Local time of the adders.
    pub time_zone: Tz,
    /// Of the market's price.
    pub factor: f64,
    /// Added to it.
    pub adders: Vec<Adder>,
    /// Value-added tax, percent.
    pub vat_percent: f64,
}

impl Charges {
    /// True if nothing is changed.
    pub fn is_none(&self) -> bool {
        let same = |a: f64, b: f64| (a - b).abs() < 1e-12;
        self.adders.is_empty() && same(self.factor, 1.0) && same(self.vat_percent, 0.0)
    }

    /// The all-in price of each slot; slots are cut where an adder begins or ends.
    pub fn apply(&self, market: &[SignalSlot]) -> Vec<SignalSlot> {
        if self.is_none() {
            return market.to_vec();
        }
        let mut slots: Vec<SignalSlot> = Vec::with_capacity(market.len());
        for slot in market {
            let mut start = slot.start;
            for end in self.borders(slot).into_iter().chain([slot.end]) {
                let value = self.all_in(Price::from_micros(slot.value), start).micros();
                if slots.len() >= MAX_SIGNAL_SLOTS {
                    return slots;
                }
                match slots.last_mut() {
                    Some(last)
                        if last.end == start
                            && last.value == value
                            && end - last.start <= MAX_SLOT =>
                    {
                        last.end = end;
                    }
                    _ => slots.push(SignalSlot { start, end, value }),
                }
                start = end;
            }
        }
        slots
    }

    /// The tariff without a market: the adders alone, for whole local days.
    pub fn tariff(&self, from: NaiveDate, days: u64) -> Vec<SignalSlot> {
        let flat: Vec<SignalSlot> = (0..days)
            .filter_map(|day| {
                let day = from.checked_add_days(Days::new(day))?;
                let next = day.checked_add_days(Days::new(1))?;
                Some(half_days(
                    midnight(self.time_zone, day)?,
                    midnight(self.time_zone, next)?,
                ))
            })
            .flatten()
            .collect();
        self.apply(&flat)
    }

    fn all_in(&self, market: Price, at: Time) -> Price {
        let local = at.with_timezone(&self.time_zone);
        let adders = self.adders.iter().filter(|adder| adder.holds_at(&local));
        let added: f64 = adders.map(|adder| adder.price.per_kwh()).sum();
        Price::from_per_kwh(
            (market.per_kwh() * self.factor + added) * (1.0 + self.vat_percent / 100.0),
        )
    }

    /// The instants within a slot at which the local clock is put forward or back.
    fn clock_changes(&self, slot: &SignalSlot) -> Vec<Time> {
        use chrono::Offset;
        let offset = |at: &Time| at.with_timezone(&self.time_zone).offset().fix();
        if offset(&slot.start) == offset(&slot.end) {
            return Vec::new();
        }
        let into = slot.start.timestamp().rem_euclid(CLOCK_GRID.num_seconds());
        let first = slot.start - TimeDelta::seconds(into);
        // A slot is a day at most: 49 steps of half an hour.
        std::iter::successors(Some(first), |at| Some(*at + CLOCK_GRID))
            .take_while(|at| *at < slot.end)
            .filter(|at| offset(at) != offset(&(*at - CLOCK_GRID)))
            .collect()
    }

    /// The instants strictly within a slot at which an adder may begin or end, in order.
    fn borders(&self, slot: &SignalSlot) -> Vec<Time> {
        let first = slot.start.with_timezone(&self.time_zone).date_naive();
        let mut borders: Vec<Time> = Vec::new();
        // A slot is a day at most, so it touches three local dates at most.
        for day in (0..3).filter_map(|day| first.checked_add_days(Days::new(day))) {
            let times = self.adders.iter().flat_map(|adder| [adder.from, adder.to]);
            for time in times.chain([NaiveTime::MIN]) {
                borders.extend(at_local(self.time_zone, day, time));
            }
        }
        borders.extend(self.clock_changes(slot));
        borders.retain(|at| slot.start < *at && *at < slot.end);
        borders.sort_unstable();
        borders.dedup();
        borders
    }
}

/// A day in two slots without a price of their own: the day on which the clock goes back has 25
/// hours, more than a slot may have.
fn half_days(start: Time, end: Time) -> Vec<SignalSlot> {
    let half = start + TimeDelta::hours(12);
    let spans = [(start, half), (half, end)].into_iter();
    spans
        .map(|(start, end)| SignalSlot {
            start,
            end,
            value: 0,
        })
        .collect()
}

/// Clocks change on the hour or half hour of UTC.
const CLOCK_GRID: TimeDelta = TimeDelta::minutes(30);

fn midnight(zone: Tz, day: NaiveDate) -> Option<Time> {
    at_local(zone, day, NaiveTime::MIN).into_iter().min()
}

/// The instants at which a local clock shows a time: two in the hour that comes twice; in the hour
/// that does not come, the end of the gap.
fn at_local(zone: Tz, day: NaiveDate, time: NaiveTime) -> Vec<Time> {
    use chrono::{LocalResult, TimeZone};
    let found = |naive| match zone.from_local_datetime(&naive) {
        LocalResult::None => Vec::new(),
        LocalResult::Single(at) => vec![at.to_utc()],
        LocalResult::Ambiguous(early, late) => vec![early.to_utc(), late.to_utc()],
    };
    let exact = found(day.and_time(time));
    if !exact.is_empty() {
        return exact;
    }
    // Clocks jump on whole hours by an hour, or half of one.
    let next_hour = day
        .and_time(time)
        .with_minute(0)
        .and_then(|naive| naive.checked_add_signed(TimeDelta::hours(1)));
    next_hour.map(found).unwrap_or_default()
}

#[cfg(test)]
mod tests;
