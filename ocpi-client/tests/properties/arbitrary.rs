//! Generators: any JSON, and valid objects with parts of them spoiled.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Names of fields that mean something, so that arbitrary objects reach into the readers.
const NAMES: [&str; 44] = [
    "country_code",
    "party_id",
    "id",
    "uid",
    "status",
    "last_updated",
    "start_date_time",
    "kwh",
    "type",
    "token",
    "url",
    "roles",
    "role",
    "version",
    "endpoints",
    "identifier",
    "data",
    "status_code",
    "result",
    "timeout",
    "profile",
    "charging_profile",
    "charging_profile_period",
    "limit",
    "start_period",
    "charging_rate_unit",
    "evses",
    "connectors",
    "max_voltage",
    "max_amperage",
    "power_type",
    "charging_periods",
    "dimensions",
    "volume",
    "cdr_token",
    "total_cost",
    "excl_vat",
    "before_taxes",
    "elements",
    "price_components",
    "price",
    "restrictions",
    "profile_type",
    "response_url",
];

/// A name that means something, one in another spelling, or any.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
        1 => proptest::sample::select(&NAMES[..]).prop_map(str::to_uppercase),
        1 => any::<String>(),
    ]
}

/// A text that may mean something, or any.
fn text() -> impl Strategy<Value = String> {
    let known = [
        "",
        "#NA",
        "ACTIVE",
        "reserved",
        "RESERVATION",
        "A",
        "W",
        "ACCEPTED",
        "AC_3_PHASE",
        "DC",
        "2.3.0",
        "NL",
        "2026-03-01T08:00:00Z",
        "2026-03-01T08:00:00+02:00",
        "2026-02-30T08:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "12.345",
        "-0.05",
        "1e400",
        "NaN",
        "true",
        "https://a.example/",
        "chargingprofiles",
        "RECEIVER",
    ];
    prop_oneof![
        3 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Any JSON value, a few levels deep.
pub(crate) fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-100_000_i64..100_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// One of these objects with up to four places replaced by any JSON.
pub(crate) fn spoiled(samples: Vec<Value>) -> impl Strategy<Value = Value> {
    let change = (any::<prop::sample::Index>(), json_value());
    (
        proptest::sample::select(samples),
        proptest::collection::vec(change, 0..4),
    )
        .prop_map(|(mut sample, changes)| {
            for (place, value) in changes {
                let places = places(&sample, "");
                let place = &places[place.index(places.len())];
                if let Some(target) = sample.pointer_mut(place) {
                    *target = value;
                }
            }
            sample
        })
}

/// JSON pointers to every place of a value below its root.
fn places(value: &Value, path: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    let mut all: Vec<String> = children
        .into_iter()
        .flat_map(|(name, value)| {
            let place = format!("{path}/{name}");
            let deeper = places(value, &place);
            std::iter::once(place).chain(deeper)
        })
        .collect();
    if path.is_empty() && all.is_empty() {
        all.push(String::new());
    }
    all
}

const TIME: &str = "2026-03-01T08:00:00Z";

/// A full session.
pub(crate) fn session() -> Value {
    json!({
        "country_code": "NL", "party_id": "CPO", "id": "S-1", "start_date_time": TIME,
        "end_date_time": TIME, "kwh": 4.25,
        "cdr_token": {
            "country_code": "NL", "party_id": "MSP", "uid": "1", "type": "RFID", "contract_id": "C"
        },
        "auth_method": "WHITELIST", "authorization_reference": "R", "location_id": "L1",
        "evse_uid": "E1", "connector_id": "1", "meter_id": "M", "currency": "EUR",
        "charging_periods": [{
            "start_date_time": TIME, "dimensions": [{"type": "ENERGY", "volume": 1.5}],
            "tariff_id": "T"
        }],
        "total_cost": {"excl_vat": 1.0, "incl_vat": 1.21}, "status": "ACTIVE",
        "last_updated": TIME, "_own": {"a": [1]}
    })
}

/// A full location.
pub(crate) fn location() -> Value {
    json!({
        "country_code": "NL", "party_id": "CPO", "id": "L1", "publish": true, "name": "Depot",
        "address": "Road 1", "city": "Town", "postal_code": "1", "state": "S", "country": "NLD",
        "coordinates": {"latitude": "52.1", "longitude": "5.1"},
        "evses": [{
            "uid": "E1", "evse_id": "NL*CPO*E1", "status": "CHARGING",
            "capabilities": ["CHARGING_PROFILE_CAPABLE", "OWN"],
            "connectors": [{
                "id": "1", "standard": "IEC_62196_T2", "format": "CABLE", "power_type": "AC_3_PHASE",
                "max_voltage": 230, "max_amperage": 32, "max_electric_power": 22000,
                "tariff_ids": ["T"], "last_updated": TIME
            }],
            "floor_level": "1", "physical_reference": "7", "last_updated": TIME
        }],
        "time_zone": "Europe/Amsterdam",
        "energy_mix": {
            "is_green_energy": true,
            "energy_sources": [{"source": "WIND", "percentage": 100.0}],
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 0.0}],
            "supplier_name": "S", "energy_product_name": "P"
        },
        "opening_times": {"twentyfourseven": true}, "last_updated": TIME
    })
}

