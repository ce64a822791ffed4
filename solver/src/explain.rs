//! Why each session has the power it has, slot by slot.

use std::collections::BTreeSet;

use crate::model::Model;
use crate::report::Draft;
use crate::{Explanation, Reason};

/// Less than this is nothing, in mW: a watt.
const NEARLY_NOTHING_MW: i64 = 1_000;

/// An explanation for each session.
pub(crate) fn explain(model: &Model<'_>, draft: &Draft, loads: &[Vec<i64>]) -> Vec<Explanation> {
    (0..model.sessions.len())
        .map(|session| Explainer::new(model, draft, loads, session).explain())
        .collect()
}

struct Explainer<'a> {
    model: &'a Model<'a>,
    powers: &'a [i64],
    loads: &'a [Vec<i64>],
    session: usize,
    /// The dearest price at which it charges.
    dearest: f64,
    satisfied: bool,
}

impl<'a> Explainer<'a> {
    fn new(model: &'a Model<'a>, draft: &'a Draft, loads: &'a [Vec<i64>], session: usize) -> Self {
        let it = &model.sessions[session];
        let powers = &draft.powers[session];
        let dearest = powers
            .iter()
            .enumerate()
            .filter(|(_, mw)| **mw > 0)
            .map(|(offset, _)| model.import_price(it.from + offset))
            .fold(f64::NEG_INFINITY, f64::max);
        let planned: i64 = powers.iter().sum();
        let satisfied = planned + NEARLY_NOTHING_MW >= it.energy;
        Self {
            model,
            powers,
            loads,
            session,
            dearest,
            satisfied,
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
        let wants_more = !self.satisfied || price < self.dearest;
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
            let tight = !self.satisfied && self.binding(slot).is_none();
            return if tight {
                Reason::WindowTooShort
            } else {
                Reason::FullPower
            };
        }
        if wants_more {
            return self.held_down(slot, limited);
        }
        let cheaper = (it.from..it.to).any(|other| self.model.import_price(other) < price);
        if cheaper {
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
        if self.phase_limited() {
            Reason::PhaseLimit
        } else {
            Reason::MinimumPower
        }
    }

    fn waiting(&self, slot: usize, price: f64) -> Reason {
        let it = &self.model.sessions[self.session];
        let charges_cheaper_at = |other: &usize| {
            self.powers[other - it.from] > 0 && self.model.import_price(*other) < price
        };
        let charges_after = (slot + 1..it.to).any(|other| self.powers[other - it.from] > 0);
        if (slot + 1..it.to).any(|other| charges_cheaper_at(&other)) {
            Reason::CheaperLater
        } else if charges_after {
            Reason::NoHurry
        } else if (it.from..slot).any(|other| charges_cheaper_at(&other)) {
            Reason::CheaperEarlier
        } else {
            Reason::Charged
        }
    }

    /// The deepest circuit above the session without room for its minimum, or for a watt.
    fn binding(&self, slot: usize) -> Option<usize> {
        let it = &self.model.sessions[self.session];
        let now = self.powers[slot - it.from];
        let step = if now > 0 {
            NEARLY_NOTHING_MW
        } else {
            it.min_mw.max(NEARLY_NOTHING_MW)
        };
        self.model.upwards(it.circuit).find(|circuit| {
            self.model.circuits[*circuit].free_mw[slot] - self.loads[*circuit][slot] < step
        })
    }

    fn phase_limited(&self) -> bool {
        let it = &self.model.sessions[self.session];
        self.model
            .upwards(it.circuit)
            .any(|circuit| self.model.circuits[circuit].phase_free.is_some())
    }
}
