//! What a simulated station says, in each version.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::odd::Oddities;
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;
use crate::ocpp::version::Version;

/// An instant as the station writes it.
pub(super) fn time(at: Time, odd: &Oddities) -> String {
    if odd.times_without_zone {
        return at.format("%Y-%m-%dT%H:%M:%S").to_string();
    }
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

pub(super) fn boot(version: Version) -> (&'static str, Value) {
    let payload = match version {
        Version::V16 => json!({
            "chargePointVendor": "evenload", "chargePointModel": "simulated",
            "firmwareVersion": "1",
        }),
        _ => json!({
            "reason": "PowerUp",
            "chargingStation": {
                "vendorName": "evenload", "model": "simulated", "firmwareVersion": "1",
            },
        }),
    };
    ("BootNotification", payload)
}

pub(super) fn status(
    version: Version,
    occupied: bool,
    at: Time,
    odd: &Oddities,
) -> (&'static str, Value) {
    let payload = match (version, occupied) {
        (Version::V16, _) => json!({
            "connectorId": 1,
            "errorCode": if odd.odd_words { "Error" } else { "NoError" },
            "status": match (odd.odd_words, occupied) {
                (true, _) => "Whatever",
                (false, true) => "Charging",
                (false, false) => "Available",
            },
        }),
        (_, _) => json!({
            "timestamp": time(at, odd), "evseId": 1, "connectorId": 1,
            "connectorStatus": if occupied { "Occupied" } else { "Available" },
        }),
    };
    ("StatusNotification", payload)
}

/// What a session's messages are made of.
#[derive(Clone, Debug)]
pub(super) struct Moment<'a> {
    pub at: Time,
    pub register: Energy,
    pub power: Power,
    pub token: &'a str,
    /// 1.6: the id we were given; 2.x: ours.
    pub transaction: &'a str,
    pub seq_no: i64,
}

pub(super) fn start(version: Version, now: &Moment<'_>, odd: &Oddities) -> (&'static str, Value) {
    if version == Version::V16 {
        let payload = json!({
            "connectorId": 1, "idTag": now.token, "meterStart": whole_wh(now.register),
            "timestamp": time(now.at, odd),
        });
        return ("StartTransaction", payload);
    }
    let mut payload = event("Started", "CablePluggedIn", now, odd);
    payload["idToken"] = json!({ "idToken": now.token, "type": "ISO14443" });
    payload["evse"] = json!({ "id": 1, "connectorId": 1 });
    ("TransactionEvent", payload)
}

pub(super) fn reading(version: Version, now: &Moment<'_>, odd: &Oddities) -> (&'static str, Value) {
    if version != Version::V16 {
        return (
            "TransactionEvent",
            event("Updated", "MeterValuePeriodic", now, odd),
        );
    }
    let values = json!([
        { "value": whole_wh(now.register).to_string(), "unit": "Wh" },
        { "value": now.power.watts().to_string(), "unit": "W",
          "measurand": "Power.Active.Import" },
    ]);
    let values = if odd.odd_readings {
        // Deciamperes on three phases at 230 V.
        let tenths = now.power.watts() * 10 / 690;
        let amps = format!("{}.{}", tenths / 10, tenths % 10);
        json!([
            { "value": (whole_wh(now.register) / 1000).to_string(), "unit": "kWh",
              "measurand": "Energy.Active.Import.Register" },
            { "value": amps, "measurand": "Current.Import.L1", "unit": "A" },
            { "value": amps, "measurand": "Current.Import.L2", "unit": "A" },
            { "value": amps, "measurand": "Current.Import", "phase": "L3-N", "unit": "A" },
            { "value": "8", "measurand": "Current.Offered", "unit": "A" },
        ])
    } else {
        values
    };
    let mut payload = json!({
        "connectorId": 1,
        "meterValue": [{ "timestamp": time(now.at, odd), "sampledValue": values }],
    });
    if odd.broken_messages
        && let Some(list) = payload["meterValue"].as_array_mut()
    {
        list.push(json!({ "timestamp": "0", "sampledValue": [] }));
    }
    if !odd.readings_without_transaction {
        payload["transactionId"] = json!(now.transaction.parse::<i64>().unwrap_or(-1));
    }
    ("MeterValues", payload)
}

pub(super) fn stop(version: Version, now: &Moment<'_>, odd: &Oddities) -> (&'static str, Value) {
    if version != Version::V16 {
        return ("TransactionEvent", event("Ended", "EVDeparted", now, odd));
    }
    let id = if odd.stops_unnamed {
        -1
    } else {
        now.transaction.parse::<i64>().unwrap_or(-1)
    };
    let payload = json!({
        "transactionId": id, "meterStop": whole_wh(now.register),
        "timestamp": time(now.at, odd), "reason": "EVDisconnected",
    });
    ("StopTransaction", payload)
}

fn event(kind: &str, trigger: &str, now: &Moment<'_>, odd: &Oddities) -> Value {
    json!({
        "eventType": kind,
        "timestamp": time(now.at, odd),
        "triggerReason": trigger,
        "seqNo": now.seq_no,
        "transactionInfo": { "transactionId": now.transaction, "chargingState": "Charging" },
        "meterValue": [{
            "timestamp": time(now.at, odd),
            "sampledValue": [
                { "value": whole_wh(now.register) },
                { "value": now.power.watts(), "measurand": "Power.Active.Import" },
            ],
        }],
    })
}

/// A register shows whole Wh.
fn whole_wh(register: Energy) -> i64 {
    register.joules().div_euclid(3600)
}

/// Its settings as it answers `GetConfiguration`.
pub(super) fn configuration(odd: &Oddities) -> Value {
    if odd.no_settings {
        return json!({ "configurationKey": [] });
    }
    let unit = if odd.watts_only { "Power" } else { "Current" };
    let keys = [
        (
            "ChargeProfileMaxStackLevel",
            if odd.reports_high_stack { "999" } else { "8" },
        ),
        ("ChargingScheduleAllowedChargingRateUnit", unit),
        ("ChargingScheduleMaxPeriods", "64"),
        ("MeterValueSampleInterval", "300"),
        (
            "MeterValuesSampledData",
            "Energy.Active.Import.Register,Power.Active.Import",
        ),
    ];
    let listed: Vec<Value> = keys
        .iter()
        .map(|(key, value)| json!({ "key": key, "readonly": false, "value": value }))
        .collect();
    json!({ "configurationKey": listed })
}

/// Its settings as it reports them over 2.x.
pub(super) fn report(request_id: i64, at: Time, odd: &Oddities) -> (&'static str, Value) {
    let unit = if odd.watts_only { "W" } else { "A,W" };
    let variables = [
        ("SmartChargingCtrlr", "ProfileStackLevel", "8"),
        ("SmartChargingCtrlr", "RateUnit", unit),
        ("SmartChargingCtrlr", "PeriodsPerSchedule", "64"),
        ("SampledDataCtrlr", "TxUpdatedInterval", "300"),
    ];
    let data: Vec<Value> = variables
        .iter()
        .filter(|_| !odd.no_settings)
        .map(|(component, variable, value)| {
            json!({
                "component": { "name": component }, "variable": { "name": variable },
                "variableAttribute": [{ "value": value }],
            })
        })
        .collect();
    let mut payload = json!({
        "requestId": request_id, "generatedAt": time(at, odd), "seqNo": 0, "tbc": false,
    });
    if !data.is_empty() {
        payload["reportData"] = json!(data);
    }
    ("NotifyReport", payload)
}
