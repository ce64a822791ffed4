//! Where a circuit's lower limit is taken from, and how what is found there becomes a signal.
//!
//! OCPI has no field for a site's limit. Three ways carry one all the same: a field that a partner
//! adds to its Locations, an HTTP endpoint with JSON, and a module of our own that partners PUT to.
//! None of them raises what the operator configured: they are import limits like any signal (I4),
//! and when one goes silent the fail-safe limit holds.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{CircuitId, PartnerId, SignalKey};
use super::quantity::Power;
use super::signal::{MAX_SIGNAL_SLOTS, SignalKind, SignalSeries, SignalSlot};
use super::time::Time;

/// Highest limit that is believed, kW: a gigawatt.
const MAX_KW: f64 = 1e6;
/// How long a value counts where nothing else is said: a day for what comes over OCPI (locations
/// are read back every 6 hours), 15 minutes for what is polled.
const OCPI_MAX_AGE_S: u32 = 24 * 3600;
const HTTP_MAX_AGE_S: u32 = 15 * 60;
/// Pause between two polls where nothing else is said.
const POLL_S: u32 = 60;

/// Where a limit comes from: exactly one of three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitSource {
    /// A field that a partner adds to one of its Locations.
    OcpiJsonPointer(LocationField),
    /// A JSON document that is asked for again and again.
    HttpJson(HttpDocument),
    /// What a partner PUTs to our module `sitelimits`.
    OcpiCustomModule(SiteLimits),
}

/// Unit of the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LimitUnit {
    /// Kilowatts.
    #[default]
    #[serde(rename = "kW")]
    Kilowatts,
    /// Watts.
    W,
}

/// A field of a Location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationField {
    /// Whose location.
    pub partner: PartnerId,
    /// OCPI `Location.id`.
    pub location_id: String,
    /// Where in it the limit is (RFC 6901): a number, or a list of slots.
    pub pointer: String,
    /// Unit of the numbers.
    #[serde(default)]
    pub unit: LimitUnit,
    /// How long a value counts after it was read back last.
    pub max_age_s: Option<u32>,
}

/// A document at an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpDocument {
    /// Its address.
    pub url: String,
    /// Where in it the limit is (RFC 6901): a number, or a list of slots.
    #[serde(default)]
    pub pointer: String,
    /// Unit of the numbers.
    #[serde(default)]
    pub unit: LimitUnit,
    /// Pause between two polls.
    pub poll_s: Option<u32>,
    /// How long a value counts after it was fetched.
    pub max_age_s: Option<u32>,
}

/// What a partner tells our module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteLimits {
    /// Who tells.
    pub partner: PartnerId,
    /// Of which location.
    pub location_id: String,
    /// Which of the circuits it names; absent: the one without an id.
    pub circuit: Option<String>,
    /// How long a value counts after it was told.
    pub max_age_s: Option<u32>,
}

/// A limit as it was found, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLimit {
    /// Slots in order; a value without end has `None`.
    slots: Vec<(Time, Option<Time>, Power)>,
}

impl LimitSource {
    /// Reads and checks one as the operator wrote it.
    pub fn read(value: &Value) -> Result<Self, String> {
        let source: Self = serde_json::from_value(value.clone()).map_err(|error| {
            format!("{error}; one of ocpi_json_pointer, http_json, ocpi_custom_module is needed")
        })?;
        let pointer = match &source {
            Self::OcpiJsonPointer(field) => field.pointer.as_str(),
            Self::HttpJson(document) => {
                let is_http = ["http://", "https://"]
                    .iter()
                    .any(|s| document.url.starts_with(s));
                if !is_http {
                    return Err("url must begin with https:// or http://".into());
                }
                if document.poll_s.is_some_and(|s| !(5..=86_400).contains(&s)) {
                    return Err("poll_s must lie between 5 and 86400".into());
                }
                document.pointer.as_str()
            }
            Self::OcpiCustomModule(_) => "",
        };
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err("pointer must begin with / (RFC 6901)".into());
        }
        if source.max_age_s() < 10 {
            return Err("max_age_s must be 10 or more".into());
        }
        Ok(source)
    }

    /// How long a value counts.
    pub fn max_age_s(&self) -> u32 {
        match self {
            Self::OcpiJsonPointer(field) => field.max_age_s.unwrap_or(OCPI_MAX_AGE_S),
            Self::OcpiCustomModule(limits) => limits.max_age_s.unwrap_or(OCPI_MAX_AGE_S),
            Self::HttpJson(document) => document.max_age_s.unwrap_or(HTTP_MAX_AGE_S),
        }
    }

    /// Finds the limit in what the source gave.
    pub fn find(&self, document: &Value) -> Result<FoundLimit, String> {
        match self {
            Self::OcpiJsonPointer(field) => at(document, &field.pointer, field.unit),
            Self::HttpJson(http) => at(document, &http.pointer, http.unit),
            Self::OcpiCustomModule(limits) => limits.find(document),
        }
    }
}

