//! From powers to the solution: energies, costs, peaks, circuits.

use crate::explain;
use crate::flow::Powers;
use crate::milliwatts::to_kw;
use crate::model::Model;
use crate::{
    AuditSummary, BatteryPlan, Bound, CircuitPlan, Cost, Explanation, SCHEMA_VERSION, SessionPlan,
    Solution, Status, UsedBackend,
};

/// What a method decided.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Power by session and slot of its window, in mW.
    pub(crate) powers: Powers,
    /// The best powers if they were free between 0 and the maximum; `None` = not known, or not
    /// different from `powers`.
    pub(crate) relaxed: Option<Powers>,
    /// Power by battery and slot, in mW.
    pub(crate) batteries: Vec<Vec<i64>>,
    /// Worth of one more kWh of limit, by circuit and slot; empty = not known.
    pub(crate) shadow: Vec<Vec<f64>>,
}

impl Draft {
    /// Charging alone: batteries rest.
    pub(crate) fn of_sessions(model: &Model<'_>, powers: Powers) -> Self {
        let batteries = vec![vec![0; model.slots]; model.problem.batteries.len()];
        Self {
            powers,
            relaxed: None,
            batteries,
            shadow: Vec::new(),
        }
    }
}

/// The solution a draft makes.
pub(crate) fn solution(
    model: &Model<'_>,
    draft: &Draft,
    status: Status,
    backend: UsedBackend,
) -> Solution {
    let loads = loads(model, &draft.powers, &draft.batteries);
    let explanations = explain::explain(model, draft);
    let sessions: Vec<SessionPlan> = explanations
        .into_iter()
        .enumerate()
        .map(|(session, explanation)| session_plan(model, draft, session, explanation))
        .collect();
    let grid_kw: Vec<f64> = (0..model.slots)
        .map(|slot| circuit_kw(model, &loads, model.root, slot))
        .collect();
    let batteries: Vec<BatteryPlan> = (0..draft.batteries.len())
        .map(|battery| battery_plan(model, draft, battery))
        .collect();
    let peak_kw = grid_kw.iter().copied().fold(0.0, f64::max);
    Solution {
        schema_version: SCHEMA_VERSION,
        status,
        backend,
        cost: cost(model, draft, &grid_kw, peak_kw),
        // The sum of nothing is -0.0.
        unmet_kwh: sessions.iter().map(|it| it.unmet_kwh).sum::<f64>() + 0.0,
        peak_kw,
        sessions,
        circuits: (0..model.circuits.len())
            .map(|circuit| circuit_plan(model, draft, &loads, circuit))
            .collect(),
        batteries,
        bound: bound(model, draft),
        work: 0,
        build_ms: 0.0,
        solve_ms: 0.0,
        audit: AuditSummary::default(),
    }
}

/// Controlled power by circuit and slot, in mW.
fn loads(model: &Model<'_>, powers: &Powers, batteries: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let mut loads = vec![vec![0_i64; model.slots]; model.circuits.len()];
    for (it, powers) in model.sessions.iter().zip(powers) {
        for circuit in model.upwards(it.circuit) {
            for (load, power) in loads[circuit][it.from..].iter_mut().zip(powers) {
                *load += power;
            }
        }
    }
    for (circuit, powers) in model.battery_circuits.iter().zip(batteries) {
        for circuit in model.upwards(*circuit) {
            for (load, power) in loads[circuit].iter_mut().zip(powers) {
                *load += power;
            }
        }
    }
    loads
}

fn circuit_kw(model: &Model<'_>, loads: &[Vec<i64>], circuit: usize, slot: usize) -> f64 {
    tidy(model.circuits[circuit].base_kw[slot] + to_kw(loads[circuit][slot]))
}

/// Binary noise beyond the microwatt cut off: 0.1 + 0.2 is 0.3.
fn tidy(value: f64) -> f64 {
    let tidy = (value * 1e9).round() / 1e9;
    if tidy.is_finite() { tidy + 0.0 } else { value }
}

