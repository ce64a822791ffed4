//! Twenty vans come home to a depot at six and leave at six; the connection carries half of them.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::collections::BTreeMap;

use evenload_solver::{
    Circuit, DemandCharge, Problem, SCHEMA_VERSION, SessionNeed, Settings, Solution, solve,
};

const SLOTS: usize = 48;
/// Prices after midnight, in turn.
const CHEAP: [f64; 4] = [0.12, 0.13, 0.12, 0.125];
/// Needs of the vans, in turn, in kWh.
const NEEDS_KWH: [f64; 5] = [25.0, 27.5, 30.0, 32.5, 35.0];

fn main() {
    let problem = depot();
    let plan = solve(&problem, &Settings::default(), &|| false);
    println!(
        "{:?} by {:?}, {} violations",
        plan.status, plan.backend, plan.audit.violations
    );
    let cost = plan.cost;
    println!(
        "cost {:.2} EUR: energy {:.2}, demand {:.2}",
        cost.total, cost.energy, cost.demand
    );
    println!(
        "unmet {:.2} kWh, peak {:.1} kW",
        plan.unmet_kwh, plan.peak_kw
    );
    strip(&problem, &plan);
}

fn depot() -> Problem {
    // Dear in the evening, cheap after midnight.
    let price = |slot: usize| {
        if slot < 24 {
            0.31
        } else {
            CHEAP[slot % CHEAP.len()]
        }
    };
    Problem {
        schema_version: SCHEMA_VERSION,
        name: Some("depot".to_owned()),
        currency: "EUR".to_owned(),
        start: chrono::DateTime::UNIX_EPOCH,
        slot_minutes: 15,
        slots: SLOTS,
        import_price_per_kwh: (0..SLOTS).map(price).collect::<Vec<f64>>().into(),
        export_price_per_kwh: None,
        carbon_g_per_kwh: None,
        carbon_price_per_kg: 0.0,
        demand_charge: Some(DemandCharge {
            per_kw: 0.40,
            peak_so_far_kw: 60.0,
        }),
        circuits: vec![Circuit {
            id: "site".to_owned(),
            parent: None,
            import_limit_kw: 110.0.into(),
            export_limit_kw: None,
            base_load_kw: Some(8.0.into()),
            base_load_phase_kw: None,
            phase_limit_kw: None,
        }],
        sessions: (0..20).map(van).collect(),
        batteries: Vec::new(),
        previous: BTreeMap::new(),
    }
}

fn van(number: usize) -> SessionNeed {
    SessionNeed {
        id: format!("van-{number:02}"),
        circuit: "site".to_owned(),
        arrival_slot: number % 5,
        departure_slot: SLOTS - number % 3,
        energy_kwh: NEEDS_KWH[number % NEEDS_KWH.len()],
        min_kw: 4.14,
        max_kw: 11.04,
        phases: None,
        priority: 1.0,
        efficiency: 1.0,
        discharge_max_kw: 0.0,
        energy_max_kwh: None,
    }
}

/// One line per van: how full each slot is, from blank to `#`.
fn strip(problem: &Problem, plan: &Solution) {
    for (need, session) in problem.sessions.iter().zip(&plan.sessions) {
        let shade = |kw: &f64| match kw / need.max_kw {
            share if share <= 0.0 => ' ',
            share if share < 0.5 => '.',
            share if share < 0.99 => '+',
            _ => '#',
        };
        let slots: String = session.power_kw.iter().map(shade).collect();
        println!("{} |{slots}| {:5.1} kWh", session.id, session.energy_kwh);
    }
}
