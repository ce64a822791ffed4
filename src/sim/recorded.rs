//! The recorded sessions and prices of `examples/data`, and the depot that is made of them.
//!
//! Recorded are arrival, departure, energy, EVSE, what drivers stated, and prices. Assumed here:
//!
//! - **EVSE**: single-phase, 208 V, 32 A (6.656 kW), the model the recorded site is described
//!   with. The EVSEs are wired to L1, L2 and L3 in turn, in the order of their names.
//! - **Car**: single-phase, accepts what its EVSE can deliver, needs what it really took.
//! - **Taper**: [`Taper::Linear`], except where the recording contradicts it: a car whose stay was
//!   too short to get its energy with a taper evidently had none.

use std::io;

use chrono::{DateTime, Days, FixedOffset, NaiveDate, TimeDelta};
use chrono_tz::Europe::Amsterdam;
use chrono_tz::Tz;
use serde::Deserialize;
use thiserror::Error;

use super::world::{Car, PriceSeries, SimEvse, Taper};
use crate::domain::evse::Phase;
use crate::domain::quantity::{Current, Energy, Price, Voltage};
use crate::domain::time::Time;

const SESSIONS_CSV: &str = include_str!("../../examples/data/sessions-jpl-2019.csv");
const PRICES_CSV: &str = include_str!("../../examples/data/prices-nl-2019.csv");

/// The time zone the recordings are aligned to: where the prices are from.
pub const TIME_ZONE: Tz = Amsterdam;

/// Currency of the recorded prices.
pub const CURRENCY: &str = "EUR";

/// Current of every EVSE, per phase.
pub fn evse_rating() -> Current {
    Current::from_amps(32.0)
}

/// Voltage of every EVSE.
pub fn evse_voltage() -> Voltage {
    Voltage::from_volts(208.0)
}

/// Why a recording cannot be used.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// A row is not as its header says.
    #[error("row {row} of the recorded {file}: {detail}")]
    Row {
        /// Which of the two.
        file: &'static str,
        /// Its number, the header being 1.
        row: usize,
        /// What is wrong.
        detail: String,
    },
}

/// A recorded stay of a car.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedSession {
    /// The recorded id, safe in a URL.
    pub id: String,
    /// The recorded EVSE.
    pub evse: String,
    /// When the car was connected; with the recorded second.
    pub arrival: Time,
    /// When it was disconnected.
    pub departure: Time,
    /// What it took.
    pub energy: Energy,
    /// What the driver asked for, if anything.
    pub requested: Option<Energy>,
    /// When the driver meant to leave, if stated.
    pub estimated_departure: Option<Time>,
}

impl RecordedSession {
    /// The local day on which the car came.
    pub fn day(&self) -> NaiveDate {
        self.arrival.with_timezone(&TIME_ZONE).date_naive()
    }

    /// The car of this stay, under the assumptions above.
    pub fn car(&self) -> Car {
        let mut car = Car {
            id: self.id.clone(),
            arrival: self.arrival,
            departure: self.departure,
            need: self.energy,
            max: self.model_evse().max_power(),
            phases: 1,
            taper: Taper::Linear,
        };
        if !car.could_get(100, car.max) {
            car.taper = Taper::None;
        }
        car
    }

    fn model_evse(&self) -> SimEvse {
        SimEvse::new(
            self.evse.clone(),
            evse_rating(),
            evse_voltage(),
            vec![Phase::L1],
        )
    }
}

/// All that was recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    sessions: Vec<RecordedSession>,
    prices: PriceSeries,
}

#[derive(Deserialize)]
struct SessionRow {
    arrival: DateTime<FixedOffset>,
    departure: DateTime<FixedOffset>,
    energy_kwh: f64,
    requested_kwh: Option<f64>,
    estimated_departure: Option<DateTime<FixedOffset>>,
    evse: String,
    session: String,
}

#[derive(Deserialize)]
struct PriceRow {
    start: DateTime<FixedOffset>,
    price_per_kwh: f64,
}

