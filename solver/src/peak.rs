//! The best peak under a demand charge, where nothing else couples slots.
//!
//! With the peak as a limit of the grid connection the flow method is exact. The cost of energy is
//! convex in the peak, and the flow tells its slope, so the best peak is found by intersecting
//! tangents; the least peak that leaves no more unmet than without it, by Newton's method on the
//! minimum cut.

use crate::DemandCharge;
use crate::flow::Settled;
use crate::marginal;
use crate::milliwatts::{self, PER_KW, to_kw};
use crate::model::Model;
use crate::network::Place;
use crate::room::Room;
use crate::work::Work;

/// Most flows either search costs; each halves what is left at least every third time.
const STEPS_MAX: usize = 100;

/// The peak of least cost in mW, at least `peak_so_far_kw`. `None` where sessions of different
/// weight compete for energy, which this method does not cover, or when stopped.
pub(crate) fn best(
    model: &Model<'_>,
    room: &Room,
    charge: DemandCharge,
    work: &Work<'_>,
) -> Option<i64> {
    let settled = Settled::new(model, room, work);
    let drawn = settled.network.drawn();
    if settled.is_weighed() {
        return None;
    }
    let mut search = Search {
        model,
        room,
        charge,
        settled,
    };
    let highest = search.highest();
    // Below the peak so far and the highest base load there is nothing to gain.
    let so_far = milliwatts::floor(charge.peak_so_far_kw);
    let base = (0..model.slots)
        .map(|slot| search.base(slot))
        .max()
        .unwrap_or_default();
    if highest <= so_far.max(base) {
        return Some(so_far.max(base));
    }
    let lowest = search.least_peak(so_far.max(base), drawn, work)?;
    search.cheapest(lowest.min(highest), highest, work)
}

struct Search<'a> {
    model: &'a Model<'a>,
    room: &'a Room,
    charge: DemandCharge,
    /// The flow at the peak looked at last; from one peak to the next only the difference moves.
    settled: Settled,
}

/// The cost at a peak, and its slope towards higher peaks, per kW.
#[derive(Debug, Clone, Copy)]
struct Point {
    peak: i64,
    cost: f64,
    slope: f64,
}

impl Search<'_> {
    fn base(&self, slot: usize) -> i64 {
        milliwatts::ceil(self.model.circuits[self.model.root].base_kw[slot])
    }

    fn highest(&self) -> i64 {
        let net = |slot: usize| self.settled.network.used(slot) + self.base(slot);
        (0..self.model.slots).map(net).max().unwrap_or_default()
    }

    /// What the peak and the limit leave at the grid connection.
    fn free(&self, slot: usize, peak: i64) -> i64 {
        self.room.free[self.room.root][slot]
            .min(peak - self.base(slot))
            .max(0)
    }

    /// Settles the flow below a peak.
    fn settle(&mut self, peak: i64, work: &Work<'_>) {
        for slot in 0..self.model.slots {
            self.settled.network.cap(slot, self.free(slot, peak));
        }
        self.settled.settle_alike(work);
    }

    /// True where the peak holds the grid connection down more than its limit does.
    fn holds(&self, slot: usize, peak: i64) -> bool {
        peak - self.base(slot) < self.room.free[self.room.root][slot]
    }

    /// The least peak at which as much is drawn as without one.
    fn least_peak(&mut self, from: i64, drawn: i64, work: &Work<'_>) -> Option<i64> {
        let mut peak = from;
        for _ in 0..STEPS_MAX {
            if work.is_over() {
                return None;
            }
            self.settle(peak, work);
            let network = &self.settled.network;
            let missing = drawn - network.drawn();
            if missing <= 0 {
                return Some(peak);
            }
            // Every slot whose grid the source still reaches is in the cut with what the peak
            // leaves it: a higher peak gains at most that often.
            let short: Vec<(f64, Place)> = (0..self.model.sessions.len())
                .filter(|session| network.got(*session) < network.need(*session))
                .map(|session| (0.0, Place::Session(session)))
                .collect();
            let reached = network.spread_forward(&short);
            let held = (0..self.model.slots)
                .filter(|slot| self.holds(*slot, peak))
                .filter(|slot| network.value(&reached, self.room.root, *slot).is_some())
                .count();
            let held = i64::try_from(held).ok().filter(|held| *held > 0)?;
            peak += (missing + held - 1) / held;
        }
        None
    }

    fn at(&mut self, peak: i64, work: &Work<'_>) -> Point {
        self.settle(peak, work);
        let network = &self.settled.network;
        let saves = marginal::saves(self.model, self.room, &self.settled);
        let (mut energy, mut gain) = (0.0, 0.0);
        for slot in 0..self.model.slots {
            let used = network.used(slot);
            let surplus = self.room.surplus[slot].min(used);
            let import = self.model.import_price(slot);
            energy += to_kw(surplus) * self.model.export_price(slot);
            energy += to_kw(used - surplus) * import;
            if self.holds(slot, peak) && used >= self.free(slot, peak) {
                let save = network.value(&saves, self.room.root, slot);
                gain += save.map_or(0.0, |save| (save - import).max(0.0));
            }
        }
        let hours = self.model.hours;
        let above = to_kw(peak) - self.charge.peak_so_far_kw;
        Point {
            peak,
            cost: energy * hours + self.charge.per_kw * above,
            slope: self.charge.per_kw - gain * hours,
        }
    }

    /// The best peak between two.
    fn cheapest(&mut self, lowest: i64, highest: i64, work: &Work<'_>) -> Option<i64> {
        let (mut low, mut high) = (self.at(lowest, work), self.at(highest, work));
        if low.slope >= 0.0 {
            return Some(lowest);
        }
        for step in 0..STEPS_MAX {
            if high.peak - low.peak <= 1 {
                break;
            }
            if work.is_over() {
                return None;
            }
            let halfway = low.peak + (high.peak - low.peak) / 2;
            let between = if step % 3 == 2 {
                halfway
            } else {
                crossing(low, high)
            };
            let point = self.at(between.clamp(low.peak + 1, high.peak - 1), work);
            // On the tangent already: nothing between can be lower.
            let tangent = low.cost + low.slope * to_kw(point.peak - low.peak);
            if (point.cost - tangent).abs() <= 1e-12 * point.cost.abs() && point.slope >= 0.0 {
                return Some(point.peak);
            }
            if point.slope < 0.0 {
                low = point;
            } else {
                high = point;
            }
        }
        Some(if low.cost <= high.cost {
            low.peak
        } else {
            high.peak
        })
    }
}

/// Where the tangents of two points cross.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped between two peaks by the caller"
)]
fn crossing(low: Point, high: Point) -> i64 {
    let gap = high.cost - low.cost - high.slope * to_kw(high.peak - low.peak);
    low.peak + (gap / (low.slope - high.slope) * PER_KW).round() as i64
}

/// Makes a peak a limit of the grid connection.
pub(crate) fn cap(model: &Model<'_>, room: &mut Room, peak: i64) {
    let root = &model.circuits[model.root];
    let grid = room.root;
    for (slot, free) in room.free[grid].iter_mut().enumerate() {
        *free = (*free)
            .min(peak - milliwatts::ceil(root.base_kw[slot]))
            .max(0);
    }
}
