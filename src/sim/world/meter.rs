//! The meter at the grid connection: true power at every instant, nothing sampled.

use chrono::TimeDelta;

use super::energy::FineEnergy;
use super::grid::Grid;
use crate::domain::quantity::{Energy, Money, Power, Price};
use crate::domain::time::Time;

/// Length of the windows over which grid operators average power: 15 minutes.
const WINDOW_S: i64 = 900;

/// What made the power pass the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A charging profile raised it: the controller's own doing.
    Command,
    /// A car was plugged in.
    Arrival,
    /// The limit was lowered.
    LimitCut,
    /// Other load rose.
    BaseLoad,
    /// An EVSE draws more than its profiles allow.
    Disobedience,
    /// Something else, such as a car that draws more by itself.
    Other,
}

/// A time during which the true power was above the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excursion {
    /// Its first instant.
    pub start: Time,
    /// The first instant at which the power is within the limit again.
    pub end: Time,
    /// The most by which the power was above the limit.
    pub worst: Power,
    /// The energy above the limit.
    pub energy: FineEnergy,
    /// What began it.
    pub cause: Cause,
    /// True if a command began it or made it worse.
    pub self_caused: bool,
}

/// By how much the EVSEs' power rises at an instant, and who raised it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rise {
    /// All changes together; may be negative.
    pub net: Power,
    /// Rises by profiles alone.
    pub by_profiles: Power,
    /// Rises by cars that were plugged in.
    pub by_plugs: Power,
    /// What EVSEs draw beyond what their profiles allow.
    pub beyond: Power,
}

/// What the meter has seen.
#[derive(Clone, Debug)]
pub struct SiteMeter {
    now: Time,
    power: Power,
    energy: FineEnergy,
    /// Sum of mJ x millionths of the currency per kWh.
    cost: i128,
    peak: Power,
    window_energy: FineEnergy,
    peak_mean: Power,
    open: Option<Excursion>,
    closed: Vec<Excursion>,
}

impl SiteMeter {
    /// A meter that starts to count at `now`.
    pub fn new(now: Time) -> Self {
        Self {
            now,
            power: Power::ZERO,
            energy: FineEnergy::ZERO,
            cost: 0,
            peak: Power::ZERO,
            window_energy: FineEnergy::ZERO,
            peak_mean: Power::ZERO,
            open: None,
            closed: Vec::new(),
        }
    }

    /// The power that last flowed, other load included.
    pub fn power(&self) -> Power {
        self.power
    }

    /// Energy of the EVSEs so far.
    pub fn energy(&self) -> FineEnergy {
        self.energy
    }

    /// What the energy of the EVSEs cost so far.
    pub fn cost(&self) -> Money {
        // 1 kWh = 3,600,000,000 mJ
        let micros = self.cost.div_euclid(3_600_000_000);
        money(micros)
    }

    /// The highest power that flowed, other load included.
    pub fn peak(&self) -> Power {
        self.peak
    }

    /// The highest mean over a quarter of an hour of the clock, other load included.
    pub fn peak_mean(&self) -> Power {
        self.peak_mean.max(self.window_mean())
    }

    /// The excursions so far, the one still open included, in the order of their start.
    pub fn excursions(&self) -> impl Iterator<Item = &Excursion> {
        self.closed.iter().chain(&self.open)
    }

    /// Lets a constant power of the EVSEs flow until `to`.
    pub(super) fn flow(&mut self, to: Time, evses: Power, rise: Rise, grid: &Grid) {
        let mut rise = rise;
        // Bounded: every turn ends at a border of prices, windows or steps, or at `to`.
        while self.now < to {
            let until = [
                Some(to),
                Some(self.window_end()),
                grid.prices.next_change(self.now),
                grid.next_step(self.now),
            ]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(to);
            self.piece(until, evses, rise, grid);
            rise = Rise {
                beyond: rise.beyond,
                ..Rise::default()
            };
        }
    }

    /// Everything is constant until `until`.
    fn piece(&mut self, until: Time, evses: Power, rise: Rise, grid: &Grid) {
        let span = until - self.now;
        let total = evses + grid.base_load.at(self.now);
        self.watch(until, total, rise, grid);
        let energy = FineEnergy::of(evses, span);
        self.energy += energy;
        self.cost +=
            i128::from(energy.millijoules()) * i128::from(grid.prices.at(self.now).micros());
        self.power = total;
        self.peak = self.peak.max(total);
        self.window_energy += FineEnergy::of(total, span);
        if until >= self.window_end() {
            self.peak_mean = self.peak_mean.max(self.window_mean());
            self.window_energy = FineEnergy::ZERO;
        }
        self.now = until;
    }

    /// Opens, prolongs or closes the excursion.
    fn watch(&mut self, until: Time, total: Power, rise: Rise, grid: &Grid) {
        let over = total - grid.limit.at(self.now);
        if !over.is_positive() {
            self.closed.extend(self.open.take());
            return;
        }
        let now = self.now;
        let excursion = self.open.get_or_insert_with(|| {
            let cause = cause_of(now, over, rise, grid);
            Excursion {
                start: now,
                end: until,
                worst: over,
                energy: FineEnergy::ZERO,
                cause,
                self_caused: cause == Cause::Command,
            }
        });
        // A raise in the middle of an excursion is the controller's doing, whoever began it, unless
        // the limit would hold if everybody obeyed.
        let raises = rise.by_profiles.is_positive() && rise.net.is_positive();
        if excursion.start < now && raises && over > rise.beyond {
            excursion.self_caused = true;
        }
        excursion.end = until;
        excursion.worst = excursion.worst.max(over);
        excursion.energy += FineEnergy::of(over, until - now);
    }

    fn window_mean(&self) -> Power {
        self.window_energy
            .energy()
            .mean_power(TimeDelta::seconds(WINDOW_S))
    }

    fn window_end(&self) -> Time {
        let into = self.now.timestamp().rem_euclid(WINDOW_S);
        let begin = self.now.timestamp() - into;
        chrono::DateTime::from_timestamp(begin + WINDOW_S, 0).unwrap_or(self.now)
    }
}

/// Why the power passes the limit just now. Who does not obey is the cause where the limit would hold
/// if he did; what profiles raised, only if the limit would have held without it.
fn cause_of(at: Time, over: Power, rise: Rise, grid: &Grid) -> Cause {
    if rise.beyond >= over {
        Cause::Disobedience
    } else if rise.by_profiles >= over && rise.by_profiles.is_positive() {
        Cause::Command
    } else if rise.by_plugs.is_positive() {
        Cause::Arrival
    } else if grid.limit_steps_at(at) {
        Cause::LimitCut
    } else if grid.base_load_steps_at(at) {
        Cause::BaseLoad
    } else if rise.beyond.is_positive() {
        Cause::Disobedience
    } else {
        Cause::Other
    }
}

fn money(micros: i128) -> Money {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    // What one kilowatt-hour costs at that price per kilowatt-hour.
    Energy::from_joules(3_600_000).cost_at(Price::from_micros(micros))
}
