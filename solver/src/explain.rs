//! Why each session has the power it has, slot by slot.

use std::collections::BTreeSet;

use crate::headroom::{Headroom, Tap};
use crate::milliwatts;
use crate::model::Model;
use crate::report::Draft;
use crate::{Explanation, Reason};

/// Less than this is nothing, in mW: a watt.
const NEARLY_NOTHING_MW: i64 = 1_000;

/// Prices nearer than this are the same, per kWh.
const SAME_PRICE: f64 = 1e-9;

/// An explanation for each session.
pub(crate) fn explain(model: &Model<'_>, draft: &Draft) -> Vec<Explanation> {
    let mut headroom = Headroom::of(model);
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        for (slot, power) in (it.from..it.to).zip(&draft.powers[session]) {
            headroom.take(model, tap, slot, *power);
        }
    }
    for (battery, powers) in draft.batteries.iter().enumerate() {
        let tap = Tap::of_battery(model, battery);
        for (slot, power) in powers.iter().enumerate() {
            headroom.take(model, tap, slot, *power);
        }
    }
    let peak_room = peak_room(model, &headroom);
    (0..model.sessions.len())
        .map(|session| Explainer::new(model, draft, &headroom, &peak_room, session).explain())
        .collect()
}

/// How far each slot is below the plan's peak, in mW, where there is a demand charge.
fn peak_room(model: &Model<'_>, headroom: &Headroom) -> Vec<i64> {
    let root = &model.circuits[model.root];
    let net = |slot: usize| {
        let planned = root.free_mw[slot] - headroom.free[model.root][slot];
        planned + milliwatts::ceil(root.base_kw[slot])
    };
    let Some(charge) = model.problem.demand_charge.filter(|it| it.per_kw > 0.0) else {
        return vec![i64::MAX; model.slots];
    };
    let highest = (0..model.slots).map(net).max().unwrap_or_default();
    let peak = highest.max(milliwatts::floor(charge.peak_so_far_kw));
    (0..model.slots).map(|slot| peak - net(slot)).collect()
}

/// The cheapest price at which a session charges before each slot of its window, and after it;
/// infinite where it does not charge.
fn charged_at(model: &Model<'_>, from: usize, powers: &[i64]) -> Vec<(f64, f64)> {
    let mut charged = vec![(f64::INFINITY, f64::INFINITY); powers.len()];
    let price = |offset: usize| {
        if powers[offset] > 0 {
            model.import_price(from + offset)
        } else {
            f64::INFINITY
        }
    };
    for offset in 1..powers.len() {
        charged[offset].0 = charged[offset - 1].0.min(price(offset - 1));
    }
    for offset in (1..powers.len()).rev() {
        charged[offset - 1].1 = charged[offset].1.min(price(offset));
    }
    charged
}

struct Explainer<'a> {
    model: &'a Model<'a>,
    powers: &'a [i64],
    headroom: &'a Headroom,
    peak_room: &'a [i64],
    session: usize,
    /// The dearest price at which it charges.
    dearest: f64,
    /// The cheapest price in its window.
    cheapest: f64,
    /// The cheapest price at which it charges before each slot of its window, and after it.
    charged_at: Vec<(f64, f64)>,
    satisfied: bool,
    /// It wants more than its window can carry.
    wants_beyond: bool,
}

impl<'a> Explainer<'a> {
    fn new(
        model: &'a Model<'a>,
        draft: &'a Draft,
        headroom: &'a Headroom,
        peak_room: &'a [i64],
        session: usize,
    ) -> Self {
        let it = &model.sessions[session];
        let powers = &draft.powers[session];
        let charging = powers.iter().enumerate().filter(|(_, mw)| **mw > 0);
        let prices = charging.map(|(offset, _)| model.import_price(it.from + offset));
        let dearest = prices.fold(f64::NEG_INFINITY, f64::max);
        let window = (it.from..it.to).map(|slot| model.import_price(slot));
        let cheapest = window.fold(f64::INFINITY, f64::min);
        let planned: i64 = powers.iter().sum();
        let satisfied = planned + NEARLY_NOTHING_MW >= it.energy;
        let wanted = &model.problem.sessions[session];
        let drawn_kw = wanted.energy_kwh / (wanted.efficiency * model.hours);
        let wants_beyond = milliwatts::floor(drawn_kw) > it.energy + NEARLY_NOTHING_MW;
        Self {
            model,
            powers,
            headroom,
            peak_room,
            session,
            dearest,
            cheapest,
            charged_at: charged_at(model, it.from, powers),
            satisfied,
            wants_beyond,
        }
    }

