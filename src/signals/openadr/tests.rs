//! What events say, rule by rule of the standard.

use serde_json::{Value, json};

use super::event::Length;
use super::{Question, read};
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;
use crate::signals::series::Series;

fn at(text: &str) -> Time {
    text.parse().expect("an instant")
}

fn question(kind: SignalKind) -> Question<'static> {
    Question {
        kind,
        currency: "EUR",
        programs: &[],
        salt: "ours",
        now: at("2026-11-22T16:00:00Z"),
    }
}

fn limits(events: &[Value]) -> Series {
    read(events, &[], question(SignalKind::ImportLimit))
}

/// Minutes after 17:00 of that day, and kW.
fn minutes(series: &Series) -> Vec<(i64, i64, i64)> {
    let zero = at("2026-11-22T17:00:00Z");
    let since = |at: Time| (at - zero).num_minutes();
    let slots = series.slots.iter();
    slots
        .map(|slot| (since(slot.start), since(slot.end), slot.value / 1000))
        .collect()
}

fn interval(id: u32, kw: f64) -> Value {
    json!({"id": id, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [kw]}]})
}

fn event(intervals: &[Value]) -> Value {
    json!({"id": "e1", "programID": "44", "objectType": "EVENT",
        "modificationDateTime": "2026-11-22T15:50:00Z",
        "intervalPeriod": {"start": "2026-11-22T17:00:00Z", "duration": "PT30M"},
        "intervals": intervals})
}

fn with(mut event: Value, name: &str, value: Value) -> Value {
    event[name] = value;
    event
}

#[test]
fn the_events_period_is_the_start_of_the_first_interval_and_the_length_of_each() {
    let series = limits(&[event(&[interval(0, 120.0), interval(1, 80.0)])]);
    assert_eq!(minutes(&series), [(0, 30, 120), (30, 60, 80)]);
    assert!(series.notes.is_empty(), "{:?}", series.notes);
}

#[test]
fn an_intervals_own_period_overrides_the_events_in_part_too() {
    let mut long = interval(1, 80.0);
    long["intervalPeriod"] = json!({"duration": "PT1H"});
    let mut later = interval(2, 60.0);
    later["intervalPeriod"] = json!({"start": "2026-11-22T20:00:00Z"});
    let mut next = interval(3, 50.0);
    next["intervalPeriod"] = json!({"start": "0001-01-01T00:00:00Z"});
    let series = limits(&[event(&[interval(0, 120.0), long, later, next])]);
    assert_eq!(
        minutes(&series),
        [(0, 30, 120), (30, 90, 80), (180, 210, 60), (210, 240, 50)]
    );
}

#[test]
fn the_year_1_is_now_and_p9999y_is_for_ever() {
    let period = json!({"start": "0001-01-01", "duration": "P9999Y"});
    let event = with(event(&[interval(0, 40.0)]), "intervalPeriod", period);
    let series = limits(&[event]);
    let slot = series.slots[0];
    assert_eq!(
        slot.start,
        at("2026-11-22T15:50:00Z"),
        "since it was changed"
    );
    assert!(slot.end > at("2027-11-22T00:00:00Z"));
}

#[test]
fn a_cancelled_event_says_nothing() {
    let period = json!({"start": "0001-01-01T00:00:00Z", "duration": "PT0S"});
    let series = limits(&[with(event(&[interval(0, 40.0)]), "intervalPeriod", period)]);
    assert_eq!(series, Series::default());
}

#[test]
fn a_longer_event_repeats_its_intervals_and_a_shorter_one_cuts_them() {
    let both = event(&[interval(0, 120.0), interval(1, 80.0)]);
    let longer = limits(&[with(both.clone(), "duration", json!("PT1H45M"))]);
    assert_eq!(
        minutes(&longer),
        [(0, 30, 120), (30, 60, 80), (60, 90, 120), (90, 105, 80)]
    );
    let shorter = limits(&[with(both, "duration", json!("PT40M"))]);
    assert_eq!(minutes(&shorter), [(0, 30, 120), (30, 40, 80)]);
}

#[test]
fn what_repeats_for_ever_is_laid_out_from_a_while_back_on() {
    let mut daily = event(&[interval(0, 120.0), interval(1, 80.0)]);
    daily["intervalPeriod"] = json!({"start": "2020-01-01T00:00:00Z", "duration": "PT12H"});
    let series = limits(&[with(daily, "duration", json!("P9999Y"))]);
    let now = at("2026-11-22T16:00:00Z");
    let first = series.slots[0];
    assert!(first.end > now - chrono::TimeDelta::days(8));
    let holds = series
        .slots
        .iter()
        .find(|slot| slot.start <= now && now < slot.end);
    // The afternoon's.
    assert_eq!(holds.map(|slot| slot.value), Some(80_000));
    assert!(series.slots.len() > 700, "{}", series.slots.len());
}

