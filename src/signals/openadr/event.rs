//! One event, as far as one kind of payload is concerned.

use std::cmp::Reverse;

use serde_json::Value;

use crate::domain::signal::SignalKind;
use crate::domain::signal_unit::Unit;
use crate::domain::time::Time;
use crate::signals::series::instant;

/// Most intervals of an event.
const MAX_INTERVALS: usize = 10_000;
/// Most values of a payload.
const MAX_VALUES: usize = 1_000;

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Whole months and seconds.
    Of {
        /// Of the calendar in UTC.
        months: u32,
        /// Beside them.
        seconds: i64,
    },
    /// `P9999Y`.
    Forever,
}

impl Length {
    pub(super) const ZERO: Self = Self::Of {
        months: 0,
        seconds: 0,
    };

    /// Reads a duration of ISO 8601: years, months, weeks, days, hours, minutes and seconds, each a
    /// whole number of at most nine digits; seconds may have a fraction, which is dropped.
    pub(super) fn read(text: &str) -> Option<Self> {
        const LONGEST_YEARS: u64 = 100;
        let rest = text.trim().strip_prefix('P')?;
        let (mut days, mut clock) = rest.split_once('T').unwrap_or((rest, ""));
        if days.is_empty() && clock.is_empty() {
            return None;
        }
        let years = part(&mut days, 'Y')?;
        let months = part(&mut days, 'M')?;
        let weeks = part(&mut days, 'W')?;
        let day = part(&mut days, 'D')?;
        let hours = part(&mut clock, 'H')?;
        let minutes = part(&mut clock, 'M')?;
        let seconds = part(&mut clock, 'S')?;
        if !days.is_empty() || !clock.is_empty() {
            return None;
        }
        let seconds = (weeks * 7 + day) * 86_400 + hours * 3_600 + minutes * 60 + seconds;
        let months = years * 12 + months;
        if months >= LONGEST_YEARS * 12 || seconds >= LONGEST_YEARS * 366 * 86_400 {
            return Some(Self::Forever);
        }
        Some(Self::Of {
            months: u32::try_from(months).ok()?,
            seconds: i64::try_from(seconds).ok()?,
        })
    }

    pub(super) fn is_forever(self) -> bool {
        self == Self::Forever
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

/// The whole number before a designator, which is taken off; 0 if the designator is not there.
fn part(of: &mut &str, designator: char) -> Option<u64> {
    let Some((digits, rest)) = of.split_once(designator) else {
        return Some(0);
    };
    let digits = match designator {
        'S' => digits.split_once('.').map_or(digits, |(whole, _)| whole),
        _ => digits,
    };
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    *of = rest;
    plain.then(|| digits.parse().ok()).flatten()
}

/// A start: an instant, or "now" (the year 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Now,
    At(Time),
}

/// `intervalPeriod`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) start: Option<Start>,
    pub(super) duration: Option<Length>,
    pub(super) randomize: Option<Length>,
}

/// One value of a payload of the kind that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Payload {
    /// As the VTN named it.
    pub(super) type_: String,
    /// Alerts have none.
    pub(super) value: Option<f64>,
}

/// An interval that has such a payload; where it has none its values are empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) period: Period,
    pub(super) values: Vec<Payload>,
}

/// What of an event counts here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) id: String,
    /// 0 is the highest; nothing said is the lowest.
    pub(super) priority: u64,
    /// When it was changed last; "now" is then.
    pub(super) modified: Option<Time>,
    /// Of the intervals together: repeated until then, or cut.
    pub(super) duration: Option<Length>,
    pub(super) period: Period,
    pub(super) intervals: Vec<Interval>,
    units: Option<String>,
    currency: Option<String>,
}

impl Event {
    /// Reads an event; `None` where it says nothing of these types.
    pub(super) fn read(
        value: &Value,
        program: Option<&Value>,
        types: &[&str],
    ) -> Result<Option<Self>, String> {
        let is_asked = |name: &str| {
            types
                .iter()
                .any(|known| *known == name || known.ends_with('_') && name.starts_with(known))
        };
        let Some(list) = value.get("intervals").filter(|it| !it.is_null()) else {
            // An event may ask for reports alone.
            return Ok(None);
        };
        let list = list.as_array().ok_or("/intervals is not a list")?;
        if list.len() > MAX_INTERVALS {
            return Err(format!("it has more than {MAX_INTERVALS} intervals"));
        }
        let mut intervals = Vec::with_capacity(list.len());
        let mut says_something = false;
        for (index, interval) in list.iter().enumerate() {
            let at = |detail: String| format!("/intervals/{index}{detail}");
            let payloads = interval.get("payloads").and_then(Value::as_array);
            let mut values = Vec::new();
            for payload in payloads.into_iter().flatten() {
                let type_ = payload.get("type").and_then(Value::as_str).unwrap_or("");
                if !is_asked(type_) {
                    continue;
                }
                says_something = true;
                let given = payload.get("values").and_then(Value::as_array);
                let given = given.map_or(&[][..], |values| values);
                if given.len() > MAX_VALUES {
                    return Err(at(format!(" has more than {MAX_VALUES} values")));
                }
                let is_alert = type_.starts_with("ALERT_");
                let read = given.iter().map(|value| Payload {
                    type_: type_.to_owned(),
                    value: value.as_f64().filter(|value| value.is_finite()),
                });
                // An alert's values are a text for people.
                let count = if is_alert { 1 } else { usize::MAX };
                values.extend(read.take(count));
                if given.is_empty() {
                    values.push(Payload {
                        type_: type_.to_owned(),
                        value: None,
                    });
                }
            }
            let period = period(interval.get("intervalPeriod")).map_err(at)?;
            intervals.push(Interval { period, values });
        }
        if !says_something {
            return Ok(None);
        }
        let descriptor = |of: Option<&Value>| {
            let list = of?.get("payloadDescriptors")?.as_array()?;
            let named = |it: &&Value| {
                it.get("payloadType")
                    .and_then(Value::as_str)
                    .is_some_and(is_asked)
            };
            list.iter().find(named).cloned()
        };
        let described = descriptor(Some(value)).or_else(|| descriptor(program));
        let word = |name: &str| {
            let found = described.as_ref()?.get(name)?.as_str()?;
            (!found.is_empty()).then(|| found.to_owned())
        };
        Ok(Some(Self {
            id: value
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned(),
            priority: value
                .get("priority")
                .and_then(Value::as_u64)
                .unwrap_or(u64::MAX),
            modified: modified(value),
            duration: length(value.get("duration"), "/duration")?,
            period: period(value.get("intervalPeriod"))?,
            intervals,
            units: word("units"),
            currency: word("currency"),
        }))
    }

