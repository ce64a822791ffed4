//! The bound of a circuit (I1): what everything beneath it may draw at each future instant.

use super::SiteState;
use super::limits::UNLIMITED;
use crate::domain::curve::PowerCurve;
use crate::domain::evse::{Evse, EvseSource, Supply};
use crate::domain::id::EvseId;
use crate::domain::quantity::{Power, Voltage};
use crate::domain::signal::SignalKind;
use crate::domain::site::{ArrivalReserve, Circuit};
use crate::domain::time::Time;

/// The parts of a circuit's bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitBound {
    /// What holds at most.
    pub limit: PowerCurve,
    /// Sum of what every EVSE beneath may draw.
    pub evses: PowerCurve,
    /// Load that we do not control.
    pub uncontrolled: PowerCurve,
    /// Held back for arrivals at EVSEs that cannot be reached beforehand.
    pub reserve: Power,
    /// Highest current per phase as power of one phase at the highest voltage, if limited.
    pub phase_limit: Option<Power>,
    /// Per phase: what the EVSEs beneath and the uncontrolled load may draw.
    pub phases: [PowerCurve; 3],
}

impl CircuitBound {
    /// EVSEs and uncontrolled load, without the reserve: what can really be drawn.
    pub fn total(&self) -> PowerCurve {
        self.evses.plus(&self.uncontrolled)
    }

    /// What is left under the limit for raising, the reserve kept; may be negative.
    pub fn headroom(&self) -> PowerCurve {
        self.limit
            .minus(&self.total().plus(&PowerCurve::constant(self.reserve)))
    }

    /// True if the bound is above the limit at `now`: the world moved, an excursion is open.
    pub fn is_exceeded(&self, now: Time) -> bool {
        self.total().at(now) > self.limit.at(now) || self.phases_exceeded(now)
    }

    fn phases_exceeded(&self, now: Time) -> bool {
        self.phase_limit
            .is_some_and(|limit| self.phases.iter().any(|phase| phase.at(now) > limit))
    }
}

/// Per-phase powers are counted at the highest voltage, where `x` A of AC are `x * V_high`. Power
/// that is fixed in watts draws its highest current at the lowest voltage (0.9 x nominal).
const WATTS_TO_PHASE: (i64, i64) = (11, 9);

/// What `power` of this EVSE is on each phase of the grid.
pub fn on_phases(evse: &Evse, power: &PowerCurve) -> [PowerCurve; 3] {
    [0, 1, 2].map(|phase| power.zip(&PowerCurve::zero(), |p, _| phase_parts(evse, p)[phase]))
}

/// What a power of this EVSE is on each phase of the grid.
fn phase_parts(evse: &Evse, power: Power) -> [Power; 3] {
    evse.phase_divisors()
        .map(|divisor| match (divisor, evse.supply) {
            (0, _) => Power::ZERO,
            (n, Supply::Ac { .. }) => power.scaled_up(1, n),
            (n, Supply::Dc) => power.scaled_up(WATTS_TO_PHASE.0, WATTS_TO_PHASE.1 * n),
        })
}

impl SiteState {
    /// What one EVSE may draw at each future instant.
    pub fn evse_bound(&self, id: &EvseId) -> PowerCurve {
        match (self.site.evse(id), self.evses.get(id)) {
            (Some(evse), Some(state)) => state.bound(evse),
            // Never seen anything of it: over OCPI the reserve stands for it.
            (Some(evse), None) => super::EvseState::default().bound(evse),
            (None, _) => PowerCurve::zero(),
        }
    }

    /// What a plan has to leave to an EVSE on which no session runs: nothing where its default
    /// profile yields, else its bound.
    pub fn left_to_free(&self, id: &EvseId) -> PowerCurve {
        match self.evses.get(id) {
            Some(state) if state.yields() => PowerCurve::zero(),
            _ => self.evse_bound(id),
        }
    }

