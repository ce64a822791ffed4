//! A tariff as a price over time: its ENERGY components, with their restrictions by time, date and
//! day in the time zone of the location.
//!
//! At each instant the first element counts that matches and has an ENERGY component; where none
//! does, energy is free, as specified. What a session must have drawn, draw or have lasted is not
//! known beforehand: an element counts as for a session that has just begun and draws little. `FLAT`,
//! `TIME` and `PARKING_TIME` do not depend on when energy flows, and neither they nor `min_price`,
//! `max_price` and `step_size` are part of the price.

use std::collections::BTreeSet;

use chrono::{
    Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Timelike, Weekday,
};
use chrono_tz::Tz;
use ocpi_client::read::Deviation;
use ocpi_client::types::{
    DayOfWeek, PriceComponent, Tariff, TariffDimensionType, TariffElement, TariffRestrictions,
    TaxIncluded,
};

use crate::domain::quantity::Price;
use crate::domain::signal_unit::MAX_PRICE_PER_KWH;
use crate::domain::tariff_source::{PricedSpan, Taxes};
use crate::domain::time::Time;

/// What the price depends on cannot be known beforehand.
pub(in crate::ocpi) const NOT_BY_TIME: &str = "tariff.not_by_time";
/// An element that cannot be understood; it is passed over.
pub(in crate::ocpi) const ELEMENT_UNREADABLE: &str = "tariff.element_unreadable";
/// A tax is in the price, or comes on top, and no rate says how much.
pub(in crate::ocpi) const TAX_RATE_MISSING: &str = "tariff.tax_rate_missing";

const RESTRICTIONS: &str = "mod_tariffs: TariffRestrictions class";
const COMPONENT: &str = "mod_tariffs: PriceComponent class";

/// Most elements of a tariff that are looked at.
const MAX_ELEMENTS: usize = 200;

/// Longest stretch that is priced.
const LONGEST: TimeDelta = TimeDelta::days(14);

/// A tariff's price over time, and what of it could not be taken over.
#[derive(Debug, Default, PartialEq)]
pub struct Priced {
    /// In order, without gaps but where the tariff does not apply.
    pub spans: Vec<PricedSpan>,
    /// What was passed over, and why.
    pub notes: Vec<Deviation>,
}

/// An element with an ENERGY component, its restrictions understood.
struct Element {
    price: Price,
    when: When,
}

/// The restrictions by time: all that are there must hold.
#[derive(Default)]
struct When {
    start: Option<NaiveTime>,
    end: Option<NaiveTime>,
    first: Option<NaiveDate>,
    beyond: Option<NaiveDate>,
    days: Vec<Weekday>,
}

/// The price of energy from `from` to `until`.
pub fn priced(tariff: &Tariff, zone: Tz, taxes: Taxes, from: Time, until: Time) -> Priced {
    let until = until.min(from + LONGEST);
    let mut priced = Priced::default();
    let elements = elements(tariff, taxes, &mut priced.notes);
    let begins = tariff
        .start_date_time
        .map_or(from, |at| at.as_utc().max(from));
    let ends = tariff
        .end_date_time
        .map_or(until, |at| at.as_utc().min(until));
    if begins >= ends {
        return priced;
    }
    let cuts: Vec<Time> = cuts(&elements, zone, begins, ends).into_iter().collect();
    for (index, start) in cuts.iter().enumerate() {
        let end = cuts.get(index + 1).copied().unwrap_or(ends);
        let local = start.with_timezone(&zone).naive_local();
        let found = elements.iter().find(|element| element.when.holds(local));
        let price = found.map_or(Price::from_micros(0), |element| element.price);
        match priced.spans.last_mut() {
            Some(last) if last.price == price => last.end = end,
            _ => priced.spans.push(PricedSpan {
                start: *start,
                end,
                price,
            }),
        }
    }
    priced
}

