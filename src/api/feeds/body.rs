//! A feed as it comes in: checked as a whole, every fault with its pointer.

use chrono::{NaiveTime, TimeDelta, Weekday};
use serde_json::{Value, json};

use crate::api::input::{Node, Object};
use crate::api::ports::SecretText;
use crate::api::problem::{Faults, Problem};
use crate::domain::duration::duration;
use crate::domain::feed::{
    Feed, FeedAdder, FeedCharges, FeedFormat, FeedLayout, FeedTimes, PLACES, VtnAccess,
};
use crate::domain::id::CircuitId;
use crate::domain::quantity::Price;
use crate::domain::signal::SignalKind;
use crate::domain::signal_unit::{KINDS, MAX_PRICE_PER_KWH, Unit, shown_unit};
use crate::domain::site::Site;
use crate::domain::time::Time;

/// Feeds of prices rank behind everybody who sends them on purpose.
const DEFAULT_PRIORITY: i32 = 100;
const DEFAULT_EVERY: TimeDelta = TimeDelta::minutes(15);
const MIN_EVERY: TimeDelta = TimeDelta::seconds(30);
const MAX_EVERY: TimeDelta = TimeDelta::days(1);
/// A feed that gave nothing for this many of its intervals is stale.
const STALE_INTERVALS: u32 = 3;
const MAX_HEADERS: usize = 10;
const MAX_LISTS: usize = 10;
const MAX_ADDERS: usize = 100;
const MAX_NAME_CHARS: usize = 100;
const MAX_NAMES: usize = 50;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];
const TIMES: [(&str, FeedTimes); 3] = [
    ("rfc3339", FeedTimes::Rfc3339),
    ("unix_s", FeedTimes::UnixS),
    ("unix_ms", FeedTimes::UnixMs),
];

/// What events of a VTN may say.
const OF_VTNS: [SignalKind; 10] = [
    SignalKind::ImportLimit,
    SignalKind::ExportLimit,
    SignalKind::ImportFallback,
    SignalKind::ExportFallback,
    SignalKind::ImportPrice,
    SignalKind::ExportPrice,
    SignalKind::Carbon,
    SignalKind::PowerTarget,
    SignalKind::ShedLevel,
    SignalKind::Alert,
];

/// What feeds may say; what is a limit has its own sources.
const OF_FEEDS: [SignalKind; 6] = [
    SignalKind::ImportPrice,
    SignalKind::ExportPrice,
    SignalKind::DemandPrice,
    SignalKind::Carbon,
    SignalKind::BaseLoad,
    SignalKind::Pv,
];

/// Reads the body of PUT.
pub(super) fn read(
    site: &Site,
    name: &str,
    body: &Value,
    now: Time,
) -> Result<(Feed, Option<SecretText>), Problem> {
    let faults = Faults::default();
    let sound = (1..=MAX_NAME_CHARS).contains(&name.chars().count())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !sound {
        faults.add(
            "",
            "the feed's name in the path needs 1 to 100 letters, digits, - _ .",
        );
    }
    let read = Node::root(body, &faults)
        .object()
        .and_then(|object| read_object(site, name, object, now));
    faults.give(read)
}

