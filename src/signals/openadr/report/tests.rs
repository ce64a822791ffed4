//! Reports that are due, over which intervals, and what they say.

use serde_json::{Value, json};

use super::{Due, Figure, Reporter, Schedule, schedule};
use crate::domain::dispatch::{Measured, Quality};
use crate::domain::quantity::{Energy, Power};
use crate::domain::time::Time;

fn t(text: &str) -> Time {
    text.parse().expect("valid")
}

const US: Reporter<'_> = Reporter {
    client: "depot",
    resource: "site-1",
    targets: &[],
    salt: "",
};

/// Four hours from 12:00 that ask for one report.
fn asks(request: &Value) -> Value {
    let interval = |id: i64| json!({"id": id, "payloads": []});
    json!({
        "id": "e1", "intervalPeriod": {"start": "2026-11-22T12:00:00Z", "duration": "PT1H"},
        "intervals": (10..14).map(interval).collect::<Vec<_>>(),
        "reportDescriptors": [request.clone()],
    })
}

fn due(event: &Value, now: &str) -> Vec<Due> {
    schedule(event, US, t(now)).due
}

fn ids(due: &Due) -> Vec<i64> {
    due.windows.iter().map(|window| window.id).collect()
}

#[test]
fn by_default_all_intervals_are_reported_once_at_the_end_of_the_last() {
    let event = asks(&json!({"payloadType": "USAGE"}));
    let early = schedule(&event, US, t("2026-11-22T15:59:00Z"));
    assert_eq!(early.due, []);
    assert_eq!(early.next, Some(t("2026-11-22T16:00:00Z")));
    let found = due(&event, "2026-11-22T16:00:00Z");
    assert_eq!(found.len(), 1);
    assert_eq!(ids(&found[0]), [10, 11, 12, 13]);
    assert_eq!(schedule(&event, US, t("2026-11-22T16:00:00Z")).next, None);
    // The same name whenever it is asked again, so that it is sent once.
    assert_eq!(found[0].name, due(&event, "2026-11-22T17:00:00Z")[0].name);
}

#[test]
fn every_interval_can_be_reported_when_it_is_over() {
    let event = asks(&json!({
        "payloadType": "DEMAND", "startInterval": 1, "numIntervals": 1, "repeat": -1,
    }));
    assert_eq!(due(&event, "2026-11-22T12:59:00Z"), []);
    let found = due(&event, "2026-11-22T14:10:00Z");
    let told: Vec<Vec<i64>> = found.iter().map(ids).collect();
    assert_eq!(told, [vec![10], vec![11]]);
    let all = due(&event, "2026-11-23T00:00:00Z");
    assert_eq!(all.len(), 4, "and no more than there are");
    let names: std::collections::BTreeSet<_> = all.iter().map(|it| &it.name).collect();
    assert_eq!(names.len(), 4);
}

#[test]
fn repeat_and_frequency_space_them_out() {
    let event = asks(&json!({
        "payloadType": "USAGE", "startInterval": 2, "numIntervals": 2, "frequency": 1, "repeat": 2,
    }));
    let found = due(&event, "2026-11-22T20:00:00Z");
    let told: Vec<Vec<i64>> = found.iter().map(ids).collect();
    assert_eq!(told, [vec![10, 11], vec![11, 12]]);
}

#[test]
fn a_forecast_looks_ahead_and_only_the_newest_is_told() {
    let event = asks(&json!({
        "payloadType": "UP_REGULATION_AVAILABLE", "historical": false, "frequency": 1, "repeat": -1,
    }));
    assert_eq!(
        due(&event, "2026-11-22T11:00:00Z"),
        [],
        "its interval has not begun"
    );
    let found = due(&event, "2026-11-22T13:30:00Z");
    assert_eq!(found.len(), 1);
    assert_eq!(ids(&found[0]), [11, 12, 13]);
    assert!(found[0].replaces);
    let next = schedule(&event, US, t("2026-11-22T13:30:00Z")).next;
    assert_eq!(next, Some(t("2026-11-22T14:00:00Z")));
}

#[test]
fn an_event_that_only_asks_goes_on_for_ever() {
    let event = json!({
        "id": "e2", "intervalPeriod": {"start": "2026-11-01T00:00:00Z", "duration": "PT15M"},
        "reportDescriptors": [
            {"payloadType": "USAGE", "numIntervals": 1, "repeat": -1},
            {"payloadType": "USAGE_FORECAST", "historical": false, "frequency": 4, "repeat": -1},
        ],
    });
    let plan = schedule(&event, US, t("2026-11-22T16:07:00Z"));
    assert_eq!(plan.notes, Vec::<String>::new());
    let (past, ahead): (Vec<&Due>, Vec<&Due>) = plan.due.iter().partition(|it| !it.replaces);
    assert_eq!(past.len(), 48, "after an outage the newest");
    let newest = past.last().expect("some").windows.clone();
    assert_eq!(
        (newest[0].start, newest[0].end),
        (t("2026-11-22T15:45:00Z"), t("2026-11-22T16:00:00Z"))
    );
    assert_eq!(ahead.len(), 1);
    assert_eq!(ahead[0].windows[0].start, t("2026-11-22T16:00:00Z"));
    // A day ahead.
    assert_eq!(ahead[0].windows.len(), 97);
    assert_eq!(plan.next, Some(t("2026-11-22T16:15:00Z")));
    let later = schedule(&event, US, t("2026-11-22T16:16:00Z"));
    let names =
        |plan: &Schedule| -> Vec<String> { plan.due.iter().map(|it| it.name.clone()).collect() };
    let new = names(&later)
        .into_iter()
        .filter(|name| !names(&plan).contains(name));
    assert_eq!(new.count(), 1);
}