/// Every instant at which an element may begin or cease to hold.
fn cuts(elements: &[Element], zone: Tz, from: Time, until: Time) -> BTreeSet<Time> {
    let mut cuts = BTreeSet::from([from]);
    let mut times: BTreeSet<NaiveTime> = elements
        .iter()
        .flat_map(|element| [element.when.start, element.when.end])
        .flatten()
        .collect();
    times.insert(NaiveTime::MIN);
    // Bounded by `LONGEST`.
    let mut day = from.with_timezone(&zone).date_naive();
    let last = until.with_timezone(&zone).date_naive();
    while day <= last {
        for time in &times {
            // In the hour that clocks show twice, both; in the one they leave out, none: the cut
            // there is where they jump.
            let local = zone.from_local_datetime(&day.and_time(*time));
            cuts.extend(
                local
                    .earliest()
                    .into_iter()
                    .chain(local.latest())
                    .map(|at| at.to_utc()),
            );
        }
        let Some(next) = day.succ_opt() else { break };
        day = next;
    }
    // Clocks jump at half hours at the finest.
    let half_hour = TimeDelta::minutes(30);
    let past = i64::from(from.minute() % 30 * 60 + from.second());
    let mut at = from - TimeDelta::seconds(past) + half_hour;
    while at < until {
        let offset = |at: Time| at.with_timezone(&zone).naive_local() - at.naive_utc();
        if offset(at) != offset(at - half_hour) {
            cuts.insert(at);
        }
        at += half_hour;
    }
    cuts.retain(|at| (from..until).contains(at));
    cuts
}

fn elements(tariff: &Tariff, taxes: Taxes, notes: &mut Vec<Deviation>) -> Vec<Element> {
    let mut read = Vec::new();
    for (index, element) in tariff.elements.iter().take(MAX_ELEMENTS).enumerate() {
        let energy = element
            .price_components
            .iter()
            .find(|component| component.dimension == TariffDimensionType::Energy);
        let Some(component) = energy else { continue };
        let path = format!("$.elements[{index}]");
        let when = match restrictions(element, &path, notes) {
            Ok(Some(when)) => when,
            Ok(None) => continue,
            Err(detail) => {
                let path = format!("{path}.restrictions");
                notes.push(Deviation::new(
                    ELEMENT_UNREADABLE,
                    path,
                    RESTRICTIONS,
                    detail,
                ));
                continue;
            }
        };
        match price_of(component, tariff.tax_included.as_ref(), taxes) {
            Ok((price, is_known)) => {
                if !is_known {
                    let detail = "taxes are not in the price asked for, or are in it, and vat is \
                                  absent: the price is taken as it is";
                    let path = format!("{path}.price_components");
                    notes.push(Deviation::new(TAX_RATE_MISSING, path, COMPONENT, detail));
                }
                read.push(Element { price, when });
            }
            Err(detail) => {
                let path = format!("{path}.price_components");
                notes.push(Deviation::new(ELEMENT_UNREADABLE, path, COMPONENT, detail));
            }
        }
    }
    read
}

/// The price with or without taxes, and whether that is known. In 2.2.1 prices are without taxes,
/// and an absent `vat` means that there is none; in 2.3.0 `tax_included` says what they are.
fn price_of(
    component: &PriceComponent,
    included: Option<&TaxIncluded>,
    taxes: Taxes,
) -> Result<(Price, bool), String> {
    let vat = component
        .vat
        .filter(|vat| vat.is_finite() && (0.0..=100.0).contains(vat));
    let factor = 1.0 + vat.unwrap_or(0.0) / 100.0;
    let (price, is_known) = match (included, taxes) {
        (Some(TaxIncluded::Yes), Taxes::Excluded) => (component.price / factor, vat.is_some()),
        (Some(TaxIncluded::Yes | TaxIncluded::NotApplicable), _) | (_, Taxes::Excluded) => {
            (component.price, true)
        }
        // "If omitted, no VAT is applicable"; but with NO taxes come on top that have no rate yet.
        (Some(_), Taxes::Included) => (component.price * factor, vat.is_some()),
        (None, Taxes::Included) => (component.price * factor, true),
    };
    if price.is_finite() && price.abs() <= MAX_PRICE_PER_KWH {
        Ok((Price::from_per_kwh(price), is_known))
    } else {
        Err(format!(
            "{price} per kWh is no price: at most {MAX_PRICE_PER_KWH}"
        ))
    }
}

