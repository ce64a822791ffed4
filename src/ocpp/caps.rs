//! What a station can do, as it says and as we found out. Learned once per firmware and kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::message::{Boot, Setting};
use super::version::Version;
use super::wire::MAX_SETTINGS;
use crate::domain::profile::RateUnit;

/// The stack level we use where the station takes so high a one. Above 0, so that what an installer
/// left there does not hide ours; low, because some stations report far more than they take.
const STACK_LEVEL: u32 = 2;
/// What a station refused that refused a dynamic profile.
const DYNAMIC: &str = "dynamic profiles";
/// Longest value of a setting that is kept, in bytes.
const MAX_VALUE_BYTES: usize = 2_500;

/// What a station can do. Everything has a cautious value until it is learned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Caps {
    /// Who made it.
    pub vendor: String,
    /// Which model.
    pub model: String,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its firmware: when it changes, everything is learned anew.
    pub firmware: Option<String>,
    /// The version it spoke last.
    pub version: Option<Version>,
    /// It was read and set up.
    pub provisioned: bool,
    /// What it reports of itself: 1.6 keys, 2.x `Component.Variable`.
    pub settings: BTreeMap<String, String>,
    /// Settings it refused: not tried again.
    pub refused: BTreeSet<String>,
    /// Odd ways we found out; each changes how it is spoken to.
    pub quirks: BTreeSet<Quirk>,
    /// What the operator says of its ways, whatever we find out: kept with the station's record.
    #[serde(skip)]
    pub told: BTreeMap<Quirk, bool>,
}

/// An odd way of a station, found out or set by the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quirk {
    /// Takes profiles at stack level 0 only, whatever it reports.
    StackZeroOnly,
    /// Does not take profiles that count from the start of a transaction.
    AbsoluteOnly,
    /// Takes watts only.
    WattsOnly,
    /// Does not say what holds.
    NoComposite,
    /// Does not send messages when asked to.
    NoTrigger,
    /// Keeps no list of tokens.
    NoLocalList,
    /// Does not go on by itself after a limit of 0: it is woken by a remote start.
    SleepsAtZero,
    /// Takes limits one by one into a dynamic profile (2.1). Only by the operator's word: while we
    /// are silent, what was planned to rise later does not.
    DynamicProfiles,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::StackZeroOnly,
        Self::AbsoluteOnly,
        Self::WattsOnly,
        Self::NoComposite,
        Self::NoTrigger,
        Self::NoLocalList,
        Self::SleepsAtZero,
        Self::DynamicProfiles,
    ];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::StackZeroOnly => "stack_zero_only",
            Self::AbsoluteOnly => "absolute_only",
            Self::WattsOnly => "watts_only",
            Self::NoComposite => "no_composite",
            Self::NoTrigger => "no_trigger",
            Self::NoLocalList => "no_local_list",
            Self::SleepsAtZero => "sleeps_at_zero",
            Self::DynamicProfiles => "dynamic_profiles",
        }
    }
}

impl Caps {
    /// Takes in what a station says when it starts. What was learned of another firmware is
    /// forgotten. Returns true if something changed.
    pub fn booted(&mut self, boot: &Boot, version: Version) -> bool {
        let same = self.vendor == boot.vendor
            && self.model == boot.model
            && self.firmware == boot.firmware
            && self.version == Some(version);
        if !same {
            *self = Self {
                told: std::mem::take(&mut self.told),
                ..Self::default()
            };
        }
        let before = self.clone();
        self.vendor = shortened(&boot.vendor);
        self.model = shortened(&boot.model);
        self.serial = boot.serial.as_deref().map(shortened);
        self.firmware.clone_from(&boot.firmware);
        self.version = Some(version);
        !same || *self != before
    }

    /// Takes in what it reports of itself.
    pub fn learn(&mut self, settings: Vec<Setting>) {
        for setting in settings {
            let known = self.settings.contains_key(&setting.name);
            if (known || self.settings.len() < MAX_SETTINGS)
                && setting.value.len() <= MAX_VALUE_BYTES
            {
                self.settings.insert(setting.name, setting.value);
            }
        }
    }

    /// The value of a setting under the name that the version has for it.
    pub fn value(&self, v16: &str, two: &str) -> Option<&str> {
        let name = match self.version {
            Some(Version::V16) => v16,
            _ => two,
        };
        self.settings.get(name).map(String::as_str)
    }