    /// The bound of a circuit with all its parts.
    pub fn circuit_bound(&self, circuit: &Circuit, now: Time) -> CircuitBound {
        let mut evses = PowerCurve::zero();
        let mut phases = [PowerCurve::zero(), PowerCurve::zero(), PowerCurve::zero()];
        let phase_limit = circuit
            .phase_limit
            .map(|current| current.times(self.phase_voltage().highest()));
        for evse in &self.site.evses {
            if !self.site.is_beneath(&evse.circuit, &circuit.id) {
                continue;
            }
            let bound = self.evse_bound(&evse.id);
            if phase_limit.is_some() {
                for (sum, part) in phases.iter_mut().zip(on_phases(evse, &bound)) {
                    *sum = sum.plus(&part);
                }
            }
            evses = evses.plus(&bound);
        }
        let uncontrolled = self.uncontrolled(circuit, now);
        if phase_limit.is_some() {
            let third = uncontrolled.zip(&PowerCurve::zero(), |p, _| {
                p.scaled_up(WATTS_TO_PHASE.0, WATTS_TO_PHASE.1 * 3)
            });
            for sum in &mut phases {
                *sum = sum.plus(&third);
            }
        }
        CircuitBound {
            limit: self.limit(circuit),
            evses,
            uncontrolled,
            reserve: self.reserve(circuit),
            phase_limit,
            phases,
        }
    }

    /// How far the bound of a circuit is above its limit at `now`, on the worst of its phases where
    /// they are limited; negative = below.
    pub fn excess(&self, circuit: &Circuit, now: Time) -> Power {
        let unseen = super::EvseState::default();
        let uncontrolled = self.uncontrolled(circuit, now).at(now);
        let (thirds, third) = WATTS_TO_PHASE;
        let mut total = uncontrolled;
        let mut phases = [uncontrolled.scaled_up(thirds, third * 3); 3];
        for evse in &self.site.evses {
            if !self.site.is_beneath(&evse.circuit, &circuit.id) {
                continue;
            }
            let known = self.evses.get(&evse.id).unwrap_or(&unseen);
            let bound = known.bound_at(evse, now);
            total += bound;
            if circuit.phase_limit.is_some() {
                for (sum, part) in phases.iter_mut().zip(phase_parts(evse, bound)) {
                    *sum += part;
                }
            }
        }
        let excess = total - self.limit(circuit).at(now);
        let phase_limit = circuit
            .phase_limit
            .map(|current| current.times(self.phase_voltage().highest()));
        phase_limit.map_or(excess, |limit| {
            let parts = phases.iter().map(|phase| *phase - limit);
            parts.fold(excess, Power::max)
        })
    }

    /// Nominal voltage of the site's phases: that of its first AC EVSE, else 230 V.
    fn phase_voltage(&self) -> Voltage {
        self.site
            .evses
            .iter()
            .find_map(|evse| match evse.supply {
                Supply::Ac { nominal, .. } => Some(nominal),
                Supply::Dc => None,
            })
            .unwrap_or(Voltage::V230)
    }

    /// Power held back beneath a circuit for cars that may plug in at free EVSEs over OCPI.
    pub fn reserve(&self, circuit: &Circuit) -> Power {
        let mut free: Vec<Power> = self
            .site
            .evses
            .iter()
            .filter(|evse| matches!(evse.source, EvseSource::Ocpi { .. }))
            .filter(|evse| {
                self.evses
                    .get(&evse.id)
                    .is_none_or(super::EvseState::is_free)
            })
            .filter(|evse| self.site.is_beneath(&evse.circuit, &circuit.id))
            .map(Evse::hardware_max)
            .collect();
        let count = match self.site.arrival_reserve {
            ArrivalReserve::None => 0,
            ArrivalReserve::Largest(count) => usize::try_from(count).unwrap_or(usize::MAX),
            ArrivalReserve::All => usize::MAX,
        };
        free.sort_unstable_by(|a, b| b.cmp(a));
        free.into_iter().take(count).sum()
    }

