//! A feed or file of comma-separated values with a header: `start`, `value`, and perhaps `end`.

use chrono::TimeDelta;

use super::http_json::{Layout, Mapping, TimeFormat};
use super::series::{FeedError, Series};
use crate::domain::signal::MAX_SIGNAL_SLOTS;
use crate::domain::signal_unit::Unit;

/// Reads a file. Columns are found by name, others are left alone; times are RFC 3339 with an
/// offset. Without `end` a slot is as long as `resolution`, or lasts until the next start.
pub fn read(text: &str, unit: Unit, resolution: Option<TimeDelta>) -> Result<Series, FeedError> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|error| fault(&error))?.clone();
    for name in ["start", "value"] {
        if !headers.iter().any(|header| header == name) {
            return Err(FeedError::at("line 1", format!("has no column {name:?}")));
        }
    }
    // The rows become the JSON that the mapper reads: one place knows how slots end.
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| fault(&error))?;
        if rows.len() >= MAX_SIGNAL_SLOTS {
            return Err(FeedError::TooLong(rows.len() + 1));
        }
        let fields = headers.iter().zip(&record);
        let row: serde_json::Map<_, _> = fields
            .filter(|(_, field)| !field.is_empty())
            .map(|(header, field)| (header.to_owned(), field.into()))
            .collect();
        rows.push(serde_json::Value::Object(row));
    }
    let mapping = Mapping {
        layout: Layout::Rows {
            lists: vec![String::new()],
            start: "/start".into(),
            end: Some("/end".into()),
            value: "/value".into(),
        },
        times: TimeFormat::Rfc3339,
        resolution,
    };
    mapping
        .read_value(&serde_json::Value::Array(rows), unit)
        .map_err(in_lines)
}

/// Row 0 of the data is line 2 of the file.
fn in_lines(error: FeedError) -> FeedError {
    let FeedError::Malformed { place, detail } = error else {
        return error;
    };
    let mut parts = place.splitn(3, '/').skip(1);
    match (
        parts.next().and_then(|row| row.parse::<usize>().ok()),
        parts.next(),
    ) {
        (Some(row), Some(column)) => {
            FeedError::at(format!("line {}, column {column:?}", row + 2), detail)
        }
        _ => FeedError::Malformed { place, detail },
    }
}

fn fault(error: &csv::Error) -> FeedError {
    let line = error.position().map_or(0, csv::Position::line);
    FeedError::at(format!("line {line}"), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::signal::SignalKind;

    fn read_prices(text: &str) -> Result<Series, FeedError> {
        let unit = Unit::read(SignalKind::ImportPrice, "EUR/kWh", "EUR").expect("a unit");
        read(text, unit, None)
    }

    #[test]
    fn columns_are_found_by_name() {
        let text = "value, zone ,start,end\n0.10,NL,2026-11-22T00:00:00Z,2026-11-22T01:00:00Z\n\
                    0.20,NL,2026-11-22T02:00:00+01:00,\n0.25,NL,2026-11-22T03:00:00+01:00,\n";
        let series = read_prices(text).expect("good");
        let values: Vec<i64> = series.slots.iter().map(|slot| slot.value).collect();
        assert_eq!(values, [100_000, 200_000, 250_000]);
        assert_eq!(
            series.slots[2].end - series.slots[2].start,
            TimeDelta::hours(1)
        );
    }

    #[test]
    fn a_fault_names_line_and_column() {
        for (text, place) in [
            ("start,price\n", "line 1"),
            (
                "start,value\n2026-11-22T00:00:00Z,a\n",
                "line 2, column \"value\"",
            ),
            ("start,value\n2026-11-22T00:00:00Z\n", "line 2"),
            (
                "start,value\n2026-11-22T00:00:00Z,1\n2026-11-22 00:00,1\n",
                "line 3, column \"start\"",
            ),
        ] {
            match read_prices(text) {
                Err(FeedError::Malformed { place: found, .. }) => assert_eq!(found, place),
                other => panic!("{text}: {other:?}"),
            }
        }
        read_prices("start,value\n").expect_err("no rows");
    }
}
