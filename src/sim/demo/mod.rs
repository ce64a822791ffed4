//! One recorded day, played through the real service.
//!
//! A simulated CPO registers with the service over HTTP, its cars come and go as recorded, and the
//! service's profiles decide what they draw. What the simulated meters measured is compared with
//! the same day unmanaged and under an equal share. Beside it a depot without a platform is played:
//! its chargers connect to the service itself over OCPP.
//!
//! Virtual time moves from event to event, and only when no message is under way: the sockets are
//! real, the schedule is not waited for.

mod depot;
mod own;
mod play;
mod report;
mod rest;
mod setup;
mod watch;

#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DurationRound, NaiveDate, TimeDelta};
use thiserror::Error;

use super::clock::{Pacing, VirtualClock};
use super::cpo::{CpoOptions, Faults, PreferencesBy};
use super::methods::{self, MethodResult};
use super::recorded::{CURRENCY, RecordedError, RecordedSession, Recording, TIME_ZONE, day_bounds};
use super::world::{Depot, Grid};
use crate::domain::quantity::Power;
use crate::domain::time::Time;

pub use depot::DepotReport;
pub use own::OwnService;
pub use play::Onlooker;
pub use report::{DemoReport, Methods};

/// Days of recorded sessions that the CPO serves as history.
const HISTORY_DAYS: i64 = 28;

/// What is played.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// The recorded local day; `None` = the day of the rule in [`Demo::new`].
    pub day: Option<NaiveDate>,
    /// Hours to play from the first arrival; `None` = until the last car of the day has left.
    pub hours: Option<u32>,
    /// Virtual seconds per real second; 0 = as fast as possible.
    pub speed: f64,
    /// Hours at the beginning that are played as fast as possible, so that who watches sees a
    /// depot at work at once.
    pub rush_h: u32,
    /// The site's limit. Ours: nothing is recorded about it.
    pub limit: Power,
    /// A second site is played: a depot whose chargers connect to the service itself.
    pub stations: bool,
    /// How the drivers' needs become known. What they tell is what happens.
    pub preferences: PreferencesBy,
    /// What the CPO does wrong.
    pub faults: Faults,
    /// Real time within which service and CPO must settle after each event.
    pub settle_limit: Duration,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            day: None,
            hours: None,
            speed: 0.0,
            rush_h: 0,
            limit: Power::from_watts(140_000),
            stations: true,
            preferences: PreferencesBy::SessionField,
            faults: Faults::default(),
            settle_limit: Duration::from_secs(30),
        }
    }
}

/// The service as the demo sees it: from outside, but for knowing when it has nothing to do.
#[async_trait]
pub trait ServiceUnderTest: Send + Sync {
    /// Address of its listener, such as `http://127.0.0.1:8080`.
    fn base_url(&self) -> String;

    /// Its admin token.
    fn admin_token(&self) -> String;

    /// True while nothing is under way in it: no request, no plan, no message.
    async fn is_idle(&self) -> bool;

    /// How many things ever began in it; standing still between two idle looks means that nothing
    /// happened in between.
    fn begun(&self) -> u64;
}

/// Why a demo could not be played.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The recording is broken.
    #[error(transparent)]
    Recording(#[from] RecordedError),
    /// No car came on that day.
    #[error("no session was recorded on {0}; the recording goes from {1} to {2}")]
    EmptyDay(NaiveDate, NaiveDate, NaiveDate),
    /// No recorded day breaks the limit.
    #[error("on no working day of October 2019 the unmanaged cars pass {0}")]
    NoDay(Power),
    /// The CPO could not be started.
    #[error("the simulated CPO cannot open its port: {0}")]
    Port(#[from] std::io::Error),
    /// A call to the service failed.
    #[error("{call}: {detail}")]
    Call {
        /// Method and path.
        call: String,
        /// What came back.
        detail: String,
    },
    /// Messages stayed under way.
    #[error("at {at} the service and the CPO did not settle within {limit:?}")]
    Stuck {
        /// Virtual time.
        at: Time,
        /// Real time waited.
        limit: Duration,
    },
}

/// A line for the one who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DemoLine {
    /// What is played.
    About(String),
    /// A row of the registration or the set-up.
    Step {
        /// What was done.
        name: String,
        /// Whether it went well.
        ok: bool,
        /// What came of it.
        detail: String,
    },
    /// Something that happened at a virtual time: a message, a car.
    Event(String),
    /// The same, of the kind that nobody should miss.
    Notable(String),
    /// How a site stands at a full hour.
    Hour(String),
    /// A row of the closing table.
    Table(String),
}

