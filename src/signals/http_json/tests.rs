//! The shapes are those that the named services publish; the values are made up.

use super::*;
use crate::domain::signal::SignalKind;

fn price(unit: &str) -> Unit {
    let currency = &unit[..3];
    Unit::read(SignalKind::ImportPrice, unit, currency).expect("a unit")
}

fn rows(list: &str, start: &str, end: Option<&str>, value: &str, times: TimeFormat) -> Mapping {
    Mapping {
        layout: Layout::Rows {
            lists: vec![list.into()],
            start: start.into(),
            end: end.map(str::to_owned),
            value: value.into(),
        },
        times,
        resolution: None,
    }
}

/// Start and end in minutes after the first start, and the value.
fn read(mapping: &Mapping, text: &str, unit: &str) -> Vec<(i64, i64, i64)> {
    let series = mapping.read(text, price(unit)).expect("good");
    let first = series.slots[0].start;
    let minutes = |at: Time| (at - first).num_minutes();
    let slots = series.slots.iter();
    slots
        .map(|s| (minutes(s.start), minutes(s.end), s.value))
        .collect()
}

#[test]
fn energy_charts_gives_two_columns_of_quarter_hours() {
    let mapping = Mapping {
        layout: Layout::Columns {
            starts: "/unix_seconds".into(),
            values: "/price".into(),
        },
        times: TimeFormat::UnixS,
        resolution: Some(TimeDelta::minutes(15)),
    };
    let text = r#"{"license_info":"x","unix_seconds":[1763766000,1763766900,1763767800],
        "price":[85.1,null,-3.2],"unit":"EUR / MWh","deprecated":false}"#;
    assert_eq!(
        read(&mapping, text, "EUR/MWh"),
        [(0, 15, 85_100), (30, 45, -3_200)]
    );
}

#[test]
fn nord_pool_gives_rows_with_one_price_per_area() {
    let mapping = rows(
        "/multiAreaEntries",
        "/deliveryStart",
        Some("/deliveryEnd"),
        "/entryPerArea/DE-LU",
        TimeFormat::Rfc3339,
    );
    let text = r#"{"multiAreaEntries":[{"deliveryStart":"2026-11-21T23:00:00Z",
        "deliveryEnd":"2026-11-21T23:15:00Z","entryPerArea":{"DE-LU":101.5,"AT":99.0}}]}"#;
    assert_eq!(read(&mapping, text, "EUR/MWh"), [(0, 15, 101_500)]);
}

#[test]
fn awattar_counts_milliseconds() {
    let (start, end) = ("/start_timestamp", Some("/end_timestamp"));
    let mapping = rows("/data", start, end, "/marketprice", TimeFormat::UnixMs);
    let text = r#"{"object":"list","data":[{"start_timestamp":1763766000000,
        "end_timestamp":1763769600000,"marketprice":54.2,"unit":"Eur/MWh"}]}"#;
    assert_eq!(read(&mapping, text, "EUR/MWh"), [(0, 60, 54_200)]);
}

#[test]
fn tibber_gives_today_and_tomorrow_in_two_lists() {
    let mut mapping = rows("", "/startsAt", None, "/total", TimeFormat::Rfc3339);
    let Layout::Rows { lists, .. } = &mut mapping.layout else {
        unreachable!("rows");
    };
    *lists = vec!["/data/p/today".into(), "/data/p/tomorrow".into()];
    let text = r#"{"data":{"p":{
        "tomorrow":[{"startsAt":"2026-11-23T00:00:00.000+01:00","total":0.31}],
        "today":[{"startsAt":"2026-11-22T22:00:00.000+01:00","total":0.25},
                 {"startsAt":"2026-11-22T23:00:00.000+01:00","total":0.28}]}}}"#;
    assert_eq!(
        read(&mapping, text, "EUR/kWh"),
        [(0, 60, 250_000), (60, 120, 280_000), (120, 180, 310_000)]
    );
}

#[test]
fn octopus_gives_the_newest_first_and_leaves_the_end_of_the_last_open() {
    let (start, end) = ("/valid_from", Some("/valid_to"));
    let mapping = rows(
        "/results",
        start,
        end,
        "/value_inc_vat",
        TimeFormat::Rfc3339,
    );
    let text = r#"{"count":2,"next":null,"results":[
        {"value_inc_vat":0.2,"valid_from":"2026-11-22T00:30:00Z","valid_to":null},
        {"value_inc_vat":0.1,"valid_from":"2026-11-22T00:00:00Z","valid_to":"2026-11-22T00:30:00Z"}]}"#;
    assert_eq!(
        read(&mapping, text, "GBP/kWh"),
        // Open-ended: a day, the longest slot; the next poll brings what follows.
        [(0, 30, 100_000), (30, 60, 200_000)]
    );
}

#[test]
fn what_does_not_fit_the_mapping_is_refused_with_its_pointer() {
    let mapping = rows("/data", "/at", None, "/price", TimeFormat::UnixS);
    for (text, place) in [
        ("", "line 1 column 0"),
        ("[1,", "line 1 column 3"),
        ("{}", "/data"),
        (r#"{"data":{}}"#, "/data"),
        (r#"{"data":[{"at":1763766000}]}"#, "/data/0/price"),
        (r#"{"data":[{"price":1}]}"#, "/data/0/at"),
        (
            r#"{"data":[{"price":"1,5","at":1763766000}]}"#,
            "/data/0/price",
        ),
        (r#"{"data":[{"price":1,"at":1763766000000}]}"#, "/data/0/at"),
        (r#"{"data":[{"price":1,"at":"2026-11-22"}]}"#, "/data/0/at"),
        (r#"{"data":[{"price":[],"at":1}]}"#, "/data/0/price"),
    ] {
        match mapping.read(text, price("EUR/MWh")) {
            Err(FeedError::Malformed { place: found, .. }) => assert_eq!(found, place, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let empty = mapping.read(r#"{"data":[]}"#, price("EUR/MWh"));
    assert_eq!(empty, Err(FeedError::NoData("no values".into())));
}
