//! The problem as the methods see it: indices instead of names, whole milliwatts, base load taken
//! off the limits.

use std::collections::BTreeMap;

use crate::milliwatts;
use crate::{Circuit, GridPhase, Problem, SessionNeed};

/// A power no circuit reaches: stands for "no limit". 1e15 mW = 1e9 kW.
pub(crate) const UNLIMITED_MW: i64 = 1_000_000_000_000_000;

/// A sixth of a milliwatt: the unit of phase limits, since a session on two or three phases puts a
/// half or a third of its power on each.
pub(crate) const SIXTHS: i64 = 6;

/// The problem, lowered.
#[derive(Debug)]
pub(crate) struct Model<'p> {
    pub(crate) problem: &'p Problem,
    pub(crate) slots: usize,
    /// Length of a slot in hours.
    pub(crate) hours: f64,
    pub(crate) root: usize,
    pub(crate) circuits: Vec<Node>,
    pub(crate) sessions: Vec<Need>,
    /// The circuit of each battery.
    pub(crate) battery_circuits: Vec<usize>,
    /// Cost of one more kWh of import by slot: price and carbon.
    import_prices: Vec<f64>,
}

/// A circuit, lowered.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parent: Option<usize>,
    /// Distance from the root.
    pub(crate) depth: usize,
    /// Base load in kW by slot.
    pub(crate) base_kw: Vec<f64>,
    /// What charging may draw, in mW by slot: the limit less the base load, at least 0.
    pub(crate) free_mw: Vec<i64>,
    /// The same by phase, in sixths of mW, where the circuit has a phase limit.
    pub(crate) phase_free: Option<[Vec<i64>; 3]>,
    /// How far all controlled power together may be negative, in mW by slot.
    pub(crate) feed_in_mw: Vec<i64>,
}

/// A session, lowered.
#[derive(Debug)]
pub(crate) struct Need {
    pub(crate) circuit: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Energy to draw, in mW times slots.
    pub(crate) energy: i64,
    pub(crate) min_mw: i64,
    pub(crate) max_mw: i64,
    /// Priority times efficiency: the loss per unit of energy not drawn.
    pub(crate) weight: f64,
    pub(crate) on_phase: [bool; 3],
    /// It can feed back, so its power is planned together with what it holds.
    pub(crate) stores: bool,
    /// Power in the previous plan by slot, in mW; empty without one.
    pub(crate) previous: Vec<i64>,
}

impl Need {
    /// Power in the previous plan, in mW; 0 without one.
    pub(crate) fn previous_at(&self, slot: usize) -> i64 {
        self.previous.get(slot).copied().unwrap_or_default().max(0)
    }

    /// The part of its power that falls on a phase.
    pub(crate) fn share_on(&self, phase: usize) -> f64 {
        let phases = self.on_phase.iter().filter(|on| **on).count();
        match (self.on_phase[phase], phases) {
            (false, _) => 0.0,
            (true, 1) => 1.0,
            (true, 2) => 0.5,
            (true, _) => 1.0 / 3.0,
        }
    }

    /// Sixths of each milliwatt that fall on each of its phases.
    pub(crate) fn sixths_per_phase(&self) -> i64 {
        let phases = self.on_phase.iter().filter(|on| **on).count();
        i64::try_from(phases).map_or(SIXTHS, |phases| SIXTHS / phases.max(1))
    }
}