    /// When an event's intervals are, whatever they say: each has its id as its one payload. One that
    /// has no intervals goes on in steps of its period, an hour where none is given.
    pub(super) fn outline(value: &Value) -> Result<Self, String> {
        let list = value.get("intervals").and_then(Value::as_array);
        let list = list.filter(|list| !list.is_empty());
        let mut period = period(value.get("intervalPeriod"))?;
        let mut duration = length(value.get("duration"), "/duration")?;
        let named = |id: String| {
            vec![Payload {
                type_: id,
                value: None,
            }]
        };
        let mut intervals = Vec::new();
        for (index, interval) in list.into_iter().flatten().take(MAX_INTERVALS).enumerate() {
            let id = interval.get("id").and_then(Value::as_i64);
            intervals.push(Interval {
                period: self::period(interval.get("intervalPeriod"))
                    .map_err(|detail| format!("/intervals/{index}{detail}"))?,
                values: named(id.map_or_else(|| index.to_string(), |id| id.to_string())),
            });
        }
        if intervals.is_empty() {
            let hour = Length::Of {
                months: 0,
                seconds: 3_600,
            };
            period.duration.get_or_insert(hour);
            duration.get_or_insert(Length::Forever);
            intervals.push(Interval {
                period: Period::default(),
                values: named(String::new()),
            });
        }
        Ok(Self {
            id: text(value, "id").unwrap_or("?").to_owned(),
            priority: u64::MAX,
            modified: modified(value),
            duration,
            period,
            intervals,
            units: None,
            currency: None,
        })
    }

    /// Whose word counts, the lower first.
    pub(super) fn rank(&self) -> (u64, Reverse<Option<Time>>, &str) {
        (self.priority, Reverse(self.modified), &self.id)
    }

    /// In which unit its values are.
    pub(super) fn unit(
        &self,
        usual: &str,
        kind: SignalKind,
        currency: &str,
    ) -> Result<Unit, String> {
        let units = self.units.as_deref().unwrap_or(usual);
        let text = match (kind, units.to_ascii_uppercase().as_str()) {
            (SignalKind::ShedLevel | SignalKind::Alert, _) => "level".to_owned(),
            (SignalKind::Carbon, "GHG" | "G/KWH" | "KWH") => "g/kWh".to_owned(),
            (SignalKind::ImportPrice | SignalKind::ExportPrice, "KWH") => {
                let theirs = self.currency.as_deref().unwrap_or(currency);
                if theirs != currency {
                    return Err(format!(
                        "its prices are in {theirs}, the site's in {currency}"
                    ));
                }
                format!("{currency}/kWh")
            }
            (SignalKind::Carbon | SignalKind::ImportPrice | SignalKind::ExportPrice, _) => {
                return Err(format!("its unit is {units}; KWH is needed"));
            }
            (_, "KW") => "kW".to_owned(),
            (_, "W") => "W".to_owned(),
            (_, "MW") => "MW".to_owned(),
            _ => return Err(format!("its unit is {units}; KW is needed")),
        };
        Unit::read(kind, &text, currency)
    }
}

/// A text member.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn modified(value: &Value) -> Option<Time> {
    ["modificationDateTime", "createdDateTime"]
        .iter()
        .find_map(|name| instant(text(value, name)?))
}

fn period(value: Option<&Value>) -> Result<Period, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Period::default());
    };
    let start = match value.get("start").filter(|start| !start.is_null()) {
        None => None,
        Some(start) => Some(begin(start)?),
    };
    Ok(Period {
        start,
        duration: length(value.get("duration"), "/intervalPeriod/duration")?,
        randomize: length(
            value.get("randomizeStart"),
            "/intervalPeriod/randomizeStart",
        )?,
    })
}

fn begin(value: &Value) -> Result<Start, String> {
    let text = value.as_str().unwrap_or_default();
    // The year 1 is "now"; some write it without a time.
    if text.starts_with("0001-01-01") {
        return Ok(Start::Now);
    }
    instant(text)
        .map(Start::At)
        .ok_or_else(|| format!("/intervalPeriod/start {value} is not an instant of RFC 3339"))
}

fn length(value: Option<&Value>, place: &str) -> Result<Option<Length>, String> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let read = value.as_str().and_then(Length::read);
    read.map(Some)
        .ok_or_else(|| format!("{place} {value} is not a duration of ISO 8601"))
}
