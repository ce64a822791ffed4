//! What peers really send is understood, and every tolerance is written down.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use ocpi_client::read::{id, read_list, read_one};
use ocpi_client::types::{
    CiString, DateTime, Location, Session, SessionPatch, SessionStatus, Tenths,
};
use serde_json::{Value, json};

fn session() -> Value {
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

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object
        .as_object_mut()
        .unwrap()
        .insert(field.to_owned(), value);
    object
}

#[test]
fn a_session_as_specified_has_no_deviations() {
    let reading = read_one::<Session>(&session()).unwrap();
    assert!(reading.deviations.is_empty(), "{:?}", reading.deviations);
    assert_eq!(reading.value.id, "s-1");
    assert_eq!(reading.value.status, SessionStatus::Active);
}

#[test]
fn a_session_is_written_as_it_was_read() {
    let reading = read_one::<Session>(&session()).unwrap();
    assert_eq!(serde_json::to_value(&reading.value).unwrap(), session());
}

#[test]
fn absent_null_and_the_empty_list_are_equal() {
    let absent = read_one::<Session>(&session()).unwrap().value;
    let null = read_one::<Session>(&with(session(), "charging_periods", Value::Null)).unwrap();
    let empty = read_one::<Session>(&with(session(), "charging_periods", json!([]))).unwrap();
    assert_eq!(absent, null.value);
    assert_eq!(absent, empty.value);
    assert!(null.deviations.is_empty() && empty.deviations.is_empty());
}

#[test]
fn one_bad_object_never_loses_a_page() {
    let bad = with(session(), "last_updated", json!("yesterday"));
    let page = json!([session(), bad, 7, with(session(), "id", json!("S-2"))]);
    let reading = read_list::<Session>(&page);
    let ids: Vec<&str> = reading
        .value
        .iter()
        .map(|session| session.id.as_str())
        .collect();
    assert_eq!(ids, ["S-1", "S-2"]);
    let paths: Vec<&str> = reading.deviations.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(paths, ["$[1]", "$[2]"]);
    assert!(
        reading
            .deviations
            .iter()
            .all(|d| d.id == id::LIST_BAD_ENTRY)
    );
}

#[test]
fn unknown_fields_are_kept_and_written_back() {
    let sent = with(session(), "_private", json!({"a": [1, 2]}));
    let reading = read_one::<Session>(&sent).unwrap();
    assert!(reading.deviations.is_empty());
    assert_eq!(
        reading.value.extra.pointer("/_private/a/1"),
        Some(&json!(2))
    );
    assert_eq!(serde_json::to_value(&reading.value).unwrap(), sent);
}

#[test]
fn reserved_is_read_as_reservation() {
    let reading = read_one::<Session>(&with(session(), "status", json!("RESERVED"))).unwrap();
    assert_eq!(reading.value.status, SessionStatus::Reservation);
    assert!(reading.deviations.has(id::ENUM_ALIAS));
}

#[test]
fn an_unknown_status_is_kept_as_text() {
    let reading = read_one::<Session>(&with(session(), "status", json!("PAUSED"))).unwrap();
    assert_eq!(reading.value.status, SessionStatus::Other("PAUSED".into()));
    assert!(reading.deviations.has(id::ENUM_UNKNOWN));
}

#[test]
fn a_time_with_an_offset_is_converted_and_noted() {
    let sent = with(
        session(),
        "last_updated",
        json!("2026-03-01T10:15:00+02:00"),
    );
    let reading = read_one::<Session>(&sent).unwrap();
    assert_eq!(
        reading.value.last_updated.to_string(),
        "2026-03-01T08:15:00Z"
    );
    assert!(reading.deviations.has(id::DATETIME_OFFSET));
}

#[test]
fn a_time_without_designator_is_utc_and_nothing_to_note() {
    let sent = with(session(), "last_updated", json!("2026-03-01T08:15:00.5"));
    let reading = read_one::<Session>(&sent).unwrap();
    assert!(reading.deviations.is_empty());
    assert_eq!(
        reading.value.last_updated.to_string(),
        "2026-03-01T08:15:00Z"
    );
}

#[test]
fn a_cdr_token_without_country_and_party_is_tolerated() {
    let sent = with(
        session(),
        "cdr_token",
        json!({"uid": "1", "type": "RFID", "contract_id": "c"}),
    );
    let reading = read_one::<Session>(&sent).unwrap();
    assert_eq!(reading.value.cdr_token.unwrap().country_code, None);
    let paths: Vec<&str> = reading.deviations.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(paths, ["$.cdr_token.country_code", "$.cdr_token.party_id"]);
}