#[test]
fn several_values_split_their_interval() {
    let three = json!({"id": 0, "payloads": [{"type": "PRICE", "values": [0.1, 0.2, 0.3]}]});
    let priced = with(
        event(&[three]),
        "intervalPeriod",
        json!({"start": "2026-11-22T17:00:00Z", "duration": "PT3H"}),
    );
    let series = read(&[priced], &[], question(SignalKind::ImportPrice));
    let found: Vec<(i64, i64)> = series
        .slots
        .iter()
        .map(|slot| ((slot.end - slot.start).num_minutes(), slot.value))
        .collect();
    assert_eq!(found, [(60, 100_000), (60, 200_000), (60, 300_000)]);
}

#[test]
fn a_random_start_stays_the_same_until_the_event_changes_and_moves_all_that_follows() {
    let period =
        json!({"start": "2026-11-22T17:00:00Z", "duration": "PT30M", "randomizeStart": "PT15M"});
    let random = with(
        event(&[interval(0, 120.0), interval(1, 80.0)]),
        "intervalPeriod",
        period,
    );
    let once = limits(std::slice::from_ref(&random));
    assert_eq!(once, limits(std::slice::from_ref(&random)));
    assert_eq!(once.slots[0].end, once.slots[1].start);
    let shift = once.slots[0].start - at("2026-11-22T17:00:00Z");
    assert!(shift.num_seconds().abs() <= 900, "{shift}");
    let starts: std::collections::BTreeSet<Time> = (0..20)
        .map(|minute| {
            let changed = format!("2026-11-22T15:{minute:02}:00Z");
            limits(&[with(random.clone(), "modificationDateTime", json!(changed))]).slots[0].start
        })
        .collect();
    assert!(starts.len() > 10, "{starts:?}");
}

#[test]
fn the_lower_number_wins_where_events_overlap_and_the_newer_of_equals() {
    let low = with(
        event(&[interval(0, 120.0), interval(1, 120.0)]),
        "priority",
        json!(5),
    );
    let mut high = with(event(&[interval(0, 80.0)]), "priority", json!(1));
    high["id"] = json!("e2");
    high["intervalPeriod"] = json!({"start": "2026-11-22T17:15:00Z", "duration": "PT30M"});
    let series = limits(&[low.clone(), high.clone()]);
    assert_eq!(
        minutes(&series),
        [(0, 15, 120), (15, 45, 80), (45, 60, 120)]
    );
    assert!(series.notes.is_empty());
    let mut newer = with(high, "priority", json!(5));
    newer["modificationDateTime"] = json!("2026-11-22T15:59:00Z");
    let series = limits(&[low, newer]);
    assert_eq!(minutes(&series).len(), 3);
    assert_eq!(
        series.notes.len(),
        1,
        "equal priorities are said: {:?}",
        series.notes
    );
}

#[test]
fn payloads_of_other_kinds_do_not_compete() {
    let mut both = event(&[interval(0, 120.0)]);
    both["intervals"][0]["payloads"]
        .as_array_mut()
        .expect("a list")
        .push(json!({"type": "PRICE", "values": [0.3]}));
    let priced = with(
        event(&[json!({"id": 0, "payloads": [{"type": "GHG", "values": [210]}]})]),
        "priority",
        json!(0),
    );
    let events = [both, with(priced, "id", json!("e9"))];
    assert_eq!(minutes(&limits(&events)), [(0, 30, 120)]);
    let carbon = read(&events, &[], question(SignalKind::Carbon));
    assert_eq!(carbon.slots[0].value, 210_000);
}

