//! Greeting, reading and setting up.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{Fact, HEARTBEAT_S, Output, Purpose, Station};
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Admission, Boot, Reply, Request, Response, Setting};
use crate::ocpp::rpc::{CallError, Priority};
use crate::ocpp::version::Version;

/// When a station that is not accepted yet shall say again that it has started, in seconds.
const COME_AGAIN_S: u32 = 60;

/// How long profiles wait for the station to say how it takes them, in seconds.
const SAYS_SETTINGS_S: i64 = 20;

/// What we want to know of a 2.x station that makes no report.
const VARIABLES: &[(&str, &str)] = &[
    ("SmartChargingCtrlr", "ProfileStackLevel"),
    ("SmartChargingCtrlr", "RateUnit"),
    ("SmartChargingCtrlr", "PeriodsPerSchedule"),
    ("SampledDataCtrlr", "TxUpdatedMeasurands"),
    ("SampledDataCtrlr", "TxUpdatedInterval"),
];

impl Station {
    /// It says that it has just started.
    pub(super) fn booted(&mut self, boot: &Boot, now: Time, out: &mut Vec<Output>) -> Reply {
        let version = self.version();
        let changed = self.caps.booted(boot, version);
        if changed {
            out.push(Output::Learned);
        }
        // What it held of a transaction is gone.
        self.pushed.clear();
        let quiet = TimeDelta::seconds(self.terms.quiet_s);
        self.quiet_until = (quiet > TimeDelta::zero()).then(|| now + quiet);
        let first = !self.greeted;
        let admission = self.terms.admission;
        // One that is turned away shall be quiet, and so are we.
        self.greeted = admission != Admission::Rejected;
        if first && admission == Admission::Accepted {
            self.set_up(now, out);
        }
        Reply::Boot {
            admission,
            now,
            interval_s: match admission {
                Admission::Accepted => HEARTBEAT_S,
                Admission::Pending | Admission::Rejected => COME_AGAIN_S,
            },
        }
    }

    /// The operator decided whether it may work. One that waited is asked to say once more that it
    /// has started.
    pub fn admit(&mut self, admission: Admission, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        let before = std::mem::replace(&mut self.terms.admission, admission);
        if admission == Admission::Accepted && before == Admission::Pending {
            let request = Request::Trigger {
                message: "BootNotification",
                evse: None,
            };
            let purpose = Purpose::Aside { is_trigger: true };
            self.greeted = true;
            self.ask(request, purpose, Priority::Ordinary, &mut out);
            self.set_up(now, &mut out);
        }
        self.pump(now, &mut out);
        out
    }

    /// Takes over what the operator says of its odd ways.
    pub fn tell_ways(&mut self, told: BTreeMap<Quirk, bool>) {
        self.caps.told = told;
    }

    /// A station that only connected again is asked to say what we may have missed.
    pub(super) fn greet_again(&mut self, now: Time, out: &mut Vec<Output>) {
        self.greeted = true;
        self.set_up(now, out);
        if self.caps.has(Quirk::NoTrigger) || self.asked_to_boot {
            return;
        }
        self.asked_to_boot = true;
        let messages: &[&'static str] = if self.caps.version.is_none() {
            &["BootNotification", "StatusNotification"]
        } else {
            &["StatusNotification"]
        };
        for message in messages {
            let evse =
                (self.version() != Version::V16 && *message == "StatusNotification").then_some(1);
            let request = Request::Trigger { message, evse };
            let purpose = Purpose::Aside { is_trigger: true };
            self.ask(request, purpose, Priority::Ordinary, out);
        }
    }

    /// Reads what is not known yet and sets what is not as we need it. Everything once per firmware.
    fn set_up(&mut self, now: Time, out: &mut Vec<Output>) {
        self.ask_what_runs(out);
        if self.caps.provisioned {
            self.configure(out);
            self.look_at_list(out);
            return;
        }
        // A forgotten profile of another system with a high stack level would hide ours.
        let clear = Request::Raw {
            action: "ClearChargingProfile".into(),
            payload: match self.version() {
                Version::V16 => {
                    serde_json::json!({ "chargingProfilePurpose": "TxDefaultProfile" })
                }
                _ => serde_json::json!({ "chargingProfileCriteria": {
                    "chargingProfilePurpose": "TxDefaultProfile",
                } }),
            },
        };
        let aside = Purpose::Aside { is_trigger: false };
        self.ask(clear, aside, Priority::Safety, out);
        // Before the first profile goes out: it is made as the station says it takes it.
        self.settings_until = Some(now + TimeDelta::seconds(SAYS_SETTINGS_S));
        self.ask(
            Request::ReadSettings,
            Purpose::Settings,
            Priority::Safety,
            out,
        );
    }

