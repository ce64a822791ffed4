//! An EVSE: it offers what its profiles allow, and a connected car takes what it can.

use super::car::Car;
use super::energy::FineEnergy;
use crate::domain::evse::Phase;
use crate::domain::profile::{Profile, RateUnit, Tenths};
use crate::domain::quantity::{Current, Power, Voltage};
use crate::domain::time::Time;

/// The least current that can be offered: IEC 61851's 6 A. Below it the EVSE offers nothing.
pub const MIN_CURRENT: Current = Current::from_milliamps(6_000);

/// Which of an EVSE's profiles; the lowest of all that say something holds, except that a profile
/// of the session stands in for the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// A limit of the station itself, whoever set it.
    Station,
    /// What holds for a session without a profile of its own. OCPI has none.
    Default,
    /// The profile of the running session; gone when the car is unplugged.
    Session,
}

/// Who moved an EVSE's power at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Touch {
    /// Nobody; the car itself at most.
    #[default]
    None,
    /// A car was plugged in or unplugged.
    Plug,
    /// A profile was set or cleared, or reached its next period.
    Profile,
}

/// A car at an EVSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugged {
    /// The car.
    pub car: Car,
    /// What it has drawn so far.
    pub drawn: FineEnergy,
    /// How often a profile took all power from it while it would have taken more.
    pub interruptions: u32,
}

/// A simulated EVSE.
#[derive(Clone, Debug)]
pub struct SimEvse {
    /// Its name.
    pub id: String,
    /// Highest current per phase.
    pub rating: Current,
    /// Phases it has: 1 or 3.
    pub phases: u8,
    /// Voltage between a phase and its return, constant.
    pub voltage: Voltage,
    /// The grid phases its L1, L2, L3 are wired to.
    pub wiring: Vec<Phase>,
    /// False for an EVSE that confirms profiles and ignores them.
    pub obeys: bool,
    profiles: Vec<(Layer, Profile)>,
    plugged: Option<Plugged>,
    power: Power,
    /// The power that flowed until now.
    flowed: Power,
    touch: Touch,
}

impl SimEvse {
    /// An EVSE without car and profile.
    pub fn new(
        id: impl Into<String>,
        rating: Current,
        voltage: Voltage,
        wiring: Vec<Phase>,
    ) -> Self {
        Self {
            id: id.into(),
            rating,
            phases: u8::try_from(wiring.len().clamp(1, 3)).unwrap_or(1),
            voltage,
            wiring,
            obeys: true,
            profiles: Vec::new(),
            plugged: None,
            power: Power::ZERO,
            flowed: Power::ZERO,
            touch: Touch::None,
        }
    }

    /// What it can deliver at most, at its voltage.
    pub fn max_power(&self) -> Power {
        Self::power_of(self.rating, self.voltage, self.phases)
    }

    /// The car that is plugged in.
    pub fn plugged(&self) -> Option<&Plugged> {
        self.plugged.as_ref()
    }

    /// What flows now.
    pub fn power(&self) -> Power {
        self.power
    }

    /// The profile of a layer.
    pub fn profile(&self, layer: Layer) -> Option<&Profile> {
        self.profiles
            .iter()
            .find(|(other, _)| *other == layer)
            .map(|(_, profile)| profile)
    }

    /// The current per phase that it offers: the lowest of rating and profiles, 0 below 6 A.
    pub fn offered(&self, at: Time) -> Current {
        if self.obeys {
            self.told(at)
        } else {
            self.rating
        }
    }

    /// The current per phase that its profiles allow, whether it obeys or not.
    fn told(&self, at: Time) -> Current {
        let of = |layer| {
            let profile = self.profile(layer)?;
            Some(self.current_of(profile.unit, profile.limit_at(at)?))
        };
        let lowest = [
            of(Layer::Session).or(of(Layer::Default)),
            of(Layer::Station),
        ]
        .into_iter()
        .flatten()
        .fold(self.rating, Current::min);
        if lowest < MIN_CURRENT {
            Current::ZERO
        } else {
            lowest
        }
    }

    /// What the connected car may draw now.
    pub fn allowed(&self, at: Time) -> Power {
        Self::power_of(self.offered(at), self.voltage, self.usable())
    }

    /// What the car draws beyond what the EVSE's profiles allow.
    pub(super) fn beyond(&self, at: Time) -> Power {
        if self.obeys {
            return Power::ZERO;
        }
        let told = Self::power_of(self.told(at), self.voltage, self.usable());
        (self.power - told).at_least_zero()
    }

    /// Phases that the car, or else the EVSE, can use.
    fn usable(&self) -> u8 {
        self.plugged
            .as_ref()
            .map_or(self.phases, |plugged| plugged.car.phases.min(self.phases))
    }