    /// Load beneath a circuit that we do not control: the forecast, and at the root what the
    /// site's meter shows beyond the EVSEs (it stays until something newer is known).
    pub fn uncontrolled(&self, circuit: &Circuit, now: Time) -> PowerCurve {
        let is_root = circuit.parent.is_none();
        let forecast = self
            .signals
            .values()
            .filter(|series| series.kind == SignalKind::BaseLoad)
            .filter(|series| {
                series
                    .circuit
                    .as_ref()
                    .map_or(is_root, |c| *c == circuit.id)
            })
            .map(|series| {
                let mut steps: Vec<_> = series
                    .slots
                    .iter()
                    .map(|s| (s.start, Power::from_watts(s.value).at_least_zero()))
                    .collect();
                if let Some(end) = series.end() {
                    // Beyond a forecast its highest value goes on: load is never assumed away.
                    let highest = series.slots.iter().map(|s| s.value).max().unwrap_or(0);
                    steps.push((end, Power::from_watts(highest).at_least_zero()));
                }
                PowerCurve::new(Power::ZERO, steps)
            })
            .reduce(|a, b| a.plus(&b));
        let metered = if is_root {
            self.metered_uncontrolled(now)
        } else {
            None
        };
        match (forecast, metered) {
            (None, None) => PowerCurve::zero(),
            (Some(forecast), None) => forecast,
            (None, Some(metered)) => PowerCurve::constant(metered),
            (Some(forecast), Some(metered)) => {
                // What is measured holds for the coming quarter of an hour, then the forecast.
                let soon = PowerCurve::new(
                    metered,
                    [(now + chrono::TimeDelta::minutes(15), Power::ZERO)],
                );
                forecast.max(&soon)
            }
        }
    }

    /// The highest load beneath a circuit that we do not control, as far as forecast and meter let us
    /// expect it.
    pub fn highest_uncontrolled(&self, circuit: &Circuit, now: Time) -> Power {
        let expected = self.uncontrolled(circuit, now).highest_from(now);
        let meter = self.meter.filter(|_| circuit.parent.is_none());
        meter.map_or(expected, |meter| expected.max(meter.highest_uncontrolled))
    }

    /// What the site's meter shows beyond the sum of the EVSEs' readings: a fresh value, or the
    /// highest of the last day while the meter is lost.
    pub fn metered_uncontrolled(&self, now: Time) -> Option<Power> {
        let meter = self.meter.as_ref()?;
        let stale = chrono::TimeDelta::seconds(i64::from(self.meter_stale_s));
        let fresh = now - meter.reading.at <= stale;
        Some(if fresh {
            meter.uncontrolled
        } else {
            meter.highest_uncontrolled
        })
    }

    /// The next instant at which time alone makes a bound or a limit another one: a limit's step, or
    /// the site's meter gone silent.
    pub fn next_change_by_time(&self, now: Time) -> Option<Time> {
        let limits = self.site.circuits.iter().filter_map(|circuit| {
            let limit = self.limit(circuit);
            limit.instants().find(|at| *at > now)
        });
        let stale = chrono::TimeDelta::seconds(i64::from(self.meter_stale_s));
        let lost = self.meter.map(|meter| meter.reading.at + stale);
        // Lost a millisecond later: at that very instant it still counts.
        let lost = lost.map(|at| at + chrono::TimeDelta::milliseconds(1));
        limits.chain(lost.filter(|at| *at > now)).min()
    }

    /// True if the root has a limit: without one a site is only observed.
    pub fn has_limit(&self) -> bool {
        self.site.root().is_some_and(|root| {
            root.import_limit.is_some_and(|own| own < UNLIMITED)
                || self.limit(root).highest_from(self.updated_at) < UNLIMITED
        })
    }
}
