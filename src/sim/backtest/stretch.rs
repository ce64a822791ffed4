//! A stretch of time that stands for itself: no car is connected when it begins or ends.

use std::collections::BTreeSet;

use chrono::{DurationRound, NaiveDate, TimeDelta, TimeZone};
use chrono_tz::Tz;

use super::{Knowledge, Options, RecordedPrices, RecordedStay};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::grid_rules::GridRules;
use crate::domain::id::{CircuitId, EvseId, PartnerId, SessionId, SignalKey, SiteId, TenantId};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Current, Power, Voltage};
use crate::domain::session::{Needs, PastSession};
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::{ArrivalReserve, Circuit, Mode, Site};
use crate::domain::time::Time;
use crate::sim::circle::{Circle, CircleOptions};
use crate::sim::world::evse::MIN_CURRENT;
use crate::sim::world::{Car, Depot, Grid, Layer, SimEvse, Taper};

/// Sessions that ended longer ago are not told: the planner looks back four weeks.
const HISTORY: TimeDelta = TimeDelta::days(60);
/// The hour of the day, local time, at which the next day's prices become known.
const PUBLICATION_HOUR: u32 = 13;

/// The sessions of a stretch, and those that were over before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'b> {
    pub(super) stays: &'b [RecordedStay],
    pub(super) past: &'b [RecordedStay],
    pub(super) evses: &'b [String],
    pub(super) prices: &'b RecordedPrices,
    pub(super) options: &'b Options,
}

impl Stretch<'_> {
    /// The hour in which the first car comes.
    pub(super) fn start(&self) -> Time {
        let first = self
            .stays
            .first()
            .map_or(Time::UNIX_EPOCH, |stay| stay.arrival);
        first.duration_trunc(TimeDelta::hours(1)).unwrap_or(first)
    }

    /// A minute after the last car has left, for the last messages.
    pub(super) fn end(&self) -> Time {
        let departures = self.stays.iter().map(|stay| stay.departure);
        departures.max().unwrap_or(Time::UNIX_EPOCH) + TimeDelta::minutes(1)
    }

    /// The depot before the first car. Its EVSEs hold a default profile of nothing where they are
    /// `managed`: until a session has a profile of its own, it waits.
    pub(super) fn depot(&self, managed: bool) -> Depot {
        let (options, start) = (self.options, self.start());
        let grid = Grid::with_limit(options.limit, self.prices.series.clone());
        let mut here: Vec<&String> = self.stays.iter().map(|stay| &stay.evse).collect();
        here.sort_unstable();
        here.dedup();
        let names = if managed {
            self.evses.iter().collect()
        } else {
            here
        };
        let evses = names.into_iter().map(|name| options.evse(name)).collect();
        let mut depot = Depot::new(start, grid, evses);
        for stay in self.stays {
            depot.expect(&stay.evse, options.car(stay));
        }
        if managed {
            for name in self.evses {
                depot.set_profile(name, Layer::Default, Some(nothing(start)));
            }
        }
        depot
    }

    /// The real circle around the depot, with what is known before the first car comes.
    pub(super) fn circle(&self) -> Circle {
        let (options, start) = (self.options, self.start());
        let depot = self.depot(true);
        let site = site(&depot, options);
        let needs = self
            .stays
            .iter()
            .map(|stay| (stay.id(), options.needs(stay)));
        let circle_options = CircleOptions {
            needs: needs.collect(),
            ..CircleOptions::default()
        };
        let mut circle = Circle::new(site, options.policy.clone(), depot, circle_options);
        let (mode, evses) = (Mode::Live, BTreeSet::new());
        circle.tell(start, EventKind::ModeSet { mode, evses });
        if let Some(partner) = partner() {
            let health = PartnerHealth::Current;
            circle.tell(start, EventKind::PartnerSeen { partner, health });
        }
        let sessions = self
            .past
            .iter()
            .filter(|stay| stay.departure <= start && stay.departure > start - HISTORY)
            .filter_map(|stay| past(stay, options))
            .collect();
        circle.tell(start, EventKind::HistoryLearned { sessions });
        for (at, series) in self.publications() {
            circle.tell(
                at,
                EventKind::SignalSet {
                    series: Box::new(series),
                },
            );
        }
        circle
    }

    /// The prices as they become known: at the start, and every day at 13:00.
    fn publications(&self) -> Vec<(Time, SignalSeries)> {
        let (zone, start, end) = (self.options.time_zone, self.start(), self.end());
        let mut publications = Vec::new();
        let first = local_day(start, zone);
        let public = |at: Time| {
            let day = local_day(at, zone);
            let known = if at < hour_of(day, PUBLICATION_HOUR, zone) {
                day.succ_opt()
            } else {
                day.succ_opt().and_then(|next| next.succ_opt())
            };
            hour_of(known.unwrap_or(day), 0, zone)
        };
        let days = first
            .iter_days()
            .take_while(|day| hour_of(*day, 0, zone) <= end);
        let times = days.map(|day| hour_of(day, PUBLICATION_HOUR, zone));
        for at in std::iter::once(start).chain(times.filter(|at| (start..end).contains(at))) {
            let from = hour_of(first, 0, zone) - TimeDelta::days(1);
            publications.extend(self.known_prices(from, public(at), at).map(|s| (at, s)));
        }
        publications
    }

    fn known_prices(&self, from: Time, until: Time, at: Time) -> Option<SignalSeries> {
        let prices = &self.prices.series;
        let slots: Vec<SignalSlot> = prices
            .within(from, until)
            .iter()
            .map(|(start, price)| SignalSlot {
                start: *start,
                end: prices
                    .next_change(*start)
                    .unwrap_or(self.prices.until)
                    .min(until),
                value: price.micros(),
            })
            .collect();
        Some(SignalSeries {
            key: SignalKey::new("day-ahead").ok()?,
            source: "recorded".into(),
            revision: 1,
            kind: SignalKind::ImportPrice,
            circuit: None,
            slots,
            priority: 0,
            hard: false,
            issued_at: at,
            received_at: at,
            valid_until: None,
            evse: None,
            evses_only: false,
        })
    }
}

