//! The solver's part of a plan: who is served by which rule, in which order.
//!
//! The solver's fast method is exact where cost depends on the slot alone. "As soon as possible"
//! for some and "where it is cheap" for others is not of that kind, so each rule is a problem of
//! its own, in the room that the rules before it leave:
//!
//! 1. overrides ("charge now") at the earliest slots, before all others;
//! 2. sessions without slack at the earliest slots, at full power;
//! 3. sessions whose departure is unknown or over at the earliest slots, beside a place for what
//!    the others need: these are put as late as possible, together with a fair share of the
//!    former, and keep that place. So nobody with a known departure goes short for the sake of a
//!    guess, and nobody without one is starved;
//! 4. all other sessions where energy is cheapest, with the arrivals that are expected as phantoms.
//!
//! A class without sessions is passed over: the usual plan is one problem.

use evenload_solver::{Settings, Solution, Status, UsedBackend, solve};

use super::chances::Chances;
use super::draft::{Draft, Row};
use super::expected::Phantom;
use super::formulation::{Item, Order, problem};
use super::frame::Frame;
use super::layout::Layout;
use super::need::{Class, Need};
use super::room::Room;
use crate::domain::plan::{Plan, PlanOrigin};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power, Price};

/// Weight of energy for arrivals that are only expected, beside 1 for sessions that are there.
const PHANTOM_PRIORITY: f64 = 0.25;
/// Steps of work for each problem: some 0.7 s on one core of a machine of 2023, and a hundred times
/// what a site of 100 EVSEs takes. Counted, not timed, so that a plan cut off is the same on every
/// run. A plan is at most eight problems.
pub(super) const WORK_LIMIT: u64 = 70_000_000;
/// How often those who fall short by being ready early get their whole stay: each time more of them
/// fit, and the second time hardly anybody is left.
const MARGIN_ROUNDS: usize = 3;
/// Less than this is not missing: 10 Wh.
const NOTHING_MISSING: Energy = Energy::from_joules(36_000);

/// Everything a stage needs to know.
pub(super) struct Stages<'s> {
    pub(super) layout: &'s Layout<'s>,
    pub(super) frame: &'s Frame,
    pub(super) policy: &'s Policy,
    pub(super) needs: &'s [Need<'s>],
    pub(super) phantoms: &'s [Phantom],
    /// The plan before this one.
    pub(super) last: Option<&'s Plan>,
    pub(super) should_stop: &'s dyn Fn() -> bool,
}

/// A solved group: the needs it is about, and the solution with a session for each.
struct Solved {
    needs: Vec<usize>,
    solution: Solution,
}

