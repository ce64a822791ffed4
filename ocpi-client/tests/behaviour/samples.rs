//! Objects as the specification wants them.

use serde_json::{Value, json};

pub(crate) fn session() -> Value {
    json!({
        "country_code": "NL", "party_id": "CPO", "id": "S-1",
        "start_date_time": "2026-03-01T08:00:00Z", "kwh": 4.25,
        "cdr_token": {
            "country_code": "NL", "party_id": "MSP", "uid": "0432",
            "type": "RFID", "contract_id": "NL-MSP-C1"
        },
        "auth_method": "WHITELIST", "location_id": "L1", "evse_uid": "E1", "connector_id": "1",
        "currency": "EUR", "status": "ACTIVE", "last_updated": "2026-03-01T08:15:00Z"
    })
}

pub(crate) fn connector() -> Value {
    json!({
        "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE",
        "max_voltage": 230, "max_amperage": 32, "last_updated": "2026-03-01T08:00:00Z"
    })
}

pub(crate) fn evse() -> Value {
    json!({
        "uid": "E1", "status": "AVAILABLE", "capabilities": ["CHARGING_PROFILE_CAPABLE"],
        "connectors": [connector()], "last_updated": "2026-03-01T08:00:00Z"
    })
}

pub(crate) fn location() -> Value {
    json!({
        "country_code": "NL", "party_id": "CPO", "id": "L1", "publish": true,
        "address": "Road 1", "city": "Town", "country": "NLD", "time_zone": "Europe/Amsterdam",
        "coordinates": {"latitude": "52.1", "longitude": "5.1"},
        "evses": [evse()], "last_updated": "2026-03-01T08:00:00Z"
    })
}

pub(crate) fn tariff() -> Value {
    json!({
        "country_code": "NL", "party_id": "CPO", "id": "T1", "currency": "EUR",
        "elements": [{
            "price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}],
            "restrictions": {"start_time": "22:00", "end_time": "06:00"}
        }],
        "last_updated": "2026-03-01T08:00:00Z"
    })
}

pub(crate) fn credentials(token: &str) -> Value {
    json!({
        "token": token, "url": "https://cpo.example/ocpi/versions",
        "roles": [{
            "role": "CPO", "party_id": "CPO", "country_code": "NL",
            "business_details": {"name": "Charge Point Operator"}
        }]
    })
}

/// The same object with one field set.
pub(crate) fn with(mut object: Value, field: &str, value: Value) -> Value {
    object
        .as_object_mut()
        .unwrap()
        .insert(field.to_owned(), value);
    object
}

/// The same object without one field.
pub(crate) fn without(mut object: Value, field: &str) -> Value {
    object.as_object_mut().unwrap().remove(field);
    object
}