    /// A setting that is a whole number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.settings.get(name)?.trim().parse().ok()
    }

    /// True if it has this odd way.
    pub fn has(&self, quirk: Quirk) -> bool {
        let told = self.told.get(&quirk).copied();
        told.unwrap_or_else(|| self.quirks.contains(&quirk))
    }

    /// True if limits are pushed into dynamic profiles: the operator says so, and it has neither
    /// said that it has none nor refused one.
    pub fn takes_dynamic(&self) -> bool {
        let says = self
            .settings
            .get("SmartChargingCtrlr.SupportsFeature[DynamicProfiles]");
        self.version == Some(Version::V21)
            && self.has(Quirk::DynamicProfiles)
            && says.is_none_or(|says| says.trim() == "true")
            && !self.refused.contains(DYNAMIC)
    }

    /// It refused a dynamic profile: not tried again.
    pub fn refuses_dynamic(&mut self) {
        self.refused.insert(DYNAMIC.to_owned());
    }

    /// True if it says that it keeps a list of tokens.
    pub fn keeps_list(&self) -> bool {
        let value = self.value("LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled");
        let lists_it = self
            .value("SupportedFeatureProfiles", "LocalAuthListCtrlr.Available")
            .is_some_and(|value| value.contains("LocalAuthList") || value.trim() == "true");
        lists_it || value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    /// Most entries of one message about its list of tokens.
    pub fn max_list(&self) -> usize {
        self.value(
            "SendLocalListMaxLength",
            "LocalAuthListCtrlr.ItemsPerMessage",
        )
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(100)
    }

    /// The stack level for our profiles.
    pub fn stack_level(&self) -> u32 {
        if self.has(Quirk::StackZeroOnly) {
            return 0;
        }
        let highest = self
            .value(
                "ChargeProfileMaxStackLevel",
                "SmartChargingCtrlr.ProfileStackLevel",
            )
            .and_then(|value| value.trim().parse::<u32>().ok());
        // A station that does not say takes 0.
        highest.map_or(0, |highest| highest.min(STACK_LEVEL))
    }

    /// Most periods of one profile; at least 1.
    pub fn max_periods(&self) -> usize {
        self.value(
            "ChargingScheduleMaxPeriods",
            "SmartChargingCtrlr.PeriodsPerSchedule",
        )
        .and_then(|value| value.trim().parse::<usize>().ok())
        // Unknown: what nearly all take.
        .map_or(24, |periods| periods.max(1))
    }

    /// The unit it takes for an EVSE whose own unit is `natural`.
    pub fn unit(&self, natural: RateUnit) -> RateUnit {
        if self.has(Quirk::WattsOnly) {
            return RateUnit::Watts;
        }
        let Some(list) = self.value(
            "ChargingScheduleAllowedChargingRateUnit",
            "SmartChargingCtrlr.RateUnit",
        ) else {
            return natural;
        };
        let mut units = list.split(',').filter_map(|unit| match unit.trim() {
            "A" | "Current" => Some(RateUnit::Amps),
            "W" | "Power" => Some(RateUnit::Watts),
            _ => None,
        });
        let found: Vec<RateUnit> = units.by_ref().collect();
        match found.first() {
            Some(first) if !found.contains(&natural) => *first,
            _ => natural,
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(50).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(settings: &[(&str, &str)]) -> Caps {
        let mut caps = Caps {
            version: Some(Version::V16),
            ..Caps::default()
        };
        caps.learn(
            settings
                .iter()
                .map(|(name, value)| Setting {
                    name: (*name).into(),
                    value: (*value).into(),
                })
                .collect(),
        );
        caps
    }

    #[test]
    fn an_unread_station_is_taken_to_be_simple() {
        let caps = caps(&[]);
        assert_eq!((caps.stack_level(), caps.max_periods()), (0, 24));
        assert_eq!(caps.unit(RateUnit::Amps), RateUnit::Amps);
    }

    #[test]
    fn what_it_reports_counts_within_reason() {
        let caps = caps(&[
            ("ChargeProfileMaxStackLevel", "999"),
            ("ChargingScheduleMaxPeriods", " 6"),
            ("ChargingScheduleAllowedChargingRateUnit", "Power"),
        ]);
        assert_eq!((caps.stack_level(), caps.max_periods()), (2, 6));
        assert_eq!(caps.unit(RateUnit::Amps), RateUnit::Watts);
    }

    #[test]
    fn a_new_firmware_is_learned_anew() {
        let mut caps = caps(&[("ChargeProfileMaxStackLevel", "5")]);
        let boot = |firmware: &str| Boot {
            vendor: "V".into(),
            model: "M".into(),
            serial: None,
            firmware: Some(firmware.into()),
        };
        assert!(caps.booted(&boot("1"), Version::V16));
        caps.quirks.insert(Quirk::StackZeroOnly);
        assert!(!caps.booted(&boot("1"), Version::V16));
        assert!(caps.has(Quirk::StackZeroOnly));
        assert!(caps.booted(&boot("2"), Version::V16));
        assert!(!caps.has(Quirk::StackZeroOnly) && caps.settings.is_empty());
    }
}