impl<'p> Model<'p> {
    /// Lowers a validated problem.
    pub(crate) fn new(problem: &'p Problem) -> Self {
        let index_of: BTreeMap<&str, usize> = problem
            .circuits
            .iter()
            .enumerate()
            .map(|(index, it)| (it.id.as_str(), index))
            .collect();
        let find = |id: &str| index_of.get(id).copied().unwrap_or_default();
        let parents: Vec<Option<usize>> = problem
            .circuits
            .iter()
            .map(|it| it.parent.as_deref().map(find))
            .collect();
        let hours = slot_hours(problem);
        let depths = depths(&parents);
        let base = base_loads(problem, &parents, &depths);
        let circuits = problem.circuits.iter().zip(base).enumerate();
        let circuits = circuits
            .map(|(index, (circuit, base))| node(circuit, base, depths[index], parents[index]))
            .collect();
        let sessions = problem
            .sessions
            .iter()
            .map(|it| need(problem, it, find(&it.circuit)))
            .collect();
        let root = parents.iter().position(Option::is_none).unwrap_or_default();
        let battery_circuits = problem
            .batteries
            .iter()
            .map(|it| find(&it.circuit))
            .collect();
        Self {
            problem,
            slots: problem.slots,
            hours,
            root,
            circuits,
            sessions,
            battery_circuits,
            import_prices: (0..problem.slots)
                .map(|slot| import_price(problem, slot))
                .collect(),
        }
    }

    /// Slots of all windows together.
    pub(crate) fn cells(&self) -> u64 {
        self.sessions
            .iter()
            .map(|it| (it.to - it.from) as u64)
            .sum()
    }

    /// The circuit and all above it, upwards.
    pub(crate) fn upwards(&self, circuit: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(circuit), |here| self.circuits[*here].parent)
    }

    /// Cost of one more kWh of import in `slot`: price and carbon.
    pub(crate) fn import_price(&self, slot: usize) -> f64 {
        self.import_prices[slot]
    }

    /// Revenue lost by one kWh less of export in `slot`; never above the import price.
    pub(crate) fn export_price(&self, slot: usize) -> f64 {
        let price = self
            .problem
            .export_price_per_kwh
            .as_ref()
            .map_or(0.0, |it| it.at(slot));
        price.min(self.import_price(slot))
    }
}

fn import_price(problem: &Problem, slot: usize) -> f64 {
    let carbon_g = problem
        .carbon_g_per_kwh
        .as_ref()
        .map_or(0.0, |it| it.at(slot));
    let carbon = carbon_g / 1000.0 * problem.carbon_price_per_kg;
    problem.import_price_per_kwh.at(slot) + carbon
}

fn slot_hours(problem: &Problem) -> f64 {
    f64::from(problem.slot_minutes) / 60.0
}

/// Distance of each circuit from the root.
fn depths(parents: &[Option<usize>]) -> Vec<usize> {
    let above = |circuit: usize| std::iter::successors(parents[circuit], |here| parents[*here]);
    // A validated tree has no circles; `take` bounds the walk whatever comes.
    (0..parents.len())
        .map(|circuit| above(circuit).take(parents.len()).count())
        .collect()
}

/// Base load of one circuit by slot.
#[derive(Clone, Debug)]
struct BaseLoad {
    /// Sum of the phases, kW.
    total: Vec<f64>,
    /// On each phase, kW.
    phases: [Vec<f64>; 3],
}

/// Base load of every circuit: its own, or the sum of the circuits directly below. Where a circuit
/// states a total alone, its phases carry what the circuits below state for theirs, and a third each
/// of the rest.
fn base_loads(problem: &Problem, parents: &[Option<usize>], depths: &[usize]) -> Vec<BaseLoad> {
    let mut deepest_first: Vec<usize> = (0..parents.len()).collect();
    deepest_first.sort_by_key(|circuit| std::cmp::Reverse(depths[*circuit]));
    let nothing = vec![0.0; problem.slots];
    let mut loads = vec![
        BaseLoad {
            total: nothing.clone(),
            phases: [nothing.clone(), nothing.clone(), nothing],
        };
        parents.len()
    ];
    for circuit in deepest_first {
        let described = &problem.circuits[circuit];
        let load = &mut loads[circuit];
        if let Some(phases) = &described.base_load_phase_kw {
            for (phase, own) in GridPhase::ALL.iter().zip(&mut load.phases) {
                *own = (0..problem.slots)
                    .map(|slot| phases.on(*phase).at(slot))
                    .collect();
            }
        }
        if let Some(own) = own_base(described) {
            let below = std::mem::replace(&mut load.total, (0..problem.slots).map(own).collect());
            if described.base_load_phase_kw.is_none() {
                let rest = load.total.iter().zip(&below);
                let thirds: Vec<f64> = rest.map(|(own, below)| (own - below) / 3.0).collect();
                for phase in &mut load.phases {
                    add(phase, &thirds);
                }
            }
        }
        if let Some(parent) = parents[circuit] {
            let below = loads[circuit].clone();
            let above = &mut loads[parent];
            add(&mut above.total, &below.total);
            for (above, below) in above.phases.iter_mut().zip(&below.phases) {
                add(above, below);
            }
        }
    }
    loads
}