impl Recording {
    /// The recording that is part of the program.
    pub fn embedded() -> Result<Self, RecordedError> {
        let mut sessions = Vec::new();
        for row in rows::<SessionRow>("sessions", SESSIONS_CSV.as_bytes()) {
            let row = row?;
            sessions.push(RecordedSession {
                id: row.session,
                evse: row.evse,
                arrival: row.arrival.to_utc(),
                departure: row.departure.to_utc(),
                energy: Energy::from_kilowatt_hours(row.energy_kwh),
                requested: row.requested_kwh.map(Energy::from_kilowatt_hours),
                estimated_departure: row.estimated_departure.map(|at| at.to_utc()),
            });
        }
        sessions.sort_by_key(|session| session.arrival);
        let prices = rows::<PriceRow>("prices", PRICES_CSV.as_bytes())
            .map(|row| row.map(|row| (row.start.to_utc(), Price::from_per_kwh(row.price_per_kwh))))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            sessions,
            prices: PriceSeries::new(prices),
        })
    }

    /// The recorded prices.
    pub fn prices(&self) -> &PriceSeries {
        &self.prices
    }

    /// The sessions whose car came in `[from, until)`.
    pub fn between(&self, from: Time, until: Time) -> &[RecordedSession] {
        let begin = self.sessions.partition_point(|s| s.arrival < from);
        let end = self.sessions.partition_point(|s| s.arrival < until);
        &self.sessions[begin..end.max(begin)]
    }

    /// The sessions whose car came on a local day.
    pub fn on(&self, day: NaiveDate) -> &[RecordedSession] {
        let (start, end) = day_bounds(day);
        self.between(start, end)
    }

    /// The local days on which cars came, in order.
    pub fn days(&self) -> Vec<NaiveDate> {
        let mut days: Vec<_> = self.sessions.iter().map(RecordedSession::day).collect();
        days.dedup();
        days
    }

    /// The names of all EVSEs, sorted.
    pub fn evse_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.sessions.iter().map(|s| s.evse.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The EVSEs of the recorded site.
    pub fn evses(&self) -> Vec<SimEvse> {
        let wired = self.evse_names().into_iter().zip(Phase::ALL.iter().cycle());
        wired
            .map(|(name, phase)| SimEvse::new(name, evse_rating(), evse_voltage(), vec![*phase]))
            .collect()
    }
}

/// First instant of a local day, and of the next.
pub fn day_bounds(day: NaiveDate) -> (Time, Time) {
    let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
    (midnight(day), midnight(next))
}

/// The first instant of a local day; an hour later where a clock change skips midnight.
fn midnight(day: NaiveDate) -> Time {
    let naive = day.and_time(chrono::NaiveTime::MIN);
    naive
        .and_local_timezone(TIME_ZONE)
        .earliest()
        .or_else(|| {
            (naive + TimeDelta::hours(1))
                .and_local_timezone(TIME_ZONE)
                .earliest()
        })
        .map_or_else(|| naive.and_utc(), |local| local.to_utc())
}

fn rows<T: for<'de> Deserialize<'de>>(
    file: &'static str,
    source: impl io::Read,
) -> impl Iterator<Item = Result<T, RecordedError>> {
    csv::Reader::from_reader(source)
        .into_deserialize()
        .enumerate()
        .map(move |(index, row)| {
            row.map_err(|error: csv::Error| RecordedError::Row {
                file,
                row: index + 2,
                detail: error.to_string(),
            })
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn recording() -> Recording {
        Recording::embedded().expect("the recording is sound")
    }

    #[test]
    fn the_recording_is_read_whole() {
        let recording = recording();
        assert_eq!(recording.sessions.len(), 5_800);
        assert_eq!(
            recording.prices.within(Time::MIN_UTC, Time::MAX_UTC).len(),
            3_025
        );
        assert_eq!(recording.evses().len(), 52);
        let stated = recording.sessions.iter().filter(|s| s.requested.is_some());
        assert_eq!(stated.count(), 5_613);
    }

    #[test]
    fn a_day_begins_and_ends_at_local_midnight() {
        let day = NaiveDate::from_ymd_opt(2019, 10, 27).expect("valid");
        let (start, end) = day_bounds(day);
        assert_eq!(start.to_rfc3339(), "2019-10-26T22:00:00+00:00");
        assert_eq!((end - start).num_hours(), 25);
        let of_day = NaiveDate::from_ymd_opt(2019, 10, 2).expect("valid");
        assert_eq!(recording().on(of_day).len(), 83);
    }

    #[test]
    fn simultaneous_arrivals_keep_their_second() {
        let at: Time = "2019-09-04T04:53:20Z".parse().expect("valid");
        let both = recording();
        let both = both.between(at, at + TimeDelta::seconds(1));
        assert_eq!(both.len(), 2);
        assert_ne!(both[0].evse, both[1].evse);
    }

    #[test]
    fn every_recorded_car_could_get_its_energy() {
        // The recording keeps whole watt-hours; 99 % is what counts as ready.
        let recording = recording();
        let cars = recording.sessions.iter().map(RecordedSession::car);
        assert_eq!(cars.filter(|car| !car.could_get(99, car.max)).count(), 0);
        let tapered = recording.sessions.iter().map(RecordedSession::car);
        let tapered = tapered.filter(|car| car.taper == Taper::Linear).count();
        assert!(tapered > 5_000, "{tapered} taper");
    }

    #[test]
    fn recorded_ids_are_short_and_unique() {
        let recording = recording();
        let ids: BTreeSet<_> = recording.sessions.iter().map(|s| &s.id).collect();
        assert_eq!(ids.len(), 5_800);
        assert!(ids.iter().all(|id| id.len() <= 36));
    }
}