    fn explain(&self) -> Explanation {
        let mut limited = BTreeSet::new();
        let slots = (0..self.model.slots)
            .map(|slot| self.reason(slot, &mut limited))
            .collect();
        let circuits = &self.model.circuits;
        let mut limited: Vec<usize> = limited.into_iter().collect();
        limited.sort_by_key(|circuit| std::cmp::Reverse(circuits[*circuit].depth));
        let name = |circuit: usize| self.model.problem.circuits[circuit].id.clone();
        Explanation {
            slots,
            limited_by: limited.into_iter().map(name).collect(),
        }
    }

    fn reason(&self, slot: usize, limited: &mut BTreeSet<usize>) -> Reason {
        let it = &self.model.sessions[self.session];
        if !(it.from..it.to).contains(&slot) {
            return Reason::NotConnected;
        }
        let power = self.powers[slot - it.from];
        if power < 0 {
            return Reason::Discharging;
        }
        if it.energy == 0 {
            return Reason::Charged;
        }
        let price = self.model.import_price(slot);
        // It would charge more here if it could: it is short, or pays more elsewhere.
        let wants_more = !self.satisfied || price < self.dearest - SAME_PRICE;
        if power > 0 {
            return self.charging(slot, power, price, wants_more, limited);
        }
        if wants_more {
            return self.held_down(slot, limited);
        }
        self.waiting(slot, price)
    }

    fn charging(
        &self,
        slot: usize,
        power: i64,
        price: f64,
        wants_more: bool,
        limited: &mut BTreeSet<usize>,
    ) -> Reason {
        let it = &self.model.sessions[self.session];
        if power + NEARLY_NOTHING_MW >= it.max_mw {
            return if self.wants_beyond {
                Reason::WindowTooShort
            } else {
                Reason::FullPower
            };
        }
        if wants_more {
            return self.held_down(slot, limited);
        }
        if self.cheapest < price {
            Reason::Deadline
        } else {
            Reason::CheapSlot
        }
    }

    fn held_down(&self, slot: usize, limited: &mut BTreeSet<usize>) -> Reason {
        if let Some(circuit) = self.binding(slot) {
            limited.insert(circuit);
            return Reason::CircuitLimit;
        }
        if let Some(circuit) = self.binding_by_phase(slot) {
            limited.insert(circuit);
            return Reason::PhaseLimit;
        }
        if self.peak_room[slot] < self.step(slot) {
            Reason::DemandCharge
        } else {
            Reason::MinimumPower
        }
    }

    fn waiting(&self, slot: usize, price: f64) -> Reason {
        let it = &self.model.sessions[self.session];
        let (before, after) = self.charged_at[slot - it.from];
        if after < price {
            Reason::CheaperLater
        } else if after < f64::INFINITY {
            Reason::NoHurry
        } else if before < price {
            Reason::CheaperEarlier
        } else {
            Reason::Charged
        }
    }

    /// What more power would come as, at least: a watt, or the minimum where it is off.
    fn step(&self, slot: usize) -> i64 {
        let it = &self.model.sessions[self.session];
        let is_on = self.powers[slot - it.from] > 0;
        if is_on {
            NEARLY_NOTHING_MW
        } else {
            it.min_mw.max(NEARLY_NOTHING_MW)
        }
    }

    /// The deepest circuit above the session without room for a step more.
    fn binding(&self, slot: usize) -> Option<usize> {
        let circuit = self.model.sessions[self.session].circuit;
        let step = self.step(slot);
        self.model
            .upwards(circuit)
            .find(|circuit| self.headroom.free[*circuit][slot] < step)
    }

    /// The deepest circuit above the session with a phase without room for a step more.
    fn binding_by_phase(&self, slot: usize) -> Option<usize> {
        let it = &self.model.sessions[self.session];
        let load = self.step(slot) * it.sixths_per_phase();
        self.model.upwards(it.circuit).find(|circuit| {
            let phases = self.headroom.phase_free[*circuit]
                .iter()
                .flatten()
                .zip(it.on_phase);
            phases.into_iter().any(|(free, on)| on && free[slot] < load)
        })
    }
}
