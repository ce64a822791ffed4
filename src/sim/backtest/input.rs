//! The two files of a backtest: recorded sessions and recorded prices, read by column name.
//!
//! Every fault is told with its line and column, many at once; with one fault nothing is played.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, TimeDelta};

use super::RecordedStay;
use crate::domain::quantity::{Energy, Price};
use crate::domain::time::Time;
use crate::sim::world::PriceSeries;

/// Most rows of a file: some years of a large site.
const ROWS_MAX: usize = 1_000_000;
/// Most faults that are told of a file.
const FAULTS_MAX: usize = 20;
/// Most energy of a session: more than any vehicle's battery.
const ENERGY_KWH_MAX: f64 = 2_000.0;
/// Longest stay: a month.
const STAY_MAX: TimeDelta = TimeDelta::days(31);
/// Highest price either way, per kWh: more than any market allows.
const PRICE_MAX: f64 = 100.0;
/// A price holds for an hour where no other begins before that.
const PRICE_HOLDS: TimeDelta = TimeDelta::hours(1);

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFault {
    /// The line, the header being 1; `None`: the file as a whole.
    pub line: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
    /// What is wrong, and what is allowed.
    pub detail: String,
}

impl fmt::Display for InputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.line, &self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(column)) => write!(f, "column {column}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.detail)
    }
}

/// Prices, and until when the last of them holds.
#[derive(Clone, Debug)]
pub struct RecordedPrices {
    /// The prices.
    pub series: PriceSeries,
    /// The first instant that has one.
    pub from: Time,
    /// The first instant after all of them.
    pub until: Time,
    /// The highest of them.
    pub highest: Price,
}

/// A row's values by the names of their columns.
struct Row<'r> {
    line: u64,
    columns: &'r BTreeMap<String, usize>,
    record: &'r csv::StringRecord,
}

impl Row<'_> {
    fn fault(&self, column: &str, detail: impl Into<String>) -> InputFault {
        InputFault {
            line: Some(self.line),
            column: Some(column.to_owned()),
            detail: detail.into(),
        }
    }

    /// The value of a column; `None` where it is empty or there is no such column.
    fn text(&self, column: &str) -> Option<&str> {
        let value = self.record.get(*self.columns.get(column)?)?.trim();
        (!value.is_empty()).then_some(value)
    }

    fn required<'s>(&'s self, column: &str) -> Result<&'s str, InputFault> {
        self.text(column)
            .ok_or_else(|| self.fault(column, "is empty"))
    }

    fn time(&self, column: &str, text: &str) -> Result<Time, InputFault> {
        let wrong = || {
            let detail = format!("{text:?} is no RFC 3339 time such as 2019-10-02T07:30:00+02:00");
            self.fault(column, detail)
        };
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?;
        let year = chrono::Datelike::year(&at);
        if !(1970..=2200).contains(&year) {
            let detail = format!("the year {year} is outside 1970 to 2200");
            return Err(self.fault(column, detail));
        }
        Ok(at.to_utc())
    }

    fn number(&self, column: &str, text: &str, range: (f64, f64)) -> Result<f64, InputFault> {
        let (least, most) = range;
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        number
            .filter(|n| (least..=most).contains(n))
            .ok_or_else(|| {
                let detail = format!("{text:?} is no number from {least} to {most}");
                self.fault(column, detail)
            })
    }
}

