//! From needs and room to the solver's problem.
//!
//! Powers in a problem are worst cases (what an EVSE may draw at the highest voltage), since they
//! compete for limits; what they bring is less by the expected share of the voltage, which the
//! solver takes as efficiency. What the plan cannot steer is taken off the limits beforehand, so a
//! problem has no base load and its cost is that of charging.

use std::collections::BTreeMap;

use evenload_solver::{
    Circuit, GridPhase, PhaseLoads, Problem, SCHEMA_VERSION, Series, SessionNeed,
};

use super::frame::Frame;
use super::layout::{Layout, PhaseShare};
use super::room::Room;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};

/// The solver's highest power: one gigawatt stands for "no limit".
const HIGHEST: Power = Power::from_watts(1_000_000_000);
/// The solver's highest price that makes sense: 100,000 per kWh.
const HIGHEST_PRICE: f64 = 1e5;

/// How slots compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The earlier the better.
    Earliest,
    /// The later the better.
    Latest,
    /// The cheaper the better, the earlier where the difference is below the waiting price.
    Cheapest,
}

/// One session of a problem.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Index of the EVSE whose place it takes.
    pub(super) evse: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) energy: Energy,
    pub(super) min: Power,
    pub(super) max: Power,
    /// What of a worst-case power reaches the vehicle: `(numerator, denominator)`.
    pub(super) share: (i64, i64),
    /// Weight of energy it does not get.
    pub(super) priority: f64,
    /// What the last plan gave it, by slot; empty if that did not know it. Among equally good plans
    /// the one nearest to it is taken, so that fewer profiles change.
    pub(super) before: Vec<Power>,
}

/// The problem of these sessions in this room.
pub(super) fn problem(
    layout: &Layout<'_>,
    frame: &Frame,
    policy: &Policy,
    room: &Room,
    items: &[Item],
    order: Order,
) -> Problem {
    Problem {
        schema_version: SCHEMA_VERSION,
        name: None,
        currency: "EUR".to_owned(),
        start: frame.horizon.start,
        slot_minutes: frame.horizon.slot_s / 60,
        slots: frame.horizon.slots,
        import_price_per_kwh: Series::PerSlot(prices(frame, policy, order)),
        export_price_per_kwh: None,
        carbon_g_per_kwh: None,
        carbon_price_per_kg: 0.0,
        demand_charge: None,
        circuits: circuits(layout, room, items),
        sessions: items
            .iter()
            .enumerate()
            .map(|(index, item)| session(layout, frame, index, item))
            .collect(),
        batteries: Vec::new(),
        previous: previous(items),
    }
}

fn previous(items: &[Item]) -> BTreeMap<String, Vec<f64>> {
    items
        .iter()
        .enumerate()
        .filter(|(_, item)| !item.before.is_empty())
        .map(|(index, item)| {
            let before = item
                .before
                .iter()
                .map(|power| power.min(&HIGHEST).kilowatts());
            (index.to_string(), before.collect())
        })
        .collect()
}

fn prices(frame: &Frame, policy: &Policy, order: Order) -> Vec<f64> {
    let slots = frame.horizon.slots;
    let hour_of = |slot: usize| {
        let seconds = (frame.horizon.slot_start(slot) - frame.horizon.start).num_seconds();
        // Through an integer of 32 bits: a horizon is far shorter than 68 years.
        f64::from(i32::try_from(seconds).unwrap_or(i32::MAX)) / 3600.0
    };
    (0..slots)
        .map(|slot| match order {
            Order::Earliest => hour_of(slot),
            Order::Latest => hour_of(slots - slot),
            Order::Cheapest => {
                let waiting = policy.waiting_price.per_kwh() * hour_of(slot);
                let price = frame.reckoned(slot).per_kwh() + waiting;
                price.clamp(-HIGHEST_PRICE, HIGHEST_PRICE)
            }
        })
        .collect()
}