/// What the keys of these signals begin with.
pub const SIGNAL_PREFIX: &str = "limit-source-";

/// The key of the signal of a circuit's source.
pub fn signal_key(circuit: &CircuitId) -> Option<SignalKey> {
    SignalKey::new(format!("{SIGNAL_PREFIX}{circuit}")).ok()
}

impl HttpDocument {
    /// Pause between two polls.
    pub fn poll(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.poll_s.unwrap_or(POLL_S)))
    }
}

impl SiteLimits {
    /// In `{"circuits": [{"id"?, "import_limit_kw": number or slots}]}`.
    fn find(&self, document: &Value) -> Result<FoundLimit, String> {
        let circuits = document.get("circuits").and_then(Value::as_array);
        let circuits = circuits.ok_or("circuits is not a list")?;
        let told = circuits.iter().find(|circuit| {
            let id = circuit.get("id").and_then(Value::as_str);
            id == self.circuit.as_deref()
        });
        let told = told.ok_or_else(|| match &self.circuit {
            Some(id) => format!("circuits has none with the id {id:?}"),
            None => "circuits has none without an id".to_owned(),
        })?;
        at(told, "/import_limit_kw", LimitUnit::Kilowatts)
    }
}

/// A number, or a list of `{"start", "end"?, "value" or "limit_kw"}`, at a place of a document.
fn at(document: &Value, pointer: &str, unit: LimitUnit) -> Result<FoundLimit, String> {
    let found = document
        .pointer(pointer)
        .ok_or_else(|| format!("there is nothing at {pointer:?}"))?;
    let slots = match found {
        Value::Array(entries) if entries.len() > MAX_SIGNAL_SLOTS => {
            return Err(format!(
                "{} slots; at most {MAX_SIGNAL_SLOTS}",
                entries.len()
            ));
        }
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                slot(entry, unit).map_err(|why| format!("{pointer}/{index}: {why}"))
            })
            .collect::<Result<Vec<_>, _>>()?,
        number => vec![(Time::MIN_UTC, None, power(number, unit)?)],
    };
    if slots.is_empty() {
        return Err(format!("the list at {pointer:?} is empty"));
    }
    if slots.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(format!("the slots at {pointer:?} are not in order"));
    }
    Ok(FoundLimit { slots })
}

fn slot(entry: &Value, unit: LimitUnit) -> Result<(Time, Option<Time>, Power), String> {
    let instant = |field: &str| -> Result<Option<Time>, String> {
        match entry.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_str()
                .and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok())
                .map(|at| Some(at.to_utc()))
                .ok_or_else(|| format!("{field} is no time of RFC 3339")),
        }
    };
    let start = instant("start")?.ok_or("start is missing")?;
    let end = instant("end")?;
    if end.is_some_and(|end| end <= start) {
        return Err("end is not after start".into());
    }
    let (value, unit) = match (entry.get("limit_kw"), entry.get("value")) {
        (Some(kilowatts), _) => (kilowatts, LimitUnit::Kilowatts),
        (None, Some(value)) => (value, unit),
        (None, None) => return Err("limit_kw is missing".into()),
    };
    Ok((start, end, power(value, unit)?))
}

/// A power, rounded down to whole watts; what is not believable is refused, so that a wrong unit
/// does not become a limit.
fn power(value: &Value, unit: LimitUnit) -> Result<Power, String> {
    let number = value.as_f64().filter(|number| number.is_finite());
    let kilowatts = match unit {
        LimitUnit::Kilowatts => number,
        LimitUnit::W => number.map(|watts| watts / 1000.0),
    };
    kilowatts
        .filter(|kw| (0.0..=MAX_KW).contains(kw))
        .map(Power::floor_from_kilowatts)
        .ok_or_else(|| format!("{value:.60} is no limit: 0 to {MAX_KW} kW"))
}

