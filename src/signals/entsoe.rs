//! Day-ahead prices of the ENTSO-E Transparency Platform: documents of type A44.
//!
//! Source: ENTSO-E, the Transparency Platform's web API, `Publication_MarketDocument`. What peers
//! learned the hard way: curve type A03 leaves out points that equal the one before, also at the
//! end; the day of a clock change has 23 or 25 hours; some zones carry two auctions, of which the
//! one with the lowest position counts; an `Acknowledgement_MarketDocument` means "no data",
//! whatever the HTTP status.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::series::{FeedError, Raw, Series, instant};
use super::xml::Element;
use crate::domain::duration::duration;
use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalKind};
use crate::domain::signal_unit::Unit;
use crate::domain::time::Time;

/// The auction that counts where a document does not number its series.
const FIRST_SEQUENCE: u32 = 1;

/// Reads a document; prices must be in the site's currency, nothing is converted.
pub fn read(text: &str, currency: &str) -> Result<Series, FeedError> {
    let root = Element::read(text)?;
    match root.name.as_str() {
        "Publication_MarketDocument" => {}
        "Acknowledgement_MarketDocument" => return Err(FeedError::NoData(reason(&root))),
        other => {
            return Err(FeedError::at(
                format!("<{other}>"),
                "a Publication_MarketDocument is needed",
            ));
        }
    }
    // Per interval the lowest sequence wins; the sequences may have different resolutions.
    let mut sequences: BTreeMap<u32, Vec<Raw>> = BTreeMap::new();
    let mut unit = None;
    for series in root.all("TimeSeries") {
        unit = Some(unit_of(series, currency)?);
        let points = sequences.entry(sequence(series)).or_default();
        for period in series.all("Period") {
            points.extend(read_period(period)?);
            if points.len() > MAX_SIGNAL_SLOTS {
                return Err(FeedError::TooLong(points.len()));
            }
        }
    }
    let Some(unit) = unit else {
        return Err(FeedError::NoData("no TimeSeries".into()));
    };
    let mut taken: Vec<Raw> = Vec::new();
    for points in sequences.into_values() {
        let news: Vec<Raw> = points
            .into_iter()
            .filter(|point| {
                !taken
                    .iter()
                    .any(|t| t.start < point.end && point.start < t.end)
            })
            .collect();
        taken.extend(news);
    }
    Series::new(taken, unit)
}

fn reason(root: &Element) -> String {
    let text = root
        .all("Reason")
        .find_map(|reason| reason.child("text"))
        .map_or("no reason given", |text| text.text.as_str());
    text.chars().take(300).collect()
}

fn sequence(series: &Element) -> u32 {
    series
        .child("classificationSequence_AttributeInstanceComponent.position")
        .and_then(|position| position.text.parse().ok())
        .unwrap_or(FIRST_SEQUENCE)
}

fn unit_of(series: &Element, currency: &str) -> Result<Unit, FeedError> {
    let stated = series.need("currency_Unit.name")?;
    let per = match series.need("price_Measure_Unit.name")? {
        "MWH" => "MWh",
        "KWH" => "kWh",
        other => {
            return Err(FeedError::at(
                "<price_Measure_Unit.name>",
                format!("is {other:?}; MWH or KWH is needed"),
            ));
        }
    };
    Unit::read(
        SignalKind::ImportPrice,
        &format!("{stated}/{per}"),
        currency,
    )
    .map_err(|detail| FeedError::at("<currency_Unit.name>", detail))
}

/// The points of a period, with what A03 leaves out filled in.
fn read_period(period: &Element) -> Result<Vec<Raw>, FeedError> {
    let interval = period
        .child("timeInterval")
        .ok_or_else(|| FeedError::at("<Period>", "has no <timeInterval>"))?;
    let start = time(interval, "start")?;
    let end = time(interval, "end")?;
    let text = period.need("resolution")?;
    let step = duration(text)
        .filter(|step| *step >= TimeDelta::minutes(1) && *step <= TimeDelta::days(1))
        .ok_or_else(|| {
            FeedError::at(
                "<resolution>",
                format!("is {text:?}; PT1M to P1D is needed"),
            )
        })?;
    let slots = (end - start).num_seconds().div_euclid(step.num_seconds());
    let slots = usize::try_from(slots)
        .ok()
        .filter(|slots| (1..=MAX_SIGNAL_SLOTS).contains(slots))
        .ok_or_else(|| FeedError::at("<timeInterval>", format!("holds {slots} slots")))?;
    let mut given = BTreeMap::new();
    for point in period.all("Point") {
        let position = point.need("position")?;
        let slot = position
            .parse::<usize>()
            .ok()
            .filter(|position| (1..=slots).contains(position))
            .ok_or_else(|| {
                let detail = format!("is {position:?}; 1 to {slots} is needed");
                FeedError::at("<position>", detail)
            })?;
        let amount = point.need("price.amount")?;
        let price: f64 = amount
            .parse()
            .map_err(|_| FeedError::at("<price.amount>", format!("is {amount:?}")))?;
        given.insert(slot, price);
    }
    if !given.contains_key(&1) {
        return Err(FeedError::at("<Period>", "its first point is missing"));
    }
    let mut price = 0.0;
    let mut points = Vec::with_capacity(slots);
    let mut at = start;
    for slot in 1..=slots {
        price = given.get(&slot).copied().unwrap_or(price);
        points.push(Raw {
            start: at,
            end: at + step,
            value: price,
        });
        at += step;
    }
    Ok(points)
}

fn time(interval: &Element, name: &str) -> Result<Time, FeedError> {
    let text = interval.need(name)?;
    instant(text).ok_or_else(|| {
        FeedError::at(
            format!("<timeInterval><{name}>"),
            format!("is {text:?}; an instant with its offset is needed"),
        )
    })
}

#[cfg(test)]
mod tests;
