use super::*;

const BERLIN: Tz = chrono_tz::Europe::Berlin;

fn at(text: &str) -> Time {
    text.parse().expect("an instant")
}

fn clock(hour: u32, minute: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, minute, 0).expect("a time of day")
}

fn evening(per_kwh: f64) -> Adder {
    Adder {
        days: vec![Weekday::Mon, Weekday::Tue],
        from: clock(16, 30),
        to: clock(20, 0),
        ..Adder::always(Price::from_per_kwh(per_kwh))
    }
}

fn charges(adders: Vec<Adder>) -> Charges {
    Charges {
        time_zone: BERLIN,
        factor: 1.0,
        adders,
        vat_percent: 0.0,
    }
}

fn slot(start: &str, end: &str, per_kwh: f64) -> SignalSlot {
    SignalSlot {
        start: at(start),
        end: at(end),
        value: Price::from_per_kwh(per_kwh).micros(),
    }
}

#[test]
fn factor_then_adders_then_vat() {
    let all = Charges {
        factor: 1.05,
        adders: vec![Adder::always(Price::from_per_kwh(0.12))],
        vat_percent: 19.0,
        ..charges(Vec::new())
    };
    let market = [slot("2026-11-23T00:00:00Z", "2026-11-23T01:00:00Z", 0.10)];
    // (0.10 * 1.05 + 0.12) * 1.19 = 0.225 * 1.19 = 0.26775
    assert_eq!(all.apply(&market)[0].value, 267_750);
}

#[test]
fn a_slot_is_cut_where_an_adder_begins_and_ends() {
    // Monday, 16:00 to 21:00 in Berlin.
    let market = [slot("2026-11-23T15:00:00Z", "2026-11-23T20:00:00Z", 0.10)];
    let priced = charges(vec![evening(0.05)]).apply(&market);
    let expected = [
        slot("2026-11-23T15:00:00Z", "2026-11-23T15:30:00Z", 0.10),
        slot("2026-11-23T15:30:00Z", "2026-11-23T19:00:00Z", 0.15),
        slot("2026-11-23T19:00:00Z", "2026-11-23T20:00:00Z", 0.10),
    ];
    assert_eq!(priced, expected);
    // On a Sunday it does not hold.
    let sunday = [slot("2026-11-22T15:00:00Z", "2026-11-22T20:00:00Z", 0.10)];
    assert_eq!(charges(vec![evening(0.05)]).apply(&sunday), sunday);
}

#[test]
fn months_restrict_an_adder() {
    let winter = Adder {
        months: vec![11, 12, 1, 2],
        ..Adder::always(Price::from_per_kwh(0.02))
    };
    // The last hour of October in Berlin and the first of November.
    let market = [slot("2026-10-31T22:00:00Z", "2026-11-01T00:00:00Z", 0.0)];
    let values: Vec<i64> = charges(vec![winter])
        .apply(&market)
        .iter()
        .map(|s| s.value)
        .collect();
    assert_eq!(values, [0, 20_000]);
}

#[test]
fn a_tariff_covers_the_days_of_a_clock_change_without_a_gap() {
    let night = Adder {
        from: clock(2, 30),
        to: clock(6, 0),
        ..Adder::always(Price::from_per_kwh(0.10))
    };
    // Night adder: 3.5 hours on the clock. The skipped hour 2..3 leaves 3:00 to 6:00; the doubled
    // one gives 2:30 to 3:00 twice.
    for (day, hours, night_minutes) in [
        ("2026-03-29", 23, 180),
        ("2026-10-25", 25, 240),
        ("2026-11-22", 24, 210),
    ] {
        let day: NaiveDate = day.parse().expect("a day");
        let slots = charges(vec![night.clone()]).tariff(day, 1);
        for pair in slots.windows(2) {
            assert_eq!(pair[0].end, pair[1].start, "{day}");
        }
        let length = slots.last().expect("some").end - slots[0].start;
        assert_eq!(length, TimeDelta::hours(hours), "{day}");
        let dear = slots.iter().filter(|slot| slot.value > 0);
        let minutes: i64 = dear.map(|slot| (slot.end - slot.start).num_minutes()).sum();
        assert_eq!(minutes, night_minutes, "{day}");
    }
}
