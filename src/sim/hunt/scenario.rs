//! What is simulated: a TOML file with the sites, the cars and how often each fault happens.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::domain::policy::Policy;
use crate::domain::site::ArrivalReserve;

/// Most sites of one run.
pub const MAX_SITES: u32 = 10_000_000;
/// Most days of one site.
pub const MAX_DAYS: u32 = 3_660;

/// Why a scenario cannot be played.
#[derive(Debug, Error)]
pub enum ScenarioFault {
    /// It is no scenario: the parser says where.
    #[error("{0}")]
    Shape(#[from] toml::de::Error),
    /// A value is outside its range.
    #[error("{key} is {found}; {allowed}")]
    Range {
        /// The key.
        key: String,
        /// What it says.
        found: String,
        /// What is allowed.
        allowed: String,
    },
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What chance draws from, unless the command line says otherwise.
    pub seed: u64,
    /// How many sites, each of its own chance.
    pub sites: u32,
    /// How many days each.
    pub days: u32,
    /// First day.
    pub start: NaiveDate,
    /// How sites are made.
    pub site: SiteShape,
    /// How cars come and go.
    pub cars: Cars,
    /// How they are planned.
    pub policy: Policy,
    /// What goes wrong, and how often.
    pub faults: Faults,
}

/// How sites are made. Pairs are the least and the most of a draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteShape {
    /// EVSEs.
    pub evses: [u32; 2],
    /// Percent of the EVSEs that are stations of our own (OCPP); the others are reached over OCPI.
    pub ocpp_percent: u32,
    /// The grid's limit as percent of all EVSEs' rated power.
    pub limit_percent: [u32; 2],
    /// Percent of the sites where half of the EVSEs share a feeder with a limit of its own.
    pub feeder_percent: u32,
    /// Percent of the sites with a limit per phase.
    pub phase_limit_percent: u32,
    /// Highest other load as percent of the limit.
    pub base_load_percent: u32,
    /// Power held back for arrivals over OCPI.
    pub arrival_reserve: ArrivalReserve,
    /// Between two readings of an EVSE at a station of our own, in seconds; each has its own pace.
    pub meter_s: [u32; 2],
    /// The same of an EVSE at a partner: between two updates of its session.
    pub update_s: [u32; 2],
    /// The site's meter tells a change at the next multiple of so many seconds...
    pub site_meter_s: u32,
    /// ... and without one after so many.
    pub site_meter_idle_s: u32,
}

/// How cars come and go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cars {
    /// Cars per EVSE and day.
    pub per_evse: [u32; 2],
    /// Stay in minutes.
    pub stay_min: [u32; 2],
    /// Percent of the stay at full power that the need takes.
    pub need_percent: [u32; 2],
    /// Percent of the cars that say when they leave and what they need.
    pub told_percent: u32,
    /// Percent of the cars that come within two seconds of another one.
    pub burst_percent: u32,
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often each fault happens, in one of a thousand occasions (a request, a reading, a
        /// car, or one EVSE's, partner's or site's day, as each says). What is left out never happens.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Faults {
            $($(#[$doc])* pub $name: u32,)*
        }

        impl Faults {
            /// The names of all kinds, in the order of this file.
            pub const KINDS: &'static [&'static str] = &[$(stringify!($name)),*];

            /// How often a kind happens.
            pub fn rate(&self, kind: &str) -> u32 {
                match kind {
                    $(stringify!($name) => self.$name,)*
                    _ => 0,
                }
            }

            /// The same with one kind never happening.
            pub fn without(&self, kind: &str) -> Self {
                let mut faults = self.clone();
                match kind {
                    $(stringify!($name) => faults.$name = 0,)*
                    _ => {}
                }
                faults
            }
        }
    };
}

