//! Power for sessions of which nobody knows for certain when they end or what they take: where it
//! is worth most, by what is believed of each ([`super::belief`]).
//!
//! A kWh that a car leaves without costs the policy's `unmet_price`; what it draws costs the slot's
//! price. So a kWh offered in slot t, beyond what the car is offered before it, is worth
//!
//! ```text
//! (unmet_price - price[t]) x P(the car is still there in t, and still takes something after that)
//! ```
//!
//! and the solver's network finds the offers of most worth under all limits. Who may leave soon goes
//! first, and so does energy that is probably needed; waiting for a low price has to pay for the risk
//! that the car is gone. Later slots are taken together to longer ones; there, limits count for more,
//! since some of the cars will have left. Arrivals that are expected compete with those that are
//! there.

use chrono::TimeDelta;
use evenload_solver::{Part, Supply, Want, Wants, most_worth};

use super::expected::Phantom;
use super::frame::Frame;
use super::layout::Layout;
use super::need::Need;
use super::room::Room;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};

/// Where what a car takes is split: half of the outcomes are within the first part.
const SPLITS_PERCENT: [i64; 3] = [35, 70, 95];
/// What an arrival that is only expected counts, in percent.
const PHANTOM_PERCENT: i64 = 85;
/// The earlier the better where nothing else counts: millionths of the currency per kWh and hour.
const EARLIER: i64 = 60;
/// Most augmentations: many times what 100 sessions take.
const WORK_LIMIT: usize = 50_000;
/// From when a car takes nothing more until it is known: meters are read every five minutes, and the
/// first reading that shows nothing is the second one.
const METER_LAG: TimeDelta = TimeDelta::minutes(7);
/// The first slots one by one, up to these; then half hours for [`HALF_HOURS_S`], then hours.
const FIRST: [usize; 4] = [1, 2, 4, 6];
const HALF_HOURS_S: i64 = 3 * 3600;

/// Slots that are planned as one.
struct Span {
    from: usize,
    to: usize,
}

/// What competes.
pub(super) struct Chances<'c> {
    pub(super) layout: &'c Layout<'c>,
    pub(super) frame: &'c Frame,
    pub(super) policy: &'c Policy,
    pub(super) room: &'c Room,
    pub(super) phantoms: &'c [Phantom],
}

