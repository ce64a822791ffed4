//! A price of peak power: up to which power the site should draw at its connection.
//!
//! The best peak is found first, with all that wants to charge in one problem; then it is held like a
//! wish: below limits and stated needs, above price. Who is served before all others (an override, no
//! time to spare, late) is not held down by it and takes its part of it.

use evenload_solver::{DemandCharge, Series, Settings, Status, UsedBackend, solve};
use serde::{Deserialize, Serialize};

use super::formulation::{Order, problem};
use super::frame::{Frame, is_controllable};
use super::layout::Layout;
use super::stages::{Stages, WORK_LIMIT};
use crate::domain::quantity::{Power, Price};
use crate::domain::time::Time;
use crate::state::SiteState;

/// The peak that a plan keeps to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPeak {
    /// Mean power at the connection, as it is expected to be drawn.
    pub target: Power,
    /// By slot: what planned EVSEs may draw for it, as a worst case; `None` = peaks cost nothing then.
    pub cap: Vec<Option<Power>>,
}

/// What the peak is made of beside what is planned, in the problem's units.
struct Beside {
    /// By slot: load at the connection that the plan does not steer, as it is expected.
    load: Vec<Power>,
    /// Worst case by expected power: `(numerator, denominator)`.
    worst: (i64, i64),
}

impl Beside {
    fn worst_of(&self, expected: Power) -> Power {
        expected.scaled_down(self.worst.0, self.worst.1)
    }

    fn expected_of(&self, worst: Power) -> Power {
        worst.scaled_up(self.worst.1, self.worst.0)
    }
}

/// The frame with the best peak as a wish; `None` where peaks cost nothing or nothing is to be planned.
pub(super) fn held(state: &SiteState, stages: &Stages<'_>, now: Time) -> Option<Frame> {
    let (layout, frame) = (stages.layout, stages.frame);
    let slots = frame.horizon.slots;
    let prices: Vec<Option<Price>> = (0..slots)
        .map(|slot| state.demand_price(frame.span(slot).0))
        .collect();
    let price = prices.iter().flatten().max().copied()?;
    let standing = state.demand_standing(now)?;
    let root = layout.circuits.iter().position(|c| c.parent.is_none())?;
    let beside = Beside {
        load: loads(state, layout, frame, root),
        worst: worst_case(state),
    };
    let target = best(stages, root, &beside, price, standing.free())?;
    let cap: Vec<Option<Power>> = (0..slots)
        .map(|slot| {
            prices[slot]?;
            let mut most = target;
            let window = standing.running.map(|it| it.start + standing.window);
            if let (Some(running), Some(ends)) = (standing.running, window)
                && frame.span(slot).1 <= ends
                && now < ends
            {
                // What the running window has had already is gone; what it has left over is not
                // spent at its end, for the next one begins with what is drawn then.
                let whole = target.over(standing.window);
                let rest = whole.saturating_minus(running.energy);
                most = most.min(rest.mean_power(ends - now));
            }
            Some(beside.worst_of((most - beside.load[slot]).at_least_zero()))
        })
        .collect();
    let mut frame = frame.clone();
    frame.wishes.hold(root, layout.circuits.len(), &cap);
    frame.peak = Some(HeldPeak { target, cap });
    Some(frame)
}

/// The peak of least cost, at least what is free; `None` where nothing is to be planned or the solver
/// was stopped.
fn best(
    stages: &Stages<'_>,
    root: usize,
    beside: &Beside,
    price: Price,
    free: Power,
) -> Option<Power> {
    let (before, room) = stages.before_wishes()?;
    let mut load = beside.load.clone();
    for (slot, load) in load.iter_mut().enumerate() {
        let first: Power = before.rows.iter().map(|row| row.power[slot]).sum();
        *load += beside.expected_of(first);
    }
    let items = stages.all_that_may_wait();
    if items.is_empty() {
        return None;
    }
    let mut problem = problem(
        stages.layout,
        stages.frame,
        stages.policy,
        &room,
        &items,
        Order::Cheapest,
    );
    // What is drawn at the connection, the part that no plan steers included.
    let kilowatts = |expected: Power| beside.worst_of(expected).kilowatts();
    let base: Vec<f64> = load.iter().map(|load| kilowatts(*load)).collect();
    let circuit = problem.circuits.get_mut(root)?;
    if let Series::PerSlot(limit) = &mut circuit.import_limit_kw {
        for (limit, base) in limit.iter_mut().zip(&base) {
            *limit += base;
        }
    }
    circuit.base_load_kw = Some(Series::PerSlot(base));
    let (worst, expected) = beside.worst;
    let share = Power::from_watts(expected).kilowatts() / Power::from_watts(worst).kilowatts();
    problem.demand_charge = Some(DemandCharge {
        per_kw: price.per_kwh() * share,
        peak_so_far_kw: kilowatts(free),
    });
    let settings = Settings {
        work_limit: Some(WORK_LIMIT),
        ..Settings::default()
    };
    let solution = solve(&problem, &settings, stages.should_stop);
    let stopped = solution.status == Status::FeasibleTimeLimit
        && solution.backend == UsedBackend::Proportional;
    if stopped {
        return None;
    }
    // The solver's peak is exact to a milliwatt; the next watt above leaves room for the rounding.
    let peak = Power::from_kilowatts(solution.peak_kw) + Power::from_watts(1);
    Some(beside.expected_of(peak).max(free))
}

/// What is drawn at the connection and not steered: other load, and cars that do not follow us as
/// they were read last.
fn loads(state: &SiteState, layout: &Layout<'_>, frame: &Frame, root: usize) -> Vec<Power> {
    let unsteered: Power = layout
        .evses
        .iter()
        .filter_map(|evse| {
            let known = state.evses.get(&evse.id)?;
            known.running()?;
            let follows = is_controllable(state, evse);
            let read = known.reading.map(|reading| reading.power);
            (!follows).then(|| read.unwrap_or(evse.max).at_least_zero())
        })
        .sum();
    let other = frame.circuits[root].uncontrolled.iter();
    other.map(|load| *load + unsteered).collect()
}

/// Worst case by expected power, of the running session with the lowest.
fn worst_case(state: &SiteState) -> (i64, i64) {
    let shares = state.site.evses.iter().filter_map(|evse| {
        let known = state.evses.get(&evse.id)?;
        known.running().map(|_| evse.expected_share())
    });
    shares
        .map(|(numerator, denominator)| (denominator, numerator))
        .min_by(|(a, b), (c, d)| (a * d).cmp(&(c * b)))
        .unwrap_or((1, 1))
}
