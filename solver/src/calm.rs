//! Fewer interruptions at no cost: two sessions exchange slots, so that both charge in fewer, longer
//! runs. What every slot carries in sum stays the same, so neither cost nor any limit is touched.

use std::collections::BTreeMap;

use crate::flow::Powers;
use crate::model::{Model, Need};

/// Looks through all sessions this often at most.
const PASSES_MAX: usize = 4;
/// Most exchanges looked at; beyond that the plan stays as restless as it is.
const LOOKS_MAX: usize = 3_000_000;

/// Exchanges slots between sessions while that saves interruptions.
pub(crate) fn calm(model: &Model<'_>, powers: &mut Powers) {
    let mut exchange = Exchange {
        model,
        powers,
        charging: Vec::new(),
        kind: kinds(model),
        looks: 0,
    };
    exchange.list_charging();
    for _ in 0..PASSES_MAX {
        let mut changed = false;
        for session in 0..model.sessions.len() {
            changed |= exchange.settle(session);
        }
        if !changed || exchange.looks > LOOKS_MAX {
            break;
        }
    }
}

struct Exchange<'a> {
    model: &'a Model<'a>,
    powers: &'a mut Powers,
    /// Who charges in each slot, those of a kind beside each other.
    charging: Vec<Vec<usize>>,
    /// Sessions of the same kind may take each other's power in any slot; `None` = alone of its
    /// kind.
    kind: Vec<Option<usize>>,
    looks: usize,
}

/// What makes sessions alike: circuit, phases, least and most power.
fn kinds(model: &Model<'_>) -> Vec<Option<usize>> {
    let key = |it: &Need| (it.circuit, it.on_phase, it.min_mw, it.max_mw);
    let mut first = BTreeMap::new();
    let mut kinds = vec![None; model.sessions.len()];
    for (session, it) in model.sessions.iter().enumerate() {
        if it.stores {
            continue;
        }
        let leader = *first.entry(key(it)).or_insert(session);
        if leader != session {
            kinds[leader] = Some(leader);
            kinds[session] = Some(leader);
        }
    }
    kinds
}

impl Exchange<'_> {
    fn list_charging(&mut self) {
        self.charging = vec![Vec::new(); self.model.slots];
        for (session, it) in self
            .model
            .sessions
            .iter()
            .enumerate()
            .filter(|(session, _)| self.kind[*session].is_some())
        {
            for (slot, power) in (it.from..it.to).zip(&self.powers[session]) {
                if *power > 0 {
                    self.charging[slot].push(session);
                }
            }
        }
        let kind = &self.kind;
        for here in &mut self.charging {
            here.sort_by_key(|session| kind[*session]);
        }
    }

    fn of_kind(&self, slot: usize, kind: Option<usize>) -> &[usize] {
        let here = &self.charging[slot];
        let from = here.partition_point(|it| self.kind[*it] < kind);
        let to = from + here[from..].partition_point(|it| self.kind[*it] == kind);
        &here[from..to]
    }

    fn power(&self, session: usize, slot: usize) -> i64 {
        let it = &self.model.sessions[session];
        let offset = slot.checked_sub(it.from);
        offset
            .and_then(|offset| self.powers[session].get(offset))
            .copied()
            .unwrap_or_default()
    }

    fn is_on(&self, session: usize, slot: Option<usize>) -> bool {
        slot.is_some_and(|slot| self.power(session, slot) > 0)
    }

    /// Moves the ends of short runs of a session next to its other runs, wherever another session
    /// takes the other slot in return and no more interruptions come of it.
    fn settle(&mut self, session: usize) -> bool {
        let it = &self.model.sessions[session];
        if self.kind[session].is_none() {
            return false;
        }
        let mut changed = false;
        for away in it.from..it.to {
            let is_end =
                self.is_on(session, Some(away)) && self.starts_if(session, away, away) <= 0;
            if !is_end {
                continue;
            }
            for towards in it.from..it.to {
                if self.looks > LOOKS_MAX {
                    return changed;
                }
                let joins = !self.is_on(session, Some(towards))
                    && self.starts_if(session, away, towards) < 0;
                if joins && self.exchange(session, away, towards) {
                    changed = true;
                    break;
                }
            }
        }
        changed
    }

    /// How the number of runs changes when a session leaves one slot for another; the same slot
    /// twice = it only leaves.
    fn starts_if(&self, session: usize, away: usize, towards: usize) -> i32 {
        let left = |slot: usize| self.is_on(session, slot.checked_sub(1));
        let right = |slot: usize| self.is_on(session, Some(slot + 1));
        let off = i32::from(left(away)) + i32::from(right(away)) - 1;
        if away == towards {
            return off;
        }
        let left = left(towards) && towards != away + 1;
        let right = right(towards) && towards + 1 != away;
        off + 1 - i32::from(left) - i32::from(right)
    }

    fn exchange(&mut self, session: usize, away: usize, towards: usize) -> bool {
        let power = self.power(session, away);
        let gain = self.starts_if(session, away, towards);
        let candidates = self.of_kind(towards, self.kind[session]);
        let partner = candidates.iter().copied().find(|other| {
            *other != session
                && self.power(*other, towards) == power
                && self.power(*other, away) == 0
                && (self.model.sessions[*other].from..self.model.sessions[*other].to)
                    .contains(&away)
                && gain + self.starts_if(*other, towards, away) < 0
        });
        self.looks += candidates.len();
        let Some(partner) = partner else { return false };
        self.set(session, away, 0);
        self.set(session, towards, power);
        self.set(partner, towards, 0);
        self.set(partner, away, power);
        for (slot, out, into) in [(away, session, partner), (towards, partner, session)] {
            if let Some(place) = self.charging[slot].iter_mut().find(|it| **it == out) {
                *place = into;
            }
        }
        true
    }

    fn set(&mut self, session: usize, slot: usize, power: i64) {
        let from = self.model.sessions[session].from;
        self.powers[session][slot - from] = power;
    }
}