fn read_object(
    site: &Site,
    name: &str,
    object: Object<'_>,
    now: Time,
) -> Option<(Feed, Option<SecretText>)> {
    let kind = object.need("kind").and_then(|node| {
        let kind = node.word(&KINDS)?;
        let is_of_vtns = object.get("openadr").is_some();
        if is_of_vtns && !OF_VTNS.contains(&kind) {
            node.fault("is nothing that an OpenADR program says");
            return None;
        }
        if !is_of_vtns && !OF_FEEDS.contains(&kind) {
            node.fault("is not of feeds: prices, carbon, base_load and pv are; limits come by limit_source or OpenADR");
            return None;
        }
        Some(kind)
    });
    let format = read_format(&object);
    let is_vtn = matches!(format, Some(FeedFormat::OpenAdr(_)));
    let is_entsoe = matches!(format, Some(FeedFormat::Entsoe));
    let is_static = matches!(format, Some(FeedFormat::Static));
    let unit = if is_vtn {
        object.get("unit").map_or_else(
            || kind.map(|kind| shown_unit(kind, &site.currency)),
            |node| {
                node.fault("is not needed: events say their units");
                None
            },
        )
    } else {
        read_unit(site, &object, kind, is_entsoe || is_static)
    };
    let circuit = object.maybe("circuit", |node| {
        let id = node.id::<CircuitId>()?;
        if site.circuit(&id).is_none() {
            node.fault(format!("{id} is not a circuit of this site"));
            return None;
        }
        Some(id)
    });
    let url = object.maybe("url", read_url);
    match (&url, format.is_some() && !is_static) {
        (Some(None), true) => object.fault("url", "is missing"),
        (Some(Some(_)), false) if is_static => object.fault("url", "is not of a static tariff"),
        _ => {}
    }
    let headers = object.maybe("headers", read_headers);
    let secret = object.maybe("secret", |node| node.text().map(SecretText::new));
    let every = object.maybe("every", |node| read_length(node, MIN_EVERY, MAX_EVERY));
    let stale = object.maybe("stale_after", |node| {
        read_length(node, MIN_EVERY, TimeDelta::days(40))
    });
    let priority = object.maybe("priority", |node| {
        node.whole(0..=1_000).and_then(|n| i32::try_from(n).ok())
    });
    let charges = object.maybe("charges", read_charges);
    if is_static && matches!(charges, Some(None)) {
        object.fault(
            "charges",
            "is missing: a static tariff is nothing but charges",
        );
    }
    if is_vtn && matches!(charges, Some(Some(_))) {
        object.fault("charges", "are not for OpenADR: its prices are final");
        return None;
    }
    if is_vtn && matches!(url, Some(Some(ref url)) if url.contains('{')) {
        object.fault("url", "is the base of the VTN, without places to fill in");
        return None;
    }
    if is_entsoe && kind.is_some_and(|kind| kind != SignalKind::ImportPrice) {
        object.fault(
            "kind",
            "must be import_price: ENTSO-E documents are day-ahead prices",
        );
    }
    object.close();
    let (every, url) = (every?, url?);
    let every_s = seconds(every.unwrap_or(DEFAULT_EVERY));
    if url.is_none() && !is_static {
        return None;
    }
    let feed = Feed {
        site: site.key(),
        name: name.to_owned(),
        kind: kind?,
        unit: unit?,
        circuit: circuit?,
        format: format?,
        url,
        headers: headers?.unwrap_or_default(),
        sealed: None,
        every_s,
        stale_after_s: stale?.map_or(every_s.saturating_mul(STALE_INTERVALS), seconds),
        priority: priority?.unwrap_or(DEFAULT_PRIORITY),
        charges: charges?,
        created_at: now,
    };
    Some((feed, secret?))
}

fn seconds(length: TimeDelta) -> u32 {
    u32::try_from(length.num_seconds()).unwrap_or(u32::MAX)
}

fn read_length(node: &Node<'_>, least: TimeDelta, most: TimeDelta) -> Option<TimeDelta> {
    let text = node.text()?;
    let read = duration(text).filter(|length| *length >= least && *length <= most);
    if read.is_none() {
        node.fault(format!(
            "is {text:?}; a duration of ISO 8601 from {} to {} s is needed, like PT15M",
            least.num_seconds(),
            most.num_seconds()
        ));
    }
    read
}

fn read_unit(
    site: &Site,
    object: &Object<'_>,
    kind: Option<SignalKind>,
    is_known: bool,
) -> Option<String> {
    let node = object.get("unit");
    match (node, kind) {
        (Some(node), Some(kind)) => {
            let text = node.text()?;
            match Unit::read(kind, text, &site.currency) {
                Ok(_) => Some(text.to_owned()),
                Err(detail) => {
                    node.fault(detail);
                    None
                }
            }
        }
        (Some(_), None) => None,
        (None, _) if is_known => Some(format!("{}/MWh", site.currency)),
        (None, _) => {
            object.fault("unit", "is missing");
            None
        }
    }
}

pub(in crate::api) fn read_url(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let mut bare = text.to_owned();
    for place in PLACES {
        bare = bare.replace(place, "0");
    }
    if bare.contains(['{', '}']) {
        node.fault(format!(
            "has a place that is not known; known are {}",
            PLACES.join(", ")
        ));
        return None;
    }
    let sound = url::Url::parse(&bare)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !sound {
        node.fault("is not an address of http or https");
        return None;
    }
    Some(text.to_owned())
}

pub(in crate::api) fn read_headers(node: &Node<'_>) -> Option<Vec<(String, String)>> {
    let members = node.value().as_object();
    let Some(members) = members.filter(|members| members.len() <= MAX_HEADERS) else {
        node.fault(format!("is not an object of at most {MAX_HEADERS} texts"));
        return None;
    };
    let mut headers = Vec::new();
    for (name, value) in members {
        let text = value.as_str().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() <= 100
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_value =
            (1..=1_000).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        if !is_name || !is_value {
            node.fault(format!(
                "{name:?} is not a header with a text of printable ASCII"
            ));
            return None;
        }
        headers.push((name.to_ascii_lowercase(), text.to_owned()));
    }
    Some(headers)
}

