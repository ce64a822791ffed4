//! What a capacity provider may say, and what it comes to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::domain::id::{SiteId, SiteKey, TenantId};
use crate::domain::quantity::Power;
use crate::domain::signal::{SignalKind, SignalSlot};

fn t(text: &str) -> Time {
    format!("2026-11-22T{text}:00Z").parse().expect("valid")
}

fn new_link() -> OscpLink {
    OscpLink {
        site: SiteKey {
            tenant: TenantId::default_tenant(),
            site: SiteId::new("depot").expect("valid"),
        },
        name: "dso".into(),
        group: "g-1".into(),
        circuit: None,
        auth: OscpAuth::Token,
        headers: Vec::new(),
        created_at: t("11:00"),
        admits: vec!["hash".into()],
        sealed: None,
        offered: None,
        base_url: None,
        stage: OscpStage::Invited,
        offline_at: None,
        heartbeat_s: None,
        intermittent: false,
        wants_measurements: false,
        heard_at: None,
        forecasts: BTreeMap::new(),
        reported: Energy::ZERO,
        reported_to: None,
    }
}

fn says(link: &mut OscpLink, path: &str, body: Value, at: &str) -> Result<Vec<Output>, Refusal> {
    let said = Said {
        method: "POST".into(),
        path: path.into(),
        body,
    };
    hear(link, &said, t(at))
}

fn online() -> OscpLink {
    let mut link = new_link();
    let wants = json!({"required_behaviour": {"heartbeat_interval": 60,
        "measurement_configuration": ["CONTINUOUS"]}});
    says(&mut link, "handshake", wants, "12:00").expect("taken");
    link
}

fn block(start: &str, end: &str, kw: f64) -> Value {
    json!({"capacity": kw, "phase": "ALL", "unit": "KW",
        "start_time": t(start), "end_time": t(end)})
}

fn forecast(of: &str, blocks: &[Value]) -> Value {
    json!({"group_id": "g-1", "type": of, "forecasted_blocks": blocks})
}

/// Begin and end in minutes after noon, and kilowatts.
fn slots(link: &OscpLink, kind: SignalKind, at: &str) -> Vec<(i64, i64, i64)> {
    let minute = |at: Time| (at - t("12:00")).num_minutes();
    let line = |slot: &SignalSlot| (minute(slot.start), minute(slot.end), slot.value / 1000);
    let all = series(link, t(at));
    let found = all.iter().find(|series| series.kind == kind);
    found.expect("every kind").slots.iter().map(line).collect()
}

#[test]
fn a_registration_is_answered_with_ours_to_the_address_of_the_version_we_speak() {
    let mut link = new_link();
    let body = json!({"token": "token-b", "version_url": [
        {"version": "1.0", "base_url": "https://old"},
        {"version": "2.0", "base_url": "https://cp.example/oscp/cp/2.0/"}]});
    let out = says(&mut link, "register", body, "12:00").expect("taken");
    let base_url = "https://cp.example/oscp/cp/2.0".to_owned();
    let token = "token-b".to_owned();
    assert_eq!(out, [Output::Register { token, base_url }]);
    assert_eq!(link.stage, OscpStage::Registered);
    assert_eq!(link.heard_at, Some(t("12:00")));
    let ours = registration("token-c", "https://us/oscp/2.0");
    assert_eq!(ours["version_url"][0]["version"], "2.0");
}

#[test]
fn without_a_version_in_common_the_answer_is_501() {
    let before = new_link();
    let mut link = before.clone();
    let body = json!({"token": "b", "version_url": [{"version": "1.0", "base_url": "https://x"}]});
    let refused = says(&mut link, "register", body, "12:00").expect_err("refused");
    assert_eq!(refused.status, 501);
    assert_eq!(link, before);
}