fn add(sums: &mut [f64], more: &[f64]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

fn own_base(circuit: &Circuit) -> Option<Box<dyn Fn(usize) -> f64 + '_>> {
    match (&circuit.base_load_kw, &circuit.base_load_phase_kw) {
        (Some(total), _) => Some(Box::new(|slot| total.at(slot))),
        (None, Some(phases)) => Some(Box::new(|slot| {
            GridPhase::ALL
                .iter()
                .map(|phase| phases.on(*phase).at(slot))
                .sum()
        })),
        (None, None) => None,
    }
}

fn node(circuit: &Circuit, base: BaseLoad, depth: usize, parent: Option<usize>) -> Node {
    let BaseLoad {
        total: base_kw,
        phases: base_phase_kw,
    } = base;
    let slots = base_kw.len();
    let base_mw = |slot: usize| milliwatts::ceil(base_kw[slot]);
    let limit = &circuit.import_limit_kw;
    let free_mw = (0..slots)
        .map(|slot| (milliwatts::floor(limit.at(slot)) - base_mw(slot)).max(0))
        .collect();
    let feed_in_mw = (0..slots)
        .map(|slot| match &circuit.export_limit_kw {
            Some(limit) => milliwatts::floor(limit.at(slot)) + milliwatts::floor(base_kw[slot]),
            None if parent.is_none() => milliwatts::floor(base_kw[slot]),
            None => UNLIMITED_MW,
        })
        .map(|room| room.max(0))
        .collect();
    let phase_free = circuit.phase_limit_kw.as_ref().map(|limit| {
        base_phase_kw.each_ref().map(|base| {
            (0..slots)
                .map(|slot| {
                    (milliwatts::floor(limit.at(slot)) - milliwatts::ceil(base[slot])).max(0)
                })
                .map(|free| free * SIXTHS)
                .collect()
        })
    });
    Node {
        parent,
        depth,
        base_kw,
        free_mw,
        phase_free,
        feed_in_mw,
    }
}

fn need(problem: &Problem, session: &SessionNeed, circuit: usize) -> Need {
    let hours = slot_hours(problem);
    let max_mw = milliwatts::nearest(session.max_kw);
    let window = session.departure_slot.saturating_sub(session.arrival_slot);
    let most = max_mw.saturating_mul(i64::try_from(window).unwrap_or(i64::MAX));
    let wanted = milliwatts::floor(session.energy_kwh / (session.efficiency * hours));
    let on_phase = GridPhase::ALL.map(|phase| {
        session
            .phases
            .as_ref()
            .is_none_or(|phases| phases.contains(&phase))
    });
    Need {
        circuit,
        from: session.arrival_slot,
        to: session.departure_slot,
        energy: wanted.min(most),
        min_mw: milliwatts::nearest(session.min_kw),
        max_mw,
        weight: session.priority * session.efficiency,
        on_phase,
        stores: session.discharge_max_kw > 0.0 && window > 0,
        previous: problem
            .previous
            .get(&session.id)
            .map_or_else(Vec::new, |row| {
                row.iter().map(|kw| milliwatts::nearest(*kw)).collect()
            }),
    }
}
