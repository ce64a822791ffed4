//! A simulated station with one EVSE, without I/O: what the service says goes in, what it says
//! comes out.

use std::collections::VecDeque;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::odd::Oddities;
use super::words::{self, Moment};
use crate::domain::profile::{Profile, ProfilePeriod, RateUnit, Tenths};
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::ocpp::version::Version;
use crate::sim::world::Layer;

/// What the service made it do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A profile is set or cleared.
    Profile(Layer, Option<Profile>),
    /// The service refused a message, or sent one that cannot be right.
    Complaint(String),
    /// It was asked to send a reading.
    Read,
    /// It charges on one phase from now on.
    OnePhase,
    /// It loses its connection.
    HangUp,
}

/// A transaction as the station keeps it.
#[derive(Clone, Debug)]
struct Running {
    token: String,
    /// Known once the start was answered (1.6).
    id: Option<String>,
    seq_no: i64,
    begins_at: Energy,
}

/// A call that waits for its answer.
#[derive(Debug)]
struct InFlight {
    id: String,
    action: &'static str,
    payload: Value,
}

/// A simulated station.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says whether one thing has happened, whatever the others say"
)]
pub struct Charger {
    version: Version,
    odd: Oddities,
    /// What its energy register showed before the running session.
    register: Energy,
    running: Option<Running>,
    sessions: u64,
    /// Calls that wait: of each only the action and payload.
    waiting: VecDeque<(&'static str, Value)>,
    in_flight: Option<InFlight>,
    sent: u64,
    /// Profiles by layer, for composite schedules.
    profiles: [Option<Profile>; 2],
    /// It still holds another system's profile.
    is_stale: bool,
    /// Its boot message was answered on this connection.
    greeted: bool,
    /// It was told 0 last, in a session.
    was_zero: bool,
    /// A profile that it follows later.
    late: Option<(Layer, Profile)>,
    late_is_due: bool,
    /// It waits to be started remotely.
    is_asleep: bool,
    /// It has sent something broken since its last message.
    has_babbled: bool,
}

impl Charger {
    /// A station that has just been switched on.
    pub fn new(version: Version, odd: Oddities) -> Self {
        Self {
            version,
            register: Energy::from_kilowatt_hours(100.0),
            running: None,
            sessions: 0,
            waiting: VecDeque::new(),
            in_flight: None,
            sent: 0,
            profiles: [None, None],
            is_stale: odd.stale_profile,
            greeted: false,
            was_zero: false,
            late: None,
            late_is_due: false,
            is_asleep: false,
            has_babbled: false,
            odd,
        }
    }

    /// The sub-protocol it names.
    pub(super) fn subprotocol(&self) -> Option<&'static str> {
        match (self.odd.no_subprotocol, self.odd.names_another_version) {
            (true, _) => None,
            (false, true) => Some(Version::V201.subprotocol()),
            (false, false) => Some(self.version.subprotocol()),
        }
    }

