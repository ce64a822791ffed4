//! The plan that answers a [`crate::Problem`].

use serde::{Deserialize, Serialize};

use crate::validate::SLOTS_MAX;
use crate::{Battery, Circuit, Explanation, Problem, Reason, SCHEMA_VERSION, SessionNeed};

/// How good the plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The best there is: exact where power is free between 0 and the maximum, and within the
    /// quality of the rounding to 0-or-minimum power otherwise.
    Optimal,
    /// The caller asked to stop; the best plan found so far.
    FeasibleTimeLimit,
    /// The methods failed or their plan did not pass the audit: proportional shares.
    Fallback,
}

/// The method that made the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedBackend {
    /// The flow method.
    Flow,
    /// The linear program by `clarabel`.
    Clarabel,
    /// The linear program by `microlp`.
    Microlp,
    /// The linear program by `HiGHS`.
    Highs,
    /// Proportional shares.
    Proportional,
}

/// A plan: a power for each session and slot, with its cost and its reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Solution {
    /// Version of this format.
    pub schema_version: u32,
    /// How good the plan is.
    pub status: Status,
    /// The method that made it.
    pub backend: UsedBackend,
    /// What it costs, base load included.
    pub cost: Cost,
    /// Energy wanted and not planned, in kWh, over all sessions.
    pub unmet_kwh: f64,
    /// Highest import of the grid connection as mean over a slot, in kW, base load included.
    pub peak_kw: f64,
    /// One plan for each session, in the order of the problem.
    pub sessions: Vec<SessionPlan>,
    /// One row for each circuit, in the order of the problem.
    pub circuits: Vec<CircuitPlan>,
    /// One plan for each battery, in the order of the problem.
    pub batteries: Vec<BatteryPlan>,
    /// What no plan can beat, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// Steps of work the plan took (see [`crate::Settings::work_limit`]); not part of the JSON.
    #[serde(skip)]
    pub work: u64,
    /// Time to build, in milliseconds; filled in by the caller, who has a clock.
    pub build_ms: f64,
    /// Time to solve, in milliseconds; filled in by the caller.
    pub solve_ms: f64,
    /// What the audit of this plan found.
    pub audit: AuditSummary,
}

impl Solution {
    /// The answer to a problem that is not valid: nothing charges.
    pub(crate) fn nothing(problem: &Problem) -> Self {
        let slots = problem.slots.min(SLOTS_MAX);
        let zeros = || vec![0.0; slots];
        let session = |it: &SessionNeed| SessionPlan {
            id: it.id.clone(),
            power_kw: zeros(),
            energy_kwh: 0.0,
            unmet_kwh: it.energy_kwh,
            ready_slot: None,
            limited_by: Vec::new(),
            reasons: Vec::new(),
            explanation: Explanation::default(),
        };
        let circuit = |it: &Circuit| CircuitPlan {
            id: it.id.clone(),
            power_kw: zeros(),
            headroom_kw: zeros(),
            shadow_price_per_kwh: zeros(),
        };
        let battery = |it: &Battery| BatteryPlan {
            id: it.id.clone(),
            power_kw: zeros(),
            soc_kwh: vec![it.soc_kwh; slots],
        };
        Self {
            schema_version: SCHEMA_VERSION,
            status: Status::Fallback,
            backend: UsedBackend::Proportional,
            cost: Cost::default(),
            unmet_kwh: problem.sessions.iter().map(|it| it.energy_kwh).sum::<f64>() + 0.0,
            peak_kw: 0.0,
            sessions: problem.sessions.iter().map(session).collect(),
            circuits: problem.circuits.iter().map(circuit).collect(),
            batteries: problem.batteries.iter().map(battery).collect(),
            bound: None,
            work: 0,
            build_ms: 0.0,
            solve_ms: 0.0,
            audit: AuditSummary::default(),
        }
    }

    /// How far the plan may be from the best, as a share of the bound's cost: 0.01 = at most 1 %
    /// dearer. `None` where no bound is known, or where the plan leaves more unmet than the bound
    /// and so is not comparable by cost.
    pub fn gap(&self) -> Option<f64> {
        const NOISE_KWH: f64 = 1e-3;
        let bound = self.bound?;
        let is_comparable = self.unmet_kwh <= bound.unmet_kwh + NOISE_KWH;
        let scale = bound.cost.abs().max(f64::MIN_POSITIVE);
        is_comparable.then(|| ((self.cost.total - bound.cost) / scale).max(0.0))
    }
}

/// The best plan if power were free between 0 and the maximum: no plan leaves less unmet (by
/// weight), and none that leaves as little costs less.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// Energy left unmet, in kWh.
    pub unmet_kwh: f64,
    /// Total cost, in the currency of the problem.
    pub cost: f64,
}

/// Cost of a plan, in the currency of the problem.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Import at the import price less export at the export price, and battery wear.
    pub energy: f64,
    /// Carbon of the import at the carbon price.
    pub carbon: f64,
    /// Demand charge for the peak above the peak so far.
    pub demand: f64,
    /// The sum.
    pub total: f64,
}

/// The plan of one session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionPlan {
    /// The session.
    pub id: String,
    /// Power by slot, in kW, in whole milliwatts; negative = feeding back.
    pub power_kw: Vec<f64>,
    /// Energy in the vehicle at the end of the plan, in kWh, counted from the start.
    pub energy_kwh: f64,
    /// Energy wanted and not planned, in kWh.
    pub unmet_kwh: f64,
    /// First slot by whose end it has all the plan gives it; `None` if it gets nothing.
    pub ready_slot: Option<usize>,
    /// Circuits whose limit holds it down, deepest first.
    pub limited_by: Vec<String>,
    /// Each reason that applies in at least one slot.
    pub reasons: Vec<Reason>,
    /// The reason of each slot; not part of the JSON.
    #[serde(skip)]
    pub explanation: Explanation,
}

impl SessionPlan {
    /// Power in `slot` in whole watts, rounded towards zero, so that no limit the plan holds is
    /// broken by rounding; 0 beyond the plan.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float to integer cast saturates"
    )]
    pub fn power_w(&self, slot: usize) -> i64 {
        // The half milliwatt undoes the noise of writing whole milliwatts as kW in binary.
        let watts = self.power_kw.get(slot).copied().unwrap_or_default() * 1000.0;
        (watts + 0.0005_f64.copysign(watts)).trunc() as i64
    }
}

/// What a circuit carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CircuitPlan {
    /// The circuit.
    pub id: String,
    /// Power by slot, in kW, base load included.
    pub power_kw: Vec<f64>,
    /// Import limit less power, in kW; negative where the base load alone is above the limit.
    pub headroom_kw: Vec<f64>,
    /// What one more kWh of limit in the slot would be worth, per kWh.
    pub shadow_price_per_kwh: Vec<f64>,
}

/// The plan of a battery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatteryPlan {
    /// The battery.
    pub id: String,
    /// Power by slot, in kW; positive = charging.
    pub power_kw: Vec<f64>,
    /// Energy held at the end of each slot, in kWh.
    pub soc_kwh: Vec<f64>,
}

/// The outcome of the audit, in short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSummary {
    /// Number of violations; 0 in every plan this crate returns.
    pub violations: usize,
}
