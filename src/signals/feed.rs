//! From a feed's document to the slots of its signal.

use chrono::{NaiveDate, TimeDelta};
use chrono_tz::Tz;

use super::charges::{Adder, Charges};
use super::http_json::{Layout, Mapping, TimeFormat};
use super::series::{FeedError, Series};
use super::{csv_file, entsoe};
use crate::domain::feed::{Feed, FeedCharges, FeedFormat, FeedLayout, FeedTimes};
use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalKind, SignalSlot, with_window_replaced};
use crate::domain::signal_unit::Unit;
use crate::domain::time::Time;

/// How far back slots are kept: the same slot of the week before stands in where a price is missing.
const KEPT: TimeDelta = TimeDelta::days(8);
/// Days of a static tariff that are told ahead.
const STATIC_DAYS: u64 = 9;

/// Reads a feed's document: what it says, charges included.
pub fn read(feed: &Feed, text: &str, currency: &str, zone: Tz) -> Result<Series, FeedError> {
    let unit = || {
        Unit::read(feed.kind, &feed.unit, currency).map_err(|detail| FeedError::at("unit", detail))
    };
    let seconds = |length: Option<u32>| length.map(|s| TimeDelta::seconds(i64::from(s)));
    let mut series = match &feed.format {
        FeedFormat::Entsoe => entsoe::read(text, currency)?,
        FeedFormat::Json {
            layout,
            times,
            resolution_s,
        } => Mapping {
            layout: layout_of(layout),
            times: match times {
                FeedTimes::Rfc3339 => TimeFormat::Rfc3339,
                FeedTimes::UnixS => TimeFormat::UnixS,
                FeedTimes::UnixMs => TimeFormat::UnixMs,
            },
            resolution: seconds(*resolution_s),
        }
        .read(text, unit()?)?,
        FeedFormat::Csv { resolution_s } => csv_file::read(text, unit()?, seconds(*resolution_s))?,
        FeedFormat::Static | FeedFormat::OpenAdr(_) => {
            return Err(FeedError::NoData("it has no document".into()));
        }
    };
    if is_price(feed.kind)
        && let Some(charges) = &feed.charges
    {
        series.slots = charges_of(charges, zone).apply(&series.slots);
    }
    Ok(series)
}

/// The slots of a tariff that is known beforehand, from a local day on.
pub fn tariff(feed: &Feed, zone: Tz, from: NaiveDate) -> Vec<SignalSlot> {
    feed.charges
        .as_ref()
        .map(|charges| charges_of(charges, zone).tariff(from, STATIC_DAYS))
        .unwrap_or_default()
}

fn is_price(kind: SignalKind) -> bool {
    matches!(kind, SignalKind::ImportPrice | SignalKind::ExportPrice)
}

fn layout_of(layout: &FeedLayout) -> Layout {
    match layout.clone() {
        FeedLayout::Rows {
            lists,
            start,
            end,
            value,
        } => Layout::Rows {
            lists,
            start,
            end,
            value,
        },
        FeedLayout::Columns { starts, values } => Layout::Columns { starts, values },
    }
}

fn charges_of(charges: &FeedCharges, time_zone: Tz) -> Charges {
    Charges {
        time_zone,
        factor: charges.factor,
        adders: charges
            .adders
            .iter()
            .map(|adder| Adder {
                days: adder.days.clone(),
                months: adder.months.clone(),
                from: adder.from,
                to: adder.to,
                price: adder.price,
            })
            .collect(),
        vat_percent: charges.vat_percent,
    }
}

/// What was known, with what is new in its place: stored slots outside of every new one, cut where
/// they reach into it; nothing older than is needed to stand in.
pub fn merged(stored: &[SignalSlot], new: &[SignalSlot], now: Time) -> Vec<SignalSlot> {
    if new.is_empty() {
        return stored.to_vec();
    }
    let oldest = now - KEPT;
    let mut all = with_window_replaced(stored, new);
    all.retain(|slot| slot.end > oldest);
    let surplus = all.len().saturating_sub(MAX_SIGNAL_SLOTS);
    all.drain(..surplus);
    all
}
