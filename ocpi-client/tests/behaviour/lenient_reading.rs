//! What peers really send is understood, and every tolerance is written down.

use ocpi_client::read::{MAX_DEVIATIONS, id, patched, read_list, read_one};
use ocpi_client::types::{
    CiString, Connector, DateTime, Evse, Location, Session, SessionPatch, SessionStatus, Status,
    Tariff, Tenths,
};
use serde_json::{Value, json};

use crate::samples::{connector, evse, location, session, with, without};

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
fn a_location_is_written_as_it_was_read() {
    let reading = read_one::<Location>(&location()).unwrap();
    assert!(reading.deviations.is_empty(), "{:?}", reading.deviations);
    assert_eq!(serde_json::to_value(&reading.value).unwrap(), location());
}

#[test]
fn the_power_of_a_connector_is_the_lesser_of_what_is_told_and_what_follows() {
    let power = |connector: &Value| {
        read_one::<Connector>(connector)
            .unwrap()
            .value
            .rated_power_w()
    };
    // 230 V x 32 A x 3 = 22,080 W
    assert_eq!(power(&connector()), Some(22_080));
    assert_eq!(
        power(&with(connector(), "max_electric_power", json!(11_000))),
        Some(11_000)
    );
    assert_eq!(
        power(&with(connector(), "max_electric_power", json!(43_000))),
        Some(22_080)
    );
    assert_eq!(
        power(&with(connector(), "power_type", json!("AC_1_PHASE"))),
        Some(7_360)
    );
    assert_eq!(
        power(&with(connector(), "power_type", json!("AC_4_PHASE"))),
        None
    );
    assert_eq!(power(&without(connector(), "max_voltage")), None);
}

#[test]
fn an_extension_of_a_location_is_found_by_its_pointer() {
    let sent = with(location(), "site", json!({"limits": [{"kw": 60}]}));
    let location = read_one::<Location>(&sent).unwrap().value;
    assert_eq!(
        location.extra.pointer("/site/limits/0/kw"),
        Some(&json!(60))
    );
    assert_eq!(location.extra.pointer("/site/limits/1/kw"), None);
    assert_eq!(location.extra.pointer(""), None);
}

#[test]
fn a_patch_of_an_evse_replaces_what_it_names_and_keeps_the_rest() {
    let known = read_one::<Evse>(&evse()).unwrap().value;
    let changes = json!({"status": "OUTOFORDER", "last_updated": "2026-03-01T09:00:00Z"});
    let changed = patched(&known, &changes).unwrap().value;
    assert_eq!(changed.status, Status::OutOfOrder);
    assert_eq!(changed.connectors, known.connectors);
    let mut location = read_one::<Location>(&location()).unwrap().value;
    location.put_evse(changed);
    assert_eq!(location.evses.len(), 1);
    assert_eq!(location.last_updated.to_string(), "2026-03-01T09:00:00Z");
}

#[test]
fn a_patch_of_an_evse_without_last_updated_is_refused() {
    let known = read_one::<Evse>(&evse()).unwrap().value;
    let refused = patched(&known, &json!({"status": "BLOCKED"})).unwrap_err();
    assert_eq!(refused.deviation.id, id::FIELD_MISSING);
}

#[test]
fn restrictions_that_cannot_be_read_lose_their_element_not_their_meaning() {
    let open = json!({"price_components": [{"type": "ENERGY", "price": 0.1, "step_size": 1}]});
    let bad = with(open.clone(), "restrictions", json!("never"));
    let sent = with(crate::samples::tariff(), "elements", json!([bad, open]));
    let reading = read_one::<Tariff>(&sent).unwrap();
    assert_eq!(reading.value.elements.len(), 1);
    assert_eq!(reading.value.elements[0].restrictions, None);
    assert!(reading.deviations.has(id::LIST_BAD_ENTRY));
}

#[test]
fn a_field_in_another_spelling_is_found_and_noted() {
    let sent = with(
        without(session(), "last_updated"),
        "lastUpdated",
        json!("2026-03-01T08:15:00Z"),
    );
    let reading = read_one::<Session>(&sent).unwrap();
    assert!(reading.deviations.has(id::FIELD_SPELLING));
    assert!(reading.value.extra.is_empty());
}

#[test]
fn an_enum_in_another_case_is_known_and_noted() {
    let reading = read_one::<Session>(&with(session(), "status", json!("Active"))).unwrap();
    assert_eq!(reading.value.status, SessionStatus::Active);
    assert!(reading.deviations.has(id::ENUM_CASE));
}

#[test]
fn a_text_that_is_too_long_is_kept_and_noted() {
    let long = "x".repeat(37);
    let reading = read_one::<Session>(&with(session(), "id", json!(long))).unwrap();
    assert_eq!(reading.value.id.as_str(), long);
    assert!(reading.deviations.has(id::TEXT_TOO_LONG));
}

#[test]
fn an_unusable_optional_field_is_lost_alone() {
    let reading = read_one::<Session>(&with(session(), "total_cost", json!([1, 2]))).unwrap();
    assert_eq!(reading.value.total_cost, None);
    assert_eq!(reading.deviations.as_slice()[0].path, "$.total_cost");
    let empty = read_one::<Session>(&with(session(), "end_date_time", json!(""))).unwrap();
    assert_eq!(empty.value.end_date_time, None);
    assert!(empty.deviations.has(id::FIELD_EMPTY));
}

#[test]
fn deviations_are_bounded_and_the_rest_is_counted() {
    let page = Value::Array(vec![json!(1); MAX_DEVIATIONS + 10]);
    let reading = read_list::<Session>(&page);
    assert_eq!(reading.deviations.as_slice().len(), MAX_DEVIATIONS);
    assert_eq!(reading.deviations.dropped(), 10);
}

#[test]
fn every_deviation_of_this_crate_comes_with_advice() {
    let reading = read_one::<Session>(&with(session(), "status", json!("RESERVED"))).unwrap();
    assert!(
        reading
            .deviations
            .iter()
            .all(|deviation| deviation.advice().is_some())
    );
    assert_eq!(id::advice("somebody.elses"), None);
}

#[test]
fn a_leap_second_is_the_last_moment_before_midnight() {
    let leap: DateTime = "2016-12-31T23:59:60Z".parse().unwrap();
    assert_eq!(leap.to_string(), "2016-12-31T23:59:59Z");
}

#[test]
fn times_in_other_forms_are_read_and_noted() {
    let read = |value: Value| read_one::<DateTime>(&value).unwrap();
    for (sent, note) in [
        (json!("2026-03-01 08:15:00Z"), id::DATETIME_FORMAT),
        (json!("2026-03-01 08:15:00"), id::DATETIME_FORMAT),
        (json!("2026-03-01T09:15:00+0100"), id::DATETIME_OFFSET),
        (json!(1_772_352_900), id::DATETIME_EPOCH),
        (json!(1_772_352_900_000_i64), id::DATETIME_EPOCH),
    ] {
        let reading = read(sent.clone());
        assert_eq!(reading.value.to_string(), "2026-03-01T08:15:00Z", "{sent}");
        assert!(
            reading.deviations.has(note),
            "{sent}: {:?}",
            reading.deviations
        );
    }
    assert!(read_one::<DateTime>(&json!("+12026-03-01T08:15:00")).is_err());
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
