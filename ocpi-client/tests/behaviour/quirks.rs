//! What counterparties in the field really do.

use ocpi_client::plausibility::{ENERGY_IN_WH, POWER_IN_W, Units};
use ocpi_client::read::{id, read_one};
use ocpi_client::response::{Answer, RawAnswer, classify, read_callback};
use ocpi_client::types::{
    ActiveChargingProfile, ActiveChargingProfileResult, ChargingProfileResponse,
    ChargingProfileResponseType, ChargingProfileResult, Connector, Credentials, Session,
    SetChargingProfile, Tenths,
};
use serde_json::{Value, json};

use crate::samples::{connector, credentials, session, with};

fn data_of(body: &Value) -> Answer {
    let body = body.to_string().into_bytes();
    let content_type = Some("application/json");
    classify(
        "x",
        &RawAnswer {
            status: 200,
            content_type,
            body: &body,
        },
    )
    .unwrap()
}

#[test]
fn an_answer_wrapped_in_a_list_is_unwrapped() {
    let body = json!({
        "data": [{"result": "ACCEPTED", "timeout": 30}], "status_code": 1000,
        "timestamp": "2026-03-01T08:00:00Z"
    });
    let (response, deviations) = data_of(&body).one::<ChargingProfileResponse>().unwrap();
    assert_eq!(response.result, ChargingProfileResponseType::Accepted);
    assert!(deviations.has(id::OBJECT_IN_LIST));
}

#[test]
fn a_timestamp_with_offset_in_the_envelope_is_only_noted() {
    let body = json!({
        "data": {"result": "ACCEPTED", "timeout": 30}, "status_code": 1000,
        "timestamp": "2026-03-01T08:00:00.123456+00:00"
    });
    let (_, deviations) = data_of(&body).one::<ChargingProfileResponse>().unwrap();
    assert_eq!(deviations.as_slice()[0].path, "$.timestamp");
    assert!(deviations.has(id::DATETIME_OFFSET));
}

#[test]
fn credentials_with_the_fields_of_2_1_1_beside_the_roles_are_read() {
    let sent = with(
        credentials("token-c"),
        "business_details",
        json!({"name": "x"}),
    );
    let sent = with(
        with(sent, "party_id", json!("CPO")),
        "country_code",
        json!("NL"),
    );
    let reading = read_one::<Credentials>(&sent).unwrap();
    assert!(reading.deviations.is_empty(), "{:?}", reading.deviations);
    assert_eq!(reading.value.roles.len(), 1);
}

#[test]
fn an_empty_connector_id_is_kept_and_noted() {
    let reading = read_one::<Session>(&with(session(), "connector_id", json!(""))).unwrap();
    assert!(reading.value.connector_id.is_empty());
    assert!(reading.deviations.has(id::TEXT_EMPTY));
}

#[test]
fn lower_case_echoes_of_identifiers_are_the_same_objects() {
    let echoed = with(
        with(session(), "country_code", json!("nl")),
        "party_id",
        json!("cpo"),
    );
    let echoed = read_one::<Session>(&with(echoed, "id", json!("s-1")))
        .unwrap()
        .value;
    let ours = read_one::<Session>(&session()).unwrap().value;
    let key = |session: Session| (session.country_code, session.party_id, session.id);
    assert_eq!(key(echoed), key(ours));
}

#[test]
fn a_reservation_without_evse_is_marked_as_not_available() {
    let reading = read_one::<Session>(&with(session(), "evse_uid", json!("#NA"))).unwrap();
    assert!(reading.value.evse_uid.is_not_available());
    assert!(reading.deviations.is_empty());
}

#[test]
fn a_set_result_with_a_null_profile_beside_it_is_read() {
    let reading =
        read_callback::<ChargingProfileResult>(&json!({"result": "ACCEPTED", "profile": null}));
    assert!(reading.unwrap().deviations.is_empty());
}

#[test]
fn an_active_profile_result_without_profile_is_read() {
    let reading = read_one::<ActiveChargingProfileResult>(&json!({"result": "UNKNOWN"})).unwrap();
    assert_eq!(reading.value.profile, None);
}

