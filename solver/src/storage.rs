//! Batteries and vehicles that feed back: powers that must also keep an energy between bounds.

use crate::headroom::{Headroom, Tap};
use crate::lp::Answer;
use crate::milliwatts::{self, PER_KW};
use crate::model::Model;

/// How far the energy held may leave its bounds, in kWh: what rounding powers to whole milliwatts
/// adds up to, a milliwatt in every slot. Without it a store that is empty by the program and a
/// milliwatt hour short by rounding could not carry the load that relies on it.
fn slack_kwh(model: &Model<'_>, slots: usize) -> f64 {
    const MOST: f64 = 5e-4;
    let slots = u32::try_from(slots).map_or(f64::MAX, f64::from);
    (slots * model.hours / PER_KW).min(MOST)
}

/// Whose power it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Session(usize),
    Battery(usize),
}

/// A store with the power it is planned to have.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) owner: Owner,
    tap: Tap,
    from: usize,
    /// Power by slot from `from` on, in mW; positive = charging.
    pub(crate) powers: Vec<i64>,
    min_mw: i64,
    max_mw: i64,
    /// Energy wanted at the end.
    wanted_kwh: f64,
    start_kwh: f64,
    least_kwh: f64,
    most_kwh: f64,
    efficiency: f64,
}

impl Storage {
    /// All stores of the model, with what the linear program gave them.
    pub(crate) fn all(model: &Model<'_>, answer: &Answer) -> Vec<Self> {
        let sessions = (0..model.sessions.len()).filter(|session| model.sessions[*session].stores);
        let sessions = sessions.map(|session| Self::of_session(model, answer, session));
        let batteries = 0..model.problem.batteries.len();
        sessions
            .chain(batteries.map(|battery| Self::of_battery(model, answer, battery)))
            .collect()
    }

    fn of_session(model: &Model<'_>, answer: &Answer, session: usize) -> Self {
        let wanted = &model.problem.sessions[session];
        let net = answer.charge[session]
            .iter()
            .zip(&answer.discharge[session]);
        Self {
            owner: Owner::Session(session),
            tap: Tap::of_session(model, session),
            from: model.sessions[session].from,
            powers: net
                .map(|(charge, discharge)| towards_zero(charge - discharge))
                .collect(),
            min_mw: model.sessions[session].min_mw,
            max_mw: model.sessions[session].max_mw,
            wanted_kwh: wanted.energy_kwh,
            start_kwh: 0.0,
            least_kwh: 0.0,
            most_kwh: wanted.room_kwh(),
            efficiency: wanted.efficiency,
        }
    }

    fn of_battery(model: &Model<'_>, answer: &Answer, battery: usize) -> Self {
        let it = &model.problem.batteries[battery];
        Self {
            owner: Owner::Battery(battery),
            tap: Tap::of_battery(model, battery),
            from: 0,
            powers: answer.batteries[battery]
                .iter()
                .map(|kw| towards_zero(*kw))
                .collect(),
            min_mw: 0,
            max_mw: milliwatts::nearest(it.charge_max_kw),
            wanted_kwh: 0.0,
            start_kwh: it.soc_kwh,
            least_kwh: it.min_soc_kwh.min(it.soc_kwh),
            most_kwh: it.capacity_kwh,
            efficiency: it.efficiency,
        }
    }

