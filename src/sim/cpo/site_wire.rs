//! The depot as an OCPI Location. Source: OCPI `mod_locations`.

use serde_json::{Value, json};

use super::answer::date_time;
use super::options::CpoOptions;
use crate::domain::time::Time;
use crate::sim::world::{Depot, SimEvse};

/// The one connector of every EVSE.
pub(super) const CONNECTOR_ID: &str = "1";

/// The Location with all its EVSEs.
pub(super) fn location(options: &CpoOptions, depot: &Depot) -> Value {
    let at = depot.now();
    let evses: Vec<_> = depot
        .evses()
        .iter()
        .map(|evse| self::evse(options, evse, at))
        .collect();
    json!({
        "country_code": options.country_code,
        "party_id": options.party_id,
        "id": options.location_id,
        "publish": false,
        "name": "Simulated depot",
        "address": "Depotweg 1",
        "city": "Utrecht",
        "postal_code": "3500 AA",
        "country": "NLD",
        "coordinates": { "latitude": "52.09000", "longitude": "5.12000" },
        "evses": evses,
        "time_zone": options.time_zone,
        "charging_when_closed": true,
        "last_updated": date_time(at),
    })
}

/// One EVSE.
pub(super) fn evse(options: &CpoOptions, evse: &SimEvse, at: Time) -> Value {
    let status = if evse.plugged().is_some() {
        "CHARGING"
    } else {
        "AVAILABLE"
    };
    let compact: String = evse
        .id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    json!({
        "uid": evse.id,
        "evse_id": format!("{}*{}*E{compact}", options.country_code, options.party_id),
        "status": status,
        "capabilities": ["CHARGING_PROFILE_CAPABLE", "RFID_READER"],
        "connectors": [connector(evse, at)],
        "last_updated": date_time(at),
    })
}

/// The connector of an EVSE.
pub(super) fn connector(evse: &SimEvse, at: Time) -> Value {
    let power_type = if evse.phases == 3 {
        "AC_3_PHASE"
    } else {
        "AC_1_PHASE"
    };
    json!({
        "id": CONNECTOR_ID,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": power_type,
        "max_voltage": evse.voltage.millivolts() / 1000,
        "max_amperage": evse.rating.milliamps() / 1000,
        "max_electric_power": evse.max_power().watts(),
        "last_updated": date_time(at),
    })
}
