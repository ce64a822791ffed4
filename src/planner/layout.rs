//! The site's tree by index: who is beneath which circuit, and on which phases.

use crate::domain::evse::{Evse, Supply};
use crate::domain::quantity::Power;
use crate::domain::site::{Circuit, Site};

/// The limit tree by index.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    /// The circuits in the site's order.
    pub(super) circuits: &'a [Circuit],
    /// The EVSEs in the site's order.
    pub(super) evses: &'a [Evse],
    /// For each EVSE the circuits above it, its own first.
    pub(super) paths: Vec<Vec<usize>>,
}

impl<'a> Layout<'a> {
    pub(super) fn of(site: &'a Site) -> Self {
        let index = |circuit: &Circuit| site.circuits.iter().position(|c| c.id == circuit.id);
        let paths = site
            .evses
            .iter()
            .map(|evse| {
                site.path(&evse.circuit)
                    .into_iter()
                    .filter_map(index)
                    .collect()
            })
            .collect();
        Self {
            circuits: &site.circuits,
            evses: &site.evses,
            paths,
        }
    }

    /// The EVSEs beneath a circuit.
    pub(super) fn beneath(&self, circuit: usize) -> impl Iterator<Item = &'a Evse> + '_ {
        self.evses
            .iter()
            .zip(&self.paths)
            .filter(move |(_, path)| path.contains(&circuit))
            .map(|(evse, _)| evse)
    }
}

/// Power that is fixed in watts draws its highest current at the lowest voltage, 0.9 x nominal,
/// while phases are counted at 1.1 x nominal.
const WATTS_TO_PHASE: (i64, i64) = (11, 9);

/// What a power is on each phase of the grid: a fraction per phase, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PhaseShare([(i64, i64); 3]);

impl PhaseShare {
    /// A load we do not control: a third on each phase, in watts.
    pub(super) const UNCONTROLLED: Self = Self([(WATTS_TO_PHASE.0, WATTS_TO_PHASE.1 * 3); 3]);

    pub(super) fn of(evse: &Evse) -> Self {
        Self(
            evse.phase_divisors()
                .map(|divisor| match (divisor, evse.supply) {
                    (0, _) => (0, 1),
                    (n, Supply::Ac { .. }) => (1, n),
                    (n, Supply::Dc) => (WATTS_TO_PHASE.0, WATTS_TO_PHASE.1 * n),
                }),
        )
    }

    /// What `power` is on a phase.
    pub(super) fn on(self, phase: usize, power: Power) -> Power {
        let (numerator, denominator) = self.0[phase];
        power.scaled_up(numerator, denominator)
    }

    /// The highest power whose part on a phase stays within `room`; `None` = it loads that phase
    /// not at all.
    pub(super) fn within(self, phase: usize, room: Power) -> Option<Power> {
        let (numerator, denominator) = self.0[phase];
        (numerator > 0).then(|| room.at_least_zero().scaled_down(denominator, numerator))
    }

    /// The phases it loads, if each of them carries an equal part of it and no more.
    pub(super) fn even(self) -> Option<Vec<usize>> {
        let loaded: Vec<usize> = (0..3).filter(|phase| self.0[*phase].0 > 0).collect();
        let parts = i64::try_from(loaded.len()).ok()?;
        loaded
            .iter()
            .all(|phase| self.0[*phase] == (1, parts))
            .then_some(loaded)
    }

    /// The highest fraction on any phase.
    pub(super) fn highest(self) -> (i64, i64) {
        self.0
            .into_iter()
            .max_by(|(a, b), (c, d)| (a * d).cmp(&(c * b)))
            .unwrap_or((1, 1))
    }

    /// True if each phase carries the same fraction.
    pub(super) fn is_symmetric(self) -> bool {
        self.0[0] == self.0[1] && self.0[1] == self.0[2]
    }
}