/// Reads rows one by one until there are too many faults.
fn read_rows(
    text: &str,
    required: &[&str],
    mut take: impl FnMut(&Row<'_>) -> Result<(), InputFault>,
) -> Result<(), Vec<InputFault>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let broken = |error: &csv::Error| InputFault {
        line: error.position().map(csv::Position::line),
        column: None,
        detail: match error.kind() {
            csv::ErrorKind::UnequalLengths {
                expected_len, len, ..
            } => format!("has {len} values; the header has {expected_len}"),
            _ => "is not a row of comma-separated values in UTF-8".to_owned(),
        },
    };
    let headers = reader.headers().map_err(|e| vec![broken(&e)])?.clone();
    let mut columns = BTreeMap::new();
    let mut faults = Vec::new();
    for (index, name) in headers.iter().enumerate() {
        if columns.insert(name.to_owned(), index).is_some() {
            faults.push(whole(Some(name), "is there twice"));
        }
    }
    for name in required {
        if !columns.contains_key(*name) {
            faults.push(whole(Some(name), "is missing in the header"));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut rows = 0;
    for record in reader.records() {
        rows += 1;
        let taken = match &record {
            _ if rows > ROWS_MAX => Err(whole(None, &format!("has more than {ROWS_MAX} rows"))),
            Err(error) => Err(broken(error)),
            Ok(record) => take(&Row {
                line: record.position().map_or(0, csv::Position::line),
                columns: &columns,
                record,
            }),
        };
        faults.extend(taken.err());
        if faults.len() >= FAULTS_MAX || rows > ROWS_MAX {
            break;
        }
    }
    if rows == 0 {
        faults.push(whole(None, "has no row below its header"));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn whole(column: Option<&str>, detail: &str) -> InputFault {
    InputFault {
        line: None,
        column: column.map(str::to_owned),
        detail: detail.to_owned(),
    }
}

/// Reads sessions, sorted by arrival: `arrival`, `departure`, `energy_kwh`, and where there are
/// `requested_kwh`, `estimated_departure`, `evse`. Other columns are passed over.
///
/// A row without an EVSE gets a place that is free then.
pub fn read_sessions(text: &str) -> Result<Vec<RecordedStay>, Vec<InputFault>> {
    let mut stays: Vec<(u64, RecordedStay)> = Vec::new();
    read_rows(text, &["arrival", "departure", "energy_kwh"], |row| {
        let stay = stay(row)?;
        stays.push((row.line, stay));
        Ok(())
    })?;
    stays.sort_by_key(|(line, stay)| (stay.arrival, *line));
    let faults = occupied(&stays);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut stays: Vec<RecordedStay> = stays.into_iter().map(|(_, stay)| stay).collect();
    find_places(&mut stays);
    Ok(stays)
}

fn stay(row: &Row<'_>) -> Result<RecordedStay, InputFault> {
    let time = |column: &str| row.time(column, row.required(column)?);
    let (arrival, departure) = (time("arrival")?, time("departure")?);
    if departure <= arrival {
        return Err(row.fault("departure", "is not after the arrival"));
    }
    if departure - arrival > STAY_MAX {
        let detail = format!(
            "is more than {} days after the arrival",
            STAY_MAX.num_days()
        );
        return Err(row.fault("departure", detail));
    }
    let energy = |column: &str, text: &str| {
        let kwh = row.number(column, text, (0.0, ENERGY_KWH_MAX))?;
        Ok(Energy::from_kilowatt_hours(kwh))
    };
    let optional = |column: &str| row.text(column).map(|text| (column.to_owned(), text));
    let requested = optional("requested_kwh")
        .map(|(column, text)| energy(&column, text))
        .transpose()?;
    let estimated_departure = optional("estimated_departure")
        .map(|(column, text)| row.time(&column, text))
        .transpose()?;
    let evse = row.text("evse").unwrap_or_default();
    if crate::domain::id::EvseId::new(evse).is_err() && !evse.is_empty() {
        return Err(row.fault("evse", format!("{evse:?} is no name of an EVSE")));
    }
    Ok(RecordedStay {
        line: row.line,
        arrival,
        departure,
        energy: energy("energy_kwh", row.required("energy_kwh")?)?,
        requested,
        estimated_departure,
        evse: evse.to_owned(),
    })
}

/// A car cannot come to an EVSE before the one before it has left.
fn occupied(stays: &[(u64, RecordedStay)]) -> Vec<InputFault> {
    let mut last: BTreeMap<&str, (u64, Time)> = BTreeMap::new();
    let mut faults = Vec::new();
    for (line, stay) in stays.iter().filter(|(_, stay)| !stay.evse.is_empty()) {
        if let Some((before, until)) = last.get(stay.evse.as_str())
            && *until > stay.arrival
        {
            faults.push(InputFault {
                line: Some(*line),
                column: Some("arrival".to_owned()),
                detail: format!(
                    "is before the departure of the session of line {before} at the same EVSE {}",
                    stay.evse
                ),
            });
            if faults.len() >= FAULTS_MAX {
                return faults;
            }
        }
        last.insert(&stay.evse, (*line, stay.departure));
    }
    faults
}

/// Gives each stay without an EVSE the first of as many places as are needed.
fn find_places(stays: &mut [RecordedStay]) {
    let named: BTreeSet<String> = stays.iter().map(|stay| stay.evse.clone()).collect();
    let mut places: Vec<(String, Time)> = Vec::new();
    let mut number = 0_u32;
    for stay in stays.iter_mut().filter(|stay| stay.evse.is_empty()) {
        let free = places.iter_mut().find(|(_, until)| *until <= stay.arrival);
        if let Some((name, until)) = free {
            stay.evse.clone_from(name);
            *until = stay.departure;
            continue;
        }
        // Bounded: one of one more number than there are names is free.
        let name = loop {
            number += 1;
            let name = format!("place-{number:03}");
            if !named.contains(&name) {
                break name;
            }
        };
        stay.evse.clone_from(&name);
        places.push((name, stay.departure));
    }
}

/// Reads prices: `start` and `price_per_kwh`, in any order, each holding until the next, the last
/// for an hour.
pub fn read_prices(text: &str) -> Result<RecordedPrices, Vec<InputFault>> {
    let mut prices: Vec<(Time, Price, u64)> = Vec::new();
    read_rows(text, &["start", "price_per_kwh"], |row| {
        let start = row.time("start", row.required("start")?)?;
        let price = row.required("price_per_kwh")?;
        let price = row.number("price_per_kwh", price, (-PRICE_MAX, PRICE_MAX))?;
        prices.push((start, Price::from_per_kwh(price), row.line));
        Ok(())
    })?;
    prices.sort_by_key(|(start, _, line)| (*start, *line));
    let mut faults = Vec::new();
    for pair in prices.windows(2) {
        if faults.len() >= FAULTS_MAX {
            break;
        }
        let ((before, _, first), (start, _, line)) = (pair[0], pair[1]);
        let detail = if before == start {
            format!("is the same as in line {first}")
        } else if start - before > PRICE_HOLDS {
            format!("is more than an hour after the price before it ({before}): a price is missing")
        } else {
            continue;
        };
        faults.push(InputFault {
            line: Some(line),
            column: Some("start".to_owned()),
            detail,
        });
    }
    let (Some(first), Some(last)) = (prices.first(), prices.last()) else {
        return Err(vec![whole(None, "has no price")]);
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(RecordedPrices {
        from: first.0,
        until: last.0 + PRICE_HOLDS,
        highest: prices
            .iter()
            .map(|(_, price, _)| *price)
            .max()
            .unwrap_or(first.1),
        series: PriceSeries::new(prices.iter().map(|(start, price, _)| (*start, *price))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "arrival,departure,energy_kwh,evse\n";

    fn faults(rows: &str) -> Vec<String> {
        let read = read_sessions(&format!("{HEAD}{rows}"));
        let faults = read.err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn columns_are_found_by_name_and_others_passed_over() {
        let text = "note,energy_kwh,departure,arrival\n\
                    x,5.5,2019-10-02T12:00:00Z,2019-10-02T10:00:00+02:00\n";
        let stays = read_sessions(text).expect("sound");
        assert_eq!(stays.len(), 1);
        assert_eq!(stays[0].energy, Energy::from_kilowatt_hours(5.5));
        assert_eq!((stays[0].departure - stays[0].arrival).num_hours(), 4);
        assert_eq!(stays[0].evse, "place-001");
    }

    #[test]
    fn every_fault_is_told_with_line_and_column() {
        let good = "2019-10-02T08:00:00Z,2019-10-02T12:00:00Z,5,a\n";
        let cases = [
            (
                "yesterday,2019-10-02T12:00:00Z,5,a",
                "line 3, column arrival: \"yesterday\" is no",
            ),
            (
                "2019-10-02T13:00:00Z,2019-10-02T12:00:00Z,5,b",
                "line 3, column departure: is not",
            ),
            (
                "2019-10-02T08:00:00Z,2019-12-02T12:00:00Z,5,b",
                "line 3, column departure: is more",
            ),
            (
                "2019-10-02T08:00:00Z,2019-10-02T12:00:00Z,-1,b",
                "line 3, column energy_kwh: \"-1\"",
            ),
            (
                "2019-10-02T08:00:00Z,2019-10-02T12:00:00Z,NaN,b",
                "line 3, column energy_kwh",
            ),
            (
                "2019-10-02T08:00:00Z,2019-10-02T12:00:00Z,,b",
                "line 3, column energy_kwh: is empty",
            ),
            (
                "2019-10-02T08:00:00Z,2019-10-02T12:00:00Z",
                "line 3: has 2 values; the header has 4",
            ),
            (
                "2019-10-02T11:00:00Z,2019-10-02T12:00:00Z,5,a",
                "line 3, column arrival: is before",
            ),
        ];
        for (row, expected) in cases {
            let told = faults(&format!("{good}{row}\n"));
            assert_eq!(told.len(), 1, "{row}: {told:?}");
            assert!(told[0].starts_with(expected), "{row}: {told:?}");
        }
    }

    #[test]
    fn a_missing_column_and_an_empty_file_are_told() {
        let told = |text: &str| read_sessions(text).expect_err("faulty")[0].to_string();
        assert_eq!(
            told("arrival,departure\n"),
            "column energy_kwh: is missing in the header"
        );
        assert_eq!(told(HEAD), "has no row below its header");
        assert_eq!(told(""), "column arrival: is missing in the header");
    }

    #[test]
    fn cars_without_a_place_share_as_few_as_they_need() {
        let row = |from: u32, to: u32| {
            format!("2019-10-02T{from:02}:00:00Z,2019-10-02T{to:02}:00:00Z,5,\n")
        };
        let text = format!("{HEAD}{}{}{}", row(8, 12), row(9, 10), row(10, 11));
        let stays = read_sessions(&text).expect("sound");
        let places: Vec<&str> = stays.iter().map(|stay| stay.evse.as_str()).collect();
        assert_eq!(places, ["place-001", "place-002", "place-002"]);
    }

    #[test]
    fn a_gap_or_a_repetition_of_prices_is_told() {
        let told = |rows: &str| {
            let read = read_prices(&format!("start,price_per_kwh\n{rows}"));
            read.expect_err("faulty")[0].to_string()
        };
        let hour = |hour: u32| format!("2019-10-02T{hour:02}:00:00Z,0.04\n");
        assert!(told(&(hour(1) + &hour(3))).starts_with("line 3, column start: is more than"));
        assert!(told(&(hour(1) + &hour(1))).starts_with("line 3, column start: is the same"));
        let sound = format!("start,price_per_kwh\n{}{}", hour(2), hour(1));
        let prices = read_prices(&sound).expect("in any order");
        assert_eq!((prices.until - prices.from).num_hours(), 2);
    }
}
