//! A feed: a document somewhere that says prices, carbon or forecasts, asked for again and again.

use chrono::{NaiveTime, Weekday};
use serde::{Deserialize, Serialize};

use super::id::{CircuitId, SignalKey, SiteKey};
use super::quantity::Price;
use super::signal::SignalKind;
use super::time::Time;

/// What begins the key of the signal that a feed gives.
pub const FEED_PREFIX: &str = "feed:";
/// What stands for the feed's secret in its address and headers.
pub const SECRET: &str = "{secret}";

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedTimes {
    /// RFC 3339 with an offset.
    #[default]
    Rfc3339,
    /// Whole seconds since the Unix epoch.
    UnixS,
    /// Whole milliseconds since the Unix epoch.
    UnixMs,
}

/// Where times and values are in a JSON document; JSON pointers (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedLayout {
    /// Lists of objects.
    Rows {
        /// Where the lists are.
        lists: Vec<String>,
        /// The start, from the object.
        start: String,
        /// The end, from the object.
        end: Option<String>,
        /// The value, from the object.
        value: String,
    },
    /// Two lists of equal length.
    Columns {
        /// Where the starts are.
        starts: String,
        /// Where the values are.
        values: String,
    },
}

/// What the document is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedFormat {
    /// `Publication_MarketDocument` of ENTSO-E (A44).
    Entsoe,
    /// JSON of any shape.
    Json {
        /// Where things are.
        layout: FeedLayout,
        /// How times are written.
        times: FeedTimes,
        /// Length of a slot where no end is given, in seconds.
        resolution_s: Option<u32>,
    },
    /// Comma-separated values with the columns `start`, `value` and perhaps `end`.
    Csv {
        /// Length of a slot where no end is given, in seconds.
        resolution_s: Option<u32>,
    },
    /// No document: the charges alone are a tariff by time of use.
    Static,
    /// Events of an `OpenADR` 3 server (VTN) of which we are a client (VEN); the address is its base.
    OpenAdr(VtnAccess),
}

/// How we are let in at a VTN, and what of it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VtnAccess {
    /// The client of OAuth 2 client credentials; its secret is the feed's.
    pub client_id: String,
    /// Where tokens are given; `None` = where the VTN says (`GET /auth/server`).
    pub token_url: Option<String>,
    /// The scope that is asked for.
    pub scope: Option<String>,
    /// Names or ids of the programs that count; none = all that we may see.
    pub programs: Vec<String>,
    /// The events asked for are limited to these targets.
    pub targets: Vec<String>,
    /// The name under which we make ourselves known as a VEN, if we should.
    pub ven_name: Option<String>,
    /// The reports that its events ask for are made here; of several feeds of one VTN, one should.
    #[serde(default)]
    pub reports: bool,
}

/// So much per kWh at certain local times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedAdder {
    /// On which days; empty = every day.
    pub days: Vec<Weekday>,
    /// In which months, 1 to 12; empty = every month.
    pub months: Vec<u32>,
    /// From this local time on.
    pub from: NaiveTime,
    /// Until this local time; not after `from` = until the end of the day.
    pub to: NaiveTime,
    /// How much.
    pub price: Price,
}

/// From the market's price to what the site pays: `(market * factor + adders) * (1 + VAT)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeedCharges {
    /// Of the market's price.
    pub factor: f64,
    /// Added to it.
    pub adders: Vec<FeedAdder>,
    /// Value-added tax, percent.
    pub vat_percent: f64,
}

/// A feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feed {
    /// Whose.
    pub site: SiteKey,
    /// Its name within the site.
    pub name: String,
    /// What it says.
    pub kind: SignalKind,
    /// In which unit; of ENTSO-E the document says it.
    pub unit: String,
    /// The circuit it is about; `None` = the root.
    pub circuit: Option<CircuitId>,
    /// What the document is.
    pub format: FeedFormat,
    /// Where it is, with `{date}`, `{from..}`, `{to..}` and `{secret}` to be filled in.
    pub url: Option<String>,
    /// Headers that are sent along.
    pub headers: Vec<(String, String)>,
    /// The secret, sealed.
    pub sealed: Option<Vec<u8>>,
    /// How often it is asked for, in seconds.
    pub every_s: u32,
    /// It counts as stale when it gave nothing for so long, in seconds.
    pub stale_after_s: u32,
    /// For prices and the like: the lowest number wins.
    pub priority: i32,
    /// On top of it.
    pub charges: Option<FeedCharges>,
    /// When it was set up.
    pub created_at: Time,
}

impl Feed {
    /// The key of the signal it gives; `None` if its name is too long.
    pub fn signal_key(&self) -> Option<SignalKey> {
        SignalKey::new(format!("{FEED_PREFIX}{}", self.name)).ok()
    }
}

/// Fills in the places of an address for one call: `{date}` is the local day; `{from}` and `{to}` are
/// RFC 3339 in UTC, `{from_unix}`, `{from_ms}` and `{from_entsoe}` other ways to write them.
pub fn filled_in(template: &str, from: Time, to: Time, date: &str) -> String {
    let rfc = |at: Time| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let entsoe = |at: Time| at.format("%Y%m%d%H%M").to_string();
    template
        .replace("{date}", date)
        .replace("{from}", &rfc(from))
        .replace("{to}", &rfc(to))
        .replace("{from_unix}", &from.timestamp().to_string())
        .replace("{to_unix}", &to.timestamp().to_string())
        .replace("{from_ms}", &from.timestamp_millis().to_string())
        .replace("{to_ms}", &to.timestamp_millis().to_string())
        .replace("{from_entsoe}", &entsoe(from))
        .replace("{to_entsoe}", &entsoe(to))
}

/// The places that an address may have.
pub const PLACES: [&str; 10] = [
    "{date}",
    "{from}",
    "{to}",
    "{from_unix}",
    "{to_unix}",
    "{from_ms}",
    "{to_ms}",
    "{from_entsoe}",
    "{to_entsoe}",
    SECRET,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_times() {
        let from: Time = "2026-11-22T23:00:00Z".parse().expect("valid");
        let to: Time = "2026-11-24T23:00:00Z".parse().expect("valid");
        assert_eq!(
            filled_in(
                "https://x/?a={from_entsoe}&b={to_unix}&c={date}&d={from}",
                from,
                to,
                "2026-11-23"
            ),
            "https://x/?a=202611222300&b=1795561200&c=2026-11-23&d=2026-11-22T23:00:00Z"
        );
    }
}
