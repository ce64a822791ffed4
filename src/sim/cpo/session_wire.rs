//! Sessions on the wire. Source: OCPI `mod_sessions`.

use serde_json::{Map, Value, json};

use super::answer::date_time;
use super::book::{Entry, Measured};
use super::options::{CpoOptions, PreferencesBy};
use super::site_wire::CONNECTOR_ID;
use crate::domain::time::Time;
use crate::sim::world::{Car, FineEnergy};

/// The whole Session.
pub(super) fn session(options: &CpoOptions, entry: &Entry) -> Value {
    let periods: Vec<_> = entry.measured.iter().map(period).collect();
    let mut session = json!({
        "country_code": options.country_code,
        "party_id": options.party_id,
        "id": entry.id,
        "start_date_time": date_time(entry.started_at),
        "kwh": kwh(entry.energy),
        "cdr_token": {
            "country_code": options.country_code,
            "party_id": options.party_id,
            "uid": format!("CARD{:06}", entry.number),
            "type": "RFID",
            "contract_id": format!("{}-{}-C{:06}", options.country_code, options.party_id, entry.number),
        },
        "auth_method": "WHITELIST",
        "location_id": options.location_id,
        "evse_uid": entry.evse,
        "connector_id": CONNECTOR_ID,
        "currency": options.currency,
        "charging_periods": periods,
        "status": status(entry),
        "last_updated": date_time(entry.updated_at),
    });
    if let Value::Object(fields) = &mut session {
        if let Some(ended_at) = entry.ended_at {
            fields.insert("end_date_time".into(), json!(date_time(ended_at)));
        }
        if options.preferences == PreferencesBy::SessionField
            && let Some(car) = &entry.car
        {
            fields.insert("charging_preferences".into(), preferences(car));
        }
    }
    session
}

/// What changed: energy, the new periods, and the end if it is over.
pub(super) fn patch(entry: &Entry, new: &[Measured]) -> Value {
    let mut fields = Map::new();
    fields.insert("kwh".into(), json!(kwh(entry.energy)));
    if !new.is_empty() {
        let periods: Vec<_> = new.iter().map(period).collect();
        fields.insert("charging_periods".into(), json!(periods));
    }
    if let Some(ended_at) = entry.ended_at {
        fields.insert("end_date_time".into(), json!(date_time(ended_at)));
        fields.insert("status".into(), json!(status(entry)));
    }
    fields.insert("last_updated".into(), json!(date_time(entry.updated_at)));
    Value::Object(fields)
}

/// OCPI's `ChargingPreferences`: when the driver leaves, and the energy of the whole session.
pub(super) fn preferences(car: &Car) -> Value {
    json!({
        "profile_type": "CHEAP",
        "departure_time": date_time(car.departure),
        "energy_need": car.need.kilowatt_hours(),
        "discharge_allowed": false,
    })
}

fn period(measured: &Measured) -> Value {
    json!({
        "start_date_time": date_time(measured.from),
        "dimensions": [
            { "type": "ENERGY", "volume": kwh(measured.energy) },
            { "type": "POWER", "volume": measured.mean_power().kilowatts() },
        ],
    })
}

fn status(entry: &Entry) -> &'static str {
    if entry.ended_at.is_some() {
        "COMPLETED"
    } else {
        "ACTIVE"
    }
}

/// OCPI numbers have four decimals.
fn kwh(energy: FineEnergy) -> f64 {
    (energy.kilowatt_hours() * 1e4).round() / 1e4
}

/// True if a session belongs in a list from `from` (inclusive) to `to` (exclusive).
pub(super) fn is_within(entry: &Entry, from: Time, to: Option<Time>) -> bool {
    entry.updated_at >= from && to.is_none_or(|to| entry.updated_at < to)
}
