//! The limit that holds for a circuit at each instant: the operator's own, lowered by live signals.

use super::SiteState;
use crate::domain::curve::PowerCurve;
use crate::domain::quantity::Power;
use crate::domain::signal::{ALERT_EMERGENCY, SHED_PERCENT, SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::Circuit;
use crate::domain::time::Time;

/// Stands for "no limit" in sums: a terawatt.
pub const UNLIMITED: Power = Power::from_watts(1_000_000_000_000);

impl SiteState {
    /// The effective import limit of a circuit: the minimum of what the operator configured and
    /// of every live hard limit signal. Signals only lower (I4). In gaps and beyond the end of a
    /// signal its fallback series holds, else the circuit's fail-safe, else the operator's limit.
    pub fn limit(&self, circuit: &Circuit) -> PowerCurve {
        let own = circuit.import_limit.unwrap_or(UNLIMITED);
        let is_root = circuit.parent.is_none();
        let about = |series: &&SignalSeries| is_about(series, circuit, is_root);
        let of_kind = |kind: SignalKind| {
            self.signals
                .values()
                .map(AsRef::as_ref)
                .filter(about)
                .filter(move |s| s.kind == kind)
        };
        if !self.signals.values().any(|series| lowers_limits(series)) {
            return PowerCurve::constant(own);
        }
        let failsafe = circuit.failsafe_limit.unwrap_or(own).min(own);
        let fallback = of_kind(SignalKind::ImportFallback)
            .map(|series| series_curve(series, failsafe, failsafe))
            .fold(PowerCurve::constant(failsafe), |a, b| a.min(&b));
        of_kind(SignalKind::ImportLimit)
            .filter(|series| series.hard)
            .map(|series| {
                let told = series_curve(series, own, UNLIMITED);
                // Where the series says nothing after its beginning, the fallback holds.
                let silent = silence_curve(series);
                told.zip(
                    &silent.zip(&fallback, |mark, value| {
                        if mark.is_positive() { value } else { UNLIMITED }
                    }),
                    Power::min,
                )
            })
            .chain(self.shed(circuit, own))
            .fold(PowerCurve::constant(own), |limit, series| {
                limit.min(&series)
            })
    }

    /// What levels of shedding and emergencies of the grid leave of a circuit's own limit.
    fn shed<'s>(
        &'s self,
        circuit: &'s Circuit,
        own: Power,
    ) -> impl Iterator<Item = PowerCurve> + 's {
        let is_root = circuit.parent.is_none();
        self.signals
            .values()
            .filter(move |series| is_about(series, circuit, is_root))
            .filter_map(move |series| {
                let level = |value: i64| match series.kind {
                    SignalKind::ShedLevel => Some(value),
                    SignalKind::Alert => (value >= ALERT_EMERGENCY).then_some(3),
                    _ => None,
                };
                if !matches!(series.kind, SignalKind::ShedLevel | SignalKind::Alert) {
                    return None;
                }
                let leaves = |slot: &SignalSlot| {
                    let level = usize::try_from(level(slot.value).unwrap_or(0)).unwrap_or(0);
                    let percent = SHED_PERCENT[level.min(SHED_PERCENT.len() - 1)];
                    own.scaled_down(percent, 100).at_least_zero()
                };
                Some(slots_curve(&series.slots, leaves, own, own))
            })
    }
}

/// True for the kinds of signals that may lower a limit by themselves.
fn lowers_limits(series: &SignalSeries) -> bool {
    matches!(
        series.kind,
        SignalKind::ImportLimit | SignalKind::ShedLevel | SignalKind::Alert
    )
}

fn is_about(series: &SignalSeries, circuit: &Circuit, is_root: bool) -> bool {
    series
        .circuit
        .as_ref()
        .map_or(is_root, |target| *target == circuit.id)
}

/// The series as a curve: `before` until its first slot, `elsewhere` in gaps and after its end.
fn series_curve(series: &SignalSeries, before: Power, elsewhere: Power) -> PowerCurve {
    let value = |slot: &SignalSlot| Power::from_watts(slot.value).at_least_zero();
    slots_curve(&series.slots, value, before, elsewhere)
}

