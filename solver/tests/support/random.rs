//! Random problems of every feature.

use evenload_solver::{
    Battery, Circuit, DemandCharge, GridPhase, Problem, SCHEMA_VERSION, Series, SessionNeed,
};
use proptest::prelude::*;

/// What a random problem may contain beyond windows, prices and a tree of limits.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of switches is what it is"
)]
pub(crate) struct Features {
    pub(crate) weights: bool,
    pub(crate) surplus: bool,
    pub(crate) demand_charge: bool,
    pub(crate) phases: bool,
    pub(crate) batteries: bool,
    pub(crate) feed_in: bool,
}

impl Features {
    /// Everything the flow method does by itself.
    pub(crate) const FLOW: Self = Self {
        weights: true,
        surplus: true,
        demand_charge: false,
        phases: false,
        batteries: false,
        feed_in: false,
    };
    pub(crate) const ALL: Self = Self {
        demand_charge: true,
        phases: true,
        batteries: true,
        feed_in: true,
        ..Self::FLOW
    };
}

/// Amounts with few digits, so that a failing case can be read.
fn tenths(range: std::ops::Range<i32>) -> impl Strategy<Value = f64> {
    range.prop_map(|tenths| f64::from(tenths) / 10.0)
}

fn series(slots: usize, range: std::ops::Range<i32>) -> impl Strategy<Value = Series> {
    prop_oneof![
        tenths(range.clone()).prop_map(Series::Constant),
        prop::collection::vec(tenths(range), slots).prop_map(Series::PerSlot),
    ]
}

pub(crate) fn problem(features: Features) -> impl Strategy<Value = Problem> {
    (1_usize..14, prop::sample::select(vec![5_u32, 15, 60])).prop_flat_map(
        move |(slots, minutes)| {
            let prices = prop::collection::vec(-20_i32..400, slots).prop_map(|prices| {
                Series::PerSlot(prices.iter().map(|it| f64::from(*it) / 1e3).collect())
            });
            let circuits = prop::collection::vec(circuit(features, slots), 1..5);
            let sessions = prop::collection::vec(session(features, slots), 0..9);
            let batteries =
                prop::collection::vec(battery(), if features.batteries { 0..3 } else { 0..1 });
            let demand = prop::option::of((tenths(0..100), tenths(0..300)));
            (prices, circuits, sessions, batteries, demand).prop_map(
                move |(prices, mut circuits, mut sessions, mut batteries, demand)| {
                    name(&mut circuits, &mut sessions, &mut batteries);
                    Problem {
                        schema_version: SCHEMA_VERSION,
                        name: None,
                        currency: "EUR".to_owned(),
                        start: chrono::DateTime::UNIX_EPOCH,
                        slot_minutes: minutes,
                        slots,
                        import_price_per_kwh: prices,
                        export_price_per_kwh: features.surplus.then_some(Series::Constant(0.01)),
                        carbon_g_per_kwh: None,
                        carbon_price_per_kg: 0.0,
                        demand_charge: demand.filter(|_| features.demand_charge).map(
                            |(per_kw, peak_so_far_kw)| DemandCharge {
                                per_kw,
                                peak_so_far_kw,
                            },
                        ),
                        circuits,
                        sessions,
                        batteries: if features.batteries {
                            batteries
                        } else {
                            Vec::new()
                        },
                        previous: std::collections::BTreeMap::new(),
                    }
                },
            )
        },
    )
}

/// Gives everything its id and puts it somewhere: the numbers drawn as ids say where.
fn name(circuits: &mut [Circuit], sessions: &mut [SessionNeed], batteries: &mut [Battery]) {
    let count = circuits.len();
    let place = |drawn: &str, among: usize| drawn.parse::<usize>().unwrap_or_default() % among;
    for (index, it) in circuits.iter_mut().enumerate() {
        it.parent = (index > 0).then(|| format!("c{}", place(&it.id, index)));
        it.id = format!("c{index}");
    }
    for (index, it) in sessions.iter_mut().enumerate() {
        it.circuit = format!("c{}", place(&it.id, count));
        it.id = format!("s{index}");
    }
    for (index, it) in batteries.iter_mut().enumerate() {
        it.circuit = format!("c{}", place(&it.id, count));
        it.id = format!("b{index}");
    }
}

fn circuit(features: Features, slots: usize) -> impl Strategy<Value = Circuit> {
    let least = if features.surplus { -100 } else { 0 };
    (
        0_usize..100,
        series(slots, 0..400),
        prop::option::of(series(slots, least..100)),
        prop::option::of(series(slots, 0..200)),
        prop::option::of(series(slots, 0..100)),
    )
        .prop_map(move |(place, limit, base, phase, export)| Circuit {
            id: place.to_string(),
            parent: None,
            import_limit_kw: limit,
            export_limit_kw: export.filter(|_| features.feed_in || features.surplus),
            base_load_kw: base,
            base_load_phase_kw: None,
            phase_limit_kw: phase.filter(|_| features.phases),
        })
}

fn session(features: Features, slots: usize) -> impl Strategy<Value = SessionNeed> {
    let phases = prop::option::of(prop::sample::subsequence(GridPhase::ALL.to_vec(), 1..=3));
    (
        (0_usize..100, 0..=slots, 0..=slots),
        tenths(0..300),
        prop::sample::select(vec![
            (0.0, 22.0),
            (1.38, 7.36),
            (4.14, 11.04),
            (4.2, 4.2),
            (0.0, 0.0),
        ]),
        phases,
        prop::sample::select(vec![1.0, 1.0, 2.0, 5.0]),
        prop::sample::select(vec![1.0, 0.9]),
        prop::option::of((tenths(1..110), tenths(0..200))),
    )
        .prop_map(
            move |((place, one, other), energy, (min, max), phases, priority, efficiency, back)| {
                let back = back.filter(|_| features.feed_in);
                SessionNeed {
                    id: place.to_string(),
                    circuit: String::new(),
                    arrival_slot: one.min(other),
                    departure_slot: one.max(other),
                    energy_kwh: energy,
                    min_kw: min,
                    max_kw: max,
                    phases: phases.filter(|_| features.phases),
                    priority: if features.weights { priority } else { 1.0 },
                    efficiency: if features.weights { efficiency } else { 1.0 },
                    discharge_max_kw: back.map_or(0.0, |(power, _)| power),
                    energy_max_kwh: back.map(|(_, more)| energy + more),
                }
            },
        )
}

fn battery() -> impl Strategy<Value = Battery> {
    (
        0_usize..100,
        tenths(10..300),
        0.0..1.0_f64,
        tenths(0..200),
        tenths(0..200),
    )
        .prop_map(|(place, capacity, filled, charge, discharge)| Battery {
            id: place.to_string(),
            circuit: String::new(),
            capacity_kwh: capacity,
            soc_kwh: (capacity * filled * 10.0).floor() / 10.0,
            min_soc_kwh: 0.5,
            charge_max_kw: charge,
            discharge_max_kw: discharge,
            efficiency: 0.95,
            cycle_cost_per_kwh: 0.02,
        })
}
