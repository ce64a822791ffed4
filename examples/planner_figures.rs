//! Figures of the planner: how long a plan takes, and what planning online is worth on recorded
//! days.
//!
//! ```text
//! cargo run --release --example planner_figures              how long a plan takes
//! cargo run --release --example planner_figures -- days 30   recorded days
//! ```
//!
//! Worth = cost of energy plus 0.30 per kWh that a car leaves without. The figure of a method is
//! the share it closes of the gap between an equal share of the limit at every instant and a plan
//! made with knowledge of the whole future. Plans are obeyed at once and exactly; departure and
//! energy are known at arrival, arrivals are not.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "an example measures time, prints, and may stop where it stands"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{NaiveDate, TimeDelta};
use evenload::domain::event::{Event, EventKind};
use evenload::domain::evse::{Evse, EvseSource, Supply};
use evenload::domain::grid_rules::GridRules;
use evenload::domain::id::{CircuitId, EvseId, PartnerId, SessionId, SignalKey, SiteId, TenantId};
use evenload::domain::plan::{Plan, PlanOrigin};
use evenload::domain::policy::Policy;
use evenload::domain::quantity::{Energy, Power};
use evenload::domain::session::{Needs, PastSession, Reading, Session, SessionStatus};
use evenload::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use evenload::domain::site::{ArrivalReserve, Circuit, Site};
use evenload::domain::time::Time;
use evenload::planner;
use evenload::sim::recorded::{RecordedSession, Recording, TIME_ZONE, day_bounds};
use evenload::state::SiteState;
use evenload_solver::{Problem, Series, SessionNeed, Settings};

/// The rating of the recorded EVSEs.
const RATING: Power = Power::from_watts(6656);
const UNDELIVERED_PER_KWH: f64 = 0.30;
const STEP: TimeDelta = TimeDelta::seconds(300);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let recording = Recording::embedded().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["days", count] => days(&recording, count.parse().unwrap()),
        _ => speed(&recording),
    }
}

// ---- a site of recorded EVSEs -------------------------------------------------------------

fn site(evses: &[String], limit_kw: f64) -> Site {
    let circuit = CircuitId::new("site").unwrap();
    Site {
        tenant: TenantId::default_tenant(),
        id: SiteId::new("jpl").unwrap(),
        name: "recorded car park".into(),
        time_zone: TIME_ZONE,
        currency: "EUR".into(),
        circuits: vec![Circuit {
            id: circuit.clone(),
            parent: None,
            import_limit: Some(Power::from_kilowatts(limit_kw)),
            phase_limit: None,
            failsafe_limit: None,
            limit_source: None,
        }],
        evses: evses
            .iter()
            .map(|name| Evse {
                id: EvseId::new(name).unwrap(),
                circuit: circuit.clone(),
                max: RATING,
                min: Power::ZERO,
                phases: Vec::new(),
                supply: Supply::Dc,
                fallback: None,
                source: EvseSource::Ocpi {
                    partner: PartnerId::new("jpl").unwrap(),
                    location_id: "jpl".into(),
                    evse_uid: name.clone(),
                },
            })
            .collect(),
        arrival_reserve: ArrivalReserve::None,
        flat_price: None,
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    }
}

struct Depot {
    state: SiteState,
    policy: Policy,
}

impl Depot {
    fn new(
        recording: &Recording,
        evses: &[String],
        limit_kw: f64,
        now: Time,
        policy: Policy,
    ) -> Self {
        let state = SiteState::new(site(evses, limit_kw), now);
        let mut depot = Self { state, policy };
        depot.happens(
            now,
            price_signal(
                recording,
                now - TimeDelta::days(1),
                now + TimeDelta::days(40),
            ),
        );
        depot
    }

    fn happens(&mut self, at: Time, kind: EventKind) {
        let seq = self.state.last_seq + 1;
        self.state.apply(&Event { seq, at, kind });
    }

    fn sees(&mut self, at: Time, stay: &RecordedSession, energy: Energy, ended: bool) {
        let session = Session {
            id: SessionId::new(&stay.id).unwrap(),
            native_id: stay.id.clone(),
            evse: EvseId::new(&stay.evse).unwrap(),
            status: if ended {
                SessionStatus::Ended
            } else {
                SessionStatus::Active
            },
            started_at: stay.arrival,
            ended_at: ended.then_some(stay.departure),
            energy,
            reading: None,
            keys: Vec::new(),
            needs: Needs {
                departure: Some(floor(stay.departure)),
                energy: Some(stay.energy),
                discharge_allowed: false,
            },
            updated_at: at,
        };
        self.happens(
            at,
            EventKind::SessionSeen {
                session: Box::new(session),
            },
        );
    }