#[test]
fn a_single_period_instead_of_a_list_is_read_as_a_list_of_one() {
    let sent = json!({
        "charging_profile": {
            "charging_rate_unit": "A",
            "charging_profile_period": {"start_period": 0, "limit": 16}
        },
        "response_url": "https://us.example/r/1"
    });
    let reading = read_one::<SetChargingProfile>(&sent).unwrap();
    let profile = &reading.value.charging_profile;
    assert_eq!(profile.limit_at(3600), Some(Tenths::from_whole(16)));
    assert!(reading.deviations.has(id::LIST_SINGLE));
}

#[test]
fn a_profile_without_periods_says_nothing() {
    let sent = json!({
        "start_date_time": "2026-03-01T08:00:00Z", "charging_profile": {"charging_rate_unit": "W"}
    });
    let profile = read_one::<ActiveChargingProfile>(&sent)
        .unwrap()
        .value
        .charging_profile;
    assert_eq!(profile.limit_at(0), None);
}

#[test]
fn the_limit_in_force_is_that_of_the_last_period_begun() {
    let sent = json!({
        "charging_rate_unit": "A", "duration": 1800, "charging_profile_period": [
            {"start_period": 600, "limit": 6.0}, {"start_period": 0, "limit": 16.0}
        ]
    });
    let profile: ocpi_client::types::ChargingProfile = read_one(&sent).unwrap().value;
    assert_eq!(profile.limit_at(599), Some(Tenths::from_whole(16)));
    assert_eq!(profile.limit_at(600), Some(Tenths::from_whole(6)));
    assert_eq!(profile.limit_at(1800), None);
}

#[test]
fn a_three_phase_sample_with_400_volts_is_not_38_kilowatts() {
    let reading = read_one::<Connector>(&with(connector(), "max_voltage", json!(400))).unwrap();
    // 400 V / sqrt(3) = 230 V; 230 V x 32 A x 3 = 22,080 W, not 38,400 W.
    assert_eq!(reading.value.rated_power_w(), Some(22_080));
    assert!(
        reading
            .deviations
            .has(ocpi_client::types::LINE_TO_LINE_VOLTAGE)
    );
    let american = read_one::<Connector>(&with(connector(), "max_voltage", json!(277))).unwrap();
    // 277 V is line to neutral: 277 V x 32 A x 3 = 26,592 W.
    assert_eq!(american.value.rated_power_w(), Some(26_592));
    assert!(american.deviations.is_empty());
}

fn period(dimension: &str, volume: f64) -> Value {
    json!({
        "start_date_time": "2026-03-01T08:00:00Z",
        "dimensions": [{"type": dimension, "volume": volume}]
    })
}

fn units(kwh: f64, periods: &Value) -> Units {
    let sent = with(
        with(session(), "kwh", json!(kwh)),
        "charging_periods",
        periods.clone(),
    );
    Units::of(&read_one::<Session>(&sent).unwrap().value)
}

#[test]
fn energies_in_wh_are_recognised_by_their_sum() {
    // 120 + 41,000 = 41,120 Wh against 41.12 kWh.
    let units_in_wh = units(
        41.12,
        &json!([period("ENERGY", 120.0), period("ENERGY", 41000.0)]),
    );
    assert!(units_in_wh.energy_in_wh);
    assert_eq!(units_in_wh.deviations[0].id, ENERGY_IN_WH);
    let plain = units(
        41.12,
        &json!([period("ENERGY", 0.12), period("ENERGY", 41.0)]),
    );
    assert_eq!(plain, Units::default());
    assert!(!units(0.0, &json!([period("ENERGY", 5.0)])).energy_in_wh);
}

#[test]
fn powers_in_w_are_recognised_by_their_size() {
    let in_watts = units(4.0, &json!([period("POWER", 11_000.0)]));
    assert!(in_watts.power_in_w);
    assert_eq!(in_watts.deviations[0].id, POWER_IN_W);
    assert!(!units(4.0, &json!([period("POWER", 350.0)])).power_in_w);
}