#[test]
fn a_handshake_is_acknowledged_and_brings_it_online() {
    let mut link = new_link();
    let wants = json!({"required_behaviour": {"heartbeat_interval": 60,
        "measurement_configuration": ["INTERMITTENT"]}});
    let out = says(&mut link, "handshake", wants, "12:00").expect("taken");
    let body = json!({"required_behaviour": {"heartbeat_interval": 60,
        "measurement_configuration": []}});
    let path = "handshake_acknowledge";
    let answer = Output::Send {
        path,
        body,
        answers: true,
    };
    assert_eq!(out, [answer, Output::Signals]);
    assert!(link.holds(t("12:00")));
    assert_eq!((link.heartbeat_s, link.intermittent), (Some(60), true));
    let mut plain = new_link();
    let out = says(&mut plain, "handshake", json!({}), "12:00").expect("taken");
    assert!(matches!(&out[0], Output::Send { body, .. } if *body == json!({})));
}

#[test]
fn heartbeats_keep_it_online_and_without_one_its_fallback_holds_until_a_new_handshake() {
    let mut link = online();
    let limit = forecast("CONSUMPTION", &[block("12:00", "16:00", 40.0)]);
    says(&mut link, "update_group_capacity_forecast", limit, "12:00").expect("taken");
    let fallback = forecast("FALLBACK_CONSUMPTION", &[block("12:00", "23:00", 10.0)]);
    says(
        &mut link,
        "update_group_capacity_forecast",
        fallback,
        "12:00",
    )
    .expect("taken");
    let beat = |at: &str| json!({"offline_mode_at": t(at)});
    says(&mut link, "heartbeat", beat("12:10"), "12:05").expect("taken");
    assert_eq!(tick(&mut link, t("12:09")), []);
    assert_eq!(
        slots(&link, SignalKind::ImportLimit, "12:09"),
        [(0, 240, 40)]
    );
    assert_eq!(tick(&mut link, t("12:10")), [Output::Signals]);
    assert_eq!(link.stage, OscpStage::Offline);
    assert_eq!(tick(&mut link, t("12:11")), [], "once");
    // What it announced ends there; the fallback fills what follows.
    assert_eq!(
        slots(&link, SignalKind::ImportLimit, "12:11"),
        [(0, 10, 40)]
    );
    assert_eq!(
        slots(&link, SignalKind::ImportFallback, "12:11"),
        [(0, 660, 10)]
    );
    // It is back: it stays offline until hands are shaken.
    let out = says(&mut link, "heartbeat", beat("12:30"), "12:20").expect("taken");
    assert!(
        matches!(
            &out[..],
            [Output::Send {
                path: "handshake",
                ..
            }]
        ),
        "{out:?}"
    );
    assert!(!link.holds(t("12:21")));
    says(&mut link, "handshake_acknowledge", json!({}), "12:21").expect("taken");
    assert!(link.holds(t("12:22")));
    assert_eq!(
        slots(&link, SignalKind::ImportLimit, "12:22"),
        [(0, 240, 40)]
    );
}

#[test]
fn offline_a_limit_that_had_not_begun_gives_way_to_the_fallback_too() {
    let mut link = online();
    let limit = forecast("CONSUMPTION", &[block("14:00", "16:00", 40.0)]);
    says(&mut link, "update_group_capacity_forecast", limit, "12:00").expect("taken");
    let beat = json!({"offline_mode_at": t("12:10")});
    says(&mut link, "heartbeat", beat, "12:05").expect("taken");
    tick(&mut link, t("12:10"));
    let told = series(&link, t("12:11"));
    let limit = &told[0];
    assert_eq!(limit.kind, SignalKind::ImportLimit);
    assert_eq!(
        limit.slots.len(),
        1,
        "it ends, so that what stands in holds"
    );
    assert_eq!(limit.slots[0].end, t("12:10"));
}