#[test]
fn what_is_not_ours_or_cannot_be_read_is_said_and_leaves_the_rest() {
    let mut event = asks(&json!({"payloadType": "STORAGE_CHARGE_LEVEL"}));
    event["reportDescriptors"] = json!([
        {"payloadType": "STORAGE_CHARGE_LEVEL"},
        {"payloadType": "USAGE", "repeat": "often"},
        {"payloadType": "USAGE", "targets": ["somebody"]},
        {"payloadType": "USAGE", "targets": ["site-1"]},
        7,
    ]);
    let plan = schedule(&event, US, t("2026-11-22T16:00:00Z"));
    assert_eq!(plan.due.len(), 1, "{plan:?}");
    assert_eq!(plan.notes.len(), 3, "{plan:?}");
    assert!(plan.notes[0].contains("STORAGE_CHARGE_LEVEL is not reported"));
    event["intervalPeriod"] = json!({"start": "soon"});
    assert_eq!(
        schedule(&event, US, t("2026-11-22T16:00:00Z")).notes.len(),
        1
    );
    assert_eq!(
        schedule(&json!({"id": "x"}), US, t("2026-11-22T16:00:00Z")).due,
        []
    );
}

fn body(request: &Value, figure: Figure) -> Value {
    let event = asks(request);
    let now = t("2026-11-22T13:30:00Z");
    let plan = schedule(&event, US, now);
    let due = plan.due.first().expect("one is due");
    let figures = vec![figure; due.windows.len()];
    due.body(US, &figures, now)
}

fn first(body: &Value) -> Value {
    body["resources"][0]["intervals"][0]["payloads"].clone()
}

#[test]
fn a_report_says_what_was_asked_for_in_its_units() {
    let measured = |quality| {
        Some(Measured {
            energy: Energy::from_kilowatt_hours(12.5),
            quality,
        })
    };
    let figure = Figure {
        measured: measured(Quality::Estimated),
        peak: Some(Power::from_kilowatts(30.0)),
        planned: Some(Power::from_kilowatts(20.0)),
        baseline: Some(Power::from_kilowatts(40.0)),
        up: Some(Power::from_kilowatts(8.0)),
        down: Some(Power::from_kilowatts(9.0)),
        is_curtailed: true,
    };
    let past = |payload: &str| json!({"payloadType": payload, "startInterval": 1});
    let told = body(&past("USAGE"), figure);
    assert_eq!(told["eventID"], "e1");
    assert_eq!(told["clientName"], "depot");
    assert_eq!(told["payloadDescriptors"][0]["units"], "KWH");
    assert_eq!(told["payloadDescriptors"][0]["readingType"], "DIRECT_READ");
    assert_eq!(told["resources"][0]["resourceName"], "site-1");
    let interval = &told["resources"][0]["intervals"][0];
    assert_eq!(interval["id"], 10);
    assert_eq!(interval["intervalPeriod"]["start"], "2026-11-22T12:00:00Z");
    assert_eq!(interval["intervalPeriod"]["duration"], "PT3600S");
    assert_eq!(
        first(&told),
        json!([{"type": "USAGE", "values": [12.5]},
            {"type": "DATA_QUALITY", "values": ["ESTIMATED"]}])
    );
    // Half an hour of 12.5 kWh is 25 kW.
    let mut short = asks(&past("USAGE"));
    short["intervalPeriod"]["duration"] = json!("PT30M");
    let now = t("2026-11-22T13:30:00Z");
    let due = schedule(&short, US, now).due.remove(0);
    let told = due.body(US, &[figure], now);
    assert_eq!(first(&told)[0]["values"], json!([12.5]));
    let mut peak = past("DEMAND");
    assert_eq!(first(&body(&peak, figure))[0]["values"], json!([12.5]));
    peak["readingType"] = json!("PEAK");
    peak["aggregate"] = json!(true);
    let told = body(&peak, figure);
    assert_eq!(first(&told)[0]["values"], json!([30.0]));
    assert_eq!(told["payloadDescriptors"][0]["readingType"], "PEAK");
    assert_eq!(told["resources"][0]["resourceName"], "AGGREGATED_REPORT");
    let ahead =
        |payload: &str| json!({"payloadType": payload, "historical": false, "startInterval": 1});
    for (payload, value, units) in [
        ("USAGE_FORECAST", 20.0, "KWH"),
        ("LOAD_SHED_DELTA_AVAILABLE", 8.0, "KW"),
        ("UP_REGULATION_AVAILABLE", 8.0, "KW"),
        ("DOWN_REGULATION_AVAILABLE", 9.0, "KW"),
        ("BASELINE", 40.0, "KW"),
        ("DEMAND", 20.0, "KW"),
    ] {
        let told = body(&ahead(payload), figure);
        assert_eq!(
            first(&told)[0],
            json!({"type": payload, "values": [value]}),
            "{told}"
        );
        assert_eq!(told["payloadDescriptors"][0]["units"], units, "{payload}");
    }
    let state = body(&past("OPERATING_STATE"), figure);
    assert_eq!(first(&state)[0]["values"], json!(["RUNNING_CURTAILED"]));
    assert_eq!(state["payloadDescriptors"][0].get("units"), None);
    let idle = body(&past("OPERATING_STATE"), Figure::default());
    assert_eq!(first(&idle)[0]["values"], json!(["IDLE_NORMAL"]));
    let unknown = body(&past("USAGE"), Figure::default());
    assert_eq!(
        first(&unknown),
        json!([{"type": "DATA_QUALITY", "values": ["MISSING"]}])
    );
}