    fn learns(&mut self, at: Time, stays: &[RecordedSession]) {
        let sessions = stays
            .iter()
            .map(|stay| PastSession {
                stated_departure: None,
                stated_energy: None,
                id: SessionId::new(&stay.id).unwrap(),
                evse: EvseId::new(&stay.evse).unwrap(),
                started_at: stay.arrival,
                ended_at: stay.departure,
                energy: stay.energy,
            })
            .collect();
        self.happens(at, EventKind::HistoryLearned { sessions });
    }

    fn plan(&self, now: Time) -> Plan {
        planner::plan(&self.state, &self.policy, now, &|| false)
    }
}

fn price_signal(recording: &Recording, from: Time, until: Time) -> EventKind {
    let from = from.timestamp() / 3600;
    let until = until.timestamp() / 3600;
    let at = |hour: i64| Time::from_timestamp(hour * 3600, 0).unwrap();
    EventKind::SignalSet {
        series: Box::new(SignalSeries {
            key: SignalKey::new("day-ahead").unwrap(),
            source: "recorded".into(),
            revision: 1,
            kind: SignalKind::ImportPrice,
            circuit: None,
            slots: (from..until)
                .map(|hour| SignalSlot {
                    start: at(hour),
                    end: at(hour + 1),
                    value: recording.prices().at(at(hour)).micros(),
                })
                .collect(),
            priority: 100,
            hard: false,
            issued_at: at(from),
            received_at: at(from),
            valid_until: None,
            evse: None,
            evses_only: false,
        }),
    }
}

fn floor(at: Time) -> Time {
    Time::from_timestamp(at.timestamp().div_euclid(300) * 300, 0).unwrap()
}

fn ceil(at: Time) -> Time {
    floor(at + TimeDelta::seconds(299))
}

// ---- how long a plan takes ----------------------------------------------------------------