/// When an element holds; `None` if it is not about charging, or not about its beginning.
fn restrictions(
    element: &TariffElement,
    path: &str,
    notes: &mut Vec<Deviation>,
) -> Result<Option<When>, String> {
    let Some(told) = &element.restrictions else {
        return Ok(Some(When::default()));
    };
    if told.reservation.is_some() {
        return Ok(None);
    }
    let beyond_time = beyond_time(told);
    if !beyond_time.is_empty() {
        let names: Vec<_> = beyond_time.iter().map(|(name, _)| *name).collect();
        let begins = beyond_time.iter().all(|(_, holds)| *holds);
        let detail = format!(
            "{} cannot be known beforehand: the element is {}, as for a session that has just \
             begun and draws little",
            names.join(", "),
            if begins { "taken" } else { "passed over" },
        );
        let path = format!("{path}.restrictions");
        notes.push(Deviation::new(NOT_BY_TIME, path, RESTRICTIONS, detail));
        if !begins {
            return Ok(None);
        }
    }
    let time = |field: &str, text: &Option<String>| {
        let parse = |text: &String| {
            NaiveTime::parse_from_str(text, "%H:%M")
                .map_err(|_| format!("{field} {text:.20?} is no time HH:MM"))
        };
        text.as_ref().map(parse).transpose()
    };
    let date = |field: &str, text: &Option<String>| {
        let parse = |text: &String| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map_err(|_| format!("{field} {text:.20?} is no date YYYY-MM-DD"))
        };
        text.as_ref().map(parse).transpose()
    };
    let days = told.day_of_week.iter().map(|day| {
        weekday(day).ok_or_else(|| format!("{:.20} is no day of the week", day.as_str()))
    });
    Ok(Some(When {
        start: time("start_time", &told.start_time)?,
        end: time("end_time", &told.end_time)?,
        first: date("start_date", &told.start_date)?,
        beyond: date("end_date", &told.end_date)?,
        days: days.collect::<Result<_, _>>()?,
    }))
}

/// The restrictions that are not about time, and whether each holds for a session that has just
/// begun and draws little.
fn beyond_time(told: &TariffRestrictions) -> Vec<(&'static str, bool)> {
    let seconds = |seconds: Option<u32>| seconds.map(f64::from);
    let least = [
        ("min_kwh", told.min_kwh),
        ("min_current", told.min_current),
        ("min_power", told.min_power),
        ("min_duration", seconds(told.min_duration)),
    ];
    let most = [
        ("max_kwh", told.max_kwh),
        ("max_current", told.max_current),
        ("max_power", told.max_power),
        ("max_duration", seconds(told.max_duration)),
    ];
    let least = least.into_iter().map(|(name, value)| (name, value, false));
    let most = most.into_iter().map(|(name, value)| (name, value, true));
    least
        .chain(most)
        .filter_map(|(name, value, is_most)| Some((name, (value? > 0.0) == is_most)))
        .collect()
}

fn weekday(day: &DayOfWeek) -> Option<Weekday> {
    Some(match day {
        DayOfWeek::Monday => Weekday::Mon,
        DayOfWeek::Tuesday => Weekday::Tue,
        DayOfWeek::Wednesday => Weekday::Wed,
        DayOfWeek::Thursday => Weekday::Thu,
        DayOfWeek::Friday => Weekday::Fri,
        DayOfWeek::Saturday => Weekday::Sat,
        DayOfWeek::Sunday => Weekday::Sun,
        DayOfWeek::Other(_) => return None,
    })
}

