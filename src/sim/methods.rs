//! What a site does without evenload: the methods it is compared with, in the same physics.

use serde::Serialize;

use super::world::evse::{MIN_CURRENT, Plugged};
use super::world::{Depot, FineEnergy, Layer, SimEvse};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Current, Power};
use crate::domain::time::Time;

/// A car is ready if it has this share of its energy, in percent, when it leaves.
pub const READY_PERCENT: i64 = 99;

/// A car that left without its energy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LateVehicle {
    /// Its stay.
    pub session: String,
    /// When it came.
    pub arrival: Time,
    /// When it left.
    pub departure: Time,
    /// What it wanted.
    pub needed_kwh: f64,
    /// What it got.
    pub got_kwh: f64,
    /// False if it could not have been ready either, had its EVSE given it full power from the
    /// moment it came to the moment it left.
    pub reachable: bool,
    #[serde(skip)]
    is_ready: bool,
}

impl LateVehicle {
    /// What became of a stay; it need not have been late.
    pub fn of(stay: &Plugged) -> Self {
        Self {
            session: stay.car.id.clone(),
            arrival: stay.car.arrival,
            departure: stay.car.departure,
            needed_kwh: stay.car.need.kilowatt_hours(),
            got_kwh: stay.drawn.kilowatt_hours(),
            reachable: stay.car.could_get(READY_PERCENT, stay.car.max),
            is_ready: is_ready(stay),
        }
    }

    /// True if it had what it wanted after all.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }
}

impl std::fmt::Display for LateVehicle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clock = |at: Time| {
            at.with_timezone(&super::recorded::TIME_ZONE)
                .format("%H:%M:%S")
        };
        write!(
            f,
            "{} came {}, left {} with {:.2} of {:.2} kWh: {}",
            self.session,
            clock(self.arrival),
            clock(self.departure),
            self.got_kwh,
            self.needed_kwh,
            if self.reachable {
                "full power from arrival to departure would have been enough"
            } else {
                "unreachable, even at full power from arrival to departure"
            }
        )
    }
}

/// True if it has [`READY_PERCENT`] of its energy.
fn is_ready(stay: &Plugged) -> bool {
    stay.drawn >= FineEnergy::from(stay.car.need).percent(READY_PERCENT)
}

/// What a method achieved, measured by the depot's meters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodResult {
    /// What the energy cost, in `currency`.
    pub cost: f64,
    /// ISO 4217 code.
    pub currency: String,
    /// Highest power at any instant.
    pub peak_kw: f64,
    /// Highest mean power of a quarter of an hour.
    pub peak_15min_kw: f64,
    /// Energy delivered.
    pub kwh: f64,
    /// Cars that left with [`READY_PERCENT`] of their energy at least.
    pub ready_on_time: usize,
    /// Cars that were ready or could have been, charged at the EVSE's maximum from their arrival.
    pub reachable: usize,
    /// Cars that came and left.
    pub vehicles: usize,
    /// Those of them that were not ready.
    pub late: Vec<LateVehicle>,
    /// How often a profile stopped a car that would have taken more.
    pub interruptions: u32,
    /// Times the true power went over the limit; event-driven, not sampled.
    pub limit_violations: usize,
    /// Those that a profile caused or made worse.
    pub self_caused: usize,
    /// The most by which the power was above the limit.
    pub worst_overshoot_kw: f64,
    /// How long the power was above the limit, in seconds.
    pub seconds_over_limit: f64,
}

impl MethodResult {
    /// Reads the meters of a depot.
    pub fn measured(depot: &Depot, currency: &str) -> Self {
        let meter = depot.meter();
        let left = || {
            let stays = depot.stays();
            stays.filter(|stay| stay.car.departure <= depot.now())
        };
        let late: Vec<LateVehicle> = left()
            .filter(|stay| !is_ready(stay))
            .map(LateVehicle::of)
            .collect();
        let ready_on_time = left().filter(|stay| is_ready(stay)).count();
        let over_ms: i64 = meter
            .excursions()
            .map(|excursion| (excursion.end - excursion.start).num_milliseconds())
            .sum();
        let worst = meter.excursions().map(|excursion| excursion.worst).max();
        Self {
            cost: meter.cost().amount(),
            currency: currency.into(),
            peak_kw: meter.peak().kilowatts(),
            peak_15min_kw: meter.peak_mean().kilowatts(),
            kwh: meter.energy().kilowatt_hours(),
            ready_on_time,
            reachable: ready_on_time + late.iter().filter(|car| car.reachable).count(),
            vehicles: left().count() + depot.turned_away().len(),
            late,
            interruptions: left().map(|stay| stay.interruptions).sum(),
            limit_violations: meter.excursions().count(),
            self_caused: meter.excursions().filter(|e| e.self_caused).count(),
            worst_overshoot_kw: worst.unwrap_or_default().kilowatts(),
            seconds_over_limit: Power::from_watts(over_ms).kilowatts(),
        }
    }
}

