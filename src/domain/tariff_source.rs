//! A partner's tariff as the price of a site, where the operator chose it: what drivers pay, not
//! what the energy costs. Meant for who plans in the drivers' interest, such as a fleet that pays
//! retail prices.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::id::{PartnerId, SignalKey};
use super::quantity::Price;
use super::signal::{SignalKind, SignalSeries, SignalSlot};
use super::time::Time;

/// How far ahead prices are told.
pub const AHEAD: TimeDelta = TimeDelta::hours(48);

/// What the key of such a signal is. It has a priority of its own: whoever sends a price by name
/// comes first.
const SIGNAL_KEY: &str = "ocpi-tariff";
const PRIORITY: i32 = 100;

/// Which tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffSource {
    /// Whose.
    pub partner: PartnerId,
    /// OCPI `Tariff.id`, in lower case.
    pub tariff_id: String,
    /// With or without taxes.
    pub taxes: Taxes,
}

/// Whether taxes belong to the price. A tax of which the tariff names no rate cannot be added to
/// or taken from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taxes {
    /// What the driver pays.
    #[default]
    Included,
    /// Before taxes.
    Excluded,
}

/// A price for a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedSpan {
    /// Inclusive.
    pub start: Time,
    /// Exclusive.
    pub end: Time,
    /// Per kilowatt-hour.
    pub price: Price,
}

/// The key of the signal with a site's tariff.
pub fn signal_key() -> Option<SignalKey> {
    SignalKey::new(SIGNAL_KEY).ok()
}

impl TariffSource {
    /// The prices as a signal of the site.
    pub fn signal(&self, spans: &[PricedSpan], now: Time) -> Option<SignalSeries> {
        let slot = |span: &PricedSpan| SignalSlot {
            start: span.start,
            end: span.end,
            value: span.price.micros(),
        };
        Some(SignalSeries {
            key: signal_key()?,
            source: format!("ocpi {} tariff {}", self.partner, self.tariff_id),
            revision: 1,
            kind: SignalKind::ImportPrice,
            circuit: None,
            evse: None,
            evses_only: false,
            slots: spans.iter().map(slot).collect(),
            priority: PRIORITY,
            hard: false,
            issued_at: now,
            received_at: now,
            valid_until: None,
        })
    }
}

/// Whether `told` says for all of the time from `now` to the end of `known` what `known` says.
pub fn agree(known: &SignalSeries, told: &SignalSeries, now: Time) -> bool {
    let until = known.end().into_iter().chain(told.end()).min();
    until.is_some_and(|until| steps(known, now, until) == steps(told, now, until))
}

/// Where the value changes within a stretch, and to what; `None` where there is none.
fn steps(series: &SignalSeries, from: Time, until: Time) -> Vec<(Time, Option<i64>)> {
    let mut steps: Vec<(Time, Option<i64>)> = Vec::new();
    let mut add = |at: Time, value: Option<i64>| {
        if steps.last().is_none_or(|(_, before)| *before != value) {
            steps.push((at, value));
        }
    };
    let mut at = from;
    for slot in series.slots.iter().filter(|slot| slot.end > from) {
        if slot.start >= until {
            break;
        }
        if slot.start > at {
            add(at, None);
        }
        add(slot.start.max(from), Some(slot.value));
        at = slot.end;
    }
    if at < until {
        add(at, None);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Time {
        chrono::DateTime::from_timestamp(1_795_000_200 + hour * 3600, 0).expect("in range")
    }

    fn told(spans: &[(i64, i64, i64)]) -> SignalSeries {
        let source = TariffSource {
            partner: PartnerId::new("acme").unwrap(),
            tariff_id: "t1".into(),
            taxes: Taxes::Included,
        };
        let spans: Vec<_> = spans
            .iter()
            .map(|(start, end, micros)| PricedSpan {
                start: at(*start),
                end: at(*end),
                price: Price::from_micros(*micros),
            })
            .collect();
        source.signal(&spans, at(0)).unwrap()
    }

    #[test]
    fn the_same_prices_cut_differently_agree_and_others_do_not() {
        let known = told(&[(0, 10, 5), (10, 20, 7)]);
        assert!(agree(
            &known,
            &told(&[(0, 4, 5), (4, 10, 5), (10, 30, 7)]),
            at(0)
        ));
        assert!(agree(&known, &told(&[(3, 10, 5), (10, 22, 7)]), at(3)));
        assert!(!agree(&known, &told(&[(0, 9, 5), (9, 20, 7)]), at(0)));
        assert!(
            !agree(&known, &told(&[(0, 9, 5), (10, 20, 7)]), at(0)),
            "a gap"
        );
        assert!(!agree(&known, &told(&[]), at(0)));
    }
}
