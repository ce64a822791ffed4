//! Does a plan keep its promises? Shares no code with the methods that make plans.
//!
//! Everything is compared in whole milliwatts, finer than the whole watts a charger can hold, with
//! limits rounded down and loads rounded up. No limit has a tolerance.

mod loads;

use serde::{Deserialize, Serialize};

use crate::{Battery, Circuit, GridPhase, Problem, SessionNeed, SessionPlan, Solution};
use loads::Loads;

/// How far a session's power may miss its own bounds by the rounding of these bounds, in mW.
const BOUND_TOLERANCE_MW: i64 = 1;
/// How far energies may miss, in kWh: a watt for an hour.
const ENERGY_TOLERANCE_KWH: f64 = 1e-3;

/// The outcome of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Each broken promise; empty = the plan holds.
    pub violations: Vec<Violation>,
}

/// One broken promise of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Where in the solution: a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
}

/// Checks a plan against its problem: limits by circuit and phase, windows, bounds, 0 or at least
/// the minimum, energy balance, batteries, and the sums the solution states.
pub fn audit(problem: &Problem, solution: &Solution) -> Audit {
    let mut auditor = Auditor {
        problem,
        solution,
        hours: f64::from(problem.slot_minutes) / 60.0,
        found: Vec::new(),
    };
    if auditor.shapes() {
        for (index, (need, plan)) in problem.sessions.iter().zip(&solution.sessions).enumerate() {
            auditor.session(index, need, plan);
        }
        for index in 0..problem.batteries.len() {
            auditor.battery(index);
        }
        let loads = Loads::of(problem, solution);
        for index in 0..problem.circuits.len() {
            auditor.circuit(index, &loads);
        }
        auditor.totals(&loads);
    }
    Audit {
        violations: auditor.found,
    }
}

struct Auditor<'a> {
    problem: &'a Problem,
    solution: &'a Solution,
    hours: f64,
    found: Vec<Violation>,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and then breaks a limit"
)]
fn mw(kw: f64) -> i64 {
    // Half away from zero; a cast cuts off, in a fraction of the time `round` takes.
    let mw = kw * 1e6;
    (mw + 0.5_f64.copysign(mw)) as i64
}

/// A limit in mW, rounded down; a thousandth of a mW is noise of the binary fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates at a power no circuit has"
)]
fn mw_down(kw: f64) -> i64 {
    (kw * 1e6 + 1e-3).floor() as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sum of powers is far below 2^53 mW"
)]
fn kw(mw: i64) -> f64 {
    mw as f64 / 1e6
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates at a power no circuit has"
)]
fn mw_up(kw: f64) -> i64 {
    (kw * 1e6 - 1e-3).ceil() as i64
}

