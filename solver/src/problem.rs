//! What is to be planned: circuits, sessions, prices. Read from JSON by [`crate::parse_problem`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Series;

/// The version of the problem and solution format this crate reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// One planning problem: a tree of circuits, the sessions below them, and what energy costs.
///
/// Power is positive when drawn from the grid. A slot `t` covers
/// `start + t * slot_minutes <= time < start + (t + 1) * slot_minutes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Version of this format, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Currency of every price, e.g. `EUR`; carried, never converted. Our choice: absent = `EUR`.
    #[serde(default = "default_currency")]
    pub currency: String,
    /// When slot 0 begins.
    pub start: DateTime<Utc>,
    /// Length of a slot, in minutes: 1 to 1440.
    pub slot_minutes: u32,
    /// Number of slots: 1 to 35,136 (a leap year of quarter hours).
    pub slots: usize,
    /// Price of energy drawn from the grid, per kWh; may be negative.
    pub import_price_per_kwh: Series,
    /// Revenue of energy fed into the grid, per kWh. Absent = 0. Above the import price it counts
    /// as the import price while planning, or buying and selling at once would pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_price_per_kwh: Option<Series>,
    /// Carbon intensity of imported energy, in grams per kWh. Absent = 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carbon_g_per_kwh: Option<Series>,
    /// Price of carbon, per kilogram.
    #[serde(default)]
    pub carbon_price_per_kg: f64,
    /// Price of the highest slot mean, if the connection has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand_charge: Option<DemandCharge>,
    /// The circuits; exactly one has no parent, the grid connection.
    pub circuits: Vec<Circuit>,
    /// The sessions.
    pub sessions: Vec<SessionNeed>,
    /// Stationary batteries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batteries: Vec<Battery>,
    /// Power of the previous plan by session, in kW per slot; among equally good plans one near
    /// it is preferred. Sessions not in `sessions` are ignored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub previous: BTreeMap<String, Vec<f64>>,
}

pub(crate) fn default_currency() -> String {
    "EUR".to_owned()
}

/// Price of the highest import of the billing period, as mean over a slot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemandCharge {
    /// Price of each kW of peak above `peak_so_far_kw`.
    pub per_kw: f64,
    /// Highest import already reached in this billing period, in kW; up to it nothing more is due.
    #[serde(default)]
    pub peak_so_far_kw: f64,
}

/// A node of the tree of limits: the grid connection, a transformer, a distribution board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circuit {
    /// Unique among circuits.
    pub id: String,
    /// The circuit above; `None` for the grid connection.
    #[serde(default)]
    pub parent: Option<String>,
    /// Most power the circuit may draw, in kW, base load included.
    pub import_limit_kw: Series,
    /// Most power the circuit may feed back, in kW. Our choice: absent = 0 at the grid connection,
    /// unlimited below it. A surplus of the base load itself never counts as a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export_limit_kw: Option<Series>,
    /// All uncontrolled power through this circuit, in kW, that of the circuits below included;
    /// negative = local generation. Our choice: absent = the sum of the circuits directly below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_load_kw: Option<Series>,
    /// The base load by phase, in kW. Absent = a third of `base_load_kw` each. Our choice: where
    /// only this is given, `base_load_kw` is its sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_load_phase_kw: Option<PhaseLoads>,
    /// Most power each phase may draw, in kW. Absent = no limit by phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase_limit_kw: Option<Series>,
}

/// Base load of a circuit on each phase, in kW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseLoads {
    /// On phase L1.
    #[serde(rename = "L1")]
    pub l1: Series,
    /// On phase L2.
    #[serde(rename = "L2")]
    pub l2: Series,
    /// On phase L3.
    #[serde(rename = "L3")]
    pub l3: Series,
}

impl PhaseLoads {
    /// The load on one phase.
    pub fn on(&self, phase: GridPhase) -> &Series {
        match phase {
            GridPhase::L1 => &self.l1,
            GridPhase::L2 => &self.l2,
            GridPhase::L3 => &self.l3,
        }
    }
}

/// A phase of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GridPhase {
    /// Phase 1.
    L1,
    /// Phase 2.
    L2,
    /// Phase 3.
    L3,
}

impl GridPhase {
    /// All three, in order.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::L3];
}

/// What one charging session needs, and within which bounds it can be steered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionNeed {
    /// Unique among sessions.
    pub id: String,
    /// The circuit it draws from.
    pub circuit: String,
    /// First slot it may use.
    pub arrival_slot: usize,
    /// First slot it may no longer use; equal to `arrival_slot` = none at all.
    pub departure_slot: usize,
    /// Energy wanted in the vehicle by departure, in kWh.
    pub energy_kwh: f64,
    /// Least power when charging, in kW: a slot's power is 0 or at least this.
    #[serde(default)]
    pub min_kw: f64,
    /// Most power, in kW.
    pub max_kw: f64,
    /// The phases it loads, equally. Absent = all three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Vec<GridPhase>>,
    /// Weight of a kWh it does not get, relative to other sessions.
    #[serde(default = "one")]
    pub priority: f64,
    /// Energy in the vehicle per energy drawn.
    #[serde(default = "one")]
    pub efficiency: f64,
    /// Most power it can feed back, in kW; 0 = it cannot.
    #[serde(default)]
    pub discharge_max_kw: f64,
    /// Most energy it can take, in kWh, counted from arrival. Absent = `energy_kwh`. Room above the
    /// need is used only where that lowers the cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_max_kwh: Option<f64>,
}

impl SessionNeed {
    /// Most energy the vehicle can take, in kWh.
    pub fn room_kwh(&self) -> f64 {
        self.energy_max_kwh
            .unwrap_or(self.energy_kwh)
            .max(self.energy_kwh)
    }
}

fn one() -> f64 {
    1.0
}

/// A stationary battery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// Unique among batteries.
    pub id: String,
    /// The circuit it is connected to.
    pub circuit: String,
    /// Most energy it holds, in kWh.
    pub capacity_kwh: f64,
    /// Energy held at the start, in kWh. What is held at the end is free between the bounds.
    pub soc_kwh: f64,
    /// Least energy to keep, in kWh.
    #[serde(default)]
    pub min_soc_kwh: f64,
    /// Most charging power, in kW.
    pub charge_max_kw: f64,
    /// Most discharging power, in kW.
    pub discharge_max_kw: f64,
    /// Energy that comes in per energy drawn, and energy that goes out per energy taken from it
    /// (the round trip is its square).
    #[serde(default = "one")]
    pub efficiency: f64,
    /// Wear, per kWh taken out.
    #[serde(default)]
    pub cycle_cost_per_kwh: f64,
}
