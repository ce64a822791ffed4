//! Problems in which something couples slots or phases: the linear program decides what couples,
//! the flow method places the charging within that.

use std::collections::BTreeMap;

use crate::flow::Powers;
use crate::headroom::Headroom;
use crate::lp::{self, Answer};
use crate::milliwatts::{self, PER_KW};
use crate::model::{Model, UNLIMITED_MW};
use crate::report::Draft;
use crate::room::Room;
use crate::storage::{Owner, Storage};
use crate::{UsedBackend, marginal, phases, steps};

/// True when the flow method alone is not exact.
pub(crate) fn is_coupled(model: &Model<'_>) -> bool {
    let problem = model.problem;
    !problem.batteries.is_empty()
        || model.sessions.iter().any(|it| it.stores)
        || has_worthwhile_room(model)
        || has_demand_charge(model)
        || phases::couple(model)
}

/// Room above the need pays only where energy costs less than nothing.
fn has_worthwhile_room(model: &Model<'_>) -> bool {
    model
        .sessions
        .iter()
        .zip(&model.problem.sessions)
        .any(|(it, wanted)| {
            wanted.room_kwh() > wanted.energy_kwh
                && (it.from..it.to)
                    .any(|slot| model.import_price(slot).min(model.export_price(slot)) < 0.0)
        })
}

/// A demand charge counts where the peak can rise above what it was.
fn has_demand_charge(model: &Model<'_>) -> bool {
    let Some(charge) = model.problem.demand_charge.filter(|it| it.per_kw > 0.0) else {
        return false;
    };
    let peak = milliwatts::floor(charge.peak_so_far_kw);
    let most = &Room::of(model).most_below(model)[model.root];
    let root = &model.circuits[model.root];
    (0..model.slots).any(|slot| {
        let charging = most[slot].min(root.free_mw[slot]);
        charging.saturating_add(milliwatts::ceil(root.base_kw[slot])) > peak
    })
}

/// The plan of a coupled problem; `None` when the linear program fails or is stopped.
pub(crate) fn plan(
    model: &Model<'_>,
    backend: UsedBackend,
    should_stop: &dyn Fn() -> bool,
) -> Option<Draft> {
    let answer = lp::solve(model, backend, should_stop)?;
    let mut headroom = Headroom::of(model);
    let mut storages = Storage::all(model, &answer);
    for storage in &storages {
        // Sessions are not in yet: without them a store could neither rest on their load nor on
        // the room they leave, so the limits are looked at only in the second pass.
        storage.take_unchecked(model, &mut headroom);
    }
    let room = room(model, &answer, &headroom);
    // Without duals, what the flow says with batteries and peak as they are.
    let flow_shadow = match &answer.shadow {
        Some(_) => Vec::new(),
        None if phases::couple(model) => Vec::new(),
        None => marginal::shadow_prices(model, &room),
    };
    let mut powers = steps::plan(model, &room, should_stop);
    steps::fit(model, &mut headroom, &mut powers);
    // A store may feed in less than planned where sessions moved away, and sessions must make room
    // where a store has less to give: each may touch the other, so both look again.
    for _ in 0..4 {
        for storage in &mut storages {
            storage.settle(model, &mut headroom);
        }
        steps::refit(model, &mut headroom, &mut powers);
    }
    // What rounding lost comes back below the peak; only what counts may raise it.
    let held_back = answer
        .peak_kw
        .map(|peak| lower_to_peak(model, &mut headroom, peak));
    refill(model, &mut headroom, &mut powers, &mut storages, 0.0);
    if let Some(held_back) = held_back {
        for (free, held_back) in headroom.free[model.root].iter_mut().zip(held_back) {
            *free += held_back;
        }
        refill(
            model,
            &mut headroom,
            &mut powers,
            &mut storages,
            WORTH_A_PEAK_KWH,
        );
    }
    let mut batteries = vec![vec![0; model.slots]; model.problem.batteries.len()];
    for storage in storages {
        match storage.owner {
            Owner::Session(session) => powers[session] = storage.powers,
            Owner::Battery(battery) => batteries[battery] = storage.powers,
        }
    }
    let shadow = answer.shadow.unwrap_or(flow_shadow);
    Some(Draft {
        powers,
        batteries,
        shadow,
    })
}