impl std::fmt::Display for DemoLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::About(text)
            | Self::Event(text)
            | Self::Notable(text)
            | Self::Hour(text)
            | Self::Table(text) => f.write_str(text),
            Self::Step { name, ok, detail } => {
                let mark = if *ok { "ok  " } else { "FAIL" };
                write!(f, "{mark} {name:<32} {detail}")
            }
        }
    }
}

/// A day, ready to be played.
#[derive(Debug)]
pub struct Demo {
    options: DemoOptions,
    recording: Recording,
    day: NaiveDate,
    start: Time,
    end: Time,
    clock: VirtualClock,
}

impl Demo {
    /// Chooses the day.
    ///
    /// The rule: candidates are Mondays to Fridays on which charging every car at full power from
    /// its arrival passes the limit; the default is the one with the most sessions in October
    /// 2019, the first month with a whole month of history before it. Of equals the first.
    pub fn new(options: DemoOptions) -> Result<Self, DemoError> {
        let recording = Recording::embedded()?;
        let day = match options.day {
            Some(day) => day,
            None => {
                default_day(&recording, options.limit).ok_or(DemoError::NoDay(options.limit))?
            }
        };
        let sessions = recording.on(day);
        let days = recording.days();
        let (Some(first), Some(last)) = (
            sessions.first(),
            sessions.iter().map(|session| session.departure).max(),
        ) else {
            let (from, to) = (days.first(), days.last());
            return Err(DemoError::EmptyDay(
                day,
                from.copied().unwrap_or(day),
                to.copied().unwrap_or(day),
            ));
        };
        let hour = TimeDelta::hours(1);
        let start = first.arrival.duration_trunc(hour).unwrap_or(first.arrival);
        let end = match options.hours {
            Some(hours) => start + TimeDelta::hours(i64::from(hours)),
            // A minute for the last messages.
            None => last + TimeDelta::minutes(1),
        };
        let clock = VirtualClock::new(start);
        Ok(Self {
            options,
            recording,
            day,
            start,
            end,
            clock,
        })
    }

    /// The clock the service must be run on. It stands at the start of the demo.
    pub fn clock(&self) -> VirtualClock {
        self.clock.clone()
    }

    /// The local day that is played.
    pub fn day(&self) -> NaiveDate {
        self.day
    }

    /// The sessions that are played.
    fn sessions(&self) -> &[RecordedSession] {
        let (from, to) = day_bounds(self.day);
        self.recording.between(from, to.min(self.end))
    }

    /// The depot before the first car.
    fn depot(&self) -> Depot {
        let prices = self.recording.prices().clone();
        let grid = Grid::with_limit(self.options.limit, prices);
        let mut depot = Depot::new(self.start, grid, self.recording.evses());
        for session in self.sessions() {
            depot.expect(&session.evse, session.car());
        }
        depot
    }

    fn cpo_options(&self) -> CpoOptions {
        let from = self.start - TimeDelta::days(HISTORY_DAYS);
        let past = self.recording.between(from, self.start).iter();
        CpoOptions {
            preferences: self.options.preferences,
            faults: self.options.faults.clone(),
            history: past
                .filter(|session| session.departure < self.start)
                .cloned()
                .collect(),
            ..CpoOptions::default()
        }
    }

    fn pacing(&self) -> Pacing {
        Pacing {
            speed: self.options.speed,
        }
    }

    /// The methods without a service, in the same physics.
    fn baselines(&self) -> (MethodResult, MethodResult) {
        let until = self.end;
        (
            methods::unmanaged(self.depot(), until, CURRENCY),
            methods::equal_share(self.depot(), until, CURRENCY),
        )
    }
}

/// The day of the rule.
fn default_day(recording: &Recording, limit: Power) -> Option<NaiveDate> {
    use chrono::Datelike;
    let mut candidates: Vec<_> = recording
        .days()
        .into_iter()
        .filter(|day| (day.year(), day.month()) == (2019, 10))
        .filter(|day| day.weekday().num_days_from_monday() < 5)
        .map(|day| (recording.on(day).len(), day))
        .collect();
    candidates.sort_by_key(|(count, day)| (std::cmp::Reverse(*count), *day));
    candidates
        .into_iter()
        .find(|(_, day)| unmanaged_peak(recording, *day) > limit)
        .map(|(_, day)| day)
}

fn unmanaged_peak(recording: &Recording, day: NaiveDate) -> Power {
    let (start, end) = day_bounds(day);
    let grid = Grid::with_limit(Power::ZERO, recording.prices().clone());
    let mut depot = Depot::new(start, grid, recording.evses());
    for session in recording.on(day) {
        depot.expect(&session.evse, session.car());
    }
    depot.advance_to(end);
    depot.meter().peak()
}

/// Local time of day, for people.
fn local(at: Time) -> String {
    at.with_timezone(&TIME_ZONE).format("%H:%M:%S").to_string()
}