impl Chances<'_> {
    /// Worst-case powers by need and slot.
    pub(super) fn rows(&self, needs: &[&Need<'_>]) -> Vec<Vec<Power>> {
        let spans = self.spans();
        let wants: Vec<Want> = needs
            .iter()
            .map(|need| self.want(need, &spans))
            .chain(self.phantoms.iter().map(|it| self.phantom(it, &spans)))
            .collect();
        let problem = Wants {
            slots: spans.len(),
            circuits: self.supplies(needs, &spans),
            wants,
        };
        let energies = most_worth(&problem, WORK_LIMIT);
        needs
            .iter()
            .zip(energies)
            .map(|(need, energies)| self.row(need, &spans, &energies))
            .collect()
    }

    fn spans(&self) -> Vec<Span> {
        let horizon = &self.frame.horizon;
        let mut spans = Vec::new();
        let mut from = 0;
        for slot in 1..=horizon.slots {
            let at = horizon.slot_start(slot);
            let far = at - horizon.start > TimeDelta::seconds(HALF_HOURS_S);
            let length = if far { 3600 } else { 1800 };
            let is_border = FIRST.contains(&slot)
                || slot > FIRST[3] && at.timestamp() % length == 0
                || slot == horizon.slots;
            if is_border {
                spans.push(Span { from, to: slot });
                from = slot;
            }
        }
        spans
    }

    fn length(&self, span: &Span) -> TimeDelta {
        let slots = i32::try_from(span.to - span.from).unwrap_or(i32::MAX);
        self.frame.horizon.slot() * slots
    }

    /// What a kWh is worth that a car would leave without: never so little that no price is paid.
    fn unmet(&self) -> i64 {
        let highest = self.frame.prices.iter().map(|price| price.micros()).max();
        let unmet = self.policy.unmet_price.micros();
        unmet.max(highest.unwrap_or(0).saturating_mul(2))
    }

    /// The mean price of a span, in millionths.
    fn price(&self, span: &Span) -> i64 {
        let prices = (span.from..span.to).map(|slot| self.frame.price(slot).micros());
        prices.sum::<i64>() / i64::try_from(span.to - span.from).unwrap_or(1).max(1)
    }

    fn supplies(&self, needs: &[&Need<'_>], spans: &[Span]) -> Vec<Supply> {
        let all: i64 = needs.iter().map(|need| need.max.watts()).sum();
        self.layout
            .circuits
            .iter()
            .enumerate()
            .map(|(index, circuit)| {
                let parent = circuit
                    .parent
                    .as_ref()
                    .and_then(|parent| self.layout.circuits.iter().position(|c| c.id == *parent));
                let free = spans
                    .iter()
                    .enumerate()
                    .map(|(number, span)| {
                        let slots = &self.room.free(index)[span.from..span.to];
                        let length = self.frame.horizon.slot();
                        let free: Energy = slots
                            .iter()
                            .map(|free| free.at_least_zero().over(length))
                            .sum();
                        if number == 0 {
                            return watt_hours(free);
                        }
                        // What will be left of those that are there now.
                        let at = self.frame.horizon.slot_start(span.from);
                        let left: i64 = needs
                            .iter()
                            .map(|need| need.max.watts() * need.belief.chance(at, Energy::ZERO))
                            .sum::<i64>()
                            / 1000;
                        let times = i128::from(all.max(1)) * i128::from(free.joules());
                        let grown = times / i128::from(left.max(all / 8).max(1));
                        watt_hours(Energy::from_joules(
                            i64::try_from(grown).unwrap_or(i64::MAX),
                        ))
                    })
                    .collect();
                Supply { parent, free }
            })
            .collect()
    }

    fn circuit(&self, evse: usize) -> usize {
        self.layout.paths[evse].first().copied().unwrap_or_default()
    }

    fn want(&self, need: &Need<'_>, spans: &[Span]) -> Want {
        let unmet = self.unmet();
        // Where nothing is learned, nobody waits for a price.
        let counts = i64::from(need.belief.is_learned);
        let mut borders = vec![Energy::ZERO];
        borders.extend(need.belief.quantiles(&SPLITS_PERCENT));
        let whole = Energy::from_joules(i64::from(u32::MAX) * 1800);
        let parts = borders.iter().enumerate().map(|(number, from)| {
            let to = borders.get(number + 1).copied();
            // What is likely needed of a part is told by its middle.
            let middle = to.map_or(*from, |to| {
                Energy::from_joules(from.joules().midpoint(to.joules()))
            });
            let worth = spans.iter().enumerate().map(|(at, span)| {
                let (_, end) = self.frame.span(span.to - 1);
                let (start, _) = self.frame.span(span.from);
                let chance = need.belief.chance(start + (end - start) / 2, middle);
                worth(
                    unmet - self.price(span) * counts,
                    chance,
                    at,
                    spans,
                    self.frame,
                )
            });
            Part {
                energy: watt_hours(need.drawn_from(to.unwrap_or(whole) - *from)),
                worth: worth.collect(),
            }
        });
        Want {
            circuit: self.circuit(need.index),
            most: spans
                .iter()
                .map(|span| watt_hours(need.max.over(self.length(span))))
                .collect(),
            strain: self.strain(need, spans),
            parts: parts.filter(|part| part.energy > 0).collect(),
        }
    }

    /// What is offered to a car that has just become full is lost until its meter shows it. That is
    /// the likelier the faster it charges, so that many at little lose less than few at much: at
    /// full power the loss is that of [`METER_LAG`] out of the time for what it takes on average.
    fn strain(&self, need: &Need<'_>, spans: &[Span]) -> Vec<i32> {
        let lost = need.max.over(METER_LAG).joules();
        let takes = need.drawn_from(need.belief.mean()).joules();
        let full = self.unmet() * lost / (takes + lost).max(1);
        let quarter = i32::try_from(full / 3).unwrap_or(i32::MAX / 4);
        spans
            .iter()
            .take_while(|span| span.from < FIRST[3])
            .map(|_| quarter)
            .collect()
    }

    fn phantom(&self, it: &Phantom, spans: &[Span]) -> Want {
        let unmet = self.unmet() * PHANTOM_PERCENT / 100;
        let there = |span: &Span| span.to.min(it.to).saturating_sub(span.from.max(it.from));
        Want {
            circuit: self.circuit(it.evse),
            most: spans
                .iter()
                .map(|span| {
                    let slots = i32::try_from(there(span)).unwrap_or(i32::MAX);
                    watt_hours(it.max.over(self.frame.horizon.slot() * slots))
                })
                .collect(),
            strain: Vec::new(),
            parts: vec![Part {
                energy: watt_hours(it.energy),
                worth: spans
                    .iter()
                    .enumerate()
                    .map(|(at, span)| worth(unmet - self.price(span), 1000, at, spans, self.frame))
                    .collect(),
            }],
        }
    }

    /// Back to slots: a span's energy evenly, or, where that is below the minimum, at the minimum in
    /// as many slots as it is for.
    fn row(&self, need: &Need<'_>, spans: &[Span], energies: &[u32]) -> Vec<Power> {
        let mut row = vec![Power::ZERO; self.frame.horizon.slots];
        // What rounding to whole slots at the least power owes, or has given too much.
        let mut owed = 0;
        let each = need.min.over(self.frame.horizon.slot()).joules().max(1);
        for (span, energy) in spans.iter().zip(energies) {
            let energy = Energy::from_joules(i64::from(*energy) * 3600 + owed);
            let even = energy.mean_power(self.length(span)).min(need.max);
            if even >= need.min {
                owed = 0;
                row[span.from..span.to].fill(even);
            } else if energy.is_positive() {
                let count = usize::try_from((energy.joules() + each / 2) / each).unwrap_or(0);
                let count = count.min(span.to - span.from);
                row[span.from..span.from + count].fill(need.min);
                owed = energy.joules() - each * i64::try_from(count).unwrap_or(i64::MAX);
            } else {
                owed = energy.joules();
            }
        }
        let begins = spans.iter().zip(energies).find(|(_, energy)| **energy > 0);
        if let Some((span, _)) = begins
            && row.iter().all(|power| !power.is_positive())
        {
            // What it needs is less than a slot at the least power brings.
            row[span.from] = need.min;
        }
        row[need.to.min(self.frame.horizon.slots)..].fill(Power::ZERO);
        row
    }
}

fn worth(gain: i64, chance: i64, at: usize, spans: &[Span], frame: &Frame) -> i32 {
    let from = spans[at].from;
    let waited = (frame.horizon.slot_start(from) - frame.horizon.start).num_seconds();
    let worth = gain * chance / 1000 - EARLIER * waited / 3600;
    i32::try_from(worth).unwrap_or(if worth > 0 { i32::MAX } else { 0 })
}

fn watt_hours(energy: Energy) -> u32 {
    u32::try_from(energy.joules().max(0) / 3600).unwrap_or(u32::MAX - 1)
}