/// What the answer leaves to the flow: the limits less batteries and feed-in, the peak as a limit,
/// and a share for each class of phases.
fn room(model: &Model<'_>, answer: &Answer, headroom: &Headroom) -> Room {
    let mut room = if phases::couple(model) {
        let shares = class_shares(model, answer);
        Room::split_by_phases(model, headroom, |class, circuit, slot| {
            shares
                .get(&(class, circuit))
                .map_or(UNLIMITED_MW, |share| share[slot])
        })
    } else {
        Room::within(model, headroom)
    };
    if let Some(peak) = answer.peak_kw {
        let mut below_peak = headroom.clone();
        lower_to_peak(model, &mut below_peak, peak);
        let grid = room.root;
        for (free, below_peak) in room.free[grid].iter_mut().zip(&below_peak.free[model.root]) {
            *free = (*free).min((*below_peak).max(0));
        }
    }
    for (session, it) in model.sessions.iter().enumerate() {
        if it.stores {
            room.need[session] = 0;
            room.high[session].fill(0);
        } else {
            let drawn: f64 = answer.charge[session].iter().sum();
            room.need[session] = room.need[session].max(whole_mw(drawn));
        }
    }
    room
}

/// Energy missing above this may raise the peak, in kWh; below it is rounding.
const WORTH_A_PEAK_KWH: f64 = 0.01;

fn refill(
    model: &Model<'_>,
    headroom: &mut Headroom,
    powers: &mut Powers,
    storages: &mut [Storage],
    least_kwh: f64,
) {
    steps::refill(model, headroom, powers, least_kwh);
    for storage in storages {
        storage.top_up(model, headroom, least_kwh);
    }
}

/// Takes away what is free above the peak, and tells how much by slot.
fn lower_to_peak(model: &Model<'_>, headroom: &mut Headroom, peak_kw: f64) -> Vec<i64> {
    let root = &model.circuits[model.root];
    // One mW more than the answer's peak, which is known to some 1e-8 only.
    let peak = milliwatts::ceil(peak_kw) + 1;
    let mut held_back = vec![0; model.slots];
    for (slot, free) in headroom.free[model.root].iter_mut().enumerate() {
        let planned = root.free_mw[slot] - *free;
        let below = peak - milliwatts::ceil(root.base_kw[slot]) - planned;
        held_back[slot] = (*free - below).max(0);
        *free -= held_back[slot];
    }
    held_back
}

/// Power by class of phases and circuit, slot by slot.
type Shares<T> = BTreeMap<(u8, usize), Vec<T>>;

/// What each class of phases draws in each circuit and slot by the answer, in whole mW.
fn class_shares(model: &Model<'_>, answer: &Answer) -> Shares<i64> {
    let mut shares: Shares<f64> = BTreeMap::new();
    for (session, it) in model
        .sessions
        .iter()
        .enumerate()
        .filter(|(_, it)| !it.stores)
    {
        for circuit in model.upwards(it.circuit) {
            let share = shares
                .entry((phases::mask(it), circuit))
                .or_insert_with(|| vec![0.0; model.slots]);
            for (sum, kw) in share[it.from..].iter_mut().zip(&answer.charge[session]) {
                *sum += kw;
            }
        }
    }
    let whole = |share: Vec<f64>| share.into_iter().map(whole_mw).collect();
    shares
        .into_iter()
        .map(|(key, share)| (key, whole(share)))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a power the program bounded; saturates"
)]
fn whole_mw(kw: f64) -> i64 {
    (kw * PER_KW).round() as i64
}

/// The plan of an uncoupled problem, exact but for 0-or-minimum.
pub(crate) fn flow_plan(model: &Model<'_>, should_stop: &dyn Fn() -> bool) -> Draft {
    let room = Room::of(model);
    let mut powers = steps::plan(model, &room, should_stop);
    let mut headroom = Headroom::of(model);
    steps::fit(model, &mut headroom, &mut powers);
    steps::refill(model, &mut headroom, &mut powers, 0.0);
    let shadow = marginal::shadow_prices(model, &room);
    Draft {
        shadow,
        ..Draft::of_sessions(model, powers)
    }
}