impl RecordedStay {
    /// Its id in the replay: one a row.
    pub(super) fn id(&self) -> String {
        format!("row-{}", self.line)
    }
}

impl Options {
    /// The voltage at which 6 A are the least power of an EVSE; 1 V where there is none.
    fn voltage(&self) -> Voltage {
        let per_amp = self.evse_min.kilowatts() * 1e3 / MIN_CURRENT.amps();
        Voltage::from_volts(per_amp.max(1.0))
    }

    fn evse(&self, name: &str) -> SimEvse {
        let voltage = self.voltage();
        let rating = Current::from_amps(self.evse_max.kilowatts() * 1e3 / voltage.volts());
        SimEvse::new(name, rating, voltage, vec![Phase::L1])
    }

    fn car(&self, stay: &RecordedStay) -> Car {
        let mut car = Car {
            id: stay.id(),
            arrival: stay.arrival,
            departure: stay.departure,
            need: stay.energy,
            max: self.evse("any").max_power(),
            phases: 1,
            taper: if self.taper {
                Taper::Linear
            } else {
                Taper::None
            },
        };
        if !car.could_get(100, car.max) {
            // It evidently took its energy in that time.
            car.taper = Taper::None;
        }
        car
    }

    /// What is told of a session when it begins.
    fn needs(&self, stay: &RecordedStay) -> Needs {
        let (departure, energy) = match self.knowledge {
            Knowledge::Perfect => (Some(stay.departure), Some(stay.energy)),
            Knowledge::Estimated => (stay.estimated_departure, stay.requested),
            Knowledge::None => (None, None),
        };
        Needs {
            departure,
            energy,
            discharge_allowed: false,
        }
    }
}

fn past(stay: &RecordedStay, options: &Options) -> Option<PastSession> {
    let said = options.needs(stay);
    Some(PastSession {
        id: SessionId::new(stay.id()).ok()?,
        evse: EvseId::new(&stay.evse).ok()?,
        started_at: stay.arrival,
        ended_at: stay.departure,
        energy: stay.energy,
        stated_departure: said.departure,
        stated_energy: said.energy,
    })
}

/// A profile that lets nothing flow, for ever.
fn nothing(start: Time) -> Profile {
    Profile {
        unit: RateUnit::Watts,
        start,
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: Tenths(0),
        }],
        duration_s: None,
    }
}

fn partner() -> Option<PartnerId> {
    PartnerId::new("recorded").ok()
}

/// One circuit, EVSEs that are steered in watts, no reserve: what nobody planned does not flow.
fn site(depot: &Depot, options: &Options) -> Site {
    let ids = || {
        Some((
            CircuitId::new("site").ok()?,
            SiteId::new("backtest").ok()?,
            partner()?,
        ))
    };
    #[expect(clippy::expect_used, reason = "these constants are valid ids")]
    let (circuit, id, partner) = ids().expect("constants");
    let evse = |evse: &SimEvse| {
        Some(Evse {
            id: EvseId::new(&evse.id).ok()?,
            circuit: circuit.clone(),
            max: evse.max_power(),
            min: options.evse_min,
            phases: Vec::new(),
            supply: Supply::Dc,
            fallback: Some(Power::ZERO),
            source: EvseSource::Ocpi {
                partner: partner.clone(),
                location_id: "backtest".into(),
                evse_uid: evse.id.to_lowercase(),
            },
        })
    };
    Site {
        tenant: TenantId::default_tenant(),
        id,
        name: "backtest".into(),
        time_zone: options.time_zone,
        currency: super::CURRENCY.into(),
        circuits: vec![Circuit {
            id: circuit.clone(),
            parent: None,
            import_limit: Some(options.limit),
            phase_limit: None,
            failsafe_limit: None,
            limit_source: None,
        }],
        evses: depot.evses().iter().filter_map(evse).collect(),
        arrival_reserve: ArrivalReserve::None,
        flat_price: None,
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    }
}

/// The local day of an instant.
pub(super) fn local_day(at: Time, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// An hour of a local day; an hour later where a clock change leaves it out.
pub(super) fn hour_of(day: NaiveDate, hour: u32, zone: Tz) -> Time {
    let wall = day.and_time(chrono::NaiveTime::MIN) + TimeDelta::hours(i64::from(hour));
    let later = wall + TimeDelta::hours(1);
    let local = zone.from_local_datetime(&wall).earliest();
    local
        .or_else(|| zone.from_local_datetime(&later).earliest())
        .map_or_else(|| wall.and_utc(), |local| local.to_utc())
}

/// Splits stays (sorted by arrival) where no car is connected; gives the ranges.
pub(super) fn split(stays: &[RecordedStay]) -> Vec<std::ops::Range<usize>> {
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    let mut until = Time::MIN_UTC;
    for (index, stay) in stays.iter().enumerate() {
        // The hour of an arrival belongs to its stretch: none may begin before the last one ended.
        let begins = stay
            .arrival
            .duration_trunc(TimeDelta::hours(1))
            .unwrap_or(stay.arrival);
        match ranges.last_mut() {
            Some(range) if begins < until => range.end = index + 1,
            _ => ranges.push(index..index + 1),
        }
        until = until.max(stay.departure + TimeDelta::minutes(1));
    }
    ranges
}
