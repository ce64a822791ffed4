//! Why each session has the power it has, slot by slot, told from the finished rows themselves.

use super::draft::{Draft, Row};
use super::frame::{Frame, LimitOrigin};
use super::layout::Layout;
use super::need::{Class, Need};
use super::room::Room;
use crate::domain::plan::Reason;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};

/// The reasons of one session, and the circuits that keep it lower somewhere, deepest first.
pub(super) struct Explanation {
    pub(super) slots: Vec<Reason>,
    pub(super) limited_by: Vec<usize>,
}

/// What all explanations of a plan rest on.
pub(super) struct Explainer<'e> {
    layout: &'e Layout<'e>,
    frame: &'e Frame,
    draft: &'e Draft,
    /// What the whole plan leaves free.
    room: Room,
    /// Price and price of waiting by slot, in millionths of the currency per kWh.
    ranks: Vec<i64>,
    /// What the whole plan draws, by circuit and slot; empty without wishes.
    planned: Vec<Vec<Power>>,
}

/// One session while it is explained.
struct Case<'c> {
    need: &'c Need<'c>,
    row: &'c Row,
    is_short: bool,
    /// The worst rank at which it charges.
    worst: i64,
    /// The best slot of its stay that it does not use to the full, by rank.
    best_unused: Option<usize>,
}