#[test]
fn a_forecast_replaces_only_what_it_overlaps() {
    let mut link = online();
    let first = forecast(
        "CONSUMPTION",
        &[block("12:00", "14:00", 40.0), block("15:00", "16:00", 50.0)],
    );
    says(&mut link, "update_group_capacity_forecast", first, "12:00").expect("taken");
    let second = forecast("CONSUMPTION", &[block("13:00", "13:30", 20.0)]);
    let out = says(&mut link, "update_group_capacity_forecast", second, "12:01").expect("taken");
    assert!(matches!(
        &out[..],
        [Output::Signals, Output::Check(OscpForecast::Consumption, _)]
    ));
    assert_eq!(
        slots(&link, SignalKind::ImportLimit, "12:01"),
        [(0, 60, 40), (60, 90, 20), (90, 120, 40), (180, 240, 50)]
    );
    let optimum = forecast("OPTIMUM", &[block("12:00", "13:00", 30.0)]);
    says(
        &mut link,
        "update_group_capacity_forecast",
        optimum,
        "12:02",
    )
    .expect("taken");
    assert_eq!(
        slots(&link, SignalKind::PowerTarget, "12:03"),
        [(0, 60, 30)]
    );
    // Two days later nobody needs to know.
    let late = forecast("CONSUMPTION", &[]);
    let said = Said {
        method: "POST".into(),
        path: "update_group_capacity_forecast".into(),
        body: late,
    };
    hear(&mut link, &said, t("12:00") + TimeDelta::days(2)).expect("taken");
    assert_eq!(link.forecasts[&OscpForecast::Consumption], []);
}

#[test]
fn capacities_in_any_unit_are_taken_towards_safety() {
    let unit = |unit: &str, capacity: f64| {
        let mut value = block("12:00", "14:00", capacity);
        value["unit"] = json!(unit);
        let mut link = online();
        let body = forecast("CONSUMPTION", &[value]);
        says(&mut link, "update_group_capacity_forecast", body, "12:00").expect("taken");
        link.forecasts[&OscpForecast::Consumption][0].capacity
    };
    assert_eq!(unit("KW", 10.0009), Power::from_watts(10_000));
    assert_eq!(unit("W", 9_999.9), Power::from_watts(9_999));
    // Over two hours.
    assert_eq!(unit("KWH", 20.0), Power::from_watts(10_000));
    assert_eq!(unit("WH", 20_000.0), Power::from_watts(10_000));
    // 3 x 16 A x 207 V
    assert_eq!(unit("A", 16.0), Power::from_watts(9_936));
}

#[test]
fn what_cannot_be_taken_is_refused_with_its_place_and_changes_nothing() {
    let good = forecast(
        "CONSUMPTION",
        &[block("12:00", "13:00", 1.0), block("13:00", "14:00", 2.0)],
    );
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect("is there") = value;
        body
    };
    let update = "update_group_capacity_forecast";
    let cases = [
        (update, with("/group_id", json!("g-2")), 404, "/group_id"),
        (update, with("/group_id", json!(7)), 400, "/group_id"),
        (update, with("/type", json!("DEMAND")), 400, "/type"),
        (
            update,
            with("/forecasted_blocks", json!({})),
            400,
            "/forecasted_blocks",
        ),
        (
            update,
            with("/forecasted_blocks/1/start_time", json!(t("12:59"))),
            400,
            "blocks/1 overlaps",
        ),
        (
            update,
            with("/forecasted_blocks/0/end_time", json!(t("12:00"))),
            400,
            "blocks/0/end_time",
        ),
        (
            update,
            with("/forecasted_blocks/0/end_time", json!("soon")),
            400,
            "blocks/0/end_time",
        ),
        (
            update,
            with(
                "/forecasted_blocks/0/end_time",
                json!("2026-11-22T13:00:00"),
            ),
            400,
            "offset",
        ),
        (
            update,
            with("/forecasted_blocks/0/capacity", json!(-1)),
            400,
            "blocks/0/capacity",
        ),
        (
            update,
            with("/forecasted_blocks/0/capacity", json!(1e12)),
            400,
            "blocks/0/capacity",
        ),
        (
            update,
            with("/forecasted_blocks/0/capacity", json!("9")),
            400,
            "blocks/0/capacity",
        ),
        (
            update,
            with("/forecasted_blocks/0/phase", json!("ONE")),
            400,
            "blocks/0/phase",
        ),
        (
            update,
            with("/forecasted_blocks/0/phase", json!("L1")),
            400,
            "blocks/0/phase",
        ),
        (
            update,
            with("/forecasted_blocks/0/unit", json!("EUR")),
            400,
            "blocks/0/unit",
        ),
        (update, json!(null), 400, "/group_id"),
        ("heartbeat", json!({}), 400, "/offline_mode_at"),
        (
            "heartbeat",
            json!({"offline_mode_at": "2026-11-22 12:00:00"}),
            400,
            "/offline_mode_at",
        ),
        (
            "handshake",
            json!({"required_behaviour": {"heartbeat_interval": 0}}),
            400,
            "heartbeat_interval",
        ),
        (
            "handshake",
            json!({"required_behaviour": {"measurement_configuration": ["SOMETIMES"]}}),
            400,
            "SOMETIMES",
        ),
        (
            "register",
            json!({"token": "", "version_url": []}),
            400,
            "/token",
        ),
        (
            "register",
            json!({"token": "a b", "version_url": []}),
            400,
            "/token",
        ),
        ("register", json!({"token": "b"}), 400, "/version_url"),
        (
            "register",
            json!({"token": "b", "version_url": [{"version": "2.0"}]}),
            400,
            "/base_url",
        ),
        ("update_group_measurements", json!({}), 404, "no message"),
    ];
    for (path, body, status, place) in cases {
        let before = online();
        let mut link = before.clone();
        let refused = says(&mut link, path, body.clone(), "12:00").expect_err("refused");
        assert_eq!(refused.status, status, "{path} {body}: {refused:?}");
        assert!(
            refused.message.contains(place),
            "{path} {body}: {refused:?}"
        );
        assert_eq!(link, before, "{path} {body}");
    }
    let mut link = online();
    let put = Said {
        method: "PUT".into(),
        path: "heartbeat".into(),
        body: json!({"offline_mode_at": t("12:00")}),
    };
    assert_eq!(
        hear(&mut link, &put, t("12:00"))
            .expect_err("refused")
            .status,
        405
    );
}