    /// The version it speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// True while a call of its own waits or is under way.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some() || !self.waiting.is_empty()
    }

    /// It says that it has started.
    pub fn boots(&mut self, now: Time) {
        self.waiting.push_back(words::boot(self.version));
        let occupied = self.running.is_some();
        self.waiting
            .push_back(words::status(self.version, occupied, now, &self.odd));
    }

    /// The connection was lost: the call under way is sent again, under a new id.
    pub fn reconnects(&mut self) {
        self.greeted = false;
        if let Some(InFlight {
            action, payload, ..
        }) = self.in_flight.take()
        {
            self.waiting.push_front((action, payload));
        }
    }

    /// A car was plugged in.
    pub fn starts(&mut self, token: &str, now: Time) {
        self.sessions += 1;
        if self.odd.register_per_session {
            self.register = Energy::ZERO;
        }
        let id = (self.version != Version::V16)
            .then(|| format!("{}-{}", now.timestamp(), self.sessions));
        self.running = Some(Running {
            token: token.to_owned(),
            id,
            seq_no: 0,
            begins_at: self.register,
        });
        self.waiting
            .push_back(words::status(self.version, true, now, &self.odd));
        let start = self.moment(now, Energy::ZERO, Power::ZERO, words::start);
        let again = self.odd.starts_twice.then(|| start.clone()).flatten();
        self.waiting.extend(start);
        self.waiting.extend(again);
        self.count_up();
    }

    /// It reads its meter. Before the start was answered it has no transaction to report of.
    pub fn reads(&mut self, energy: Energy, power: Power, now: Time) {
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.id.is_some())
        {
            self.late_is_due = true;
            if self.odd.no_readings {
                return;
            }
            let reading = self.moment(now, energy, power, words::reading);
            self.waiting.extend(reading);
            self.count_up();
        }
    }

    /// The car was unplugged.
    pub fn stops(&mut self, energy: Energy, now: Time) {
        let stop = self.moment(now, energy, Power::ZERO, words::stop);
        self.waiting.extend(stop);
        if let Some(running) = self.running.take() {
            self.register = running.begins_at + energy;
        }
        self.profiles[1] = None;
        self.was_zero = false;
        self.is_asleep = false;
        self.late_is_due = true;
        self.waiting
            .push_back(words::status(self.version, false, now, &self.odd));
    }

    fn count_up(&mut self) {
        if let Some(running) = &mut self.running {
            running.seq_no += 1;
        }
    }

    fn moment(
        &self,
        at: Time,
        energy: Energy,
        power: Power,
        say: fn(Version, &Moment<'_>, &Oddities) -> (&'static str, Value),
    ) -> Option<(&'static str, Value)> {
        let running = self.running.as_ref()?;
        let moment = Moment {
            at,
            register: running.begins_at + energy,
            power,
            token: &running.token,
            transaction: running.id.as_deref().unwrap_or("-1"),
            seq_no: running.seq_no,
        };
        Some(say(self.version, &moment, &self.odd))
    }

    /// The next message that may leave.
    pub fn poll(&mut self) -> Option<String> {
        if self.in_flight.is_some() {
            return None;
        }
        if self.odd.broken_messages && self.greeted && !self.waiting.is_empty() && !self.has_babbled
        {
            self.has_babbled = true;
            return Some("[,{".to_owned());
        }
        self.has_babbled = false;
        let (action, payload) = self.waiting.pop_front()?;
        self.sent += 1;
        let id = self.sent.to_string();
        let text = json!([2, id, action, payload]).to_string();
        self.in_flight = Some(InFlight {
            id,
            action,
            payload,
        });
        Some(text)
    }

    /// Takes in a message; gives what to answer and what it makes the station do.
    pub fn receive(&mut self, text: &str, now: Time) -> (Option<String>, Vec<Effect>) {
        let complaint = |what: String| (None, vec![Effect::Complaint(what)]);
        let Ok(frame) = serde_json::from_str::<Value>(text) else {
            return complaint(format!("not JSON: {text:.200}"));
        };
        let id = frame[1].as_str().unwrap_or_default();
        match frame[0].as_i64() {
            Some(2) => {
                let action = frame[2].as_str().unwrap_or_default();
                if self.odd.dislikes_haste && !self.greeted {
                    return complaint(format!("{action} before the boot was answered"));
                }
                if self.odd.silent_about_settings && action == "GetConfiguration" {
                    return (None, Vec::new());
                }
                let changes = ["ChangeConfiguration", "SetVariables"].contains(&action);
                if self.odd.hangs_up_on_change && changes {
                    return (None, vec![Effect::HangUp]);
                }
                let (answer, effects) = self.called(action, &frame[3], now);
                let answer = match answer {
                    Ok(payload) => json!([3, id, payload]),
                    Err(code) => json!([4, id, code, "", {}]),
                };
                (Some(answer.to_string()), effects)
            }
            Some(kind @ (3 | 4)) => {
                let Some(call) = self.in_flight.take_if(|call| call.id == id) else {
                    return complaint(format!("an answer to nothing: {text:.200}"));
                };
                let action = call.action;
                if kind == 4 {
                    return complaint(format!("{action} was refused: {text:.200}"));
                }
                self.answered(action, &frame[2])
            }
            _ => complaint(format!("no frame: {text:.200}")),
        }
    }

    /// What it follows later than it was told.
    pub(super) fn take_late(&mut self) -> Option<Effect> {
        if !std::mem::take(&mut self.late_is_due) {
            return None;
        }
        let (layer, profile) = self.late.take()?;
        Some(Effect::Profile(layer, Some(profile)))
    }

    fn answered(&mut self, action: &str, payload: &Value) -> (Option<String>, Vec<Effect>) {
        self.greeted |= action == "BootNotification";
        if action == "StartTransaction" {
            let Some(id) = payload["transactionId"].as_i64().filter(|id| *id > 0) else {
                let what = format!("a start was answered {payload}");
                return (None, vec![Effect::Complaint(what)]);
            };
            if let Some(running) = &mut self.running {
                running.id = Some(id.to_string());
            }
            // What was put down while the id was not known is completed.
            for (waiting, payload) in &mut self.waiting {
                if *waiting == "StopTransaction" && payload["transactionId"] == -1 {
                    payload["transactionId"] = json!(if self.odd.stops_unnamed { -1 } else { id });
                }
            }
        }
        (None, Vec::new())
    }

    fn called(
        &mut self,
        action: &str,
        payload: &Value,
        now: Time,
    ) -> (Result<Value, &'static str>, Vec<Effect>) {
        let plain = |payload: Value| (Ok(payload), Vec::new());
        let smart = [
            "SetChargingProfile",
            "ClearChargingProfile",
            "GetCompositeSchedule",
        ];
        if self.odd.no_smart_charging && smart.contains(&action) {
            return (Err("NotSupported"), Vec::new());
        }
        match action {
            "GetConfiguration" => plain(words::configuration(&self.odd)),
            "RemoteStartTransaction" | "RequestStartTransaction" if self.odd.sleeps_at_zero => {
                let held = self.profiles[1].clone();
                let wakes = std::mem::take(&mut self.is_asleep) && held.is_some();
                let effect = wakes.then_some(Effect::Profile(Layer::Session, held));
                let answer = json!({ "status": "Accepted" });
                (Ok(answer), effect.into_iter().collect())
            }
            // A transaction runs at its only EVSE.
            "RemoteStartTransaction" | "RequestStartTransaction" if self.running.is_some() => {
                plain(json!({ "status": "Rejected" }))
            }
            "ChangeConfiguration" | "Reset" | "RemoteStartTransaction" | "DataTransfer" => {
                plain(json!({ "status": "Accepted" }))
            }
            "GetBaseReport" => {
                let id = payload["requestId"].as_i64().unwrap_or_default();
                self.waiting.push_back(words::report(id, now, &self.odd));
                plain(json!({ "status": "Accepted" }))
            }
            "SetVariables" => {
                let results: Vec<Value> = payload["setVariableData"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|entry| {
                        json!({ "attributeStatus": "Accepted",
                            "component": entry["component"], "variable": entry["variable"] })
                    })
                    .collect();
                plain(json!({ "setVariableResult": results }))
            }
            "TriggerMessage" => {
                if self.odd.no_trigger {
                    return plain(json!({ "status": "NotImplemented" }));
                }
                let occupied = self.running.is_some();
                match payload["requestedMessage"].as_str() {
                    Some("StatusNotification") => self.waiting.push_back(words::status(
                        self.version,
                        occupied,
                        now,
                        &self.odd,
                    )),
                    Some("BootNotification") => self.waiting.push_back(words::boot(self.version)),
                    Some("MeterValues" | "TransactionEvent") => {
                        return (Ok(json!({ "status": "Accepted" })), vec![Effect::Read]);
                    }
                    _ => {}
                }
                plain(json!({ "status": "Accepted" }))
            }
            "SetChargingProfile" => self.set_profile(payload, now),
            "ClearChargingProfile" => self.clear_profile(payload),
            "GetCompositeSchedule" => plain(self.composite(payload, now)),
            _ => (Err("NotImplemented"), Vec::new()),
        }
    }

    fn set_profile(
        &mut self,
        payload: &Value,
        now: Time,
    ) -> (Result<Value, &'static str>, Vec<Effect>) {
        let refused = || (Ok(json!({ "status": "Rejected" })), Vec::new());
        let (profile, schedule) = if self.version == Version::V16 {
            let profile = &payload["csChargingProfiles"];
            (profile, &profile["chargingSchedule"])
        } else {
            let profile = &payload["chargingProfile"];
            (profile, &profile["chargingSchedule"][0])
        };
        let is_relative = profile["chargingProfileKind"] == "Relative";
        let is_watts = schedule["chargingRateUnit"] == "W";
        if self.odd.rejects_profiles
            || (self.odd.no_tx_profile && profile["chargingProfilePurpose"] == "TxProfile")
            || profile["stackLevel"].as_u64().is_none_or(|level| level > 8)
            || (self.odd.stack_zero_only && profile["stackLevel"] != 0)
            || (self.odd.watts_only && !is_watts)
            || (self.odd.absolute_only && is_relative)
            || (self.odd.strict_decimals && !has_one_decimal(schedule))
        {
            return refused();
        }
        let layer = match profile["chargingProfilePurpose"].as_str() {
            Some("TxDefaultProfile") => Layer::Default,
            Some("TxProfile") => Layer::Session,
            _ => return refused(),
        };
        if layer == Layer::Session {
            let named = match &profile["transactionId"] {
                Value::String(id) => Some(id.clone()),
                Value::Number(id) => Some(id.to_string()),
                _ => None,
            };
            let running = self.running.as_ref().and_then(|running| running.id.clone());
            if running.is_none() || (named.is_some() && named != running) {
                return refused();
            }
        }
        let Some(read) = read_schedule(schedule, is_relative, now) else {
            let what = format!("a schedule that is none: {schedule:.300}");
            return (
                Ok(json!({ "status": "Rejected" })),
                vec![Effect::Complaint(what)],
            );
        };
        let accepted = Ok(json!({ "status": "Accepted" }));
        let behind = now - TimeDelta::seconds(30);
        if self.odd.clock_behind && read.start > behind {
            return (accepted, Vec::new());
        }
        if layer == Layer::Default && self.is_stale {
            return (accepted, Vec::new());
        }
        self.profiles[usize::from(layer == Layer::Session)] = Some(read.clone());
        if layer == Layer::Default && self.odd.default_for_next_only && self.running.is_some() {
            self.late = Some((layer, read));
            return (accepted, Vec::new());
        }
        if layer == Layer::Session {
            let is_zero = read.limit_at(now).is_some_and(|limit| limit.0 == 0);
            let resumes = std::mem::replace(&mut self.was_zero, is_zero) && !is_zero;
            if resumes && self.odd.passes_over_after_zero {
                return (accepted, Vec::new());
            }
            if is_zero && self.odd.one_phase_after_zero {
                let effects = vec![Effect::Profile(layer, Some(read)), Effect::OnePhase];
                return (accepted, effects);
            }
            self.is_asleep |= is_zero && self.odd.sleeps_at_zero;
            if self.is_asleep {
                // Nothing that comes later in it wakes the car.
                let asleep = Profile {
                    periods: vec![ProfilePeriod {
                        start_s: 0,
                        limit: Tenths(0),
                    }],
                    ..read
                };
                return (accepted, vec![Effect::Profile(layer, Some(asleep))]);
            }
            if resumes && self.odd.resumes_late {
                self.late = Some((layer, read));
                return (accepted, Vec::new());
            }
        }
        (accepted, vec![Effect::Profile(layer, Some(read))])
    }

    fn clear_profile(&mut self, payload: &Value) -> (Result<Value, &'static str>, Vec<Effect>) {
        if self.odd.cannot_clear {
            return (Ok(json!({ "status": "Unknown" })), Vec::new());
        }
        self.is_stale = false;
        let id = payload["id"]
            .as_i64()
            .or(payload["chargingProfileId"].as_i64());
        // Ours end in 1 for a default profile and in 2 for a session's.
        let layer = match id.map(|id| id % 10) {
            Some(2) => Layer::Session,
            Some(1) | None => Layer::Default,
            _ => return (Ok(json!({ "status": "Unknown" })), Vec::new()),
        };
        let held = self.profiles[usize::from(layer == Layer::Session)].take();
        match held {
            None => (Ok(json!({ "status": "Unknown" })), Vec::new()),
            Some(_) => (
                Ok(json!({ "status": "Accepted" })),
                vec![Effect::Profile(layer, None)],
            ),
        }
    }

    fn composite(&self, payload: &Value, now: Time) -> Value {
        let [default, session] = &self.profiles;
        let of = |profile: &Option<Profile>| {
            let profile = profile.as_ref()?;
            Some((profile.unit, profile.limit_at(now)?))
        };
        let holds = of(session).or_else(|| of(default));
        let Some((unit, limit)) = holds.filter(|_| !self.odd.no_composite) else {
            return json!({ "status": "Rejected" });
        };
        let unit = if unit == RateUnit::Amps { "A" } else { "W" };
        let whole = limit.0 / 10;
        let limit = format!("{whole}.{}", limit.0 % 10).parse::<f64>();
        let period = json!({ "startPeriod": 0, "limit": limit.unwrap_or_default() });
        let start = words::time(now, &self.odd);
        let duration = payload["duration"].as_i64().unwrap_or(60);
        if self.version == Version::V16 {
            return json!({
                "status": "Accepted", "connectorId": 1, "scheduleStart": start,
                "chargingSchedule": { "duration": duration, "chargingRateUnit": unit,
                    "chargingSchedulePeriod": [period] },
            });
        }
        json!({
            "status": "Accepted",
            "schedule": { "evseId": 1, "duration": duration, "scheduleStart": start,
                "chargingRateUnit": unit, "chargingSchedulePeriod": [period] },
        })
    }
}