/// Every car charges as fast as it can from the moment it arrives.
pub fn unmanaged(mut depot: Depot, until: Time, currency: &str) -> MethodResult {
    depot.advance_to(until);
    MethodResult::measured(&depot, currency)
}

/// At every event the limit is shared anew among the cars that still charge: nobody gets more than
/// someone who wants more than he has (max-min fair), nobody more than he accepts. If there is not
/// enough for the minimum of all, those who came first get it and the others wait.
///
/// A strong competitor: it knows what every car accepts at every instant, and its commands take no
/// time.
pub fn equal_share(mut depot: Depot, until: Time, currency: &str) -> MethodResult {
    play_shares(&mut depot, until, Sharing::Equal);
    MethodResult::measured(&depot, currency)
}

/// How a limit is shared without a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// See [`equal_share`].
    Equal,
    /// Who came first gets all it accepts, who came later what is left.
    FirstCome,
}

/// Lets time pass while the limit is shared anew at every event; returns how often an EVSE was told
/// something new.
pub fn play_shares(depot: &mut Depot, until: Time, sharing: Sharing) -> u64 {
    let mut told = share(depot, sharing);
    // Bounded: every turn moves time to the next event of the depot.
    while depot.now() < until {
        let next = depot.next_event().map_or(until, |next| next.min(until));
        depot.advance_to(next);
        told += share(depot, sharing);
    }
    told
}

/// A car that still charges.
struct Claim {
    evse: String,
    came: Time,
    /// What it would draw at most.
    wants: Power,
    /// The least that can be offered to it.
    min: Power,
    /// Watts per ampere.
    per_amp: Power,
}

fn share(depot: &mut Depot, sharing: Sharing) -> u64 {
    let now = depot.now();
    let grid = depot.grid();
    let room = (grid.limit.at(now) - grid.base_load.at(now)).at_least_zero();
    let mut claims: Vec<_> = depot.evses().iter().filter_map(claim).collect();
    let shares = match sharing {
        Sharing::Equal => max_min_shares(&mut claims, room),
        Sharing::FirstCome => first_come_shares(&mut claims, room),
    };
    let unclaimed: Vec<String> = depot
        .evses()
        .iter()
        .filter(|evse| evse.plugged().is_some())
        .map(|evse| evse.id.clone())
        .filter(|id| claims.iter().all(|claim| claim.evse != *id))
        .collect();
    let mut told = 0;
    for (claim, share) in claims.iter().zip(shares) {
        let offer = offer(now, claim, share);
        let before = depot
            .evse(&claim.evse)
            .and_then(|evse| evse.profile(Layer::Session));
        told += u64::from(before.is_none_or(|before| before.periods != offer.periods));
        depot.set_profile(&claim.evse, Layer::Session, Some(offer));
    }
    for id in unclaimed {
        depot.set_profile(&id, Layer::Session, None);
    }
    told
}

fn claim(evse: &SimEvse) -> Option<Claim> {
    let plugged = evse.plugged()?;
    let phases = i64::from(plugged.car.phases.min(evse.phases));
    let wants = plugged.car.acceptance(plugged.drawn).min(evse.max_power());
    wants.is_positive().then(|| Claim {
        evse: evse.id.clone(),
        came: plugged.car.arrival,
        wants,
        min: MIN_CURRENT.times(evse.voltage) * phases,
        per_amp: Current::from_amps(1.0).times(evse.voltage) * phases,
    })
}

/// The shares, in the order of `claims`, which are sorted by arrival. Their sum is never above
/// `room`, and each is 0 or at least what the claim's minimum would draw.
fn max_min_shares(claims: &mut [Claim], room: Power) -> Vec<Power> {
    claims.sort_by(|a, b| (a.came, &a.evse).cmp(&(b.came, &b.evse)));
    let mut left = room;
    let served = claims
        .iter()
        .take_while(|claim| {
            left -= claim.wants.min(claim.min);
            left >= Power::ZERO
        })
        .count();
    let mut order: Vec<usize> = (0..served).collect();
    order.sort_by_key(|index| claims[*index].wants);
    let mut shares = vec![Power::ZERO; claims.len()];
    let mut room = room;
    for (done, index) in order.iter().enumerate() {
        let others = i64::try_from(served - done).unwrap_or(1);
        let share = claims[*index].wants.min(room.scaled_down(1, others));
        shares[*index] = share;
        room -= share;
    }
    shares
}