impl When {
    /// Whether it holds at a local time. A stretch whose end is not after its start goes on beyond
    /// midnight; an end of 00:00 is the end of the day.
    fn holds(&self, local: NaiveDateTime) -> bool {
        let (date, time) = (local.date(), local.time());
        let in_day = match (self.start, self.end) {
            (None, None) => true,
            (Some(start), None) => time >= start,
            (None, Some(end)) => time < end || end == NaiveTime::MIN,
            (Some(start), Some(end)) if start < end => (start..end).contains(&time),
            (Some(start), Some(end)) => time >= start || time < end,
        };
        in_day
            && self.first.is_none_or(|first| date >= first)
            && self.beyond.is_none_or(|beyond| date < beyond)
            && (self.days.is_empty() || self.days.contains(&date.weekday()))
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Amsterdam;
    use serde_json::{Value, json};

    use super::*;

    fn tariff(elements: &Value, changes: &Value) -> Tariff {
        let mut body = json!({"country_code": "NL", "party_id": "CPO", "id": "T1",
            "currency": "EUR", "elements": elements, "last_updated": "2026-01-01T00:00:00Z"});
        let fields = body.as_object_mut().unwrap();
        fields.extend(changes.as_object().unwrap().clone());
        serde_json::from_value(body).unwrap()
    }

    fn energy(price: f64, restrictions: &Value) -> Value {
        json!({"price_components": [{"type": "ENERGY", "price": price, "step_size": 1}],
            "restrictions": restrictions})
    }

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    /// Spans from `from` for so many hours: start as UTC day and time, price in tenths of a cent.
    fn spans(tariff: &Tariff, from: &str, hours: i64) -> Vec<(String, i64)> {
        let from = at(from);
        let until = from + TimeDelta::hours(hours);
        let priced = priced(tariff, Amsterdam, Taxes::Included, from, until);
        let whole = priced
            .spans
            .windows(2)
            .all(|pair| pair[0].end == pair[1].start);
        assert!(whole, "{priced:?}");
        priced
            .spans
            .iter()
            .map(|span| {
                (
                    span.start.format("%dT%H:%M").to_string(),
                    span.price.micros() / 1000,
                )
            })
            .collect()
    }

    fn list(rows: &[(&str, i64)]) -> Vec<(String, i64)> {
        rows.iter()
            .map(|(at, price)| ((*at).to_owned(), *price))
            .collect()
    }

    #[test]
    fn the_first_element_that_matches_counts_in_the_location_s_time_zone() {
        let elements = json!([
            energy(
                0.45,
                &json!({"start_time": "17:00", "end_time": "20:00",
                "day_of_week": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]})
            ),
            energy(0.20, &json!({"start_time": "23:00", "end_time": "06:30"})),
            // Another dimension hides no later energy price.
            json!({"price_components": [{"type": "FLAT", "price": 1, "step_size": 1}]}),
            energy(0.30, &json!({})),
        ]);
        // Friday, 20 November; Amsterdam is an hour ahead.
        assert_eq!(
            spans(&tariff(&elements, &json!({})), "2026-11-20T12:00:00Z", 36),
            list(&[
                ("20T12:00", 300),
                ("20T16:00", 450),
                ("20T19:00", 300),
                ("20T22:00", 200),
                ("21T05:30", 300),
                ("21T22:00", 200)
            ])
        );
    }

    #[test]
    fn dates_and_midnight_are_local_and_an_end_of_00_00_is_the_end_of_the_day() {
        let elements = json!([
            energy(
                0.50,
                &json!({"start_date": "2026-11-21", "end_date": "2026-11-22"})
            ),
            energy(0.40, &json!({"start_time": "18:00", "end_time": "00:00"})),
            energy(0.10, &json!({"end_time": "06:00"})),
        ]);
        // Where no element matches energy is free.
        assert_eq!(
            spans(&tariff(&elements, &json!({})), "2026-11-20T16:00:00Z", 38),
            list(&[
                ("20T16:00", 0),
                ("20T17:00", 400),
                ("20T23:00", 500),
                ("21T23:00", 100),
                ("22T05:00", 0)
            ])
        );
    }

    #[test]
    fn when_clocks_change_local_times_stay_what_they_are() {
        let night = json!([
            energy(0.10, &json!({"start_time": "02:00", "end_time": "03:00"})),
            energy(0.30, &json!({})),
        ]);
        let night = tariff(&night, &json!({}));
        // 25 October 2026: the hour from 02:00 to 03:00 is there twice, 00:00Z to 02:00Z.
        assert_eq!(
            spans(&night, "2026-10-24T22:00:00Z", 6),
            list(&[("24T22:00", 300), ("25T00:00", 100), ("25T02:00", 300)])
        );
        // 29 March 2026: it is not there at all.
        assert_eq!(
            spans(&night, "2026-03-28T23:00:00Z", 6),
            list(&[("28T23:00", 300)])
        );
        let until_three = json!([
            energy(0.10, &json!({"start_time": "01:00", "end_time": "02:30"})),
            energy(0.30, &json!({})),
        ]);
        // It ends where clocks jump over its end: at 01:00Z.
        assert_eq!(
            spans(&tariff(&until_three, &json!({})), "2026-03-28T23:00:00Z", 6),
            list(&[("28T23:00", 300), ("29T00:00", 100), ("29T01:00", 300)])
        );
    }

    #[test]
    fn a_tariff_says_nothing_before_it_begins_and_after_it_ends() {
        let elements = json!([energy(0.25, &json!({}))]);
        let changes = json!({"start_date_time": "2026-11-20T14:00:00Z",
            "end_date_time": "2026-11-20T18:00:00Z"});
        let from = at("2026-11-20T12:00:00Z");
        let until = from + TimeDelta::hours(24);
        let priced = priced(
            &tariff(&elements, &changes),
            Amsterdam,
            Taxes::Included,
            from,
            until,
        );
        assert_eq!(priced.spans.len(), 1);
        let only = priced.spans[0];
        assert_eq!(
            (only.start, only.end),
            (at("2026-11-20T14:00:00Z"), at("2026-11-20T18:00:00Z"))
        );
    }