impl<'e> Explainer<'e> {
    pub(super) fn new(
        layout: &'e Layout<'e>,
        frame: &'e Frame,
        policy: &Policy,
        needs: &[Need<'_>],
        draft: &'e Draft,
    ) -> Self {
        let mut room = Room::of(frame);
        for (need, row) in needs.iter().zip(&draft.rows) {
            for (slot, power) in row.power.iter().enumerate() {
                room.take(need.place(layout), slot, *power);
            }
        }
        let mut planned = Vec::new();
        if !frame.wishes.cap.is_empty() {
            planned = vec![vec![Power::ZERO; frame.horizon.slots]; layout.circuits.len()];
            for (need, row) in needs.iter().zip(&draft.rows) {
                for circuit in &layout.paths[need.index] {
                    for (sum, power) in planned[*circuit].iter_mut().zip(&row.power) {
                        *sum += *power;
                    }
                }
            }
        }
        let waited =
            |slot: usize| (frame.horizon.slot_start(slot) - frame.horizon.start).num_seconds();
        let waiting = policy.waiting_price.micros();
        let ranks = (0..frame.horizon.slots)
            .map(|slot| {
                let waiting = waiting.saturating_mul(waited(slot)) / 3600;
                frame.reckoned(slot).micros().saturating_add(waiting)
            })
            .collect();
        Self {
            layout,
            frame,
            draft,
            room,
            ranks,
            planned,
        }
    }

    /// Explains one row.
    pub(super) fn explain(&self, need: &Need<'_>, row: &Row, unmet: Energy) -> Explanation {
        let stay = 0..need.to.min(row.power.len());
        let case = Case {
            need,
            row,
            is_short: unmet.is_positive(),
            worst: stay
                .clone()
                .filter(|slot| row.power[*slot].is_positive())
                .map(|slot| self.rank(need, slot))
                .max()
                .unwrap_or(i64::MIN),
            best_unused: stay
                .filter(|slot| *slot < need.to_early && row.power[*slot] < need.max)
                .min_by_key(|slot| self.rank(need, *slot)),
        };
        let mut limited = Vec::new();
        let slots = (0..self.frame.horizon.slots)
            .map(|slot| self.reason(&case, slot, &mut limited))
            .collect();
        let path = self.layout.paths[need.index].iter().copied();
        Explanation {
            slots,
            limited_by: path.filter(|circuit| limited.contains(circuit)).collect(),
        }
    }

    /// What counts for this session: the price where it may wait, else the time alone.
    fn rank(&self, need: &Need<'_>, slot: usize) -> i64 {
        if need.class == Class::Planned {
            self.ranks[slot]
        } else {
            i64::try_from(slot).unwrap_or(i64::MAX)
        }
    }

    fn reason(&self, case: &Case<'_>, slot: usize, limited: &mut Vec<usize>) -> Reason {
        let need = case.need;
        match need.class {
            Class::Paused => return Reason::Override,
            _ if slot >= need.to => return Reason::NotConnected,
            Class::Charged | Class::Full => return Reason::Charged,
            Class::Now | Class::Tight | Class::Urgent | Class::Planned => {}
        }
        let power = case.row.power[slot];
        let wants_more = power < need.max && (case.is_short || self.rank(need, slot) < case.worst);
        if wants_more && let Some(limit) = self.limit(case, slot, limited) {
            return limit;
        }
        if power < need.max
            && !power.is_positive()
            && let Some(reason) = self.wished_lower(need, slot)
        {
            return reason;
        }
        match need.class {
            Class::Now => Reason::Override,
            _ if !power.is_positive() => Self::waiting(case, slot),
            Class::Urgent => Reason::AsSoonAsPossible,
            Class::Tight => Reason::Deadline,
            _ => self.charging(case, slot),
        }
    }

    /// What keeps it from drawing more in this slot; `None` if nothing does.
    fn limit(&self, case: &Case<'_>, slot: usize, limited: &mut Vec<usize>) -> Option<Reason> {
        let need = case.need;
        let power = case.row.power[slot];
        let step = if power.is_positive() {
            Power::from_watts(1)
        } else {
            need.min
        };
        let step = step.max(Power::from_watts(1));
        let free = self.room.at(need.place(self.layout), slot);
        if free >= step {
            if let Some(reason) = self.wished_lower(need, slot) {
                return Some(reason);
            }
            let is_expected = self.is_expected(need, slot);
            return is_expected.then_some(Reason::ExpectedArrivals);
        }
        let path = &self.layout.paths[need.index];
        let binding = path
            .iter()
            .copied()
            .find(|circuit| self.room.free(*circuit)[slot] < step);
        // Where no circuit as a whole is full, one of its phases is.
        let circuit = binding.or_else(|| {
            path.iter()
                .copied()
                .find(|circuit| self.room.phases(*circuit).is_some())
        });
        limited.extend(circuit);
        if free.is_positive() && !power.is_positive() {
            return Some(Reason::MinimumPower);
        }
        let origin =
            circuit.and_then(|circuit| self.frame.circuits[circuit].limit_origin.get(slot));
        Some(match origin {
            None | Some(LimitOrigin::Operator) => Reason::CircuitLimit,
            Some(LimitOrigin::Signal { .. } | LimitOrigin::Failsafe) => Reason::SignalLimit,
        })
    }

    fn waiting(case: &Case<'_>, slot: usize) -> Reason {
        let later = case.row.power[slot + 1..case.need.to].iter();
        if later.clone().any(|power| power.is_positive()) {
            Reason::CheaperLater
        } else if case.is_short {
            Reason::MinimumPower
        } else {
            Reason::Charged
        }
    }

    fn charging(&self, case: &Case<'_>, slot: usize) -> Reason {
        let need = case.need;
        match case.best_unused {
            Some(better) if self.rank(need, better) < self.rank(need, slot) => {
                if self.is_expected(need, better) {
                    Reason::ExpectedArrivals
                } else {
                    Reason::Deadline
                }
            }
            _ => Reason::CheapSlot,
        }
    }

    /// What leaves it nothing more in this slot though limits do: a wish or the price of a peak.
    fn wished_lower(&self, need: &Need<'_>, slot: usize) -> Option<Reason> {
        let cap = self.layout.paths[need.index].iter().find_map(|circuit| {
            let cap = self.frame.wishes.cap(*circuit, slot);
            cap.filter(|cap| self.planned[*circuit][slot] + need.min > *cap)
        })?;
        let peak = self.frame.peak.as_ref().and_then(|peak| peak.cap[slot]);
        let is_peak = peak == Some(cap);
        Some(if is_peak {
            Reason::DemandCharge
        } else {
            Reason::Wish
        })
    }

    /// True if others are expected to draw above it in this slot.
    fn is_expected(&self, need: &Need<'_>, slot: usize) -> bool {
        self.layout.paths[need.index].iter().any(|circuit| {
            let expected = self.draft.expected.get(*circuit);
            expected.is_some_and(|row| row[slot].is_positive())
        })
    }
}