fn session_plan(
    model: &Model<'_>,
    draft: &Draft,
    session: usize,
    explanation: Explanation,
) -> SessionPlan {
    let wanted = &model.problem.sessions[session];
    let powers = &draft.powers[session];
    let mut power_kw = vec![0.0; model.slots];
    for (kw, mw) in power_kw[wanted.arrival_slot..].iter_mut().zip(powers) {
        *kw = to_kw(*mw);
    }
    let efficiency = wanted.efficiency;
    let energy_kwh: f64 = power_kw
        .iter()
        .map(|kw| {
            model.hours
                * if *kw > 0.0 {
                    kw * efficiency
                } else {
                    kw / efficiency
                }
        })
        .sum();
    // A need is planned in whole milliwatts over a slot; less than one of them is not unmet.
    let grain = model.hours * 2.0 / crate::milliwatts::PER_KW;
    let missing = wanted.energy_kwh - energy_kwh;
    let unmet_kwh = if missing > grain { tidy(missing) } else { 0.0 };
    SessionPlan {
        id: wanted.id.clone(),
        energy_kwh: if missing.abs() <= grain {
            wanted.energy_kwh
        } else {
            tidy(energy_kwh)
        },
        unmet_kwh,
        ready_slot: powers
            .iter()
            .rposition(|mw| *mw > 0)
            .map(|last| wanted.arrival_slot + last),
        power_kw,
        limited_by: explanation.limited_by.clone(),
        reasons: explanation.summary(),
        explanation,
    }
}

/// What no plan can beat.
fn bound(model: &Model<'_>, draft: &Draft) -> Option<Bound> {
    let relaxed = draft.relaxed.as_ref()?;
    let loads = loads(model, relaxed, &draft.batteries);
    let grid_kw: Vec<f64> = (0..model.slots)
        .map(|slot| circuit_kw(model, &loads, model.root, slot))
        .collect();
    let peak_kw = grid_kw.iter().copied().fold(0.0, f64::max);
    let missing = |(session, powers): (usize, &Vec<i64>)| {
        let wanted = &model.problem.sessions[session];
        let drawn_kw = to_kw(powers.iter().sum());
        (wanted.energy_kwh - drawn_kw * model.hours * wanted.efficiency).max(0.0)
    };
    Some(Bound {
        unmet_kwh: tidy(relaxed.iter().enumerate().map(missing).sum()),
        cost: cost(model, draft, &grid_kw, peak_kw).total,
    })
}

fn circuit_plan(
    model: &Model<'_>,
    draft: &Draft,
    loads: &[Vec<i64>],
    circuit: usize,
) -> CircuitPlan {
    let stated = &model.problem.circuits[circuit];
    let power_kw: Vec<f64> = (0..model.slots)
        .map(|slot| circuit_kw(model, loads, circuit, slot))
        .collect();
    let limit = &stated.import_limit_kw;
    let headroom_kw = power_kw
        .iter()
        .enumerate()
        .map(|(slot, kw)| tidy(limit.at(slot) - kw))
        .collect();
    let shadow = draft.shadow.get(circuit).cloned();
    CircuitPlan {
        id: stated.id.clone(),
        power_kw,
        headroom_kw,
        shadow_price_per_kwh: shadow.unwrap_or_else(|| vec![0.0; model.slots]),
    }
}

fn battery_plan(model: &Model<'_>, draft: &Draft, battery: usize) -> BatteryPlan {
    let stated = &model.problem.batteries[battery];
    let power_kw: Vec<f64> = draft.batteries[battery]
        .iter()
        .map(|mw| to_kw(*mw))
        .collect();
    let efficiency = stated.efficiency;
    let soc_kwh = power_kw
        .iter()
        .scan(stated.soc_kwh, |held, kw| {
            *held += model.hours
                * if *kw > 0.0 {
                    kw * efficiency
                } else {
                    kw / efficiency
                };
            Some(tidy(*held))
        })
        .collect();
    BatteryPlan {
        id: stated.id.clone(),
        power_kw,
        soc_kwh,
    }
}

fn cost(model: &Model<'_>, draft: &Draft, grid_kw: &[f64], peak_kw: f64) -> Cost {
    let problem = model.problem;
    let (mut energy, mut carbon) = (0.0, 0.0);
    for (slot, kw) in grid_kw.iter().enumerate() {
        let kwh = kw * model.hours;
        if kwh >= 0.0 {
            energy += kwh * problem.import_price_per_kwh.at(slot);
            let grams = problem
                .carbon_g_per_kwh
                .as_ref()
                .map_or(0.0, |it| it.at(slot));
            carbon += kwh * grams / 1000.0 * problem.carbon_price_per_kg;
        } else {
            energy += kwh
                * problem
                    .export_price_per_kwh
                    .as_ref()
                    .map_or(0.0, |it| it.at(slot));
        }
    }
    for (it, powers) in problem.batteries.iter().zip(&draft.batteries) {
        let out: i64 = powers.iter().map(|mw| (-mw).max(0)).sum();
        energy += to_kw(out) * model.hours * it.cycle_cost_per_kwh;
    }
    let demand = problem.demand_charge.map_or(0.0, |charge| {
        charge.per_kw * (peak_kw - charge.peak_so_far_kw).max(0.0)
    });
    Cost {
        energy,
        carbon,
        demand,
        total: energy + carbon + demand,
    }
}