    /// Asks of each transaction that runs by our books whether it really does: its end may have
    /// been lost while the station was away. 2.x alone can be asked.
    fn ask_what_runs(&mut self, out: &mut Vec<Output>) {
        if !std::mem::take(&mut self.asks_what_runs) {
            return;
        }
        let running = self.books.entries().filter(|entry| entry.is_running());
        let running: Vec<String> = running.map(|entry| entry.id.clone()).collect();
        for transaction in running {
            let request = Request::TransactionStatus(transaction.clone());
            let purpose = Purpose::Runs { transaction };
            self.ask(request, purpose, Priority::Ordinary, out);
        }
    }

    /// It said whether a transaction runs. One that does not, and of which nothing more is to come,
    /// is over.
    pub(super) fn said_whether_runs(
        &mut self,
        transaction: &str,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        if let Ok(Response::TransactionStatus {
            ongoing: Some(false),
            queued: false,
        }) = outcome
            && let Some(entry) = self.books.end(transaction, now)
        {
            let mut facts = Vec::new();
            self.end_priority(&entry, &mut facts);
            facts.push(Fact::Session {
                entry,
                reading: None,
            });
            out.push(Output::Book {
                facts,
                answer: None,
            });
        }
    }

    /// The answer to our question what it can do.
    pub(super) fn settings_read(
        &mut self,
        request: &Request,
        outcome: Result<Response, CallError>,
        out: &mut Vec<Output>,
    ) {
        match outcome {
            Ok(Response::Settings(settings)) => {
                self.caps.learn(settings);
                self.caps.provisioned = true;
                out.push(Output::Learned);
                self.release(out);
                self.configure(out);
                self.look_at_list(out);
            }
            Ok(Response::SettingsFollow) => {}
            // No report: variable by variable.
            _ if *request == Request::ReadSettings && self.version() != Version::V16 => {
                let names = VARIABLES
                    .iter()
                    .map(|(component, variable)| ((*component).to_owned(), (*variable).to_owned()))
                    .collect();
                let request = Request::ReadVariables(names);
                self.ask(request, Purpose::Settings, Priority::Safety, out);
            }
            // It does not say: it is taken to be simple, and not asked again.
            _ => {
                self.caps.provisioned = true;
                out.push(Output::Learned);
                self.release(out);
            }
        }
    }

    /// A part of its report.
    pub(super) fn reported(&mut self, settings: Vec<Setting>, more: bool, out: &mut Vec<Output>) {
        self.caps.learn(settings);
        if !more && !self.caps.provisioned {
            self.caps.provisioned = true;
            self.release(out);
            self.configure(out);
            self.look_at_list(out);
        }
        if !more {
            out.push(Output::Learned);
        }
    }

    /// Lets it send power and energy often enough; what it refused is not asked for again.
    fn configure(&mut self, out: &mut Vec<Output>) {
        let interval = self.terms.sample_s.to_string();
        let measurands = "Energy.Active.Import.Register,Power.Active.Import";
        let wanted: [(&str, &str); 2] = match self.version() {
            Version::V16 => [
                ("MeterValueSampleInterval", &interval),
                ("MeterValuesSampledData", measurands),
            ],
            _ => [
                ("SampledDataCtrlr.TxUpdatedInterval", &interval),
                ("SampledDataCtrlr.TxUpdatedMeasurands", measurands),
            ],
        };
        for (name, value) in wanted {
            let Some(now) = self.caps.settings.get(name) else {
                // What it does not list it does not have: trying makes some stations restart.
                continue;
            };
            let is_right = if name.ends_with("Interval") {
                now.trim() == value
            } else {
                value
                    .split(',')
                    .all(|m| now.split(',').any(|n| n.trim() == m))
            };
            if is_right || self.caps.refused.contains(name) {
                continue;
            }
            let setting = Setting {
                name: name.to_owned(),
                value: value.to_owned(),
            };
            let purpose = Purpose::SetUp {
                name: name.to_owned(),
            };
            self.ask(Request::Set(setting), purpose, Priority::Ordinary, out);
        }
    }

    /// The answer to a setting of ours.
    pub(super) fn set_up_answered(
        &mut self,
        name: String,
        request: &Request,
        outcome: &Result<Response, CallError>,
        out: &mut Vec<Output>,
    ) {
        match (outcome, request) {
            (Ok(Response::Accepted), Request::Set(setting)) => {
                self.caps.learn(vec![setting.clone()]);
            }
            _ => {
                self.caps.refused.insert(name);
            }
        }
        out.push(Output::Learned);
    }

    /// What the sites hear when it is greeted.
    pub(super) fn connected(booted: bool) -> Fact {
        Fact::Connected { booted }
    }
}
