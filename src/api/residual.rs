//! What nobody could bound any more if evenload died now (invariant I2).
//!
//! What is connected keeps its installed profile and then its safe last value: that sum is known and
//! stays under the limits. Over OCPI nothing can be installed for a car that comes later, so it draws
//! what its EVSE can; nor does anybody answer a limit that is cut later.

use serde::Serialize;

use crate::domain::curve::PowerCurve;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::quantity::Power;
use crate::domain::site::Circuit;
use crate::domain::time::Time;
use crate::state::limits::UNLIMITED;
use crate::state::{EvseState, SiteState};

/// The residual risk of a circuit, in kW.
#[expect(clippy::struct_field_names, reason = "the unit is last in every name")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct ResidualView {
    /// The most that what is connected now and load that nobody controls may draw at any later
    /// instant. A limit that is cut below this later is not obeyed.
    connected_max_kw: f64,
    /// By how much that passes the limits known now; above 0 only while an excursion is open.
    connected_over_limit_kw: f64,
    /// What cars that come to the EVSEs that are free now could draw.
    arrivals_kw: f64,
    /// By how much the limit is passed if they all come while everybody else is still there.
    arrivals_over_limit_kw: f64,
    /// The same if, besides, each car that leaves is followed by another.
    successors_over_limit_kw: f64,
}

/// The residual risk of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Residual {
    connected_max: Power,
    connected_over: Power,
    arrivals: Power,
    pub(super) arrivals_over: Power,
    pub(super) successors_over: Power,
}

impl Residual {
    /// If evenload died at `now`; `None` where no limit is known.
    pub(super) fn of(state: &SiteState, circuit: &Circuit, now: Time) -> Option<Self> {
        let bound = state.circuit_bound(circuit, now);
        if bound.limit.at(now) >= UNLIMITED {
            return None;
        }
        let connected = bound.total();
        let over = |total: &PowerCurve| total.minus(&bound.limit).highest_from(now).at_least_zero();
        let beneath = || {
            let evses = state.site.evses.iter();
            evses.filter(|evse| state.site.is_beneath(&evse.circuit, &circuit.id))
        };
        let arrivals: Power = beneath()
            .filter(|evse| is_over_ocpi(evse) && is_free(state, evse))
            .map(Evse::hardware_max)
            .sum();
        let successors = beneath().fold(bound.uncontrolled.clone(), |sum, evse| {
            sum.plus(&successor(state, evse))
        });
        Some(Self {
            connected_max: connected.highest_from(now),
            connected_over: over(&connected),
            arrivals,
            arrivals_over: over(&connected.plus(&PowerCurve::constant(arrivals))),
            successors_over: over(&successors),
        })
    }

    /// In kW.
    pub(super) fn view(self) -> ResidualView {
        ResidualView {
            connected_max_kw: self.connected_max.kilowatts(),
            connected_over_limit_kw: self.connected_over.kilowatts(),
            arrivals_kw: self.arrivals.kilowatts(),
            arrivals_over_limit_kw: self.arrivals_over.kilowatts(),
            successors_over_limit_kw: self.successors_over.kilowatts(),
        }
    }
}

fn is_over_ocpi(evse: &Evse) -> bool {
    matches!(evse.source, EvseSource::Ocpi { .. })
}

fn is_free(state: &SiteState, evse: &Evse) -> bool {
    state.evses.get(&evse.id).is_none_or(EvseState::is_free)
}

/// What an EVSE may draw whoever is at it: over OCPI its hardware maximum, over OCPP the higher of what
/// holds and its default profile, which outlives us.
fn successor(state: &SiteState, evse: &Evse) -> PowerCurve {
    if is_over_ocpi(evse) {
        return PowerCurve::constant(evse.hardware_max());
    }
    let unknown = EvseState::default();
    let believed = state.evses.get(&evse.id).unwrap_or(&unknown);
    believed.bound(evse).max(&believed.underneath(evse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, EventKind};
    use crate::state::testing::{session, site_of};

    fn now() -> Time {
        "2026-11-22T16:00:00Z".parse().expect("an instant")
    }

    /// A site of 20 kW with three EVSEs over OCPI, a car at the first.
    fn state(limit_kw: f64) -> SiteState {
        let mut state = SiteState::new(site_of(limit_kw, 3), now());
        let session = session(1, 0);
        state.apply(&Event {
            seq: 1,
            at: now(),
            kind: EventKind::SessionSeen {
                session: Box::new(session),
            },
        });
        state
    }

    #[test]
    fn who_may_come_counts_in_full_and_who_is_there_with_what_is_installed() {
        let state = state(20.0);
        let root = state.site.root().expect("a root");
        let residual = Residual::of(&state, root, now()).expect("a limit is known");
        let max = state.site.evses[0].hardware_max();
        // Nothing is confirmed at the first: it counts in full too.
        assert_eq!(residual.connected_max, max);
        assert_eq!(residual.arrivals, max + max);
        let limit = Power::from_kilowatts(20.0);
        let over = (max + max + max - limit).at_least_zero();
        assert_eq!(residual.arrivals_over, over);
        assert_eq!(residual.successors_over, over);
    }

    #[test]
    fn under_a_limit_that_bears_everybody_there_is_none() {
        let state = state(200.0);
        let root = state.site.root().expect("a root");
        let residual = Residual::of(&state, root, now()).expect("a limit is known");
        assert_eq!(residual.arrivals_over, Power::ZERO);
        assert_eq!(residual.successors_over, Power::ZERO);
    }
}
