//! What others wish of a site without being able to demand it: targets, soft limits, flex alerts, and
//! what a kilowatt-hour is worth beside its price (carbon, a surplus of the sun).
//!
//! A wish never beats a limit and never a stated need; it beats price. So planning has less room
//! (`Wishes::cap`) until a stated need would go short, and a target draws energy to its slots.

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::domain::id::{CircuitId, SignalKey};
use crate::domain::quantity::{Power, Price};
use crate::domain::signal::{ALERT_FLEX, SignalKind, SignalSeries};
use crate::domain::time::Time;
use crate::state::SiteState;

/// What reaching a target is worth beside prices, per kWh: more than any price that is believed.
const TARGET_WORTH: Price = Price::from_micros(50_000_000);

/// The wishes that hold on the slots of a plan; empty lists where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    /// By circuit and slot: the most that planned EVSEs beneath should draw, as a worst case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cap: Vec<Vec<Option<Power>>>,
    /// By slot: the signal that caps the root, if one does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origin: Vec<Option<SignalKey>>,
    /// By slot: what planning reckons with in place of the price.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reckoned: Vec<Price>,
    /// Nobody wishes anything: all there is is a price of peaks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_peak: bool,
}

impl Wishes {
    /// True if nobody wishes anything.
    pub fn is_empty(&self) -> bool {
        self.cap.is_empty() && self.reckoned.is_empty()
    }

    /// True if somebody wishes that less, or at another time, is drawn.
    pub(super) fn hold_back(&self) -> bool {
        !self.is_empty() && !self.only_peak
    }

    /// Adds what a price of peaks leaves beneath the root.
    pub(super) fn hold(&mut self, root: usize, circuits: usize, cap: &[Option<Power>]) {
        self.only_peak = self.is_empty();
        if self.cap.is_empty() {
            self.cap = vec![vec![None; cap.len()]; circuits];
        }
        for (known, peak) in self.cap[root].iter_mut().zip(cap) {
            *known = known.iter().chain(peak).min().copied();
        }
    }

    /// The most that should be drawn beneath a circuit in a slot.
    pub(super) fn cap(&self, circuit: usize, slot: usize) -> Option<Power> {
        self.cap.get(circuit)?.get(slot).copied().flatten()
    }
}

/// A slot's own load, as far as wishes must know it.
pub(super) struct Loads<'l> {
    /// By circuit: load that nobody controls, the highest within each slot.
    pub(super) uncontrolled: Vec<&'l [Power]>,
    /// Import price per slot; empty if none is known.
    pub(super) prices: &'l [Price],
}

/// Resolves the wishes on given slots.
pub(super) fn resolve(
    state: &SiteState,
    layout: &Layout<'_>,
    spans: &[(Time, Time)],
    loads: &Loads<'_>,
) -> Wishes {
    let mut wishes = Wishes::default();
    caps(state, layout, spans, loads, &mut wishes);
    reckon(state, layout, spans, loads, &mut wishes);
    wishes
}

