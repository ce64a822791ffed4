//! Problems in which something couples slots or phases: the linear program decides what couples,
//! the flow method places the charging within that.

use std::collections::BTreeMap;

use crate::flow::{Powers, Settled};
use crate::headroom::Headroom;
use crate::lp::{self, Answer};
use crate::milliwatts::{self, PER_KW};
use crate::model::{Model, UNLIMITED_MW};
use crate::report::Draft;
use crate::room::Room;
use crate::storage::{Owner, Storage};
use crate::work::Work;
use crate::{DemandCharge, UsedBackend, calm, marginal, peak, phases, steps};

/// What keeps the flow method alone from being exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Coupling {
    /// Nothing: the flow method is exact.
    None,
    /// The demand charge only: exact once the peak is known.
    Peak(DemandCharge),
    /// Something only the linear program expresses.
    Program,
}

impl Coupling {
    pub(crate) fn of(model: &Model<'_>) -> Self {
        let needs_program = !model.problem.batteries.is_empty()
            || model.sessions.iter().any(|it| it.stores)
            || has_worthwhile_room(model)
            || phases::couple(model);
        match relevant_demand_charge(model) {
            _ if needs_program => Self::Program,
            Some(charge) => Self::Peak(charge),
            None => Self::None,
        }
    }
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
fn relevant_demand_charge(model: &Model<'_>) -> Option<DemandCharge> {
    let charge = model.problem.demand_charge.filter(|it| it.per_kw > 0.0)?;
    let peak = milliwatts::floor(charge.peak_so_far_kw);
    let most = &Room::of(model).most_below(model)[model.root];
    let root = &model.circuits[model.root];
    let can_rise = (0..model.slots).any(|slot| {
        let charging = most[slot].min(root.free_mw[slot]);
        charging.saturating_add(milliwatts::ceil(root.base_kw[slot])) > peak
    });
    can_rise.then_some(charge)
}

/// What couples, decided: the flow places the charging within it.
struct Decided {
    storages: Vec<Storage>,
    headroom: Headroom,
    room: Room,
    settled: Settled,
    peak: Option<i64>,
    shadow: Vec<Vec<f64>>,
}

/// The plan by the linear program; `None` when that fails or is stopped.
pub(crate) fn program_plan(
    model: &Model<'_>,
    backend: UsedBackend,
    work: &Work<'_>,
) -> Option<Draft> {
    let answer = lp::solve(model, backend, work)?;
    let mut headroom = Headroom::of(model);
    let storages = Storage::all(model, &answer);
    for storage in &storages {
        // Sessions are not in yet: without them a store could neither rest on their load nor on
        // the room they leave, so the limits are looked at only afterwards.
        storage.take_unchecked(model, &mut headroom);
    }
    // One mW more than the answer's peak, which is known to some 1e-8 only.
    let peak = answer.peak_kw.map(|kw| milliwatts::ceil(kw) + 1);
    let room = room(model, &answer, &headroom, peak);
    // Without duals, what the flow says with batteries and peak as they are.
    let settled = Settled::new(model, &room, work);
    let shadow = match answer.shadow {
        Some(shadow) => shadow,
        None if phases::couple(model) => Vec::new(),
        None => marginal::shadow_prices(model, &room, &settled),
    };
    Some(place(
        model,
        Decided {
            storages,
            headroom,
            room,
            settled,
            peak,
            shadow,
        },
        work,
    ))
}

/// The plan under a demand charge alone; `None` where that does not decide it, or when stopped.
pub(crate) fn peak_plan(model: &Model<'_>, charge: DemandCharge, work: &Work<'_>) -> Option<Draft> {
    let mut room = Room::of(model);
    let peak = peak::best(model, &room, charge, work)?;
    peak::cap(model, &mut room, peak);
    Some(place(
        model,
        Decided::by_flow(model, room, Some(peak), work),
        work,
    ))
}

/// The plan of a problem in which nothing couples; of any other a plan that leaves batteries at
/// rest and looks at phases only in the end.
pub(crate) fn flow_plan(model: &Model<'_>, work: &Work<'_>) -> Draft {
    place(
        model,
        Decided::by_flow(model, Room::of(model), None, work),
        work,
    )
}

impl Decided {
    fn by_flow(model: &Model<'_>, room: Room, peak: Option<i64>, work: &Work<'_>) -> Self {
        let settled = Settled::new(model, &room, work);
        let shadow = marginal::shadow_prices(model, &room, &settled);
        Self {
            storages: Vec::new(),
            headroom: Headroom::of(model),
            room,
            settled,
            peak,
            shadow,
        }
    }
}

/// Steps of fitting, calming, reporting and auditing a plan, for each slot of a window.
const FINISH_STEPS_PER_CELL: u64 = 40;

/// Places the charging, 0 or at least the minimum, and fits everything to every limit.
fn place(model: &Model<'_>, decided: Decided, work: &Work<'_>) -> Draft {
    let Decided {
        mut storages,
        mut headroom,
        room,
        settled,
        peak,
        shadow,
    } = decided;
    let has_minimum = model.sessions.iter().any(|it| it.min_mw > 0);
    let relaxed = (has_minimum && !work.is_over()).then(|| settled.network.powers());
    let mut powers = steps::plan(model, &room, settled, work);
    work.spend(FINISH_STEPS_PER_CELL * model.cells());
    steps::fit(model, &mut headroom, &mut powers);
    // A store may feed in less than planned where sessions moved away, and sessions must make room
    // where a store has less to give: each may touch the other, so both look again.
    // With stores the program's answer is fitted afterwards: its cost is no bound of the plan's.
    let is_exact = storages.is_empty();
    let looks = if storages.is_empty() { 0 } else { 4 };
    for _ in 0..looks {
        for storage in &mut storages {
            storage.settle(model, &mut headroom);
        }
        steps::refit(model, &mut headroom, &mut powers);
    }
    // Where they still chase each other (a store feeding cars behind a limit of nothing), the
    // store rests: without feed-in there is nothing left to chase.
    for storage in &mut storages {
        storage.rest_where_overfed(model, &mut headroom);
    }
    steps::refit(model, &mut headroom, &mut powers);
    // What rounding lost comes back below the peak; only what counts may raise it.
    let held_back = peak.map(|peak| lower_to_peak(model, &mut headroom, peak));
    refill(model, &mut headroom, &mut powers, &mut storages, 0.0);
    let mut raise = LEAST_RAISE_MW;
    let mut held_back = held_back.unwrap_or_default();
    while held_back.iter().any(|it| *it > 0) {
        for (free, held_back) in headroom.free[model.root].iter_mut().zip(&mut held_back) {
            let given = raise.min(*held_back);
            *free += given;
            *held_back -= given;
        }
        refill(
            model,
            &mut headroom,
            &mut powers,
            &mut storages,
            WORTH_A_PEAK_KWH,
        );
        raise = raise.saturating_mul(2);
    }
    calm::calm(model, &mut powers);
    let mut batteries = vec![vec![0; model.slots]; model.problem.batteries.len()];
    for storage in storages {
        match storage.owner {
            Owner::Session(session) => powers[session] = storage.powers,
            Owner::Battery(battery) => batteries[battery] = storage.powers,
        }
    }
    Draft {
        powers,
        relaxed: relaxed.filter(|_| is_exact),
        batteries,
        shadow,
    }
}

/// What the answer leaves to the flow: the limits less batteries and feed-in, the peak as a limit,
/// and a share for each class of phases.
fn room(model: &Model<'_>, answer: &Answer, headroom: &Headroom, peak: Option<i64>) -> Room {
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
    if let Some(peak) = peak {
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

/// The first step by which the peak may rise for what counts; each further one is twice as high.
const LEAST_RAISE_MW: i64 = 50_000;

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
fn lower_to_peak(model: &Model<'_>, headroom: &mut Headroom, peak: i64) -> Vec<i64> {
    let root = &model.circuits[model.root];
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