    /// When something changes by itself, power staying as it is.
    pub(super) fn next_event(&self, now: Time) -> Option<Time> {
        let plugged = self.plugged.as_ref()?;
        let change = plugged
            .car
            .next_change(plugged.drawn)
            .and_then(|next| (next - plugged.drawn).time_at(self.power))
            .map(|span| now + span);
        let step = self
            .profiles
            .iter()
            .flat_map(|(_, profile)| profile.steps().map(|(at, _)| at).chain(profile.end()))
            .filter(|at| *at > now)
            .min();
        [change, step, Some(plugged.car.departure)]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn plug_in(&mut self, car: Car) {
        self.plugged = Some(Plugged {
            car,
            drawn: FineEnergy::ZERO,
            interruptions: 0,
        });
        self.touch = Touch::Plug;
    }

    pub(super) fn unplug(&mut self) -> Option<Plugged> {
        self.profiles.retain(|(layer, _)| *layer != Layer::Session);
        self.touch = Touch::Plug;
        self.plugged.take()
    }

    pub(super) fn set_profile(&mut self, layer: Layer, profile: Option<Profile>) {
        self.profiles.retain(|(other, _)| *other != layer);
        self.profiles
            .extend(profile.map(|profile| (layer, profile)));
        if self.touch == Touch::None {
            self.touch = Touch::Profile;
        }
    }

    /// Lets energy flow up to `to` at the present power.
    pub(super) fn flow(&mut self, from: Time, to: Time) {
        if let Some(plugged) = &mut self.plugged {
            plugged.drawn += FineEnergy::of(self.power, to - from);
        }
        self.flowed = self.power;
        self.touch = Touch::None;
    }

    /// Sets the power to what holds from `now` on.
    pub(super) fn settle(&mut self, now: Time) {
        let allowed = self.allowed(now);
        let flowing = self.power.is_positive();
        self.power = self.plugged.as_mut().map_or(Power::ZERO, |plugged| {
            let takes = plugged.car.acceptance(plugged.drawn);
            let is_cut = flowing && takes.is_positive() && !allowed.is_positive();
            plugged.interruptions += u32::from(is_cut);
            allowed.min(takes)
        });
        let mut steps = self.profiles.iter().flat_map(|(_, profile)| {
            let steps = profile.steps().map(|(at, _)| at);
            steps.chain(profile.end())
        });
        if self.touch == Touch::None && steps.any(|at| at == now) {
            self.touch = Touch::Profile;
        }
    }

    /// By how much the power differs from what flowed until now, and who did that.
    pub(super) fn change(&self) -> (Power, Touch) {
        (self.power - self.flowed, self.touch)
    }

    fn current_of(&self, unit: RateUnit, limit: Tenths) -> Current {
        match unit {
            RateUnit::Amps => Current::from_milliamps(limit.0.saturating_mul(100)),
            RateUnit::Watts => {
                // W / (V x phases), in mA: tenths of W x 100 mW x 1,000,000 / mV.
                let divisor = self.voltage.millivolts() * i64::from(self.phases);
                Current::from_milliamps(limit.0.saturating_mul(100_000).div_euclid(divisor.max(1)))
            }
        }
    }

    /// Power of a current on some phases, rounded down to a watt.
    fn power_of(current: Current, voltage: Voltage, phases: u8) -> Power {
        let microwatts = current.milliamps().saturating_mul(voltage.millivolts());
        Power::from_watts(
            microwatts
                .saturating_mul(i64::from(phases))
                .div_euclid(1_000_000),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::ProfilePeriod;

    fn noon() -> Time {
        "2019-10-02T12:00:00Z".parse().expect("valid")
    }

    fn profile(unit: RateUnit, limit: i64) -> Profile {
        Profile {
            unit,
            start: noon(),
            periods: vec![ProfilePeriod {
                start_s: 0,
                limit: Tenths(limit),
            }],
            duration_s: None,
        }
    }

    fn evse() -> SimEvse {
        SimEvse::new(
            "e1",
            Current::from_amps(32.0),
            Voltage::from_volts(208.0),
            vec![Phase::L1],
        )
    }

    #[test]
    fn an_evse_without_a_profile_offers_its_hardware_maximum() {
        // 32 A x 208 V = 6,656 W
        assert_eq!(evse().allowed(noon()), Power::from_watts(6656));
    }

    #[test]
    fn the_lowest_of_all_profiles_holds() {
        let mut evse = evse();
        evse.set_profile(Layer::Session, Some(profile(RateUnit::Amps, 160)));
        evse.set_profile(Layer::Station, Some(profile(RateUnit::Amps, 100)));
        assert_eq!(evse.offered(noon()), Current::from_amps(10.0));
        evse.set_profile(Layer::Station, Some(profile(RateUnit::Amps, 200)));
        assert_eq!(evse.offered(noon()), Current::from_amps(16.0));
    }

    #[test]
    fn below_six_amps_it_offers_nothing() {
        let mut evse = evse();
        evse.set_profile(Layer::Session, Some(profile(RateUnit::Amps, 59)));
        assert_eq!(evse.allowed(noon()), Power::ZERO);
        evse.set_profile(Layer::Session, Some(profile(RateUnit::Amps, 60)));
        assert_eq!(evse.allowed(noon()), Power::from_watts(1248));
    }

    #[test]
    fn watts_are_of_all_phases_together() {
        let mut evse = SimEvse::new(
            "e1",
            Current::from_amps(32.0),
            Voltage::V230,
            Phase::ALL.to_vec(),
        );
        // 6,900 W / (230 V x 3) = 10 A
        evse.set_profile(Layer::Session, Some(profile(RateUnit::Watts, 69_000)));
        assert_eq!(evse.offered(noon()), Current::from_amps(10.0));
        assert_eq!(evse.allowed(noon()), Power::from_watts(6900));
    }

    #[test]
    fn before_its_start_a_profile_says_nothing() {
        let mut evse = evse();
        evse.set_profile(Layer::Session, Some(profile(RateUnit::Amps, 60)));
        let before = noon() - chrono::TimeDelta::seconds(1);
        assert_eq!(evse.offered(before), Current::from_amps(32.0));
    }

    #[test]
    fn a_disobedient_evse_offers_its_maximum() {
        let mut evse = evse();
        evse.obeys = false;
        evse.set_profile(Layer::Session, Some(profile(RateUnit::Amps, 60)));
        assert_eq!(evse.offered(noon()), Current::from_amps(32.0));
    }
}