    /// Fits the powers into the headroom and between the energy bounds, slot by slot. The headroom
    /// already counts them as they were, and counts them as they are afterwards.
    pub(crate) fn settle(&mut self, model: &Model<'_>, headroom: &mut Headroom) {
        let mut held = self.start_kwh;
        let slack = slack_kwh(model, self.powers.len());
        for (offset, power) in self.powers.iter_mut().enumerate() {
            let slot = self.from + offset;
            headroom.take(model, self.tap, slot, -*power);
            let up = headroom.up(model, self.tap, slot).max(0);
            let down = headroom.down(model, self.tap, slot).max(0);
            let fill =
                towards_zero((self.most_kwh + slack - held) / (self.efficiency * model.hours));
            let drain =
                towards_zero((held + slack - self.least_kwh) * self.efficiency / model.hours);
            *power = (*power)
                .min(up)
                .min(fill.max(0))
                .max(-down)
                .max(-drain.max(0));
            if *power > 0 && *power < self.min_mw {
                let reach = up.min(fill);
                let nearer_on = *power * 2 >= self.min_mw && reach >= self.min_mw;
                *power = if nearer_on { self.min_mw } else { 0 };
            }
            headroom.take(model, self.tap, slot, *power);
            let energy = milliwatts::to_kw(*power) * model.hours;
            held += if energy > 0.0 {
                energy * self.efficiency
            } else {
                energy / self.efficiency
            };
        }
    }

    /// Stops feeding in where a feed-in limit above is broken.
    pub(crate) fn rest_where_overfed(&mut self, model: &Model<'_>, headroom: &mut Headroom) {
        for (offset, power) in self
            .powers
            .iter_mut()
            .enumerate()
            .filter(|(_, mw)| **mw < 0)
        {
            let slot = self.from + offset;
            if headroom.down(model, self.tap, slot) < 0 {
                headroom.take(model, self.tap, slot, -*power);
                *power = 0;
            }
        }
    }

    /// Charges what is missing at the end, if it is more than `least_kwh`, where there is room for
    /// it, cheapest slots first.
    pub(crate) fn top_up(&mut self, model: &Model<'_>, headroom: &mut Headroom, least_kwh: f64) {
        let mut held = self.held(model);
        let slack = slack_kwh(model, self.powers.len());
        let mut missing = self.wanted_kwh - held.last().copied().unwrap_or(self.wanted_kwh);
        if missing <= least_kwh {
            return;
        }
        let mut offsets: Vec<usize> = (0..self.powers.len()).collect();
        let price = |offset: &usize| model.import_price(self.from + offset);
        offsets.sort_by(|a, b| price(a).total_cmp(&price(b)));
        for offset in offsets {
            let kwh_per_mw = self.efficiency * model.hours / PER_KW;
            let now = self.powers[offset];
            if missing < kwh_per_mw || now < 0 {
                continue;
            }
            let highest = held[offset..].iter().copied().fold(0.0, f64::max);
            let energy = missing.min(self.most_kwh + slack - highest);
            let up = headroom.up(model, self.tap, self.from + offset);
            let more = towards_zero(energy / kwh_per_mw / PER_KW)
                .min(up)
                .min(self.max_mw - now);
            if more > 0 && now + more >= self.min_mw {
                headroom.take(model, self.tap, self.from + offset, more);
                self.powers[offset] += more;
                held = self.held(model);
                missing = self.wanted_kwh - held.last().copied().unwrap_or(self.wanted_kwh);
            }
        }
    }

    /// Energy held at the end of each slot, in kWh.
    fn held(&self, model: &Model<'_>) -> Vec<f64> {
        let step = |held: &mut f64, power: &i64| {
            let energy = milliwatts::to_kw(*power) * model.hours;
            *held += if energy > 0.0 {
                energy * self.efficiency
            } else {
                energy / self.efficiency
            };
            Some(*held)
        };
        self.powers.iter().scan(self.start_kwh, step).collect()
    }

    /// Takes the powers out of the headroom as they are.
    pub(crate) fn take_unchecked(&self, model: &Model<'_>, headroom: &mut Headroom) {
        for (offset, power) in self.powers.iter().enumerate() {
            headroom.take(model, self.tap, self.from + offset, *power);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "validated to at most 1e12 mW; saturates"
)]
fn towards_zero(kw: f64) -> i64 {
    // A thousandth of a mW is noise of the method, not power.
    (kw * PER_KW + 1e-3_f64.copysign(kw)).trunc() as i64
}
