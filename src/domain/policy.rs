//! How a site is planned and commanded: the numbers behind the rules, in one place.

use serde::{Deserialize, Serialize};

use super::quantity::{Power, Price};

/// Settings of planner and dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Length of a plan's slot in seconds: 300, 900, 1800 or 3600.
    pub slot_s: u32,
    /// How often a plan is renewed though nothing happened, in seconds.
    pub replan_s: u32,
    /// Number of slots of a plan.
    pub slots: usize,
    /// Days of history whose sessions stand for the arrivals to come; 0 = none are expected.
    pub expected_arrival_days: u32,
    /// Stay that is assumed where nobody said when the car leaves, in seconds.
    pub default_stay_s: u32,
    /// Energy that is assumed where nobody said how much: rated power for this many seconds.
    pub default_need_s: u32,
    /// Price put on waiting one hour, per kWh: breaks ties towards charging early.
    pub waiting_price: Price,
    /// What a kWh is worth that a vehicle would leave without, where it is uncertain what it needs
    /// and when it leaves: no low price is waited for at a higher risk than this.
    pub unmet_price: Price,
    /// How long before its departure a vehicle should be ready, in seconds, where its need fits in
    /// the shorter stay: cars taper at the end.
    pub ready_margin_s: u32,
    /// Changes of an EVSE's profile below this are not sent, unless a limit asks for them.
    pub dead_band: Power,
    /// An EVSE's profile is not changed again within this time, unless a limit asks for it, in
    /// seconds.
    pub min_hold_s: u32,
    /// How long to wait for an answer to a command before it counts as unknown, in seconds.
    pub answer_deadline_s: u32,
    /// A site meter older than this is lost, in seconds.
    pub meter_stale_s: u32,
    /// A session without any news for this long counts as over, in seconds.
    pub silent_session_s: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            slot_s: 300,
            replan_s: 600,
            slots: 288,
            expected_arrival_days: 3,
            default_stay_s: 4 * 3600,
            default_need_s: 8 * 3600,
            waiting_price: Price::from_micros(4_000),
            unmet_price: Price::from_micros(300_000),
            ready_margin_s: 900,
            dead_band: Power::from_watts(250),
            min_hold_s: 480,
            answer_deadline_s: 30,
            meter_stale_s: 60,
            silent_session_s: 24 * 3600,
        }
    }
}