fn caps(
    state: &SiteState,
    layout: &Layout<'_>,
    spans: &[(Time, Time)],
    loads: &Loads<'_>,
    wishes: &mut Wishes,
) {
    let is_wish = |series: &SignalSeries| match series.kind {
        SignalKind::ImportLimit => !series.hard,
        SignalKind::PowerTarget | SignalKind::Alert => true,
        _ => false,
    };
    let soft: Vec<&SignalSeries> = state.signals.values().map(AsRef::as_ref).collect();
    let soft: Vec<&SignalSeries> = soft.into_iter().filter(|series| is_wish(series)).collect();
    if soft.is_empty() {
        return;
    }
    let mut any = false;
    let mut cap = vec![vec![None; spans.len()]; layout.circuits.len()];
    let mut origin = vec![None; spans.len()];
    for (index, circuit) in layout.circuits.iter().enumerate() {
        let is_root = circuit.parent.is_none();
        let about = |series: &&&SignalSeries| is_about(series, &circuit.id, is_root);
        let here: Vec<&SignalSeries> = soft.iter().filter(about).copied().collect();
        for (slot, span) in spans.iter().enumerate() {
            let load = loads.uncontrolled[index][slot];
            let limits = here.iter().filter_map(|series| {
                let most = lowest_within(series, *span)?;
                let most = match series.kind {
                    SignalKind::ImportLimit => (Power::from_watts(most) - load).at_least_zero(),
                    SignalKind::Alert if most == ALERT_FLEX => Power::ZERO,
                    _ => return None,
                };
                Some((most, &series.key))
            });
            let target = target(&here, *span).map(|(series, value)| {
                let wanted = Power::from_watts(value);
                let own = if series.evses_only {
                    wanted
                } else {
                    wanted - load
                };
                (worst_case(state, own.at_least_zero()), &series.key)
            });
            let lowest = limits.chain(target).min();
            cap[index][slot] = lowest.map(|(power, _)| power);
            any |= lowest.is_some();
            if is_root {
                origin[slot] = lowest.map(|(_, key)| key.clone());
            }
        }
    }
    if any {
        (wishes.cap, wishes.origin) = (cap, origin);
    }
}

/// The target that wins in a slot: lowest priority number, newest, then by key; as of its middle.
fn target<'s>(signals: &[&'s SignalSeries], span: (Time, Time)) -> Option<(&'s SignalSeries, i64)> {
    let middle = span.0 + (span.1 - span.0) / 2;
    signals
        .iter()
        .filter(|series| series.kind == SignalKind::PowerTarget)
        .filter_map(|series| Some((*series, series.slot_at(middle)?.value)))
        .min_by(|(a, _), (b, _)| a.rank().cmp(&b.rank()))
}

fn is_about(series: &SignalSeries, circuit: &CircuitId, is_root: bool) -> bool {
    series.circuit.as_ref().map_or(is_root, |c| c == circuit)
}

fn lowest_within(series: &SignalSeries, (start, end): (Time, Time)) -> Option<i64> {
    let from = series.slots.partition_point(|slot| slot.end <= start);
    let touched = series.slots[from..].iter();
    let values = touched.take_while(|slot| slot.start < end).map(|s| s.value);
    match series.kind {
        // Of alerts the gravest counts.
        SignalKind::Alert => values.max(),
        _ => values.min(),
    }
}

/// The worst case of a power that is meant to be drawn: by the running sessions' EVSEs, on the low
/// side where they differ.
fn worst_case(state: &SiteState, expected: Power) -> Power {
    let shares = state.site.evses.iter().filter_map(|evse| {
        let known = state.evses.get(&evse.id)?;
        known.running().map(|_| evse.expected_share())
    });
    shares
        .map(|(numerator, denominator)| expected.scaled_down(denominator, numerator))
        .min()
        .unwrap_or(expected)
}