#[test]
fn numbers_in_quotes_are_read_and_noted() {
    let reading = read_one::<Session>(&with(session(), "kwh", json!("4.25"))).unwrap();
    assert!((reading.value.kwh - 4.25).abs() < f64::EPSILON);
    assert!(reading.deviations.has(id::NUMBER_AS_TEXT));
}

#[test]
fn a_patch_appends_charging_periods_and_replaces_the_rest() {
    let period = |at: &str| json!({"start_date_time": at, "dimensions": [{"type": "ENERGY", "volume": 1.0}]});
    let sent = with(
        session(),
        "charging_periods",
        json!([period("2026-03-01T08:00:00Z")]),
    );
    let session = read_one::<Session>(&sent).unwrap().value;
    let patch = json!({
        "kwh": 6.5, "charging_periods": [period("2026-03-01T08:20:00Z")],
        "last_updated": "2026-03-01T08:30:00Z"
    });
    let patched = session.patched(&read_one::<SessionPatch>(&patch).unwrap().value);
    assert_eq!(patched.charging_periods.len(), 2);
    assert!((patched.kwh - 6.5).abs() < f64::EPSILON);
    assert_eq!(patched.status, SessionStatus::Active);
    assert_eq!(patched.last_updated.to_string(), "2026-03-01T08:30:00Z");
}

#[test]
fn a_patch_without_last_updated_is_refused() {
    let refused = read_one::<SessionPatch>(&json!({"kwh": 1})).unwrap_err();
    assert_eq!(refused.deviation.id, id::FIELD_MISSING);
    assert_eq!(refused.deviation.path, "$.last_updated");
}

#[test]
fn four_hundred_volts_on_three_phases_is_read_as_line_to_line() {
    let location = json!({
        "country_code": "NL", "party_id": "CPO", "id": "L1", "publish": true,
        "address": "Road 1", "city": "Town", "country": "NLD", "time_zone": "Europe/Amsterdam",
        "coordinates": {"latitude": "52.1", "longitude": "5.1"},
        "evses": [{
            "uid": "E1", "status": "AVAILABLE", "last_updated": "2026-03-01T08:00:00Z",
            "connectors": [{
                "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET",
                "power_type": "AC_3_PHASE", "max_voltage": 400, "max_amperage": 32,
                "last_updated": "2026-03-01T08:00:00Z"
            }]
        }],
        "last_updated": "2026-03-01T08:00:00Z"
    });
    let reading = read_one::<Location>(&location).unwrap();
    let connector = &reading.value.evses[0].connectors[0];
    // 400 V / sqrt(3) = 230 V; 230 V x 32 A x 3 = 22,080 W, not 38,400 W.
    assert_eq!(connector.rated_power_w(), Some(22_080));
    let paths: Vec<&str> = reading.deviations.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(paths, ["$.evses[0].connectors[0]"]);
    assert_eq!(serde_json::to_value(&reading.value).unwrap(), location);
}

#[test]
fn ci_strings_compare_without_case_and_keep_their_spelling() {
    let ours = CiString::new("Nl/Cpo");
    assert_eq!(ours, CiString::new("nL/cPO"));
    assert_eq!(ours.to_string(), "Nl/Cpo");
    let set = std::collections::HashSet::from([ours]);
    assert!(set.contains(&CiString::new("NL/CPO")));
}

#[test]
fn a_limit_is_written_with_one_decimal_and_read_rounded_down() {
    assert_eq!(
        serde_json::to_string(&Tenths::from_whole(16)).unwrap(),
        "16.0"
    );
    assert_eq!(
        serde_json::to_string(&Tenths::from_tenths(61)).unwrap(),
        "6.1"
    );
    let read = |number: Value| read_one::<Tenths>(&number).unwrap();
    assert_eq!(read(json!(6.1)).value, Tenths::from_tenths(61));
    assert_eq!(read(json!(13.89)).value, Tenths::from_tenths(138));
    assert!(read(json!(13.89)).deviations.has(id::NUMBER_DECIMALS));
    assert_eq!(read(json!(-0.05)).value, Tenths::from_tenths(-1));
    assert_eq!(read(json!(1e300)).value, Tenths::MAX);
}

#[test]
fn a_time_is_written_strictly() {
    let time: DateTime = "2026-03-01T08:15:59.999Z".parse().unwrap();
    assert_eq!(
        serde_json::to_string(&time).unwrap(),
        "\"2026-03-01T08:15:59Z\""
    );
}