/// A full tariff in the shape of either version.
pub(crate) fn tariffs() -> Vec<Value> {
    let tariff = |price: Value| {
        json!({
            "country_code": "NL", "party_id": "CPO", "id": "T1", "currency": "EUR",
            "type": "REGULAR", "tariff_alt_text": [{"language": "en", "text": "x"}],
            "tariff_alt_url": "https://cpo.example/t", "min_price": price, "max_price": price,
            "elements": [{
                "price_components": [
                    {"type": "ENERGY", "price": 0.25, "vat": 21.0, "step_size": 1}
                ],
                "restrictions": {
                    "start_time": "22:00", "end_time": "06:00", "start_date": "2026-01-01",
                    "end_date": "2026-02-01", "min_kwh": 1.0, "max_kwh": 2.0, "min_current": 1.0,
                    "max_current": 2.0, "min_power": 1.0, "max_power": 2.0, "min_duration": 1,
                    "max_duration": 2, "day_of_week": ["MONDAY"], "reservation": "RESERVATION"
                }
            }],
            "tax_included": "N/A", "start_date_time": TIME, "end_date_time": TIME,
            "energy_mix": {"is_green_energy": false}, "last_updated": TIME
        })
    };
    vec![
        tariff(json!({"excl_vat": 1.0, "incl_vat": 1.21})),
        tariff(json!({"before_taxes": 1.0, "after_taxes": 1.21})),
    ]
}

/// A message about a profile.
pub(crate) fn profile_messages() -> Vec<Value> {
    let profile = json!({
        "start_date_time": TIME, "duration": 900, "charging_rate_unit": "A",
        "min_charging_rate": 6.0,
        "charging_profile_period": [
            {"start_period": 0, "limit": 16.0}, {"start_period": 600, "limit": 6.1}
        ]
    });
    let active = json!({"start_date_time": TIME, "charging_profile": profile});
    vec![
        json!({"charging_profile": profile, "response_url": "https://us.example/r"}),
        json!({"result": "ACCEPTED", "profile": active}),
        json!({"result": "ACCEPTED", "timeout": 30}),
        active,
        profile,
    ]
}

/// Messages of registration.
pub(crate) fn registration_messages() -> Vec<Value> {
    vec![
        json!({
            "token": "token-b", "url": "https://cpo.example/versions", "hub_party_id": "NLHUB",
            "roles": [{
                "role": "CPO", "party_id": "CPO", "country_code": "NL",
                "business_details": {
                    "name": "x", "website": "https://cpo.example",
                    "logo": {
                        "url": "https://cpo.example/l.png", "category": "OPERATOR", "type": "png",
                        "width": 10, "height": 10
                    }
                }
            }]
        }),
        json!({"version": "2.3.0", "url": "https://cpo.example/2.3.0"}),
        json!({
            "version": "2.3.0", "endpoints": [
                {"identifier": "credentials", "role": "SENDER", "url": "https://cpo.example/c"},
                {"identifier": "own-module", "role": "RECEIVER", "url": "https://cpo.example/o"}
            ]
        }),
        json!({
            "party_id": "CPO", "country_code": "NL", "role": "CPO", "status": "CONNECTED",
            "last_updated": TIME
        }),
        json!({
            "profile_type": "GREEN", "departure_time": TIME, "energy_need": 20.0,
            "discharge_allowed": false
        }),
    ]
}

/// Every sample.
pub(crate) fn samples() -> Vec<Value> {
    let mut all = vec![session(), location()];
    all.extend(tariffs());
    all.extend(profile_messages());
    all.extend(registration_messages());
    all
}

/// Any JSON or a spoiled sample.
pub(crate) fn message() -> impl Strategy<Value = Value> {
    prop_oneof![2 => spoiled(samples()), 1 => json_value()]
}