/// `format` names what the document is; `json` and `csv` say more about it.
fn read_format(object: &Object<'_>) -> Option<FeedFormat> {
    #[derive(Clone, Copy, PartialEq)]
    enum Word {
        Entsoe,
        Json,
        Csv,
        Static,
        OpenAdr,
    }
    const WORDS: [(&str, Word); 5] = [
        ("entsoe", Word::Entsoe),
        ("json", Word::Json),
        ("csv", Word::Csv),
        ("static", Word::Static),
        ("openadr", Word::OpenAdr),
    ];
    let word = object.need("format").and_then(|node| node.word(&WORDS));
    let json = object.get("json");
    let resolution = object.maybe("resolution", |node| {
        read_length(node, TimeDelta::minutes(1), TimeDelta::days(1)).map(seconds)
    });
    if let Some(json) = &json
        && word.is_some_and(|word| word != Word::Json)
    {
        json.fault("is for format json only");
        return None;
    }
    let openadr = object.get("openadr");
    if let Some(openadr) = &openadr
        && word.is_some_and(|word| word != Word::OpenAdr)
    {
        openadr.fault("is for format openadr only");
        return None;
    }
    match word? {
        Word::OpenAdr => {
            let Some(openadr) = openadr else {
                object.fault("openadr", "is missing: {\"client_id\": ..}");
                return None;
            };
            read_vtn(&openadr).map(FeedFormat::OpenAdr)
        }
        Word::Entsoe => Some(FeedFormat::Entsoe),
        Word::Static => Some(FeedFormat::Static),
        Word::Csv => Some(FeedFormat::Csv {
            resolution_s: resolution?,
        }),
        Word::Json => {
            let Some(json) = json else {
                object.fault("json", "is missing: {\"rows\": ..} or {\"columns\": ..}");
                return None;
            };
            let (layout, times) = read_json(&json)?;
            Some(FeedFormat::Json {
                layout,
                times,
                resolution_s: resolution?,
            })
        }
    }
}

fn read_vtn(node: &Node<'_>) -> Option<VtnAccess> {
    let object = node.object()?;
    let client_id = object.need("client_id").and_then(|node| short(&node));
    let token_url = object.maybe("token_url", read_url);
    let scope = object.maybe("scope", short);
    let programs = object.maybe("programs", names);
    let targets = object.maybe("targets", names);
    let ven_name = object.maybe("ven_name", short);
    let reports = object.maybe("reports", Node::flag);
    object.close();
    Some(VtnAccess {
        client_id: client_id?,
        token_url: token_url?,
        scope: scope?,
        programs: programs?.unwrap_or_default(),
        targets: targets?.unwrap_or_default(),
        ven_name: ven_name?,
        reports: reports?.unwrap_or(false),
    })
}

fn names(node: &Node<'_>) -> Option<Vec<String>> {
    let nodes = node.list(MAX_NAMES)?;
    let read: Vec<Option<String>> = nodes.iter().map(short).collect();
    read.into_iter().collect()
}

/// A text of 1 to 128 characters, as `OpenADR` bounds its names.
pub(in crate::api) fn short(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    let fits = (1..=128).contains(&text.chars().count());
    if !fits {
        node.fault("needs 1 to 128 characters");
    }
    fits.then(|| text.to_owned())
}

fn read_json(node: &Node<'_>) -> Option<(FeedLayout, FeedTimes)> {
    let object = node.object()?;
    let times = object.maybe("times", |node| node.word(&TIMES));
    let rows = object.maybe("rows", |node| {
        let object = node.object()?;
        let lists = object.need("lists").and_then(|node| {
            let nodes = node.list(MAX_LISTS)?;
            let lists: Vec<Option<String>> = nodes.iter().map(pointer).collect();
            let lists: Option<Vec<String>> = lists.into_iter().collect();
            lists.filter(|lists| !lists.is_empty()).or_else(|| {
                node.fault("needs at least one JSON pointer");
                None
            })
        });
        let start = object.need("start").and_then(|node| pointer(&node));
        let end = object.maybe("end", pointer);
        let value = object.need("value").and_then(|node| pointer(&node));
        object.close();
        Some(FeedLayout::Rows {
            lists: lists?,
            start: start?,
            end: end?,
            value: value?,
        })
    });
    let columns = object.maybe("columns", |node| {
        let object = node.object()?;
        let starts = object.need("starts").and_then(|node| pointer(&node));
        let values = object.need("values").and_then(|node| pointer(&node));
        object.close();
        Some(FeedLayout::Columns {
            starts: starts?,
            values: values?,
        })
    });
    let layout = match (rows?, columns?) {
        (Some(layout), None) | (None, Some(layout)) => Some(layout),
        (Some(_), Some(_)) => {
            object.fault("columns", "is given beside rows; one of them is needed");
            None
        }
        (None, None) => {
            object.fault("rows", "is missing; rows or columns is needed");
            None
        }
    };
    object.close();
    Some((layout?, times?.unwrap_or_default()))
}

