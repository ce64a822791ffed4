//! Departures as they come in: one, a list, or CSV.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::input::{Maybe, Node, Object};
use super::problem::{Faults, Problem};
use crate::domain::id::{DepartureKey, EvseId, TenantId};
use crate::domain::key::hashed_key;
use crate::domain::quantity::Energy;
use crate::domain::session::Departure;
use crate::domain::site::Site;
use crate::domain::time::Time;

/// Most departures of one site.
pub(super) const MAX_DEPARTURES: usize = 10_000;
/// How far ahead a departure may lie.
const MAX_AHEAD: TimeDelta = TimeDelta::days(40);
/// Most energy of one session, in kWh: more than any battery on wheels.
const MAX_KWH: f64 = 10_000.0;

/// A departure and what is to be said about it.
#[derive(Clone, Debug)]
pub(super) struct DepartureBody {
    pub(super) departure: Departure,
    pub(super) warnings: Vec<String>,
}

/// The key under which a departure is filed: an EVSE of the site by its name, anything else (id
/// token, contract, vehicle) by its hash. `None` for a text that names nobody.
pub(super) fn key_of(site: &Site, text: &str) -> Option<DepartureKey> {
    let is_evse = EvseId::new(text).is_ok_and(|id| site.evse(&id).is_some());
    if is_evse {
        DepartureKey::new(text).ok()
    } else {
        hashed(&site.tenant, text)
    }
}

fn hashed(tenant: &TenantId, text: &str) -> Option<DepartureKey> {
    // Longer than any id of OCPI or OCPP.
    (text.chars().count() <= 128)
        .then(|| hashed_key(tenant, text))
        .flatten()
}

/// Reads the body of `PUT departures/{key}`.
pub(super) fn read_one(
    site: &Site,
    key: &str,
    body: &Value,
    now: Time,
) -> Result<DepartureBody, Problem> {
    let faults = Faults::default();
    let key = key_of(site, key);
    if key.is_none() {
        faults.add("", "the key in the path names nobody");
    }
    let read = Node::root(body, &faults)
        .object()
        .and_then(|object| read_needs(object, key, now));
    faults.give(read)
}

/// Reads the body of `PUT departures`: a list of objects that carry their key.
pub(super) fn read_all(
    site: &Site,
    body: &Value,
    now: Time,
) -> Result<Vec<DepartureBody>, Problem> {
    let faults = Faults::default();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for node in Node::root(body, &faults)
        .list(MAX_DEPARTURES)
        .into_iter()
        .flatten()
    {
        let Some(object) = node.object() else {
            continue;
        };
        let key = object.need("key").and_then(|node| {
            let key = key_of(site, node.text()?);
            if key.is_none() {
                node.fault("names nobody");
            }
            key
        });
        if key.as_ref().is_some_and(|key| !seen.insert(key.clone())) {
            object.fault("key", "is there twice");
        }
        all.extend(read_needs(object, key, now));
    }
    faults.give(Some(all))
}

fn read_needs(object: Object<'_>, key: Option<DepartureKey>, now: Time) -> Option<DepartureBody> {
    let mut warnings = Vec::new();
    let departure = object.maybe("departure", |node| {
        let at = node.instant()?;
        if at <= now {
            node.fault(format!("lies in the past; it is {now} now"));
        } else if at > now + MAX_AHEAD {
            node.fault("lies more than 40 days ahead");
        }
        Some(at)
    });
    let energy = object.maybe("energy_kwh", |node| node.number(&(0.0..=MAX_KWH)));
    let target = object.maybe("soc_target_percent", |node| node.number(&(0.0..=100.0)));
    let present = object.maybe("soc_percent", |node| node.number(&(0.0..=100.0)));
    let capacity = object.maybe("capacity_kwh", |node| node.number(&(1.0..=MAX_KWH)));
    if let Some(node) = object.get("days") {
        node.fault("repeating days are not offered yet; file each departure with its date");
    }
    let absent = |member: Maybe<f64>| member == Some(None);
    match (absent(target), absent(capacity)) {
        (false, true) => object.fault("capacity_kwh", "is missing; soc_target_percent needs it"),
        (true, false) => object.fault("soc_target_percent", "is missing; capacity_kwh needs it"),
        _ => {}
    }
    if !absent(target) && !absent(energy) {
        object.fault(
            "energy_kwh",
            "is given beside soc_target_percent; give one of the two",
        );
    }
    if departure == Some(None) && absent(energy) && absent(target) {
        object.fault(
            "departure",
            "is missing; give departure, energy_kwh or both",
        );
    }
    object.close();
    let (departure, energy) = (departure?, energy?);
    let (target, present, capacity) = (target?, present?, capacity?);
    let by_soc = match (target, present, capacity) {
        (Some(target), Some(present), Some(capacity)) => {
            Some(((target - present) / 100.0 * capacity).max(0.0))
        }
        (Some(_), None, Some(_)) => {
            warnings.push(
                "the present state of charge is not known (soc_percent), so the car is charged \
                 until it stops"
                    .to_owned(),
            );
            None
        }
        _ => None,
    };
    Some(DepartureBody {
        departure: Departure {
            key: key?,
            departure,
            energy: energy.or(by_soc).map(Energy::from_kilowatt_hours),
        },
        warnings,
    })
}

/// CSV with a header to the same JSON list, so that it is checked by the same rules; the pointers
/// count rows from 0 below the header. An empty field is an absent one.
pub(super) fn csv_to_json(bytes: &[u8]) -> Result<Value, Problem> {
    const TEXTS: [&str; 2] = ["key", "departure"];
    let wrong = |error: csv::Error| Problem::fault("", format!("is not valid CSV: {error}"));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let header = reader.headers().map_err(wrong)?.clone();
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        if index >= MAX_DEPARTURES {
            return Err(Problem::fault(
                "",
                format!("has more than {MAX_DEPARTURES} rows"),
            ));
        }
        let record = record.map_err(wrong)?;
        let mut row = Map::new();
        for (name, field) in header
            .iter()
            .zip(&record)
            .filter(|(_, field)| !field.is_empty())
        {
            let value = match field.parse::<f64>() {
                // NaN and infinities stay texts, and are refused as such.
                Ok(number) if number.is_finite() && !TEXTS.contains(&name) => number.into(),
                _ => field.into(),
            };
            row.insert(name.to_owned(), value);
        }
        rows.push(Value::Object(row));
    }
    Ok(Value::Array(rows))
}
