//! Random depots by seed: the same on every machine.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use evenload_solver::{
    Battery, Circuit, DemandCharge, GridPhase, Problem, SCHEMA_VERSION, Series, SessionNeed,
};

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) sessions: usize,
    pub(crate) slots: usize,
    /// Powers are 0 or at least 6 A.
    pub(crate) minimum: bool,
    /// Phase limits, and cars on one phase or three.
    pub(crate) phases: bool,
    pub(crate) demand_charge: bool,
    /// Share of the full power of all cars that the site may draw.
    pub(crate) tightness: f64,
}

impl Kind {
    /// A site limit, two groups below it, base load, prices by the hour.
    pub(crate) const fn plain(sessions: usize, slots: usize) -> Self {
        Self {
            sessions,
            slots,
            minimum: false,
            phases: false,
            demand_charge: false,
            tightness: 0.35,
        }
    }
}

/// `SplitMix64`: small, and the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Between 0 and 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

#[expect(clippy::cast_precision_loss, reason = "slots and sessions are few")]
fn float(count: usize) -> f64 {
    count as f64
}

/// The depot of a seed.
pub(crate) fn depot(kind: Kind, seed: u64) -> Problem {
    let mut dice = Dice::new(seed ^ 0x00E7_E410_AD00);
    let Kind {
        sessions, slots, ..
    } = kind;
    let slots_a_day = float(slots);
    let prices: Vec<f64> = (0..slots)
        .map(|slot| {
            // A new price each hour of a day that has as many slots as the horizon.
            let hour = slot * 24 / slots.max(1);
            let wave = (float(hour) / 24.0 * TAU).sin();
            let of_hour = u64::try_from(hour).unwrap_or_default();
            let mut hourly = Dice::new(seed.wrapping_mul(31).wrapping_add(of_hour));
            rounded(0.18 + 0.08 * wave + hourly.between(-0.04, 0.04), 4)
        })
        .collect();
    let needs: Vec<SessionNeed> = (0..sessions)
        .map(|index| session(kind, index, &mut dice))
        .collect();
    let power: f64 = needs.iter().map(|it| it.max_kw).sum();
    let base: Vec<f64> = (0..slots)
        .map(|slot| {
            let wave = 1.0 + (float(slot) / slots_a_day * TAU).sin();
            rounded(
                0.05 * power * wave / 2.0 + dice.between(0.0, 0.02 * power),
                2,
            )
        })
        .collect();
    let limit = rounded(kind.tightness * power, 1);
    let circuit = |id: &str, parent: Option<&str>, limit: f64| Circuit {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        import_limit_kw: Series::Constant(rounded(limit, 1)),
        export_limit_kw: None,
        base_load_kw: Some(Series::Constant(0.0)),
        base_load_phase_kw: None,
        phase_limit_kw: kind
            .phases
            .then(|| Series::Constant(rounded(limit * 0.4, 1))),
    };
    let mut site = circuit("site", None, limit);
    site.base_load_kw = Some(Series::PerSlot(base));
    Problem {
        schema_version: SCHEMA_VERSION,
        name: Some(format!("{sessions}x{slots} seed {seed}")),
        currency: "EUR".to_owned(),
        start: chrono::DateTime::UNIX_EPOCH,
        slot_minutes: u32::try_from((1440 / slots.max(1)).max(1)).unwrap_or(15),
        slots,
        import_price_per_kwh: Series::PerSlot(prices),
        export_price_per_kwh: None,
        carbon_g_per_kwh: None,
        carbon_price_per_kg: 0.0,
        demand_charge: kind.demand_charge.then_some(DemandCharge {
            per_kw: 0.15,
            peak_so_far_kw: rounded(0.3 * limit, 1),
        }),
        circuits: vec![
            site,
            circuit("hall", Some("site"), 0.7 * limit),
            circuit("row", Some("hall"), 0.4 * limit),
        ],
        sessions: needs,
        batteries: Vec::new(),
        previous: BTreeMap::new(),
    }
}