impl FoundLimit {
    /// The limit as a signal of a circuit. A single value counts from when it was read until it is
    /// too old; of a list each slot counts until its end, the next start, or until it is too old.
    pub fn signal(
        &self,
        circuit: &CircuitId,
        source: &str,
        read_at: Time,
        max_age_s: u32,
    ) -> Option<SignalSeries> {
        let too_old = read_at + TimeDelta::seconds(i64::from(max_age_s));
        let mut slots = Vec::with_capacity(self.slots.len());
        for (index, (start, end, limit)) in self.slots.iter().enumerate() {
            let start = (*start).max(read_at - TimeDelta::days(1));
            let next = self.slots.get(index + 1).map(|slot| slot.0);
            // An announced slot is honoured to its end; only what has none grows too old.
            let end = match (*end, next) {
                (Some(end), Some(next)) => end.min(next),
                (Some(end), None) => end,
                (None, Some(next)) => next,
                (None, None) => too_old.max(start),
            };
            if end > start {
                slots.push(SignalSlot {
                    start,
                    end,
                    value: limit.watts(),
                });
            }
        }
        Some(SignalSeries {
            key: signal_key(circuit)?,
            source: source.to_owned(),
            revision: 1,
            kind: SignalKind::ImportLimit,
            circuit: Some(circuit.clone()),
            slots,
            priority: 0,
            hard: true,
            issued_at: read_at,
            received_at: read_at,
            valid_until: Some(too_old),
            evse: None,
            evses_only: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at_minute(minute: u32) -> Time {
        format!("2026-11-22T16:{minute:02}:00Z").parse().unwrap()
    }

    fn field(pointer: &str) -> LimitSource {
        LimitSource::read(
            &json!({"ocpi_json_pointer": {"partner": "acme", "location_id": "L",
            "pointer": pointer, "max_age_s": 600}}),
        )
        .unwrap()
    }

    fn slots(found: &FoundLimit) -> Vec<(Time, Time, i64)> {
        let circuit = CircuitId::new("site").unwrap();
        let signal = found.signal(&circuit, "test", at_minute(0), 600).unwrap();
        assert_eq!(signal.key.as_str(), "limit-source-site");
        let slots = signal.slots.iter();
        slots
            .map(|slot| (slot.start, slot.end, slot.value))
            .collect()
    }

    #[test]
    fn a_number_counts_until_it_is_too_old() {
        let location = json!({"id": "L", "grid": {"limit": 149.9999}});
        let found = field("/grid/limit").find(&location).unwrap();
        // Rounded down: a limit rounds towards safety.
        let only = slots(&found)[0];
        assert_eq!((only.1, only.2), (at_minute(10), 149_999));
    }

    #[test]
    fn a_list_is_a_schedule_whose_last_open_slot_grows_too_old() {
        let location = json!({"grid": [
            {"start": "2026-11-22T16:00:00Z", "limit_kw": 100},
            {"start": "2026-11-22T16:04:00Z", "end": "2026-11-22T16:06:00Z", "limit_kw": 50},
            {"start": "2026-11-22T16:08:00Z", "limit_kw": 80},
        ]});
        let found = field("/grid").find(&location).unwrap();
        assert_eq!(
            slots(&found),
            [
                (at_minute(0), at_minute(4), 100_000),
                (at_minute(4), at_minute(6), 50_000),
                (at_minute(8), at_minute(10), 80_000),
            ]
        );
    }

    #[test]
    fn what_is_not_believable_is_no_limit() {
        for wrong in [
            json!(-1),
            json!("50"),
            json!(1e9),
            json!(null),
            json!([]),
            json!({}),
            json!([{"start": "today", "limit_kw": 1}]),
            json!([{"start": "2026-11-22T16:00:00Z"}]),
            json!([{"start": "2026-11-22T17:00:00Z", "limit_kw": 1},
                {"start": "2026-11-22T16:00:00Z", "limit_kw": 1}]),
        ] {
            assert!(field("/x").find(&json!({ "x": wrong })).is_err(), "{wrong}");
        }
        assert!(field("/y").find(&json!({"x": 1})).is_err());
    }

    #[test]
    fn the_module_names_circuits_by_their_id() {
        let source = |circuit: Value| {
            LimitSource::read(&json!({"ocpi_custom_module": {"partner": "acme",
                "location_id": "L", "circuit": circuit}}))
            .unwrap()
        };
        let told = json!({"circuits": [{"import_limit_kw": 200}, {"id": "F1",
            "import_limit_kw": 63.5}]});
        let watts = |source: LimitSource| slots(&source.find(&told).unwrap())[0].2;
        assert_eq!(watts(source(json!("F1"))), 63_500);
        assert_eq!(watts(source(Value::Null)), 200_000);
        assert!(source(json!("F2")).find(&told).is_err());
    }

    #[test]
    fn a_source_says_what_is_wrong_with_it() {
        for wrong in [
            json!({}),
            json!({"other": {}}),
            json!({"http_json": {"url": "ftp://x/"}}),
            json!({"http_json": {"url": "https://x/", "pointer": "a"}}),
            json!({"http_json": {"url": "https://x/", "poll_s": 1}}),
            json!({"http_json": {"url": "https://x/", "typo": 1}}),
            json!({"ocpi_json_pointer": {"partner": "a b", "location_id": "L", "pointer": "/x"}}),
        ] {
            assert!(LimitSource::read(&wrong).is_err(), "{wrong}");
        }
    }
}