/// What planning reckons with per slot: the price; where no price is known at all, carbon; less where
/// the sun would otherwise be exported; far less where a target wants the energy.
fn reckon(
    state: &SiteState,
    layout: &Layout<'_>,
    spans: &[(Time, Time)],
    loads: &Loads<'_>,
    wishes: &mut Wishes,
) {
    let root = layout.circuits.iter().position(|c| c.parent.is_none());
    let of_kind = |kind: SignalKind| -> Vec<&SignalSeries> {
        let all = state.signals.values().map(AsRef::as_ref);
        all.filter(|series| series.kind == kind).collect()
    };
    let pv = of_kind(SignalKind::Pv);
    let carbon = of_kind(SignalKind::Carbon);
    let has_targets = wishes.origin.iter().flatten().any(|key| {
        let series = state.signals.get(key);
        series.is_some_and(|series| series.kind == SignalKind::PowerTarget)
    });
    let by_carbon = loads.prices.is_empty() && !carbon.is_empty();
    let weight = state.site.carbon_price.unwrap_or(Price::ZERO);
    let with_carbon = by_carbon || (weight.micros() > 0 && !carbon.is_empty());
    if pv.is_empty() && !has_targets && !with_carbon {
        return;
    }
    let export_price = of_kind(SignalKind::ExportPrice);
    let export_limits: Vec<&SignalSeries> = of_kind(SignalKind::ExportLimit);
    let wanted = wanted(state);
    wishes.reckoned = spans
        .iter()
        .enumerate()
        .map(|(slot, span)| {
            let mut price = loads.prices.get(slot).copied().unwrap_or(Price::ZERO);
            if with_carbon && let Some(milligrams) = winning_mean(&carbon, *span) {
                price += carbon_cost(milligrams, by_carbon, weight);
            }
            if let Some(sun) = winning_mean(&pv, *span) {
                let load = root.map_or(Power::ZERO, |root| loads.uncontrolled[root][slot]);
                let surplus = (Power::from_watts(sun) - load).at_least_zero();
                let sold = winning_mean(&export_price, *span).unwrap_or(0);
                let free = export_limits
                    .iter()
                    .filter_map(|series| lowest_within(series, *span))
                    .map(Power::from_watts)
                    .min();
                price = with_sun(price, Price::from_micros(sold), surplus, free, wanted);
            }
            let target = wishes.origin.get(slot).and_then(Option::as_ref);
            let draws = target.and_then(|key| state.signals.get(key));
            if draws.is_some_and(|series| series.kind == SignalKind::PowerTarget) {
                price = Price::from_micros(price.micros() - TARGET_WORTH.micros());
            }
            price
        })
        .collect();
}

/// What the grams of a kWh cost: by the site's price of carbon, or, where nothing else is known, at
/// 0.1 per kilogram, so that only their order counts.
fn carbon_cost(milligrams: i64, by_carbon: bool, weight: Price) -> Price {
    let per_kg = if by_carbon { 100_000 } else { weight.micros() };
    let micros = i128::from(milligrams) * i128::from(per_kg) / 1_000_000;
    Price::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// The mean price of the power that is wanted when a surplus of the sun covers part of it. What may
/// not be exported is worth nothing to anybody else.
fn with_sun(
    price: Price,
    sold: Price,
    surplus: Power,
    export_limit: Option<Power>,
    wanted: Power,
) -> Price {
    if !wanted.is_positive() || !surplus.is_positive() {
        return price;
    }
    let stuck = export_limit.map_or(Power::ZERO, |limit| surplus.saturating_minus(limit));
    let covered = surplus.min(wanted).watts();
    let worthless = stuck.min(wanted).watts();
    let bought = wanted.watts() - covered;
    let sum = i128::from(bought) * i128::from(price.micros())
        + i128::from(covered - worthless) * i128::from(sold.micros());
    let mean = sum / i128::from(wanted.watts().max(1));
    Price::from_micros(i64::try_from(mean).unwrap_or(price.micros()))
}

/// What the running sessions could draw together.
fn wanted(state: &SiteState) -> Power {
    state
        .site
        .evses
        .iter()
        .filter(|evse| state.evses.get(&evse.id).is_some_and(|e| !e.is_free()))
        .map(|evse| evse.max)
        .sum()
}

/// The time-weighted mean of the winning series over the known part of a span.
fn winning_mean(signals: &[&SignalSeries], (start, end): (Time, Time)) -> Option<i64> {
    let mut ranked: Vec<&&SignalSeries> = signals.iter().collect();
    ranked.sort_by(|a, b| a.rank().cmp(&b.rank()));
    ranked.into_iter().find_map(|series| {
        let from = series.slots.partition_point(|slot| slot.end <= start);
        let (mut sum, mut total) = (0_i128, 0_i128);
        for slot in series.slots[from..].iter().take_while(|s| s.start < end) {
            let ms = (slot.end.min(end) - slot.start.max(start)).num_milliseconds();
            sum += i128::from(slot.value) * i128::from(ms);
            total += i128::from(ms);
        }
        i64::try_from(sum.checked_div(total)?).ok()
    })
}