#[test]
fn one_odd_event_never_loses_the_others() {
    let odd = [
        with(event(&[interval(0, 1.0)]), "intervals", json!("none")),
        with(
            event(&[interval(0, 1.0)]),
            "intervalPeriod",
            json!({"start": "tomorrow"}),
        ),
        with(event(&[interval(0, 1.0)]), "duration", json!("1 hour")),
        event(&[interval(0, -5.0)]),
        event(&[
            json!({"id": 0, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": ["many"]}]}),
        ]),
        event(&[json!({"id": 0, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": []}]})]),
        with(
            event(&[interval(0, 1.0)]),
            "payloadDescriptors",
            json!([{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "AMPS"}]),
        ),
    ];
    for event_ in odd {
        let good = with(event(&[interval(0, 120.0)]), "id", json!("good"));
        let series = limits(&[event_.clone(), good]);
        assert_eq!(minutes(&series), [(0, 30, 120)], "{event_}");
        assert_eq!(series.notes.len(), 1, "{event_}: {:?}", series.notes);
        assert!(series.notes[0].contains("e1"), "{:?}", series.notes);
    }
    for nothing in [
        json!(null),
        json!([]),
        json!({}),
        json!(7),
        json!({"intervals": []}),
    ] {
        assert_eq!(limits(&[nothing]), Series::default());
    }
}

#[test]
fn prices_of_another_currency_are_not_taken_for_ours() {
    let price = event(&[json!({"id": 0, "payloads": [{"type": "PRICE", "values": [0.31]}]})]);
    let described = |currency: &str| {
        let list = json!([{"payloadType": "PRICE", "units": "KWH", "currency": currency}]);
        read(
            std::slice::from_ref(&price),
            &[json!({"id": "44", "payloadDescriptors": list})],
            question(SignalKind::ImportPrice),
        )
    };
    assert_eq!(described("EUR").slots[0].value, 310_000);
    assert!(described("USD").slots.is_empty());
    assert!(described("USD").notes[0].contains("USD"));
}

#[test]
fn only_the_programs_that_are_asked_for_count_by_id_or_name() {
    let programs = [json!({"id": "44", "programName": "doe"})];
    let events = [event(&[interval(0, 120.0)])];
    let asked = |names: &[String]| {
        let question = Question {
            programs: names,
            ..question(SignalKind::ImportLimit)
        };
        read(&events, &programs, question).slots.len()
    };
    assert_eq!(asked(&["doe".into()]), 1);
    assert_eq!(asked(&["44".into()]), 1);
    assert_eq!(asked(&["other".into()]), 0);
}

#[test]
fn levels_alerts_and_subscriptions_become_ours() {
    let says = |type_: &str, values: Value, kind: SignalKind| {
        let interval = json!({"id": 0, "payloads": [{"type": type_, "values": values}]});
        let series = read(&[event(&[interval])], &[], question(kind));
        series.slots.first().map(|slot| slot.value)
    };
    assert_eq!(says("SIMPLE", json!([2]), SignalKind::ShedLevel), Some(2));
    assert_eq!(says("SIMPLE", json!([4]), SignalKind::ShedLevel), None);
    assert_eq!(says("SIMPLE", json!([1.5]), SignalKind::ShedLevel), None);
    let alert = |type_: &str| says(type_, json!(["a text", "and more"]), SignalKind::Alert);
    assert_eq!(alert("ALERT_GRID_EMERGENCY"), Some(3));
    assert_eq!(alert("ALERT_FLEX_ALERT"), Some(2));
    assert_eq!(alert("ALERT_WIND"), Some(1));
    assert_eq!(alert("ALERT_NOT_KNOWN_YET"), Some(1), "told");
    assert_eq!(
        says(
            "CAPACITY_SUBSCRIPTION",
            json!([60]),
            SignalKind::ImportFallback
        ),
        Some(60_000)
    );
    assert_eq!(
        says("DISPATCH_SETPOINT", json!([-20]), SignalKind::PowerTarget),
        Some(-20_000)
    );
}

#[test]
fn durations_are_those_of_iso_8601() {
    let of = |months: u32, seconds: i64| Some(Length::Of { months, seconds });
    for (text, length) in [
        ("PT15M", of(0, 900)),
        ("P1DT2H", of(0, 93_600)),
        ("P1W", of(0, 604_800)),
        ("P1M", of(1, 0)),
        ("P1Y2M", of(14, 0)),
        ("PT1.5S", of(0, 1)),
        ("PT0S", of(0, 0)),
        ("P9999Y", Some(Length::Forever)),
        ("P", None),
        ("", None),
        ("15M", None),
        ("-PT1H", None),
        ("PT1", None),
        ("P1H", None),
    ] {
        assert_eq!(Length::read(text), length, "{text}");
    }
}

#[test]
fn nothing_a_vtn_sends_can_panic() {
    let texts = [
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        "-262143-01-01T00:00:00Z",
        "P9999Y",
        "PT0S",
        "P99999999M",
        "PT999999999S",
        "",
        "x",
    ];
    for start in texts {
        for duration in texts {
            for whole in texts {
                let mut odd = event(&[interval(0, 1e308), interval(1, 5.0)]);
                odd["intervals"][0]["payloads"][0]["values"] = json!([1, 2, 3]);
                odd["intervalPeriod"] =
                    json!({"start": start, "duration": duration, "randomizeStart": whole});
                odd["duration"] = json!(whole);
                odd["modificationDateTime"] = json!(start);
                let series = limits(&[odd]);
                assert!(
                    series
                        .slots
                        .windows(2)
                        .all(|pair| pair[0].end <= pair[1].start)
                );
            }
        }
    }
}
