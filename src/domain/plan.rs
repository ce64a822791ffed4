//! A plan: what every EVSE may draw in every slot, immutable and numbered.

use serde::{Deserialize, Serialize};

use super::id::{CircuitId, EvseId, PlanId, SessionId};
use super::quantity::{Energy, Money, Power, Price};
use super::time::{Horizon, Time};

/// How a plan came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanOrigin {
    /// The solver, to the optimum.
    Optimal,
    /// The solver, cut off by time: its best checked answer.
    TimeLimit,
    /// The last checked plan, clipped to new limits.
    Clipped,
    /// A proportional share of what the limits leave.
    ProportionalShare,
}

/// Why a session gets what it gets in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It charges, and this slot is among the cheapest of its stay.
    CheapSlot,
    /// It charges because it must leave.
    Deadline,
    /// It charges as soon as it can, since nobody said when it leaves.
    AsSoonAsPossible,
    /// It waits: a later slot of its stay costs less.
    CheaperLater,
    /// A circuit's limit keeps it lower than its own maximum.
    CircuitLimit,
    /// A limit signal from outside keeps it lower.
    SignalLimit,
    /// What is left is below its minimum power.
    MinimumPower,
    /// It has all it asked for.
    Charged,
    /// No car is there in this slot.
    NotConnected,
    /// An operator's override.
    Override,
    /// Others are expected to need these slots.
    ExpectedArrivals,
    /// A wish from outside keeps it lower: a target, a soft limit, an alert.
    Wish,
    /// More would raise a peak that is paid for.
    DemandCharge,
}

/// The plan of one EVSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedEvse {
    /// The EVSE.
    pub evse: EvseId,
    /// The session it is for.
    pub session: SessionId,
    /// Worst-case power per slot: what the EVSE may draw at the highest voltage.
    #[serde(with = "super::runs")]
    pub power: Vec<Power>,
    /// One reason per slot.
    #[serde(with = "super::runs")]
    pub reasons: Vec<Reason>,
    /// What the limits leave undelivered at departure.
    pub unmet: Energy,
    /// When the session has all it asked for, if within the horizon.
    pub ready_at: Option<Time>,
    /// The departure the plan counts on.
    pub departure: Option<Time>,
    /// The energy still wanted when the plan was made.
    pub needed: Energy,
    /// The circuits that keep it lower somewhere.
    pub limited_by: Vec<CircuitId>,
}

/// The plan of one circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCircuit {
    /// The circuit.
    pub circuit: CircuitId,
    /// Effective limit per slot.
    #[serde(with = "super::runs")]
    pub limit: Vec<Power>,
    /// Load per slot that the plan does not control: base load, uncontrollable EVSEs, reserve.
    #[serde(with = "super::runs")]
    pub uncontrolled: Vec<Power>,
    /// Sum of planned powers per slot.
    #[serde(with = "super::runs")]
    pub planned: Vec<Power>,
    /// What one more kWh of room would have been worth, per slot; empty where not known.
    #[serde(with = "super::runs")]
    pub shadow_price: Vec<Price>,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its number.
    pub id: PlanId,
    /// The plan before it.
    pub parent: Option<PlanId>,
    /// When it was made: the `now` it was computed for.
    pub made_at: Time,
    /// SHA-256 over the inputs, in hex: two plans of the same digest are equal.
    pub input_digest: String,
    /// Its slots. Where `made_at` lies before slot 0, slot 0 reaches back to it: see
    /// [`Plan::slot_at`].
    pub horizon: Horizon,
    /// How it came about.
    pub origin: PlanOrigin,
    /// Sorted by EVSE.
    pub evses: Vec<PlannedEvse>,
    /// In the order of the site's circuits.
    pub circuits: Vec<PlannedCircuit>,
    /// Import price per slot it reckoned with; empty if no price was known.
    #[serde(with = "super::runs")]
    pub prices: Vec<Price>,
    /// Expected cost of the planned energy.
    pub cost: Money,
    /// The mean power at the connection that it keeps to for the price of a peak, if peaks cost
    /// something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_target: Option<Power>,
}

impl Plan {
    /// The slot whose powers hold at an instant, from `made_at` to the end of the horizon.
    pub fn slot_at(&self, at: Time) -> Option<usize> {
        if at >= self.made_at && at < self.horizon.start {
            return (self.horizon.slots > 0).then_some(0);
        }
        self.horizon.slot_at(at)
    }

    /// The part for one EVSE.
    pub fn evse(&self, id: &EvseId) -> Option<&PlannedEvse> {
        self.evses
            .binary_search_by(|planned| planned.evse.cmp(id))
            .ok()
            .map(|i| &self.evses[i])
    }
}