#[test]
fn who_takes_its_registration_back_is_not_admitted_any_more() {
    let mut link = online();
    let limit = forecast("CONSUMPTION", &[block("12:00", "16:00", 40.0)]);
    says(&mut link, "update_group_capacity_forecast", limit, "12:00").expect("taken");
    let gone = Said {
        method: "DELETE".into(),
        path: "register".into(),
        body: Value::Null,
    };
    assert_eq!(
        hear(&mut link, &gone, t("13:00")),
        Ok(vec![Output::Signals])
    );
    assert_eq!(
        (link.stage, link.admits.len()),
        (OscpStage::Unregistered, 0)
    );
    assert_eq!(
        slots(&link, SignalKind::ImportLimit, "13:00"),
        [(0, 60, 40)]
    );
}

#[test]
fn energies_are_a_register_or_what_came_since() {
    let mut link = online();
    link.reported = Energy::from_kilowatt_hours(100.0);
    link.reported_to = Some(t("12:00"));
    let gained = Energy::from_kilowatt_hours(2.5);
    let body = measurements(&link, gained, t("12:15"));
    let told = &body["measurements"][0];
    assert_eq!(
        (&body["group_id"], &told["value"]),
        (&json!("g-1"), &json!(102.5))
    );
    assert_eq!(
        (&told["unit"], &told["direction"]),
        (&json!("KWH"), &json!("IMPORT"))
    );
    assert_eq!(told.get("initial_measure_time"), None);
    link.intermittent = true;
    let told = measurements(&link, gained, t("12:15"))["measurements"][0].clone();
    assert_eq!(told["value"], 2.5);
    assert_eq!(told["initial_measure_time"], "2026-11-22T12:00:00.000Z");
    let beat = heartbeat(TimeDelta::seconds(60), t("12:00"));
    assert_eq!(beat["offline_mode_at"], "2026-11-22T12:03:00.000Z");
    let wanted = [OscpBlock {
        start: t("12:00"),
        end: t("13:00"),
        capacity: Power::from_kilowatts(9.5),
    }];
    let asked = super::forecast("g-1", OscpForecast::Consumption, &wanted);
    assert_eq!(asked["type"], "CONSUMPTION");
    assert_eq!(asked["forecasted_blocks"][0]["capacity"], 9.5);
    assert_eq!(compliance_error("no", &wanted)["message"], "no");
}
