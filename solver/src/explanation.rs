//! Why a plan is as it is.

use serde::{Deserialize, Serialize};

/// Why a session has the power it has: in one slot, or (in the solution) in at least one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Outside its window: not here yet, or already gone.
    NotConnected,
    /// It needs nothing (more).
    Charged,
    /// At its own maximum power.
    FullPower,
    /// Charging in one of the cheapest slots it can use.
    CheapSlot,
    /// Charging at this price because its departure leaves no cheaper slot free.
    Deadline,
    /// Waiting: a cheaper slot comes later in its window.
    CheaperLater,
    /// Waiting: what it needs fits in a cheaper slot before.
    CheaperEarlier,
    /// Waiting: a slot of the same price serves as well.
    NoHurry,
    /// Held down by the import limit of a circuit.
    CircuitLimit,
    /// Held down by the limit of a phase.
    PhaseLimit,
    /// Off or moved, since a share below its minimum power would be of no use.
    MinimumPower,
    /// Held down to keep the peak, and so the demand charge, low.
    DemandCharge,
    /// Feeding back.
    Discharging,
    /// It wants more than its window can carry at its maximum power.
    WindowTooShort,
}

/// The reasons of one session: slot by slot, and what keeps it short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// One reason for each slot.
    pub slots: Vec<Reason>,
    /// The circuits whose limit holds it down, deepest first.
    pub limited_by: Vec<String>,
}

impl Explanation {
    /// Each reason that occurs, once, in the order of first occurrence; `NotConnected` left out.
    pub fn summary(&self) -> Vec<Reason> {
        let mut seen = Vec::new();
        for reason in &self.slots {
            if *reason != Reason::NotConnected && !seen.contains(reason) {
                seen.push(*reason);
            }
        }
        seen
    }
}