/// The shares of [`Sharing::FirstCome`], in the order of `claims`, which are sorted by arrival. Each
/// is 0 or at least what the claim's minimum would draw.
fn first_come_shares(claims: &mut [Claim], room: Power) -> Vec<Power> {
    claims.sort_by(|a, b| (a.came, &a.evse).cmp(&(b.came, &b.evse)));
    let mut room = room;
    claims
        .iter()
        .map(|claim| {
            let share = claim.wants.min(room);
            if share < claim.wants.min(claim.min) {
                return Power::ZERO;
            }
            room -= share;
            share
        })
        .collect()
}

/// The profile that lets a car draw its share and no more, rounded down to 0.1 A.
fn offer(now: Time, claim: &Claim, share: Power) -> Profile {
    let tenths = share.watts() * 10 / claim.per_amp.watts().max(1);
    // Less than 6 A: either nothing, or a car that takes less than the minimum by itself.
    let tenths = match (share.is_positive(), tenths < 60) {
        (false, _) => 0,
        (true, true) => 60,
        (true, false) => tenths,
    };
    Profile {
        unit: RateUnit::Amps,
        start: now,
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: Tenths(tenths),
        }],
        duration_s: None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use proptest::prelude::*;

    use super::*;
    use crate::sim::recorded::{Recording, day_bounds};
    use crate::sim::world::Grid;

    fn recorded_day(limit_kw: i64) -> (Depot, Time) {
        let recording = Recording::embedded().expect("sound");
        let day = NaiveDate::from_ymd_opt(2019, 10, 2).expect("valid");
        let (start, _) = day_bounds(day);
        let grid = Grid::with_limit(
            Power::from_watts(limit_kw * 1000),
            recording.prices().clone(),
        );
        let mut depot = Depot::new(start, grid, recording.evses());
        for session in recording.on(day) {
            assert!(depot.expect(&session.evse, session.car()));
        }
        (depot, start + chrono::TimeDelta::hours(36))
    }

    #[test]
    fn unmanaged_charging_breaks_the_limit_and_makes_every_car_ready() {
        let (depot, until) = recorded_day(150);
        let result = unmanaged(depot, until, "EUR");
        assert!(result.limit_violations > 0);
        assert_eq!(result.self_caused, 0);
        assert_eq!(
            (result.ready_on_time, result.reachable, result.vehicles),
            (83, 83, 83)
        );
    }

    #[test]
    fn equal_share_keeps_the_limit() {
        let (depot, until) = recorded_day(150);
        let result = equal_share(depot, until, "EUR");
        assert_eq!(result.limit_violations, 0);
        assert!(result.peak_kw <= 150.0, "{result:?}");
        assert!(result.kwh > 1000.0);
    }

    proptest! {
        #[test]
        fn shares_fit_and_are_zero_or_the_minimum(
            wants in prop::collection::vec(1i64..12_000, 0..20), room in 0i64..60_000,
        ) {
            let mut claims: Vec<_> = wants.iter().enumerate().map(|(index, wants)| Claim {
                evse: format!("e{index:02}"),
                came: Time::UNIX_EPOCH,
                wants: Power::from_watts(*wants),
                min: Power::from_watts(1_380),
                per_amp: Power::from_watts(230),
            }).collect();
            let first = first_come_shares(&mut claims, Power::from_watts(room));
            prop_assert!(first.iter().copied().sum::<Power>() <= Power::from_watts(room));
            let shares = max_min_shares(&mut claims, Power::from_watts(room));
            prop_assert!(shares.iter().copied().sum::<Power>() <= Power::from_watts(room));
            for (claim, share) in claims.iter().zip(&shares) {
                let least = claim.wants.min(claim.min);
                prop_assert!(*share == Power::ZERO || (least..=claim.wants).contains(share));
            }
            // Who got less than he wants got no less than anyone else.
            let most = shares.iter().max().copied().unwrap_or_default();
            for (claim, share) in claims.iter().zip(&shares) {
                let short = share.is_positive() && *share < claim.wants;
                prop_assert!(!short || *share + Power::from_watts(20) >= most);
            }
        }
    }
}
