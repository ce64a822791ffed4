//! What the methods achieved, added up over all stretches.

use serde::Serialize;

use super::{Backtest, Knowledge};
use crate::domain::quantity::Energy;
use crate::sim::methods::{MethodResult, READY_PERCENT};
use crate::sim::world::{Depot, FineEnergy};

/// What a kWh that a car leaves without is worth, unless energy itself costs more.
const UNDELIVERED_PER_KWH: f64 = 0.30;

/// What one method achieved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct MethodReport {
    /// What the energy cost.
    pub cost: f64,
    /// Energy delivered.
    pub kwh: f64,
    /// Energy the cars wanted.
    pub needed_kwh: f64,
    /// Energy that cars left without.
    pub undelivered_kwh: f64,
    /// Cost and undelivered energy in one figure: less is better.
    pub worth: f64,
    /// Highest power at any instant.
    pub peak_kw: f64,
    /// Cars that left with 99 % of their energy at least.
    pub ready_on_time: usize,
    /// Cars that came and left.
    pub vehicles: usize,
    /// Times the true power went over the limit.
    pub limit_violations: usize,
    /// Those that a profile caused or made worse.
    pub self_caused: usize,
    /// Profiles sent.
    pub profile_pushes: u64,
}

/// All methods.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Methods {
    /// Every car at full power from its arrival.
    pub unmanaged: MethodReport,
    /// Who came first gets all, the others what is left.
    pub first_come: MethodReport,
    /// The limit in equal shares, anew at every event.
    pub equal_share: MethodReport,
    /// Ours.
    pub evenload: MethodReport,
    /// A plan that knows everything beforehand: no method that keeps the limit is worth more.
    pub clairvoyant: MethodReport,
}

/// Which of them.
type Which = fn(&mut Methods) -> &mut MethodReport;

impl Methods {
    pub(super) fn unmanaged_of(&mut self) -> &mut MethodReport {
        &mut self.unmanaged
    }
    pub(super) fn first_come_of(&mut self) -> &mut MethodReport {
        &mut self.first_come
    }
    pub(super) fn equal_share_of(&mut self) -> &mut MethodReport {
        &mut self.equal_share
    }
    pub(super) fn evenload_of(&mut self) -> &mut MethodReport {
        &mut self.evenload
    }
    pub(super) fn clairvoyant_of(&mut self) -> &mut MethodReport {
        &mut self.clairvoyant
    }

    fn each(&mut self) -> [&mut MethodReport; 5] {
        [
            &mut self.unmanaged,
            &mut self.first_come,
            &mut self.equal_share,
            &mut self.evenload,
            &mut self.clairvoyant,
        ]
    }
}

/// What one method achieved over one stretch.
#[derive(Clone, Debug)]
pub struct Outcome {
    method: Which,
    report: MethodReport,
}

impl Outcome {
    pub(super) fn new(method: Which, report: MethodReport) -> Self {
        Self { method, report }
    }

    /// What the meters of a depot measured.
    pub(super) fn measured(method: Which, depot: &Depot, profile_pushes: u64) -> Self {
        let measured = MethodResult::measured(depot, super::CURRENCY);
        let mut report = MethodReport {
            cost: measured.cost,
            peak_kw: measured.peak_kw,
            limit_violations: measured.limit_violations,
            self_caused: measured.self_caused,
            profile_pushes,
            ..MethodReport::default()
        };
        let (mut given, mut wanted, mut missing) = (FineEnergy::ZERO, Energy::ZERO, Energy::ZERO);
        for stay in depot.stays() {
            let need = FineEnergy::from(stay.car.need);
            given += stay.drawn;
            wanted += stay.car.need;
            missing += (need - stay.drawn).energy().at_least_zero();
            report.vehicles += 1;
            report.ready_on_time += usize::from(stay.drawn >= need.percent(READY_PERCENT));
        }
        report.kwh = given.kilowatt_hours();
        report.needed_kwh = wanted.kilowatt_hours();
        report.undelivered_kwh = missing.kilowatt_hours();
        Self { method, report }
    }
}

/// The answer of a backtest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Local days on which cars came.
    pub days: usize,
    /// Sessions replayed.
    pub sessions: usize,
    /// Sessions before the first day, known as history.
    pub history_sessions: usize,
    /// The site's limit.
    pub limit_kw: f64,
    /// What was told of a session when it began.
    pub knowledge: Knowledge,
    /// What a kWh counts that a car leaves without.
    pub undelivered_per_kwh: f64,
    /// Part of the gap between an equal share and the clairvoyant plan that evenload closes, in
    /// percent of worth; `None` where there is no gap.
    pub gap_closed_percent: Option<f64>,
    /// Profiles sent per session by evenload.
    pub pushes_per_session: f64,
    /// What each method achieved.
    pub methods: Methods,
}

impl Report {
    pub(super) fn new(backtest: &Backtest, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut methods = Methods::default();
        for outcome in outcomes {
            (outcome.method)(&mut methods).add(&outcome.report);
        }
        let undelivered_per_kwh = backtest.prices.highest.per_kwh().max(UNDELIVERED_PER_KWH);
        for report in methods.each() {
            report.worth = report.cost + undelivered_per_kwh * report.undelivered_kwh;
            report.round();
        }
        let gap = methods.equal_share.worth - methods.clairvoyant.worth;
        let closed = methods.equal_share.worth - methods.evenload.worth;
        let sessions = backtest.sessions();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let pushes_per_session = methods.evenload.profile_pushes as f64 / (sessions.max(1) as f64);
        Self {
            days: backtest.days,
            sessions,
            history_sessions: backtest.first,
            limit_kw: backtest.options.limit.kilowatts(),
            knowledge: backtest.options.knowledge,
            undelivered_per_kwh,
            gap_closed_percent: (gap > 1e-6).then(|| rounded(100.0 * closed / gap, 10.0)),
            pushes_per_session: rounded(pushes_per_session, 100.0),
            methods,
        }
    }
}

impl MethodReport {
    fn add(&mut self, other: &Self) {
        self.cost += other.cost;
        self.kwh += other.kwh;
        self.needed_kwh += other.needed_kwh;
        self.undelivered_kwh += other.undelivered_kwh;
        self.peak_kw = self.peak_kw.max(other.peak_kw);
        self.ready_on_time += other.ready_on_time;
        self.vehicles += other.vehicles;
        self.limit_violations += other.limit_violations;
        self.self_caused += other.self_caused;
        self.profile_pushes += other.profile_pushes;
    }

    /// Sums of many fractions end in noise.
    fn round(&mut self) {
        for value in [
            &mut self.cost,
            &mut self.kwh,
            &mut self.needed_kwh,
            &mut self.undelivered_kwh,
            &mut self.worth,
        ] {
            *value = rounded(*value, 1e4);
        }
    }
}

fn rounded(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}