fn session(layout: &Layout<'_>, frame: &Frame, index: usize, item: &Item) -> SessionNeed {
    let evse = &layout.evses[item.evse];
    let (numerator, denominator) = item.share;
    let share =
        Power::from_watts(numerator).kilowatts() / Power::from_watts(denominator).kilowatts();
    let circuit = layout.paths[item.evse].first().copied().unwrap_or_default();
    let slots = frame.horizon.slots;
    SessionNeed {
        id: index.to_string(),
        circuit: circuit.to_string(),
        arrival_slot: item.from.min(slots),
        departure_slot: item.to.min(slots),
        energy_kwh: item.energy.kilowatt_hours().clamp(0.0, 1e6),
        min_kw: item.min.min(item.max).min(HIGHEST).kilowatts(),
        max_kw: item.max.min(HIGHEST).kilowatts(),
        phases: grid_phases(PhaseShare::of(evse)),
        priority: item.priority,
        efficiency: share.clamp(0.01, 1.0),
        discharge_max_kw: 0.0,
        energy_max_kwh: None,
    }
}

fn grid_phases(share: PhaseShare) -> Option<Vec<GridPhase>> {
    let loaded = share.even()?;
    Some(
        loaded
            .into_iter()
            .map(|phase| GridPhase::ALL[phase])
            .collect(),
    )
}

/// The circuits with what is free for these sessions. A phase limit becomes part of the import
/// limit where every session beneath loads all phases alike: then both say the same, and the
/// problem keeps its fast solution. So it does, on the safe side, where some EVSE's load cannot be
/// told by phase (unknown wiring, direct current). Else the problem has rows by phase.
fn circuits(layout: &Layout<'_>, room: &Room, items: &[Item]) -> Vec<Circuit> {
    layout
        .circuits
        .iter()
        .enumerate()
        .map(|(index, circuit)| {
            let shares: Vec<PhaseShare> = items
                .iter()
                .filter(|item| layout.paths[item.evse].contains(&index))
                .map(|item| PhaseShare::of(&layout.evses[item.evse]))
                .collect();
            let mut free: Vec<Power> = room.free(index).to_vec();
            let mut rows = None;
            if let Some(phases) = room.phases(index) {
                // Each session's part of a phase is rounded up to a watt.
                let grain = Power::from_watts(i64::try_from(shares.len()).unwrap_or(i64::MAX));
                if shares.iter().all(|s| s.is_symmetric())
                    || shares.iter().any(|s| s.even().is_none())
                {
                    fold(&mut free, phases, &shares, grain);
                } else {
                    rows = Some(phase_rows(phases, grain));
                }
            }
            let (phase_limit_kw, base_load_phase_kw) = rows.unzip();
            let parent = circuit
                .parent
                .as_ref()
                .and_then(|parent| layout.circuits.iter().position(|c| c.id == *parent));
            Circuit {
                id: index.to_string(),
                parent: parent.map(|parent| parent.to_string()),
                import_limit_kw: Series::PerSlot(
                    free.into_iter()
                        .map(|free| free.at_least_zero().min(HIGHEST).kilowatts())
                        .collect(),
                ),
                export_limit_kw: None,
                base_load_kw: Some(Series::Constant(0.0)),
                base_load_phase_kw,
                phase_limit_kw,
            }
        })
        .collect()
}

fn fold(free: &mut [Power], phases: &[Vec<Power>; 3], shares: &[PhaseShare], grain: Power) {
    let highest = shares
        .iter()
        .map(|share| share.highest())
        .max_by(|(a, b), (c, d)| (a * d).cmp(&(c * b)));
    let Some((numerator, denominator)) = highest else {
        return;
    };
    for phase in phases {
        for (free, room) in free.iter_mut().zip(phase) {
            let room = (*room - grain).at_least_zero();
            *free = (*free).min(room.scaled_down(denominator, numerator.max(1)));
        }
    }
}

/// One limit for all phases, and per phase what is taken of it.
fn phase_rows(phases: &[Vec<Power>; 3], grain: Power) -> (Series, PhaseLoads) {
    let limit = phases
        .iter()
        .flatten()
        .copied()
        .max()
        .unwrap_or(Power::ZERO);
    let taken = |phase: usize| {
        let loads = phases[phase].iter();
        Series::PerSlot(
            loads
                .map(|room| (limit - *room + grain).kilowatts())
                .collect(),
        )
    };
    let loads = PhaseLoads {
        l1: taken(0),
        l2: taken(1),
        l3: taken(2),
    };
    (Series::Constant(limit.min(HIGHEST).kilowatts()), loads)
}
