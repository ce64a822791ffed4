//! The import price per slot: one signal wins at each instant, gaps fall through to the next.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::id::SignalKey;
use crate::domain::quantity::Price;
use crate::domain::signal::{SignalKind, SignalSeries};
use crate::domain::time::Time;
use crate::state::SiteState;

/// Where a slot's price comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PriceOrigin {
    /// A signal. Where the winner changes within the slot, the one that began it.
    Signal {
        /// Its key.
        key: SignalKey,
    },
    /// No source gives a price for this slot: that of the same time of the week before stands in.
    WeekBefore {
        /// The signal that gave it.
        key: SignalKey,
    },
    /// The site's own flat price.
    Flat,
    /// No price is known for this slot: that of a day before stands in.
    DayBefore {
        /// The signal that gave it.
        key: SignalKey,
    },
    /// No price is known for this slot and none a day before: the mean of those known.
    Mean,
}

impl PriceOrigin {
    /// How good a price of this origin is: `actual`, `substitute` or `flat`.
    pub fn quality(&self) -> &'static str {
        match self {
            Self::Signal { .. } => "actual",
            Self::WeekBefore { .. } | Self::DayBefore { .. } | Self::Mean => "substitute",
            Self::Flat => "flat",
        }
    }
}

/// Price and origin of each span; both empty if no price is known anywhere.
pub(super) fn resolve(state: &SiteState, spans: &[(Time, Time)]) -> (Vec<Price>, Vec<PriceOrigin>) {
    let signals = ranked(state);
    let known: Vec<Option<(Price, PriceOrigin)>> = spans
        .iter()
        .map(|(start, end)| {
            mean_within(&signals, *start, *end)
                .map(|(price, key)| (price, PriceOrigin::Signal { key }))
                .or_else(|| {
                    earlier(&signals, *start, 7)
                        .map(|(price, key)| (price, PriceOrigin::WeekBefore { key }))
                })
                .or_else(|| {
                    state
                        .site
                        .flat_price
                        .map(|price| (price, PriceOrigin::Flat))
                })
                .or_else(|| {
                    earlier(&signals, *start, 1)
                        .map(|(price, key)| (price, PriceOrigin::DayBefore { key }))
                })
        })
        .collect();
    let prices: Vec<i64> = known
        .iter()
        .flatten()
        .map(|(price, _)| price.micros())
        .collect();
    let Ok(count) = i128::try_from(prices.len()) else {
        return (Vec::new(), Vec::new());
    };
    if count == 0 {
        return (Vec::new(), Vec::new());
    }
    let sum: i128 = prices.iter().copied().map(i128::from).sum();
    let mean = Price::from_micros(i64::try_from(sum / count).unwrap_or_default());
    known
        .into_iter()
        .map(|known| known.unwrap_or((mean, PriceOrigin::Mean)))
        .unzip()
}

/// The live price signals, the winner first: lowest priority number, newest, then by key.
fn ranked(state: &SiteState) -> Vec<&Arc<SignalSeries>> {
    let root = state.site.root().map(|circuit| &circuit.id);
    let mut signals: Vec<_> = state
        .signals
        .values()
        .filter(|series| series.kind == SignalKind::ImportPrice)
        .filter(|series| series.circuit.is_none() || series.circuit.as_ref() == root)
        .collect();
    signals.sort_by(|a, b| {
        a.priority
            .cmp(&b.priority)
            .then(b.issued_at.cmp(&a.issued_at))
            .then(a.key.cmp(&b.key))
    });
    signals
}

/// The mean of the winning prices over the known parts of `[start, end)`, and the first winner.
fn mean_within(
    signals: &[&Arc<SignalSeries>],
    start: Time,
    end: Time,
) -> Option<(Price, SignalKey)> {
    let (mut sum, mut total_ms) = (0_i128, 0_i128);
    let mut first = None;
    let mut at = start;
    // Bounded: every turn reaches the border of some signal's slot.
    while at < end {
        let winner = signals
            .iter()
            .enumerate()
            .find_map(|(rank, series)| series.slot_at(at).map(|slot| (rank, *series, slot)));
        let better = winner.map_or(signals.len(), |(rank, _, _)| rank);
        let next_better = signals[..better]
            .iter()
            .filter_map(|s| next_start(s, at))
            .min();
        let until = winner.map_or(end, |(_, _, slot)| slot.end);
        let until = until.min(next_better.unwrap_or(end)).min(end);
        if let Some((_, series, slot)) = winner {
            let ms = i128::from((until - at).num_milliseconds());
            sum += i128::from(slot.value) * ms;
            total_ms += ms;
            first.get_or_insert_with(|| series.key.clone());
        }
        at = until;
    }
    let mean = sum.checked_div(total_ms)?;
    Some((Price::from_micros(i64::try_from(mean).ok()?), first?))
}

fn next_start(series: &SignalSeries, after: Time) -> Option<Time> {
    let index = series.slots.partition_point(|slot| slot.start <= after);
    series.slots.get(index).map(|slot| slot.start)
}

/// The price at the same time some days before.
fn earlier(signals: &[&Arc<SignalSeries>], at: Time, days: i64) -> Option<(Price, SignalKey)> {
    let before = at.checked_sub_signed(chrono::TimeDelta::days(days))?;
    signals.iter().find_map(|series| {
        let slot = series.slot_at(before)?;
        Some((Price::from_micros(slot.value), series.key.clone()))
    })
}