fn speed(recording: &Recording) {
    println!("sessions x slots        case                        ms (median of 15)");
    let day = NaiveDate::from_ymd_opt(2019, 10, 16).unwrap();
    let (start, _) = day_bounds(day);
    let now = start + TimeDelta::hours(9);
    for count in [20, 100, 500] {
        for case in [
            "departures known",
            "half unknown",
            "with expected arrivals",
            "short of power",
        ] {
            let names: Vec<String> = (0..count).map(|number| format!("E{number:04}")).collect();
            let limit = f64::from(count) * if case == "short of power" { 0.3 } else { 1.5 };
            let mut depot = Depot::new(recording, &names, limit, now, Policy::default());
            if case == "with expected arrivals" {
                let (from, until) = (start - TimeDelta::days(10), start);
                let mut past = recording.between(from, until).to_vec();
                for (index, stay) in past.iter_mut().enumerate() {
                    stay.evse.clone_from(&names[index % names.len()]);
                }
                depot.learns(now, &past);
            }
            for (number, name) in (0..).zip(&names) {
                let mut stay = RecordedSession {
                    id: format!("s{number}"),
                    evse: name.clone(),
                    arrival: now - TimeDelta::minutes(number % 120),
                    departure: now + TimeDelta::minutes(180 + 37 * number % 1200),
                    energy: Energy::from_kilowatt_hours(
                        5.0 + f64::from(u8::try_from(number % 17).unwrap()),
                    ),
                    requested: None,
                    estimated_departure: None,
                };
                if case == "half unknown" && number % 2 == 0 {
                    stay.departure = now - TimeDelta::minutes(1);
                }
                depot.sees(now, &stay, Energy::ZERO, false);
            }
            let mut times: Vec<f64> = (0..15)
                .map(|_| {
                    let begun = Instant::now();
                    let plan = depot.plan(now);
                    let took = begun.elapsed().as_secs_f64() * 1e3;
                    assert!(!plan.evses.is_empty());
                    took
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let plan = depot.plan(now);
            let size = format!("{count} x {}", plan.horizon.slots);
            println!(
                "{size:<22}  {case:<26}  {:>7.1}   {:?}",
                times[7], plan.origin
            );
        }
    }
}

// ---- recorded days ------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, Default)]
struct Worth {
    cost: f64,
    undelivered_kwh: f64,
}

impl Worth {
    fn total(self) -> f64 {
        self.cost + UNDELIVERED_PER_KWH * self.undelivered_kwh
    }

    fn add(&mut self, other: Self) {
        self.cost += other.cost;
        self.undelivered_kwh += other.undelivered_kwh;
    }
}

fn days(recording: &Recording, count: u64) {
    let from = NaiveDate::from_ymd_opt(2019, 10, 7).unwrap();
    let days: Vec<NaiveDate> = from
        .iter_days()
        .take(usize::try_from(count).unwrap())
        .collect();
    let evses = recording.evse_names();
    let policy = |days: u32, waiting: i64, margin: u32| Policy {
        expected_arrival_days: days,
        waiting_price: evenload::domain::quantity::Price::from_micros(waiting),
        ready_margin_s: margin,
        ..Policy::default()
    };
    let variants = [
        ("plain re-solving", policy(0, 0, 0)),
        ("waiting 0.002", policy(0, 2_000, 0)),
        ("K=3", policy(3, 0, 0)),
        ("K=3, waiting 0.0005", policy(3, 500, 0)),
        ("K=3, waiting 0.001", policy(3, 1_000, 0)),
        ("K=3, waiting 0.002", policy(3, 2_000, 0)),
        ("the default", Policy::default()),
    ];
    for limit_kw in [60.0, 120.0] {
        let (mut equal, mut best) = (Worth::default(), Worth::default());
        for day in &days {
            let stays = stays_of(recording, *day);
            equal.add(equal_share(recording, &stays, limit_kw));
            best.add(clairvoyant(recording, &stays, limit_kw));
        }
        println!(
            "\n{limit_kw} kW, {count} days: equal share {:.2} ({:.1} kWh short), knowing all {:.2} ({:.1} kWh short)",
            equal.total(),
            equal.undelivered_kwh,
            best.total(),
            best.undelivered_kwh
        );
        for (name, policy) in &variants {
            let begun = Instant::now();
            let (mut worth, mut plans) = (Worth::default(), 0);
            for day in &days {
                let (day_worth, day_plans) = online(recording, &evses, *day, limit_kw, policy);
                worth.add(day_worth);
                plans += day_plans;
            }
            let closed = 100.0 * (equal.total() - worth.total()) / (equal.total() - best.total());
            println!(
                "{name:<34} worth {:>8.2}  short {:>6.1} kWh  closes {closed:>6.1} %  {plans} plans, {:.1} ms each",
                worth.total(),
                worth.undelivered_kwh,
                begun.elapsed().as_secs_f64() * 1e3 / f64::from(plans)
            );
        }
    }
}

/// The stays that begin on a day, on whole steps.
fn stays_of(recording: &Recording, day: NaiveDate) -> Vec<RecordedSession> {
    recording
        .on(day)
        .iter()
        .filter(|stay| ceil(stay.arrival) < floor(stay.departure))
        .cloned()
        .collect()
}

/// Runs a day: in every step each car draws what `powers` says, as far as it needs it.
fn run(
    recording: &Recording,
    stays: &[RecordedSession],
    mut powers: impl FnMut(Time, &BTreeMap<usize, Energy>) -> BTreeMap<usize, Power>,
) -> Worth {
    let mut left: BTreeMap<usize, Energy> = BTreeMap::new();
    let mut worth = Worth::default();
    let Some(mut now) = stays.iter().map(|stay| ceil(stay.arrival)).min() else {
        return worth;
    };
    let end = stays
        .iter()
        .map(|stay| floor(stay.departure))
        .max()
        .unwrap();
    while now < end {
        for (index, stay) in stays.iter().enumerate() {
            if ceil(stay.arrival) == now {
                left.insert(index, stay.energy);
            }
        }
        let given = powers(now, &left);
        for (index, power) in given {
            let need = left.get_mut(&index).unwrap();
            let energy = power.over(STEP).min(*need);
            *need -= energy;
            worth.cost += energy.cost_at(recording.prices().at(now)).amount();
        }
        now += STEP;
        left.retain(|index, need| {
            let stays_on = floor(stays[*index].departure) > now;
            if !stays_on {
                worth.undelivered_kwh += need.kilowatt_hours();
            }
            stays_on
        });
    }
    worth
}

fn equal_share(recording: &Recording, stays: &[RecordedSession], limit_kw: f64) -> Worth {
    run(recording, stays, |_, left| {
        // Water is poured until all are full or the limit is reached.
        let wishes: BTreeMap<usize, Power> = left
            .iter()
            .filter(|(_, need)| need.is_positive())
            .map(|(index, need)| {
                (
                    *index,
                    RATING.min(need.mean_power(STEP) + Power::from_watts(1)),
                )
            })
            .collect();
        let mut by_wish: Vec<(usize, Power)> = wishes.into_iter().collect();
        by_wish.sort_by_key(|(_, wish)| *wish);
        let mut room = Power::from_kilowatts(limit_kw);
        let mut given = BTreeMap::new();
        let mut sharers = i64::try_from(by_wish.len()).unwrap();
        for (index, wish) in by_wish {
            let power = wish.min(room.scaled_down(1, sharers));
            room -= power;
            sharers -= 1;
            given.insert(index, power);
        }
        given
    })
}

fn clairvoyant(recording: &Recording, stays: &[RecordedSession], limit_kw: f64) -> Worth {
    let Some(start) = stays.iter().map(|stay| ceil(stay.arrival)).min() else {
        return Worth::default();
    };
    let end = stays
        .iter()
        .map(|stay| floor(stay.departure))
        .max()
        .unwrap();
    let slot_of = |at: Time| usize::try_from((at - start).num_seconds() / 300).unwrap();
    let slots = slot_of(end);
    let problem: Problem = serde_json::from_value(serde_json::json!({
        "schema_version": 1, "start": start, "slot_minutes": 5, "slots": slots,
        "import_price_per_kwh": 0.0,
        "circuits": [{ "id": "site", "import_limit_kw": limit_kw, "base_load_kw": 0.0 }],
        "sessions": [],
    }))
    .unwrap();
    let price = |slot: usize| {
        recording
            .prices()
            .at(start + STEP * i32::try_from(slot).unwrap())
    };
    let need = |stay: &RecordedSession| {
        serde_json::from_value::<SessionNeed>(serde_json::json!({
            "id": stay.id, "circuit": "site", "arrival_slot": slot_of(ceil(stay.arrival)),
            "departure_slot": slot_of(floor(stay.departure)),
            "energy_kwh": stay.energy.kilowatt_hours(), "max_kw": RATING.kilowatts(),
        }))
        .unwrap()
    };
    let problem = Problem {
        import_price_per_kwh: Series::PerSlot(
            (0..slots).map(|slot| price(slot).per_kwh()).collect(),
        ),
        sessions: stays.iter().map(need).collect(),
        ..problem
    };
    let solution = evenload_solver::solve(&problem, &Settings::default(), &|| false);
    Worth {
        cost: solution.cost.total,
        undelivered_kwh: solution.unmet_kwh,
    }
}

fn online(
    recording: &Recording,
    evses: &[String],
    day: NaiveDate,
    limit_kw: f64,
    policy: &Policy,
) -> (Worth, u32) {
    let stays = stays_of(recording, day);
    let (start, _) = day_bounds(day);
    let mut depot = Depot::new(recording, evses, limit_kw, start, policy.clone());
    depot.learns(start, recording.between(start - TimeDelta::days(21), start));
    let mut plan: Option<Plan> = None;
    let mut here: Vec<usize> = Vec::new();
    let mut plans = 0;
    let worth = run(recording, &stays, |now, left| {
        let present: Vec<usize> = left.keys().copied().collect();
        let on_the_hour = now.timestamp() % 3600 == 0;
        for gone in here.iter().filter(|index| !left.contains_key(index)) {
            depot.sees(now, &stays[*gone], stays[*gone].energy, true);
        }
        if present != here || on_the_hour || plan.is_none() {
            for (index, need) in left {
                let stay = &stays[*index];
                let drawn = stay.energy - *need;
                if !here.contains(index) {
                    depot.sees(now, stay, drawn, false);
                }
                let reading = Reading {
                    power: Power::ZERO,
                    at: now,
                };
                let evse = EvseId::new(&stay.evse).unwrap();
                depot.happens(
                    now,
                    EventKind::EvseMeasured {
                        evse,
                        reading,
                        energy: Some(drawn),
                    },
                );
            }
            let made = depot.plan(now);
            assert_eq!(made.origin, PlanOrigin::Optimal, "{day} {now}");
            plan = Some(made);
            plans += 1;
            here = present;
        }
        let plan: &Plan = plan.as_ref().unwrap();
        let slot = plan.slot_at(now);
        left.keys()
            .filter_map(|index| {
                let planned = plan.evse(&EvseId::new(&stays[*index].evse).unwrap())?;
                Some((*index, planned.power[slot?]))
            })
            .collect()
    });
    (worth, plans)
}
