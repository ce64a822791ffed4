use super::*;

/// A document with the series that a closure adds.
fn document(series: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Publication_MarketDocument xmlns=\"urn:iec62325.351:tc57wg16:451-3:publicationdocument:7:3\">\
         <mRID>1</mRID><type>A44</type>{series}</Publication_MarketDocument>"
    )
}

fn series(
    sequence: u32,
    start: &str,
    end: &str,
    resolution: &str,
    points: &[(u32, f64)],
) -> String {
    let point = |(position, price): &(u32, f64)| {
        format!(
            "<Point><position>{position}</position><price.amount>{price}</price.amount></Point>"
        )
    };
    let points: Vec<String> = points.iter().map(point).collect();
    let points = points.concat();
    format!(
        "<TimeSeries><classificationSequence_AttributeInstanceComponent.position>{sequence}\
         </classificationSequence_AttributeInstanceComponent.position>\
         <currency_Unit.name>EUR</currency_Unit.name>\
         <price_Measure_Unit.name>MWH</price_Measure_Unit.name><curveType>A03</curveType>\
         <Period><timeInterval><start>{start}</start><end>{end}</end></timeInterval>\
         <resolution>{resolution}</resolution>{points}</Period></TimeSeries>"
    )
}

/// The prices of each hour, in millionths per kWh.
fn hours(series: &Series) -> Vec<i64> {
    let (Some(first), Some(last)) = (series.slots.first(), series.slots.last()) else {
        return Vec::new();
    };
    let mut at = first.start;
    let mut hours = Vec::new();
    while at < last.end {
        let slot = series.slots.iter().find(|s| s.start <= at && at < s.end);
        hours.push(slot.expect("no gap").value);
        at += TimeDelta::hours(1);
    }
    hours
}

#[test]
fn points_left_out_equal_the_one_before_also_at_the_end() {
    let text = document(&series(
        1,
        "2026-11-21T23:00Z",
        "2026-11-22T05:00Z",
        "PT60M",
        &[(1, 80.0), (3, -5.5), (4, 90.0)],
    ));
    let read = read(&text, "EUR").expect("good");
    assert_eq!(
        hours(&read),
        [80_000, 80_000, -5_500, 90_000, 90_000, 90_000]
    );
}

#[test]
fn the_days_of_a_clock_change_have_23_and_25_hours() {
    for (start, end, count) in [
        ("2026-03-28T23:00Z", "2026-03-29T22:00Z", 23),
        ("2026-10-24T22:00Z", "2026-10-25T23:00Z", 25),
    ] {
        let text = document(&series(1, start, end, "PT15M", &[(1, 1.0), (5, 2.0)]));
        let read = read(&text, "EUR").expect("good");
        assert_eq!(hours(&read).len(), count);
    }
}

#[test]
fn of_two_auctions_the_first_counts_and_the_second_fills_its_gaps() {
    let (noon, one, two) = (
        "2026-11-22T12:00Z",
        "2026-11-22T13:00Z",
        "2026-11-22T14:00Z",
    );
    let second = series(2, noon, two, "PT15M", &[(1, 10.0), (5, 20.0)]);
    let first = series(1, noon, one, "PT60M", &[(1, 77.0)]);
    let read = read(&document(&(second + &first)), "EUR").expect("good");
    assert_eq!(hours(&read), [77_000, 20_000]);
}

#[test]
fn an_acknowledgement_says_why_there_is_nothing() {
    let text = "<Acknowledgement_MarketDocument xmlns=\"urn:x\"><mRID>1</mRID><Reason><code>999\
                </code><text>No matching data found</text></Reason></Acknowledgement_MarketDocument>";
    let error = read(text, "EUR").expect_err("nothing");
    assert_eq!(
        error,
        FeedError::NoData("No matching data found".to_owned())
    );
}

#[test]
fn another_currency_is_refused_and_not_converted() {
    let good = document(&series(
        1,
        "2026-11-22T12:00Z",
        "2026-11-22T13:00Z",
        "PT60M",
        &[(1, 1.0)],
    ));
    let error = read(&good, "GBP").expect_err("euros");
    assert!(error.to_string().contains("currency is GBP"), "{error}");
}

#[test]
fn every_cut_and_many_a_changed_byte_is_refused_or_read_but_never_a_panic() {
    let good = document(&series(
        1,
        "2026-11-22T12:00Z",
        "2026-11-22T15:00Z",
        "PT60M",
        &[(1, 1.0), (2, 2.0)],
    ));
    for cut in 0..good.len() {
        if let Some(text) = good.get(..cut) {
            read(text, "EUR").expect_err("a cut document");
        }
    }
    for (index, _) in good.char_indices() {
        for byte in ['<', '>', '9', '-', '&', 'x', '\0'] {
            let mut text = good.clone();
            text.replace_range(index..=index, &byte.to_string());
            drop(read(&text, "EUR"));
        }
    }
}

#[test]
fn odd_intervals_resolutions_and_positions_are_refused_with_their_place() {
    let (noon, one) = ("2026-11-22T12:00Z", "2026-11-22T13:00Z");
    for (wrong, place) in [
        (series(1, one, noon, "PT60M", &[(1, 1.0)]), "<timeInterval>"),
        (
            series(1, noon, "9999-01-01T00:00Z", "PT60M", &[(1, 1.0)]),
            "<timeInterval>",
        ),
        (
            series(1, "noon", one, "PT60M", &[(1, 1.0)]),
            "<timeInterval><start>",
        ),
        (series(1, noon, one, "P1M", &[(1, 1.0)]), "<resolution>"),
        (series(1, noon, one, "PT60M", &[(2, 1.0)]), "<position>"),
        (series(1, noon, one, "PT15M", &[(2, 1.0)]), "<Period>"),
        (series(1, noon, one, "PT60M", &[]), "<Period>"),
        (
            series(1, noon, one, "PT60M", &[(1, f64::NAN)]),
            "2026-11-22T12:00:00+00:00",
        ),
    ] {
        match read(&document(&wrong), "EUR") {
            Err(FeedError::Malformed { place: found, .. }) => assert_eq!(found, place, "{wrong}"),
            other => panic!("{wrong}: {other:?}"),
        }
    }
}
