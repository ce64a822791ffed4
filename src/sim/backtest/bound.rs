//! The bound that no method beats: a plan made with knowledge of every session and price.
//!
//! It is the linear program's exact answer over the whole stretch. Where its slots cut an arrival or
//! a departure, a car may draw in the slot what it could in the part it is there for; least power,
//! slow ends of charging and delays are left out; and within a slot the lowest price counts. Each
//! of these only makes it better, so it stays a bound: cost and undelivered energy are never above
//! those of any way to charge that keeps the limit.

use chrono::TimeDelta;
use evenload_solver::{Circuit, Problem, SCHEMA_VERSION, Series, SessionNeed, Settings, solve};

use super::RecordedStay;
use super::report::{MethodReport, Methods, Outcome};
use super::stretch::Stretch;
use crate::domain::time::Time;
use crate::sim::methods::READY_PERCENT;

/// Lengths of slots in minutes, and the most slots for which each is used.
const SLOTS: [(u32, usize); 3] = [(5, 2_500), (15, 2_500), (60, 30_000)];

/// What the clairvoyant plan achieves over a stretch.
pub(super) fn clairvoyant(stretch: &Stretch<'_>) -> Outcome {
    let problem = problem(stretch);
    let solution = solve(&problem, &Settings::default(), &|| false);
    let mut report = MethodReport {
        cost: solution.cost.total,
        undelivered_kwh: solution.unmet_kwh,
        peak_kw: solution.peak_kw,
        ..MethodReport::default()
    };
    for (stay, plan) in stretch.stays.iter().zip(&solution.sessions) {
        let needed = stay.energy.kilowatt_hours();
        #[expect(clippy::cast_precision_loss, reason = "99")]
        let enough = needed * READY_PERCENT as f64 / 100.0;
        report.needed_kwh += needed;
        report.kwh += needed - plan.unmet_kwh;
        report.vehicles += 1;
        report.ready_on_time += usize::from(needed - plan.unmet_kwh >= enough - 1e-9);
    }
    Outcome::new(Methods::clairvoyant_of, report)
}

/// The slots of a stretch.
struct Grid {
    start: Time,
    slot: TimeDelta,
    slots: usize,
}

impl Grid {
    fn of(stretch: &Stretch<'_>) -> (Self, u32) {
        let (start, end) = (stretch.start(), stretch.end());
        let count = |minutes: u32| {
            let seconds = (end - start).num_seconds().max(1);
            usize::try_from((seconds - 1) / (60 * i64::from(minutes)) + 1).unwrap_or(1)
        };
        let fits = SLOTS
            .into_iter()
            .find(|(minutes, most)| count(*minutes) <= *most);
        let minutes = fits.map_or(1_440, |(minutes, _)| minutes);
        let grid = Self {
            start,
            slot: TimeDelta::minutes(i64::from(minutes)),
            slots: count(minutes),
        };
        (grid, minutes)
    }

    fn start_of(&self, slot: usize) -> Time {
        self.start + self.slot * i32::try_from(slot).unwrap_or(i32::MAX)
    }

    /// The slots that a stay touches.
    fn touched(&self, stay: &RecordedStay) -> std::ops::Range<usize> {
        let slot_ms = self.slot.num_milliseconds();
        let ms = |at: Time| (at - self.start).num_milliseconds().max(0);
        let first = ms(stay.arrival) / slot_ms;
        let last = (ms(stay.departure) + slot_ms - 1) / slot_ms;
        let index = |slot: i64| usize::try_from(slot).unwrap_or(0).min(self.slots);
        index(first)..index(last)
    }

    /// The part of a slot for which a stay lasts.
    fn part(&self, slot: usize, stay: &RecordedStay) -> f64 {
        let (from, until) = (self.start_of(slot), self.start_of(slot + 1));
        let there = stay.departure.min(until) - stay.arrival.max(from);
        (there.as_seconds_f64() / self.slot.as_seconds_f64()).clamp(0.0, 1.0)
    }
}

fn problem(stretch: &Stretch<'_>) -> Problem {
    let (grid, slot_minutes) = Grid::of(stretch);
    let root = Circuit {
        id: "site".into(),
        parent: None,
        import_limit_kw: Series::Constant(stretch.options.limit.kilowatts()),
        export_limit_kw: None,
        base_load_kw: Some(Series::Constant(0.0)),
        base_load_phase_kw: None,
        phase_limit_kw: None,
    };
    let places = stretch.stays.iter().map(|stay| place(stretch, &grid, stay));
    Problem {
        schema_version: SCHEMA_VERSION,
        name: None,
        currency: super::CURRENCY.into(),
        start: grid.start,
        slot_minutes,
        slots: grid.slots,
        import_price_per_kwh: Series::PerSlot(
            (0..grid.slots)
                .map(|slot| lowest_price(stretch, &grid, slot))
                .collect(),
        ),
        export_price_per_kwh: None,
        carbon_g_per_kwh: None,
        carbon_price_per_kg: 0.0,
        demand_charge: None,
        circuits: std::iter::once(root.clone()).chain(places).collect(),
        sessions: stretch
            .stays
            .iter()
            .map(|stay| need(stretch, &grid, stay))
            .collect(),
        batteries: Vec::new(),
        previous: std::collections::BTreeMap::new(),
    }
}

fn lowest_price(stretch: &Stretch<'_>, grid: &Grid, slot: usize) -> f64 {
    let prices = &stretch.prices.series;
    let (from, until) = (grid.start_of(slot), grid.start_of(slot + 1));
    let within = prices.within(from, until).iter().map(|(_, price)| *price);
    within.fold(prices.at(from), Ord::min).per_kwh()
}

/// The place of one stay: its limit is the power of its EVSE for the part of a slot it is there.
fn place(stretch: &Stretch<'_>, grid: &Grid, stay: &RecordedStay) -> Circuit {
    let max = stretch.options.evse_max.kilowatts();
    let touched = grid.touched(stay);
    let limit = (0..grid.slots).map(|slot| {
        if touched.contains(&slot) {
            max * grid.part(slot, stay)
        } else {
            0.0
        }
    });
    Circuit {
        id: stay.id(),
        parent: Some("site".into()),
        import_limit_kw: Series::PerSlot(limit.collect()),
        export_limit_kw: None,
        base_load_kw: Some(Series::Constant(0.0)),
        base_load_phase_kw: None,
        phase_limit_kw: None,
    }
}

fn need(stretch: &Stretch<'_>, grid: &Grid, stay: &RecordedStay) -> SessionNeed {
    let touched = grid.touched(stay);
    SessionNeed {
        id: stay.id(),
        circuit: stay.id(),
        arrival_slot: touched.start,
        departure_slot: touched.end,
        energy_kwh: stay.energy.kilowatt_hours(),
        min_kw: 0.0,
        max_kw: stretch.options.evse_max.kilowatts(),
        phases: None,
        priority: 1.0,
        efficiency: 1.0,
        discharge_max_kw: 0.0,
        energy_max_kwh: None,
    }
}