faults! {
    /// A request to a partner does not arrive; nobody answers. Per request.
    request_lost,
    /// A request is applied minutes after we stopped waiting. Per request.
    request_late,
    /// A request is applied, its answers are lost. Per request.
    answer_lost,
    /// A partner takes a request and never tells the result, though it is applied. Per request.
    result_lost,
    /// A partner takes a request and neither applies it nor tells. Per request.
    forgotten,
    /// A result comes after its deadline. Per request.
    result_late,
    /// A result comes twice. Per request.
    result_twice,
    /// `REJECTED`, at once or as the result. Per request.
    rejected,
    /// `TOO_OFTEN`. Per request.
    too_often,
    /// `NOT_SUPPORTED`. Per request.
    not_supported,
    /// `UNKNOWN_SESSION`. Per request.
    unknown_session,
    /// An EVSE follows only after tens of seconds. Per request.
    slow,
    /// An EVSE confirms and does not follow, for some hours. Per EVSE and day.
    disobedient,
    /// A partner tells no result on that day. Per partner and day.
    silent,
    /// Active profiles cannot be read. Per read.
    read_fails,
    /// A partner is not reachable, for minutes to hours. Per partner and day.
    partner_down,
    /// A station is offline, for minutes to hours. Per EVSE and day.
    offline,
    /// A station starts anew. Per EVSE and day.
    reboot,
    /// It forgets its profiles as it does. Per reboot.
    profiles_lost,
    /// A session is told minutes late. Per car.
    told_late,
    /// A session is told twice. Per message.
    told_twice,
    /// An older version of a session follows the newer one. Per message.
    out_of_order,
    /// A session is never closed. Per car.
    never_closed,
    /// A car leaves before the time it told. Per car.
    leaves_early,
    /// A car leaves hours after the time it told. Per car.
    leaves_late,
    /// A reading is lost. Per reading.
    reading_lost,
    /// A meter repeats its last reading, for hours. Per EVSE and day.
    reading_frozen,
    /// A reading is negative. Per reading.
    reading_negative,
    /// A reading is a thousand times too high. Per reading.
    reading_absurd,
    /// The site's meter says nothing, for hours. Per site and day.
    site_meter_lost,
    /// Other load jumps. Per site and day.
    load_jump,
    /// The grid operator cuts the limit. Per site and day.
    limit_cut,
    /// A cut is told after it holds. Per cut.
    cut_told_late,
    /// A limit far above the operator's own is told. Per site and day.
    limit_absurd,
    /// The process is killed at any point. Per site and day.
    kill,
    /// The disk takes nothing, for minutes. Per site and day.
    disk_full,
    /// The process is not run, for minutes (a suspended machine). Per site and day.
    stall,
}

impl Scenario {
    /// Reads a scenario and checks its ranges.
    pub fn read(text: &str) -> Result<Self, ScenarioFault> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The first value outside its range.
    pub fn check(&self) -> Result<(), ScenarioFault> {
        let within = |key: &str, found: u32, low: u32, high: u32| {
            if (low..=high).contains(&found) {
                return Ok(());
            }
            Err(ScenarioFault::Range {
                key: key.to_owned(),
                found: found.to_string(),
                allowed: format!("{low} to {high}"),
            })
        };
        let pair = |key: &str, found: [u32; 2], low: u32, high: u32| {
            within(key, found[0], low, high)?;
            within(key, found[1], found[0], high)
        };
        within("sites", self.sites, 1, MAX_SITES)?;
        within("days", self.days, 1, MAX_DAYS)?;
        pair("site.evses", self.site.evses, 1, 100)?;
        within("site.ocpp_percent", self.site.ocpp_percent, 0, 100)?;
        pair("site.limit_percent", self.site.limit_percent, 5, 200)?;
        within("site.feeder_percent", self.site.feeder_percent, 0, 100)?;
        within(
            "site.phase_limit_percent",
            self.site.phase_limit_percent,
            0,
            100,
        )?;
        within("site.base_load_percent", self.site.base_load_percent, 0, 90)?;
        pair("site.meter_s", self.site.meter_s, 1, 3600)?;
        pair("site.update_s", self.site.update_s, 1, 3600)?;
        within("site.site_meter_s", self.site.site_meter_s, 1, 3600)?;
        let idle = self.site.site_meter_idle_s;
        within("site.site_meter_idle_s", idle, 1, 3600)?;
        pair("cars.per_evse", self.cars.per_evse, 0, 20)?;
        pair("cars.stay_min", self.cars.stay_min, 10, 2880)?;
        pair("cars.need_percent", self.cars.need_percent, 1, 100)?;
        within("cars.told_percent", self.cars.told_percent, 0, 100)?;
        within("cars.burst_percent", self.cars.burst_percent, 0, 100)?;
        within("policy.slot_s", self.policy.slot_s, 60, 3600)?;
        for kind in Faults::KINDS {
            within(&format!("faults.{kind}"), self.faults.rate(kind), 0, 1000)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../../../examples/simulate/hunt.toml");

    #[test]
    fn the_committed_scenarios_are_sound() {
        const CUTS: &str = include_str!("../../../examples/simulate/limit_cut.toml");
        for text in [TEXT, CUTS] {
            Scenario::read(text).expect("it can be read");
        }
    }

    #[test]
    fn what_is_out_of_range_or_unknown_is_named() {
        let told = |from: &str, to: &str| {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            Scenario::read(&text).expect_err("refused").to_string()
        };
        assert!(told("days = ", "dayz = ").contains("dayz"));
        assert!(told("ocpp_percent = ", "ocpp_percent = 9").contains("0 to 100"));
    }

    #[test]
    fn a_kind_of_fault_can_be_left_out() {
        let faults = Faults {
            kill: 5,
            stall: 7,
            ..Faults::default()
        };
        assert_eq!(faults.without("kill").rate("kill"), 0);
        assert_eq!(faults.without("kill").rate("stall"), 7);
    }
}