impl Stages<'_> {
    /// The plan by the solver; `None` if it was stopped before it had one.
    ///
    /// Tight sessions get room for their tails first; where that leaves others shorter than they
    /// would be without, needs come before tails.
    pub(super) fn run(&self) -> Option<Draft> {
        let has_tails = self.needs.iter().any(|need| need.tail.is_positive());
        let draft = self.attempt(has_tails)?;
        let missing = self.missing(&draft);
        if !has_tails || missing <= NOTHING_MISSING || (self.should_stop)() {
            return Some(draft);
        }
        let without = self.attempt(false);
        without
            .filter(|without| self.missing(without) + NOTHING_MISSING < missing)
            .or(Some(draft))
    }

    fn attempt(&self, with_tails: bool) -> Option<Draft> {
        let slots = self.frame.horizon.slots;
        let mut draft = Draft::nothing(PlanOrigin::Optimal, self.needs, slots);
        let mut room = Room::of(self.frame);
        self.first(&mut draft, &mut room, with_tails)?;
        if !self.frame.wishes.is_empty() {
            room = self.within_wishes(&mut draft, room);
        }
        self.urgent(&mut draft, &mut room)?;
        self.planned(&mut draft, &mut room)?;
        Some(draft)
    }

    /// Rules 1 and 2.
    fn first(&self, draft: &mut Draft, room: &mut Room, with_tails: bool) -> Option<()> {
        for class in [Class::Now, Class::Tight] {
            let mut items = self.of_class(class, |need| need.to);
            if with_tails {
                for (index, item) in &mut items {
                    item.energy += self.needs[*index].tail;
                }
            }
            if !items.is_empty() {
                let solved = self.solve(room, items, Order::Earliest)?;
                self.settle(draft, room, solved);
            }
        }
        Some(())
    }

    /// Those whom no wish holds back beside the first two rules: cars that should have left already.
    fn late(&self, draft: &mut Draft, room: &mut Room) {
        let mut late = self.of_class(Class::Urgent, |need| need.to);
        late.retain(|(index, _)| self.needs[*index].is_firm);
        if !late.is_empty() {
            let left = room.clone();
            self.by_chances(draft, room, &left, &late);
        }
    }

    /// What those draw whom no wish holds back, and the room that they leave.
    pub(super) fn before_wishes(&self) -> Option<(Draft, Room)> {
        let slots = self.frame.horizon.slots;
        let mut draft = Draft::nothing(PlanOrigin::Optimal, self.needs, slots);
        let mut room = Room::of(self.frame);
        self.first(&mut draft, &mut room, false)?;
        self.late(&mut draft, &mut room);
        Some((draft, room))
    }

    /// All others as one problem: who may wait, who is believed to, by what is believed on average,
    /// and the arrivals that are expected. Of whom nothing is known will draw as much as it can.
    pub(super) fn all_that_may_wait(&self) -> Vec<Item> {
        let mut items = self.of_class(Class::Planned, |need| need.to_early);
        let mut urgent = self.of_class(Class::Urgent, |need| need.to);
        urgent.retain(|(index, _)| !self.needs[*index].is_firm);
        for (index, item) in &mut urgent {
            let belief = &self.needs[*index].belief;
            item.energy = belief.mean();
            if let Some(leaves) = belief.mean_departure() {
                let until = self.frame.horizon.slots_before(leaves);
                item.to = item.to.min(until.max(1));
            }
        }
        items.extend(urgent);
        let phantoms = self.phantoms.iter().map(|phantom| self.item_of(phantom));
        items
            .into_iter()
            .map(|(_, item)| item)
            .chain(phantoms)
            .collect()
    }

    /// The room that wishes leave after those whom no wish holds back.
    fn within_wishes(&self, draft: &mut Draft, mut room: Room) -> Room {
        self.late(draft, &mut room);
        let mut wished = Room::of_wishes(self.frame);
        for (need, row) in self.needs.iter().zip(&draft.rows) {
            for (slot, power) in row.power.iter().enumerate() {
                wished.take(need.place(self.layout), slot, *power);
            }
        }
        wished.none_below_zero();
        wished
    }

    /// What all together get less than they want.
    fn missing(&self, draft: &Draft) -> Energy {
        let slot = self.frame.horizon.slot();
        let open = self.needs.iter().zip(&draft.rows);
        open.filter(|(need, _)| need.is_open())
            .map(|(need, row)| {
                let given: Energy = row
                    .power
                    .iter()
                    .map(|power| need.energy(*power, slot))
                    .sum();
                need.wanted.saturating_minus(given)
            })
            .sum()
    }

    /// Rule 3.
    fn urgent(&self, draft: &mut Draft, room: &mut Room) -> Option<()> {
        let mut urgent = self.of_class(Class::Urgent, |need| need.to);
        if !self.frame.wishes.is_empty() {
            // Those who are late were served before wishes.
            urgent.retain(|(index, _)| !self.needs[*index].is_firm);
        }
        if urgent.is_empty() {
            return Some(());
        }
        let mut left = room.clone();
        let planned = self.of_class(Class::Planned, |need| need.to);
        if !planned.is_empty() {
            let kept = planned.len();
            let mut both = planned;
            both.extend(self.fair_shares(room, &urgent));
            let mut solved = self.solve(room, both, Order::Latest)?;
            solved.needs.truncate(kept);
            self.settle(&mut draft.clone(), &mut left, solved);
        }
        if (self.should_stop)() {
            return None;
        }
        self.by_chances(draft, room, &left, &urgent);
        Some(())
    }

    /// Uncertain sessions in what is left, by what is believed of them.
    fn by_chances(&self, draft: &mut Draft, room: &mut Room, left: &Room, who: &[(usize, Item)]) {
        let chances = Chances {
            layout: self.layout,
            frame: self.frame,
            policy: self.policy,
            room: left,
            phantoms: self.phantoms,
        };
        let members: Vec<usize> = who.iter().map(|(index, _)| *index).collect();
        let needs: Vec<&Need<'_>> = members.iter().map(|index| &self.needs[*index]).collect();
        let mut left = left.clone();
        for (index, mut power) in members.into_iter().zip(chances.rows(&needs)) {
            // What others keep stays theirs, also where a span takes slots together.
            let place = self.needs[index].place(self.layout);
            for (slot, power) in power.iter_mut().enumerate() {
                *power = (*power).min(left.at(place, slot));
                left.take(place, slot, *power);
            }
            self.take(draft, room, index, Row { power });
        }
    }

    /// A session's part of what the site has free on average until it leaves, by its power among
    /// all that want.
    fn share(&self, room: &Room, item: &Item, wanted: Power) -> Power {
        let root = self.layout.circuits.iter().position(|c| c.parent.is_none());
        let free = root.map_or(&[][..], |root| room.free(root));
        let slots = &free[..item.to.min(free.len())];
        let count = i64::try_from(slots.len().max(1)).unwrap_or(i64::MAX);
        let mean = slots.iter().copied().sum::<Power>().scaled_down(1, count);
        item.max
            .scaled_down(mean.watts(), wanted.watts().max(1))
            .min(item.max)
    }

    /// Rule 4.
    fn planned(&self, draft: &mut Draft, room: &mut Room) -> Option<()> {
        if !self.needs.iter().any(|need| need.class == Class::Planned) {
            return Some(());
        }
        // Whom being ready early would leave short may use the whole stay; the others not, for
        // their margin is what they have against all that comes differently.
        let mut whole = vec![false; self.needs.len()];
        let mut solved = self.cheapest(room, &whole)?;
        for _ in 0..MARGIN_ROUNDS {
            let short: Vec<usize> = self
                .short(&solved)
                .filter(|index| {
                    !whole[*index] && self.needs[*index].to_early < self.needs[*index].to
                })
                .collect();
            if short.is_empty() || (self.should_stop)() {
                break;
            }
            for index in short {
                whole[index] = true;
            }
            solved = self.cheapest(room, &whole)?;
        }
        draft.shadow = shadow_prices(&solved.solution);
        draft.phantoms = self.expected_rows(&solved);
        self.settle(draft, room, solved);
        Some(())
    }

    /// `whole`: who may use its whole stay.
    fn cheapest(&self, room: &Room, whole: &[bool]) -> Option<Solved> {
        let mut items = self.of_class(Class::Planned, |need| need.to_early);
        for (index, item) in &mut items {
            if whole[*index] {
                item.to = self.needs[*index].to;
            }
        }
        items.extend(
            self.phantoms
                .iter()
                .map(|phantom| (usize::MAX, self.item_of(phantom))),
        );
        self.solve(room, items, Order::Cheapest)
    }

    fn item_of(&self, phantom: &Phantom) -> Item {
        Item {
            evse: phantom.evse,
            from: phantom.from,
            to: phantom.to,
            energy: phantom.energy,
            min: Power::ZERO,
            max: phantom.max,
            share: self.layout.evses[phantom.evse].expected_share(),
            priority: PHANTOM_PRIORITY,
            before: Vec::new(),
        }
    }

    fn of_class(&self, class: Class, until: fn(&Need<'_>) -> usize) -> Vec<(usize, Item)> {
        self.needs
            .iter()
            .enumerate()
            .filter(|(_, need)| need.class == class)
            .map(|(index, need)| {
                let item = Item {
                    evse: need.index,
                    from: 0,
                    to: until(need),
                    energy: need.planned,
                    min: need.min,
                    max: need.max,
                    share: need.share,
                    priority: 1.0,
                    before: self.before(need),
                };
                (index, item)
            })
            .collect()
    }

    /// What the last plan gave this session in the slots of this one.
    fn before(&self, need: &Need<'_>) -> Vec<Power> {
        let Some(last) = self.last else {
            return Vec::new();
        };
        let planned = last
            .evse(&need.evse.id)
            .filter(|planned| planned.session == need.session);
        let Some(planned) = planned else {
            return Vec::new();
        };
        (0..self.frame.horizon.slots)
            .map(|slot| {
                let old = last.slot_at(self.frame.span(slot).0);
                let power = old.and_then(|old| planned.power.get(old));
                power.copied().unwrap_or(Power::ZERO)
            })
            .collect()
    }

    /// What an equal share of the site would bring to each urgent session until its assumed
    /// departure.
    fn fair_shares(&self, room: &Room, urgent: &[(usize, Item)]) -> Vec<(usize, Item)> {
        let wanted: Power = self
            .needs
            .iter()
            .filter(|need| matches!(need.class, Class::Urgent | Class::Planned))
            .map(|need| need.max)
            .sum();
        urgent
            .iter()
            .map(|(index, item)| {
                let share = self.share(room, item, wanted);
                let slot = self.frame.horizon.slot();
                let stay = slot * i32::try_from(item.to).unwrap_or(i32::MAX);
                let energy = self.needs[*index].energy(share, stay).min(item.energy);
                let min = Power::ZERO;
                (
                    *index,
                    Item {
                        energy,
                        min,
                        ..item.clone()
                    },
                )
            })
            .collect()
    }

    /// Solves one group; `None` if it was stopped before there was a plan worth the name.
    fn solve(&self, room: &Room, items: Vec<(usize, Item)>, order: Order) -> Option<Solved> {
        let (needs, items): (Vec<usize>, Vec<Item>) = items.into_iter().unzip();
        let problem = problem(self.layout, self.frame, self.policy, room, &items, order);
        let settings = Settings {
            relax: order == Order::Latest,
            work_limit: Some(WORK_LIMIT),
            ..Settings::default()
        };
        let solution = solve(&problem, &settings, self.should_stop);
        let stopped = solution.status == Status::FeasibleTimeLimit
            && solution.backend == UsedBackend::Proportional;
        (!stopped).then_some(Solved { needs, solution })
    }

    /// Takes a group's powers into the draft and out of the room, in whole watts; what the room
    /// does not hold (a rounding) is cut off.
    fn settle(&self, draft: &mut Draft, room: &mut Room, solved: Solved) {
        draft.origin = worse(draft.origin, &solved.solution);
        for (session, index) in solved.needs.into_iter().enumerate() {
            if index < self.needs.len() {
                let row = Row::of(&solved.solution, session, self.frame.horizon.slots);
                self.take(draft, room, index, row);
            }
        }
    }

    fn take(&self, draft: &mut Draft, room: &mut Room, index: usize, mut row: Row) {
        let need = &self.needs[index];
        let place = need.place(self.layout);
        for (slot, power) in row.power.iter_mut().enumerate() {
            *power = (*power).min(room.at(place, slot)).min(need.max);
            if *power < need.min {
                *power = Power::ZERO;
            }
            room.take(place, slot, *power);
        }
        draft.rows[index] = row;
    }

    /// Who gets less than it needs.
    fn short<'s>(&'s self, solved: &'s Solved) -> impl Iterator<Item = usize> + 's {
        solved
            .needs
            .iter()
            .zip(&solved.solution.sessions)
            .filter(|(need, _)| **need < self.needs.len())
            .filter(|(_, plan)| Energy::from_kilowatt_hours(plan.unmet_kwh) > NOTHING_MISSING)
            .map(|(need, _)| *need)
    }

    /// What the phantoms draw.
    fn expected_rows(&self, solved: &Solved) -> Vec<Row> {
        let is_real = |need: &&usize| **need < self.needs.len();
        let first = solved.needs.iter().filter(is_real).count();
        (0..self.phantoms.len())
            .map(|offset| Row::of(&solved.solution, first + offset, self.frame.horizon.slots))
            .collect()
    }
}

fn worse(origin: PlanOrigin, solution: &Solution) -> PlanOrigin {
    match (origin, solution.status) {
        (PlanOrigin::ProportionalShare, _) => PlanOrigin::ProportionalShare,
        (_, Status::Fallback) if solution.backend == UsedBackend::Proportional => {
            PlanOrigin::ProportionalShare
        }
        (_, Status::FeasibleTimeLimit | Status::Fallback) => PlanOrigin::TimeLimit,
        (origin, Status::Optimal) => origin,
    }
}

/// Empty where the method that solved it knows no shadow prices.
fn shadow_prices(solution: &Solution) -> Vec<Vec<Price>> {
    let rows: Vec<Vec<Price>> = solution
        .circuits
        .iter()
        .map(|circuit| {
            let values = circuit.shadow_price_per_kwh.iter();
            values.map(|value| Price::from_per_kwh(*value)).collect()
        })
        .collect();
    let known = rows.iter().flatten().any(|price| *price != Price::ZERO);
    if known { rows } else { Vec::new() }
}
