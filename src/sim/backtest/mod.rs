//! Recorded sessions and prices, replayed: what would each method have been worth?
//!
//! Evenload is played by the real circle - state, planner, dispatch - against simulated chargers in
//! virtual time, and knows nothing before it happened. Cars come and go as recorded and take what
//! they took, as fast as their charger allows ([`Options::taper`]: with a slow end). The other
//! methods run in the same physics.
//!
//! The recording is split into stretches wherever no car is connected; they are independent but
//! for the history each begins with, so they can be played in any order and on many cores.

mod bound;
mod input;
mod report;
mod stretch;
#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

pub use self::input::{InputFault, RecordedPrices, read_prices, read_sessions};
pub use self::report::{MethodReport, Methods, Outcome, Report};
use self::stretch::{Stretch, hour_of, local_day, split};
use super::methods::{Sharing, play_shares};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

/// What prices are in: carried, never converted.
const CURRENCY: &str = "EUR";

/// What the planner is told of a session when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// When the car will leave and what it will take.
    Perfect,
    /// What the driver stated.
    Estimated,
    /// Nothing.
    None,
}

/// A recorded stay of a car.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStay {
    /// Its line in the file.
    pub line: u64,
    /// When the car was connected.
    pub arrival: Time,
    /// When it was disconnected.
    pub departure: Time,
    /// What it took.
    pub energy: Energy,
    /// What the driver asked for, if anything.
    pub requested: Option<Energy>,
    /// When the driver meant to leave, if stated.
    pub estimated_departure: Option<Time>,
    /// Where.
    pub evse: String,
}

/// What is assumed of the site, and what is replayed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Highest power of the site.
    pub limit: Power,
    /// Highest power of each EVSE.
    pub evse_max: Power,
    /// Least power at which an EVSE charges.
    pub evse_min: Power,
    /// Days begin at midnight here, and prices become known at 13:00.
    pub time_zone: Tz,
    /// What is told of a session when it begins.
    pub knowledge: Knowledge,
    /// First local day that is replayed; what was before is history. `None`: the first there is.
    pub from: Option<NaiveDate>,
    /// Last local day.
    pub to: Option<NaiveDate>,
    /// Cars take less and less over the last fifth of their energy.
    pub taper: bool,
    /// How evenload plans.
    pub policy: Policy,
}

/// A recording, ready to be replayed.
#[derive(Debug)]
pub struct Backtest {
    stays: Vec<RecordedStay>,
    prices: RecordedPrices,
    options: Options,
    evses: Vec<String>,
    stretches: Vec<std::ops::Range<usize>>,
    /// Stays before this one are history only.
    first: usize,
    days: usize,
}

/// A part that can be played by itself.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    stretch: usize,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Evenload,
    Others,
}

impl Job {
    /// The number of its stretch.
    pub fn number(&self) -> usize {
        self.stretch
    }
}

impl Backtest {
    /// Chooses the sessions whose car came on the days of the options. `Err`: why nothing can be
    /// replayed.
    pub fn new(
        stays: Vec<RecordedStay>,
        prices: RecordedPrices,
        options: Options,
    ) -> Result<Self, InputFault> {
        let whole = |detail: String| InputFault {
            line: None,
            column: None,
            detail,
        };
        let zone = options.time_zone;
        let start_of = |day: NaiveDate| hour_of(day, 0, zone);
        let from = options.from.map_or(Time::MIN_UTC, start_of);
        let until = options
            .to
            .and_then(|day| day.succ_opt())
            .map_or(Time::MAX_UTC, start_of);
        let first = stays.partition_point(|stay| stay.arrival < from);
        let last = stays.partition_point(|stay| stay.arrival < until);
        let chosen = stays.get(first..last).unwrap_or_default();
        if chosen.is_empty() {
            return Err(whole("no session arrives on the chosen days".into()));
        }
        let mut days: Vec<NaiveDate> = chosen
            .iter()
            .map(|stay| local_day(stay.arrival, zone))
            .collect();
        days.dedup();
        let days = days.len();
        for stay in chosen {
            if stay.arrival < prices.from || stay.departure > prices.until {
                return Err(InputFault {
                    line: Some(stay.line),
                    column: None,
                    detail: format!(
                        "the stay from {} to {} is outside the prices, which go from {} to {}",
                        stay.arrival, stay.departure, prices.from, prices.until
                    ),
                });
            }
        }
        let mut evses: Vec<String> = stays.iter().map(|stay| stay.evse.clone()).collect();
        evses.sort_unstable();
        evses.dedup();
        let stretches = split(chosen)
            .into_iter()
            .map(|range| first + range.start..first + range.end)
            .collect();
        Ok(Self {
            stays,
            prices,
            options,
            evses,
            stretches,
            first,
            days,
        })
    }

    /// The parts, in an order that keeps many cores busy: the long ones first.
    pub fn jobs(&self) -> Vec<Job> {
        let of = |method| {
            let numbers = 0..self.stretches.len();
            numbers.map(move |stretch| Job { stretch, method })
        };
        of(Method::Evenload).chain(of(Method::Others)).collect()
    }

    /// How many sessions a part plays by evenload: what takes the time.
    pub fn weight(&self, job: &Job) -> usize {
        match job.method {
            Method::Evenload => self.stretches[job.stretch].len(),
            Method::Others => 0,
        }
    }

    /// How many sessions are replayed.
    pub fn sessions(&self) -> usize {
        self.stretches.iter().map(std::ops::Range::len).sum()
    }

    /// Plays a part.
    pub fn play(&self, job: &Job) -> Vec<Outcome> {
        let stretch = self.stretch(job.stretch);
        match job.method {
            Method::Evenload => vec![evenload(&stretch)],
            Method::Others => vec![
                unmanaged(&stretch),
                shared(&stretch, Sharing::FirstCome),
                shared(&stretch, Sharing::Equal),
                bound::clairvoyant(&stretch),
            ],
        }
    }

    /// Adds up what all parts gave.
    pub fn report(&self, outcomes: impl IntoIterator<Item = Outcome>) -> Report {
        Report::new(self, outcomes)
    }

    fn stretch(&self, number: usize) -> Stretch<'_> {
        let range = self.stretches[number].clone();
        Stretch {
            // Cars that came before the chosen days are nobody's history while they are there.
            past: &self.stays[..range.start],
            stays: &self.stays[range],
            evses: &self.evses,
            prices: &self.prices,
            options: &self.options,
        }
    }
}

fn evenload(stretch: &Stretch<'_>) -> Outcome {
    let mut circle = stretch.circle();
    circle.run_until(stretch.end(), &|| false);
    Outcome::measured(Methods::evenload_of, circle.depot(), circle.pushes())
}

fn unmanaged(stretch: &Stretch<'_>) -> Outcome {
    let mut depot = stretch.depot(false);
    depot.advance_to(stretch.end());
    Outcome::measured(Methods::unmanaged_of, &depot, 0)
}

fn shared(stretch: &Stretch<'_>, sharing: Sharing) -> Outcome {
    let mut depot = stretch.depot(false);
    let told = play_shares(&mut depot, stretch.end(), sharing);
    let method = match sharing {
        Sharing::Equal => Methods::equal_share_of,
        Sharing::FirstCome => Methods::first_come_of,
    };
    Outcome::measured(method, &depot, told)
}