/// A JSON pointer; the empty one is the whole document.
fn pointer(node: &Node<'_>) -> Option<String> {
    let text = node.value().as_str();
    let sound = text.filter(|text| text.len() <= 500 && (text.is_empty() || text.starts_with('/')));
    if sound.is_none() {
        node.fault("is not a JSON pointer, such as /data or \"\" for the whole document");
    }
    sound.map(str::to_owned)
}

fn read_charges(node: &Node<'_>) -> Option<FeedCharges> {
    let object = node.object()?;
    let factor = object.maybe("factor", |node| node.number(&(0.0..=10.0)));
    let vat_percent = object.maybe("vat_percent", |node| node.number(&(0.0..=100.0)));
    let adders = object.maybe("adders", |node| {
        let nodes = node.list(MAX_ADDERS)?;
        let read: Vec<Option<FeedAdder>> = nodes.iter().map(read_adder).collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    });
    object.close();
    Some(FeedCharges {
        factor: factor?.unwrap_or(1.0),
        adders: adders?.unwrap_or_default(),
        vat_percent: vat_percent?.unwrap_or(0.0),
    })
}

fn read_adder(node: &Node<'_>) -> Option<FeedAdder> {
    let object = node.object()?;
    let price = object
        .need("price_per_kwh")
        .and_then(|node| node.number(&(-MAX_PRICE_PER_KWH..=MAX_PRICE_PER_KWH)));
    let days = object.maybe("days", |node| {
        let nodes = node.list(DAYS.len())?;
        let read: Vec<Option<Weekday>> = nodes.iter().map(|node| node.word(&DAYS)).collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    });
    let months = object.maybe("months", |node| {
        let nodes = node.list(12)?;
        let read: Vec<Option<u32>> = nodes
            .iter()
            .map(|node| {
                node.whole(1..=12)
                    .and_then(|month| u32::try_from(month).ok())
            })
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    });
    let from = object.maybe("from", local_time);
    let to = object.maybe("to", local_time);
    object.close();
    Some(FeedAdder {
        days: days?.unwrap_or_default(),
        months: months?.unwrap_or_default(),
        from: from?.unwrap_or(NaiveTime::MIN),
        to: to?.unwrap_or(NaiveTime::MIN),
        price: Price::from_per_kwh(price?),
    })
}

/// `HH:MM` of the site's clock; 24:00 is the end of the day.
fn local_time(node: &Node<'_>) -> Option<NaiveTime> {
    let text = node.text()?;
    if text == "24:00" {
        return Some(NaiveTime::MIN);
    }
    let read = NaiveTime::parse_from_str(text, "%H:%M").ok();
    if read.is_none() {
        node.fault(format!("is {text:?}; a local time like 07:30 is needed"));
    }
    read
}

pub(super) fn format_view(format: &FeedFormat) -> Value {
    match format {
        FeedFormat::Entsoe => json!("entsoe"),
        FeedFormat::Static => json!("static"),
        FeedFormat::OpenAdr(access) => json!({"openadr": access}),
        FeedFormat::Csv { resolution_s } => json!({"csv": {"resolution_s": resolution_s}}),
        FeedFormat::Json {
            layout,
            times,
            resolution_s,
        } => json!({"json": {"layout": layout, "times": times, "resolution_s": resolution_s}}),
    }
}

pub(super) fn charges_view(charges: &FeedCharges) -> Value {
    let adders: Vec<Value> = charges
        .adders
        .iter()
        .map(|adder| {
            json!({
                "price_per_kwh": adder.price.per_kwh(), "months": adder.months,
                "days": adder.days.iter().map(|day| day.to_string().to_lowercase()).collect::<Vec<_>>(),
                "from": adder.from.format("%H:%M").to_string(),
                "to": adder.to.format("%H:%M").to_string(),
            })
        })
        .collect();
    json!({"factor": charges.factor, "vat_percent": charges.vat_percent, "adders": adders})
}