    #[test]
    fn taxes_are_added_or_taken_out_as_each_version_means_them() {
        let price = |vat: Value, included: Value, taxes: Taxes| {
            let elements = json!([{"price_components": [{"type": "ENERGY", "price": 0.2,
                "vat": vat, "step_size": 1}]}]);
            let from = at("2026-11-20T12:00:00Z");
            let tariff = tariff(&elements, &json!({"tax_included": included}));
            let until = from + TimeDelta::hours(1);
            let priced = priced(&tariff, Amsterdam, taxes, from, until);
            (priced.spans[0].price.micros(), priced.notes.len())
        };
        let (none, yes, no) = (Value::Null, json!("YES"), json!("NO"));
        // 2.2.1: without; absent vat means none.
        assert_eq!(
            price(json!(25), none.clone(), Taxes::Included),
            (250_000, 0)
        );
        assert_eq!(
            price(json!(25), none.clone(), Taxes::Excluded),
            (200_000, 0)
        );
        assert_eq!(
            price(none.clone(), none.clone(), Taxes::Included),
            (200_000, 0)
        );
        // 2.3.0
        assert_eq!(price(json!(25), yes.clone(), Taxes::Included), (200_000, 0));
        assert_eq!(price(json!(25), yes.clone(), Taxes::Excluded), (160_000, 0));
        assert_eq!(price(json!(25), no.clone(), Taxes::Included), (250_000, 0));
        assert_eq!(
            price(none.clone(), json!("N/A"), Taxes::Excluded),
            (200_000, 0)
        );
        // No rate: taken as it is, and said.
        assert_eq!(price(none.clone(), yes, Taxes::Excluded), (200_000, 1));
        assert_eq!(price(none, no, Taxes::Included), (200_000, 1));
    }

    #[test]
    fn what_cannot_be_known_beforehand_counts_as_for_a_session_that_has_just_begun_and_is_said() {
        let elements = json!([
            energy(0.10, &json!({"min_kwh": 20})),
            energy(0.60, &json!({"min_duration": 1800, "max_power": 50})),
            energy(0.20, &json!({"max_power": 16})),
            energy(0.35, &json!({})),
            energy(0.99, &json!({"reservation": "RESERVATION"})),
        ]);
        let tariff = tariff(&elements, &json!({}));
        let from = at("2026-11-20T12:00:00Z");
        let priced = priced(
            &tariff,
            Amsterdam,
            Taxes::Included,
            from,
            from + TimeDelta::hours(2),
        );
        assert_eq!(priced.spans.len(), 1);
        assert_eq!(priced.spans[0].price.micros(), 200_000);
        let paths: Vec<_> = priced
            .notes
            .iter()
            .map(|note| (&*note.id, &*note.path))
            .collect();
        assert_eq!(
            paths,
            [0, 1, 2].map(|index| (
                NOT_BY_TIME,
                [
                    "$.elements[0].restrictions",
                    "$.elements[1].restrictions",
                    "$.elements[2].restrictions"
                ][index]
            ))
        );
    }

    #[test]
    fn an_element_that_cannot_be_understood_is_passed_over_and_said() {
        for wrong in [
            json!({"start_time": "7 o'clock"}),
            json!({"end_date": "tomorrow"}),
            json!({"day_of_week": ["FUNDAY"]}),
        ] {
            let elements = json!([energy(9.0, &wrong), energy(0.3, &json!({}))]);
            let from = at("2026-11-20T12:00:00Z");
            let until = from + TimeDelta::hours(2);
            let tariff = tariff(&elements, &json!({}));
            let priced = priced(&tariff, Amsterdam, Taxes::Included, from, until);
            assert_eq!(priced.spans[0].price.micros(), 300_000, "{wrong}");
            assert_eq!(priced.notes[0].id, ELEMENT_UNREADABLE, "{wrong}");
        }
        let absurd = json!([energy(1e12, &json!({})), energy(0.3, &json!({}))]);
        assert_eq!(
            spans(&tariff(&absurd, &json!({})), "2026-11-20T12:00:00Z", 2),
            list(&[("20T12:00", 300)])
        );
    }
}