/// No limit of a schedule has more than one decimal, as it is written.
fn has_one_decimal(schedule: &Value) -> bool {
    let periods = schedule["chargingSchedulePeriod"].as_array();
    periods.into_iter().flatten().all(|period| {
        let limit = period["limit"].to_string();
        limit
            .split_once('.')
            .is_none_or(|(_, decimals)| decimals.len() == 1)
    })
}

/// Reads a schedule as a station does.
fn read_schedule(schedule: &Value, is_relative: bool, now: Time) -> Option<Profile> {
    let unit = match schedule["chargingRateUnit"].as_str()? {
        "A" => RateUnit::Amps,
        "W" => RateUnit::Watts,
        _ => return None,
    };
    let start: Time = if is_relative {
        // From the start of each transaction: for a profile of one period the same as always.
        now - TimeDelta::days(1)
    } else {
        schedule["startSchedule"].as_str()?.parse().ok()?
    };
    let periods = schedule["chargingSchedulePeriod"].as_array()?.iter();
    let periods = periods.map(|period| {
        Some(ProfilePeriod {
            start_s: u32::try_from(period["startPeriod"].as_u64()?).ok()?,
            limit: tenths(period["limit"].as_f64()?)?,
        })
    });
    let profile = Profile {
        unit,
        start,
        periods: periods.collect::<Option<_>>()?,
        duration_s: match &schedule["duration"] {
            Value::Null => None,
            duration => Some(u32::try_from(duration.as_u64()?).ok()?),
        },
    };
    profile.is_well_formed().then_some(profile)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to lie within the range in which every integer is exact"
)]
fn tenths(limit: f64) -> Option<Tenths> {
    let tenths = (limit * 10.0).round();
    ((0.0..1e9).contains(&tenths) && (limit * 10.0 - tenths).abs() < 1e-6)
        .then_some(Tenths(tenths as i64))
}