/// Slots as a curve: what each one is worth, `before` the first, `elsewhere` in gaps and at the end.
fn slots_curve(
    slots: &[SignalSlot],
    value: impl Fn(&SignalSlot) -> Power,
    before: Power,
    elsewhere: Power,
) -> PowerCurve {
    let mut steps: Vec<(Time, Power)> = Vec::with_capacity(slots.len() * 2);
    for (index, slot) in slots.iter().enumerate() {
        steps.push((slot.start, value(slot)));
        if slots
            .get(index + 1)
            .is_none_or(|next| next.start > slot.end)
        {
            steps.push((slot.end, elsewhere));
        }
    }
    PowerCurve::new(before, steps)
}

/// 1 W where the series has begun but says nothing (a gap, its end, its source lost), else 0.
fn silence_curve(series: &SignalSeries) -> PowerCurve {
    let silent = Power::from_watts(1);
    // An announced schedule is honoured to its end, even while its source is lost.
    slots_curve(&series.slots, |_| Power::ZERO, Power::ZERO, silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{CircuitId, SignalKey};
    use crate::state::testing::{at, kw, site_of};

    fn limit(key: &str, kind: SignalKind, slots: &[(i64, i64, f64)]) -> SignalSeries {
        SignalSeries {
            key: SignalKey::new(key).expect("valid"),
            source: "test".into(),
            revision: 1,
            kind,
            circuit: None,
            slots: slots
                .iter()
                .map(|(start, end, value)| SignalSlot {
                    start: at(*start),
                    end: at(*end),
                    value: kw(*value).watts(),
                })
                .collect(),
            priority: 20,
            hard: true,
            issued_at: at(0),
            received_at: at(0),
            valid_until: None,
            evse: None,
            evses_only: false,
        }
    }

    fn limit_with(series: &[SignalSeries], failsafe: Option<f64>) -> PowerCurve {
        let mut site = site_of(100.0, 1);
        site.circuits[0].failsafe_limit = failsafe.map(kw);
        let mut state = SiteState::new(site, at(0));
        for series in series {
            state
                .signals
                .insert(series.key.clone(), std::sync::Arc::new(series.clone()));
        }
        let root = state
            .site
            .circuit(&CircuitId::new("site").expect("valid"))
            .expect("there")
            .clone();
        state.limit(&root)
    }

    #[test]
    fn a_signal_lowers_the_operators_limit_and_never_raises_it() {
        let curve = limit_with(
            &[limit(
                "a",
                SignalKind::ImportLimit,
                &[(10, 20, 40.0), (20, 30, 400.0)],
            )],
            None,
        );
        assert_eq!(curve.at(at(5)), kw(100.0));
        assert_eq!(curve.at(at(15)), kw(40.0));
        assert_eq!(curve.at(at(25)), kw(100.0));
    }

    #[test]
    fn beyond_the_last_slot_the_failsafe_holds() {
        let curve = limit_with(
            &[limit(
                "a",
                SignalKind::ImportLimit,
                &[(10, 20, 40.0), (30, 40, 50.0)],
            )],
            Some(25.0),
        );
        assert_eq!(curve.at(at(5)), kw(100.0));
        assert_eq!(curve.at(at(25)), kw(25.0), "in a gap");
        assert_eq!(curve.at(at(35)), kw(50.0));
        assert_eq!(curve.at(at(40)), kw(25.0), "after the end");
    }

    #[test]
    fn of_two_signals_the_lower_holds_and_a_fallback_series_fills_the_silence() {
        let curve = limit_with(
            &[
                limit("a", SignalKind::ImportLimit, &[(0, 20, 40.0)]),
                limit("b", SignalKind::ImportLimit, &[(0, 30, 60.0)]),
                limit("f", SignalKind::ImportFallback, &[(0, 1000, 30.0)]),
            ],
            None,
        );
        assert_eq!(curve.at(at(10)), kw(40.0));
        assert_eq!(
            curve.at(at(25)),
            kw(30.0),
            "a is silent, its fallback is lower than b"
        );
    }
}