fn session(kind: Kind, index: usize, dice: &mut Dice) -> SessionNeed {
    let circuits = ["site", "hall", "row"];
    let (min, max, phases) = match dice.below(3) {
        0 => (1.38, 7.36, 1 + dice.below(3)),
        1 => (4.14, 11.04, 0),
        _ => (4.14, 22.08, 0),
    };
    let arrival = dice.below(kind.slots * 3 / 4);
    let stay = kind.slots / 12 + dice.below(kind.slots / 2);
    let departure = (arrival + stay.max(1)).min(kind.slots);
    let hours = float(departure - arrival) * 24.0 / float(kind.slots);
    let energy = dice.between(4.0, 45.0).min(0.7 * max * hours);
    SessionNeed {
        id: format!("s{index}"),
        circuit: circuits[dice.below(3)].to_owned(),
        arrival_slot: arrival,
        departure_slot: departure,
        energy_kwh: rounded(energy, 2),
        min_kw: if kind.minimum { min } else { 0.0 },
        max_kw: max,
        phases: (kind.phases && phases > 0).then(|| vec![GridPhase::ALL[phases - 1]]),
        priority: 1.0,
        efficiency: 1.0,
        discharge_max_kw: 0.0,
        energy_max_kwh: None,
    }
}

/// A small problem with any features: weights, losses, phases, surplus, demand charge, carbon,
/// batteries, vehicles that feed back, room above the need.
pub(crate) fn any(seed: u64) -> Problem {
    let mut dice = Dice::new(seed ^ 0x00A1_1FEA);
    let mut chance = |share: f64| dice.unit() < share;
    let kind = Kind {
        minimum: true,
        phases: chance(0.3),
        demand_charge: chance(0.4),
        tightness: 0.0,
        ..Kind::plain(0, 0)
    };
    let (has_weights, has_surplus) = (chance(0.4), chance(0.3));
    let (has_carbon, has_batteries, has_feed_in) = (chance(0.3), chance(0.25), chance(0.2));
    let kind = Kind {
        sessions: 1 + dice.below(15),
        slots: 8 + dice.below(25),
        tightness: dice.between(0.05, 0.8),
        ..kind
    };
    let mut problem = depot(kind, seed);
    let slots = problem.slots;
    for it in &mut problem.sessions {
        if has_weights {
            it.priority = [1.0, 2.0, 5.0][dice.below(3)];
            it.efficiency = [1.0, 0.9][dice.below(2)];
        }
        // Some want more than they can get.
        it.energy_kwh = rounded(it.energy_kwh * dice.between(0.5, 1.8), 2);
        if has_feed_in && dice.below(3) == 0 {
            it.discharge_max_kw = it.max_kw;
            it.efficiency = 0.95;
            it.energy_max_kwh = Some(it.energy_kwh + 20.0);
        }
    }
    if has_carbon {
        let grams = (0..slots).map(|_| rounded(dice.between(20.0, 600.0), 0));
        problem.carbon_g_per_kwh = Some(Series::PerSlot(grams.collect()));
        problem.carbon_price_per_kg = 0.08;
    }
    if has_surplus {
        problem.export_price_per_kwh = Some(Series::Constant(0.05));
        let power: f64 = problem.sessions.iter().map(|it| it.max_kw).sum();
        let loads = (0..slots).map(|_| rounded(dice.between(-0.4, 0.1) * power, 2));
        problem.circuits[0].base_load_kw = Some(Series::PerSlot(loads.collect()));
        problem.circuits[0].export_limit_kw = Some(Series::Constant(rounded(power, 1)));
    }
    if has_batteries {
        let capacity = rounded(dice.between(10.0, 100.0), 1);
        problem.batteries.push(Battery {
            id: "battery".to_owned(),
            circuit: "hall".to_owned(),
            capacity_kwh: capacity,
            soc_kwh: rounded(capacity * dice.unit(), 1),
            min_soc_kwh: 0.0,
            charge_max_kw: rounded(capacity / 2.0, 1),
            discharge_max_kw: rounded(capacity / 2.0, 1),
            efficiency: 0.95,
            cycle_cost_per_kwh: 0.01,
        });
    }
    problem
}