impl Auditor<'_> {
    fn add(&mut self, pointer: String, detail: String) {
        self.found.push(Violation { pointer, detail });
    }

    /// Everything is there, in order and in length, and finite.
    fn shapes(&mut self) -> bool {
        let (problem, plan, slots) = (self.problem, self.solution, self.problem.slots);
        let sessions = problem
            .sessions
            .iter()
            .map(|it| &it.id)
            .eq(plan.sessions.iter().map(|it| &it.id));
        let circuits = problem
            .circuits
            .iter()
            .map(|it| &it.id)
            .eq(plan.circuits.iter().map(|it| &it.id));
        let batteries = problem
            .batteries
            .iter()
            .map(|it| &it.id)
            .eq(plan.batteries.iter().map(|it| &it.id));
        for (list, complete) in [
            ("sessions", sessions),
            ("circuits", circuits),
            ("batteries", batteries),
        ] {
            if !complete {
                self.add(
                    format!("/{list}"),
                    "are not those of the problem, in its order".to_owned(),
                );
            }
        }
        let mut rows: Vec<(&str, usize, &str, &Vec<f64>)> = Vec::new();
        for (index, it) in plan.sessions.iter().enumerate() {
            rows.push(("sessions", index, "power_kw", &it.power_kw));
        }
        for (index, it) in plan.circuits.iter().enumerate() {
            rows.push(("circuits", index, "power_kw", &it.power_kw));
            rows.push(("circuits", index, "headroom_kw", &it.headroom_kw));
            rows.push((
                "circuits",
                index,
                "shadow_price_per_kwh",
                &it.shadow_price_per_kwh,
            ));
        }
        for (index, it) in plan.batteries.iter().enumerate() {
            rows.push(("batteries", index, "power_kw", &it.power_kw));
            rows.push(("batteries", index, "soc_kwh", &it.soc_kwh));
        }
        for (list, index, key, row) in rows {
            if row.len() != slots || row.iter().any(|value| !value.is_finite()) {
                let pointer = format!("/{list}/{index}/{key}");
                self.add(pointer, format!("is not {slots} finite numbers"));
            }
        }
        self.found.is_empty()
    }

    fn session(&mut self, index: usize, need: &SessionNeed, plan: &SessionPlan) {
        let most = mw(need.max_kw) + BOUND_TOLERANCE_MW;
        let least = mw(need.min_kw) - BOUND_TOLERANCE_MW;
        let back = mw(need.discharge_max_kw) + BOUND_TOLERANCE_MW;
        let room = need.room_kwh() + ENERGY_TOLERANCE_KWH;
        let mut held = 0.0;
        for (slot, kw) in plan.power_kw.iter().enumerate() {
            let power = mw(*kw);
            let at = || format!("/sessions/{index}/power_kw/{slot}");
            let inside = (need.arrival_slot..need.departure_slot).contains(&slot);
            if !inside && power != 0 {
                self.add(at(), format!("is {power} mW outside the session's window"));
            }
            if power > most || power < -back {
                let (low, high) = (-mw(need.discharge_max_kw), mw(need.max_kw));
                self.add(at(), format!("is {power} mW; allowed {low} to {high}"));
            }
            if power > 0 && power < least {
                self.add(
                    at(),
                    format!("is {power} mW, neither 0 nor {} or more", mw(need.min_kw)),
                );
            }
            let energy = kw * self.hours;
            held += if *kw > 0.0 {
                energy * need.efficiency
            } else {
                energy / need.efficiency
            };
            if held < -ENERGY_TOLERANCE_KWH {
                self.add(
                    at(),
                    format!("leaves the vehicle {held} kWh below its arrival"),
                );
            }
            if held > room {
                self.add(
                    at(),
                    format!("brings {held} kWh; room for {}", need.room_kwh()),
                );
            }
        }
        let at = format!("/sessions/{index}");
        if (held - plan.energy_kwh).abs() > ENERGY_TOLERANCE_KWH {
            self.add(
                format!("{at}/energy_kwh"),
                format!("is {}; powers give {held}", plan.energy_kwh),
            );
        }
        let unmet = (need.energy_kwh - held).max(0.0);
        if (unmet - plan.unmet_kwh).abs() > ENERGY_TOLERANCE_KWH {
            self.add(
                format!("{at}/unmet_kwh"),
                format!("is {}; powers leave {unmet}", plan.unmet_kwh),
            );
        }
    }

    fn battery(&mut self, index: usize) {
        let (battery, plan): (&Battery, _) = (
            &self.problem.batteries[index],
            &self.solution.batteries[index],
        );
        let mut held = battery.soc_kwh;
        for slot in 0..self.problem.slots {
            let kw = plan.power_kw[slot];
            let at = || format!("/batteries/{index}/power_kw/{slot}");
            if mw(kw) > mw(battery.charge_max_kw) + BOUND_TOLERANCE_MW
                || mw(kw) < -mw(battery.discharge_max_kw) - BOUND_TOLERANCE_MW
            {
                self.add(at(), format!("is {kw} kW, beyond the battery's power"));
            }
            let energy = kw * self.hours;
            held += if kw > 0.0 {
                energy * battery.efficiency
            } else {
                energy / battery.efficiency
            };
            // A battery that starts below its least may stay there, but not go further down.
            let least = battery.min_soc_kwh.min(battery.soc_kwh) - ENERGY_TOLERANCE_KWH;
            if held < least || held > battery.capacity_kwh + ENERGY_TOLERANCE_KWH {
                self.add(at(), format!("brings the battery to {held} kWh"));
            }
            if (held - plan.soc_kwh[slot]).abs() > ENERGY_TOLERANCE_KWH {
                let stated = plan.soc_kwh[slot];
                self.add(
                    format!("/batteries/{index}/soc_kwh/{slot}"),
                    format!("is {stated}, not {held}"),
                );
            }
        }
    }

    fn circuit(&mut self, index: usize, loads: &Loads) {
        let circuit = &self.problem.circuits[index];
        for slot in 0..self.problem.slots {
            let (base_kw, controlled) = (loads.base_kw[index][slot], loads.controlled[index][slot]);
            let at = || format!("/circuits/{index}/power_kw/{slot}");
            let free = (mw_down(circuit.import_limit_kw.at(slot)) - mw_up(base_kw)).max(0);
            if controlled > free {
                self.add(
                    at(),
                    format!("has {controlled} mW of charging; free are {free}"),
                );
            }
            if let Some(least) = feed_in(circuit, base_kw, slot)
                && controlled < -least
            {
                self.add(
                    at(),
                    format!("feeds back {} mW; allowed {least}", -controlled),
                );
            }
            let stated = self.solution.circuits[index].power_kw[slot];
            let actual = base_kw + kw(controlled);
            if (stated - actual).abs() > 1e-5 {
                self.add(at(), format!("is {stated} kW; its loads are {actual}"));
            }
            if circuit.phase_limit_kw.is_some() {
                for (phase, name) in GridPhase::ALL.iter().enumerate() {
                    self.phase(index, slot, (phase, *name), loads);
                }
            }
        }
    }

    fn phase(
        &mut self,
        index: usize,
        slot: usize,
        (phase, name): (usize, GridPhase),
        loads: &Loads,
    ) {
        let circuit = &self.problem.circuits[index];
        let (Some(limit), Some(by_phase), Some(base)) = (
            &circuit.phase_limit_kw,
            &loads.twelfths[index],
            &loads.base_phase_kw[index],
        ) else {
            return;
        };
        let base = base[phase][slot];
        let free = (mw_down(limit.at(slot)) - mw_up(base)).max(0);
        let load = by_phase[phase][slot];
        if load > free * 12 {
            let at = format!("/circuits/{index}/power_kw/{slot}");
            self.add(
                at,
                format!("puts {load}/12 mW on {name:?}; free are {free} mW"),
            );
        }
    }

    /// The sums the solution states.
    fn totals(&mut self, loads: &Loads) {
        let unmet: f64 = self.solution.sessions.iter().map(|it| it.unmet_kwh).sum();
        if (unmet - self.solution.unmet_kwh).abs() > ENERGY_TOLERANCE_KWH {
            self.add("/unmet_kwh".to_owned(), format!("is not the sum {unmet}"));
        }
        let root = self
            .problem
            .circuits
            .iter()
            .position(|it| it.parent.is_none())
            .unwrap_or_default();
        let net = |slot: usize| loads.base_kw[root][slot] + kw(loads.controlled[root][slot]);
        let peak = (0..self.problem.slots).map(net).fold(0.0, f64::max);
        if (peak - self.solution.peak_kw).abs() > 1e-5 {
            self.add(
                "/peak_kw".to_owned(),
                format!("is {}, not {peak}", self.solution.peak_kw),
            );
        }
    }
}

/// How far charging may be negative in sum, in mW: the export limit less what the base load feeds
/// in already. `None` = no limit.
fn feed_in(circuit: &Circuit, base_kw: f64, slot: usize) -> Option<i64> {
    let limit = match (&circuit.export_limit_kw, &circuit.parent) {
        (Some(limit), _) => mw_down(limit.at(slot)),
        (None, None) => 0,
        (None, Some(_)) => return None,
    };
    Some((limit + mw_down(base_kw)).max(0))
}
