//! Excursions: stretches of time in which a circuit's bound is above its limit, with their cause.

use serde::{Deserialize, Serialize};

use crate::domain::event::EventKind;
use crate::domain::id::{CircuitId, EvseId};
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// Most closed excursions kept.
pub const MAX_KEPT: usize = 1_000;

/// What made the bound exceed the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A car came to an EVSE that cannot be limited beforehand.
    Arrival,
    /// A limit was cut, by the operator or a signal, or its time came.
    LimitCut,
    /// The load we do not control rose.
    BaseLoad,
    /// An EVSE draws more than it may, or turned out to be uncontrollable.
    Disobedience,
    /// A profile we relied on turned out not to hold.
    ProfileLost,
    /// The site's description changed.
    Configuration,
    /// A command of ours. Must never happen (I1).
    SelfCaused,
}

impl Cause {
    /// The cause that an event can be.
    pub fn of(event: &EventKind) -> Self {
        match event {
            EventKind::SessionSeen { .. } => Self::Arrival,
            EventKind::SignalSet { .. } | EventKind::SignalWithdrawn { .. } | EventKind::Ticked => {
                Self::LimitCut
            }
            EventKind::SiteMetered { .. } => Self::BaseLoad,
            // A command that turns out not to be possible takes the EVSE out of control too.
            EventKind::EvseMeasured { .. } | EventKind::CommandAnswered { .. } => {
                Self::Disobedience
            }
            EventKind::ProfileRead { .. } | EventKind::StationConnected { .. } => Self::ProfileLost,
            EventKind::CommandIssued { .. } => Self::SelfCaused,
            _ => Self::Configuration,
        }
    }
}

/// One excursion of one circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excursion {
    /// The circuit.
    pub circuit: CircuitId,
    /// What opened it.
    pub cause: Cause,
    /// The EVSE that had to do with it, if one had.
    pub evse: Option<EvseId>,
    /// When it opened.
    pub opened_at: Time,
    /// When it closed.
    pub closed_at: Option<Time>,
    /// Highest excess of the bound over the limit.
    pub worst: Power,
    /// The excess over time.
    pub energy: Energy,
}

/// All excursions of a site: the open ones and the last closed ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excursions {
    /// Open now, at most one per circuit.
    pub open: Vec<Excursion>,
    /// Closed, oldest first, [`MAX_KEPT`] at most.
    pub closed: Vec<Excursion>,
    /// How many a command of ours caused, ever.
    pub self_caused: u64,
    last_excess: Vec<(CircuitId, Time, Power)>,
}

impl Excursions {
    /// True if an excursion is open at this circuit.
    pub fn is_open(&self, circuit: &CircuitId) -> bool {
        self.open
            .iter()
            .any(|excursion| excursion.circuit == *circuit)
    }

    /// Records the excess of a circuit's bound over its limit (0 or less: none) after an event.
    /// Returns true if an excursion opened or grew worse.
    pub(super) fn observe(
        &mut self,
        circuit: &CircuitId,
        excess: Power,
        cause: Cause,
        evse: Option<&EvseId>,
        now: Time,
    ) -> bool {
        let position = self
            .open
            .iter()
            .position(|excursion| excursion.circuit == *circuit);
        let last = self.last_excess.iter().position(|(id, ..)| id == circuit);
        let (since, before) = last.map_or((now, Power::ZERO), |i| {
            (self.last_excess[i].1, self.last_excess[i].2)
        });
        if let Some(open) = position.map(|i| &mut self.open[i]) {
            open.energy += before.at_least_zero().over(now - since);
            open.worst = open.worst.max(excess);
        }
        match last {
            Some(i) => self.last_excess[i] = (circuit.clone(), now, excess),
            None => self.last_excess.push((circuit.clone(), now, excess)),
        }
        let worse = excess.is_positive() && excess > before;
        match (position, excess.is_positive()) {
            (None, true) => {
                if cause == Cause::SelfCaused {
                    self.self_caused += 1;
                }
                self.open.push(Excursion {
                    circuit: circuit.clone(),
                    cause,
                    evse: evse.cloned(),
                    opened_at: now,
                    closed_at: None,
                    worst: excess,
                    energy: Energy::ZERO,
                });
            }
            // What makes an open excursion worse is no better than what opens one.
            (Some(_), true) if cause == Cause::SelfCaused && worse => {
                self.self_caused += 1;
            }
            (Some(i), false) => {
                let mut closed = self.open.remove(i);
                closed.closed_at = Some(now);
                if self.closed.len() == MAX_KEPT {
                    self.closed.remove(0);
                }
                self.closed.push(closed);
            }
            _ => {}
        }
        worse
    }
}
