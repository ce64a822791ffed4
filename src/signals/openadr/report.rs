//! The reports that events ask for (`reportDescriptors`): which are due, over which intervals, and what
//! they say. What was measured and what is planned comes from outside as [`Figure`]s.
//!
//! A report looks back from its interval (`historical`) or ahead from it. It is due when that interval
//! begins, or at the end of the last one; the next one `frequency` intervals later, `repeat` times.
//!
//! Ours, where the standard leaves it open: an event without an end has no last interval, so its reports
//! begin with the first interval that is over (looking back), or with the first (looking ahead); "all"
//! intervals are then those of the last two days, or of the next. Of forecasts only the newest is of any
//! use, so each takes the place of the one before; what was measured is a report of its own each time.
//!
//! Source: `OpenADR` 3.1.0 Definition, `reportDescriptor`, `report` and the enumerations of payloads.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::event::{Event, Length, text};
use super::schedule;
use crate::domain::dispatch::{Measured, Quality};
use crate::domain::quantity::Power;
use crate::domain::time::Time;

/// Most requests of an event.
const MAX_REQUESTS: usize = 50;
/// Most intervals of a report: two days of quarters of an hour.
const MAX_INTERVALS: usize = 192;
/// Most reports of a request that are sent at once: after an outage the oldest are left out.
const MAX_BEHIND: i64 = 48;
/// How far back figures are kept.
const KEPT: TimeDelta = TimeDelta::days(2);
/// How far ahead anything is known.
const AHEAD: TimeDelta = TimeDelta::days(1);
/// Which of an event's intervals are looked at.
const REACH: schedule::Reach = schedule::Reach {
    back: KEPT,
    ahead: TimeDelta::days(2),
    grain_s: 1,
};
/// Less than this does not count as charging: 100 W.
const IDLE: Power = Power::from_watts(100);

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Energy drawn, kWh.
    Usage,
    /// Mean or highest power drawn, kW.
    Demand,
    /// What would be drawn if nobody asked: charging at once.
    Baseline,
    /// Energy that is planned, kWh.
    UsageForecast,
    /// Load that can be shed, kW.
    Up,
    /// Load that can be added, kW.
    Down,
    /// Whether it charges, and whether less than it would.
    OperatingState,
}

impl Content {
    fn of(type_: &str) -> Option<Self> {
        let found = match type_ {
            "USAGE" => Self::Usage,
            "DEMAND" => Self::Demand,
            "BASELINE" => Self::Baseline,
            "USAGE_FORECAST" => Self::UsageForecast,
            "LOAD_SHED_DELTA_AVAILABLE" | "UP_REGULATION_AVAILABLE" => Self::Up,
            "DOWN_REGULATION_AVAILABLE" => Self::Down,
            "OPERATING_STATE" => Self::OperatingState,
            _ => return None,
        };
        Some(found)
    }

    /// Powers are asked for in kW, energies in kWh, where nobody says.
    fn units(self, asked: Option<&str>) -> Option<&'static str> {
        let usual = match self {
            Self::Usage | Self::UsageForecast => "KWH",
            Self::Demand | Self::Baseline | Self::Up | Self::Down => "KW",
            Self::OperatingState => return None,
        };
        // A baseline is power or energy, as is asked for.
        Some(match (self, asked) {
            (Self::Baseline, Some("KWH")) => "KWH",
            _ => usual,
        })
    }
}

/// Who reports.
#[derive(Clone, Copy, Debug)]
pub struct Reporter<'r> {
    /// The VEN's name, as the report's `clientName`.
    pub client: &'r str,
    /// The resource: the site.
    pub resource: &'r str,
    /// What else we are called: a request for other targets is not for us.
    pub targets: &'r [String],
    /// As in [`super::Question`].
    pub salt: &'r str,
}

/// One interval of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The event's own number of it.
    pub id: i64,
    /// Inclusive start.
    pub start: Time,
    /// Exclusive end.
    pub end: Time,
}

/// A report that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Of which event.
    pub event: String,
    /// Its name: the same for the same report, also after a restart.
    pub name: String,
    /// One of this name may be there already and is replaced.
    pub replaces: bool,
    /// What is asked for, in the VTN's word and ours.
    pub payload: String,
    /// What that means.
    pub content: Content,
    /// `readingType`, as is asked for.
    pub reading: Option<String>,
    units: Option<&'static str>,
    aggregate: bool,
    /// The intervals it is about.
    pub windows: Vec<Window>,
}

/// What is known of a window; `None` where nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// What was drawn.
    pub measured: Option<Measured>,
    /// The highest minute of it.
    pub peak: Option<Power>,
    /// What is planned.
    pub planned: Option<Power>,
    /// What would be drawn if nobody asked.
    pub baseline: Option<Power>,
    /// Load that can be shed.
    pub up: Option<Power>,
    /// Load that can be added.
    pub down: Option<Power>,
    /// Somebody keeps the site below its own limit.
    pub is_curtailed: bool,
}

/// What is due, and when something will be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// To be sent, unless it was.
    pub due: Vec<Due>,
    /// When the next one is due.
    pub next: Option<Time>,
    /// What is asked for and cannot be given.
    pub notes: Vec<String>,
}

/// The reports that an event asks for.
pub fn schedule(event: &Value, reporter: Reporter<'_>, now: Time) -> Schedule {
    let mut schedule = Schedule::default();
    let asked = event.get("reportDescriptors").and_then(Value::as_array);
    let asked = asked.map_or(&[][..], |list| list);
    if asked.is_empty() {
        return schedule;
    }
    let id = text(event, "id").unwrap_or("?");
    let outline = Event::outline(event).and_then(|event| {
        Ok((
            schedule::numbered(&event, reporter.salt, now, REACH)?,
            event,
        ))
    });
    let (numbered, outline) = match outline {
        Ok(found) => found,
        Err(why) => {
            let note = format!("event {id} asks for reports, but {why}");
            schedule.notes.push(note);
            return schedule;
        }
    };
    let windows: Vec<(i64, Window)> = numbered
        .into_iter()
        .map(|(number, (start, end, payload))| {
            let id = payload.type_.parse().unwrap_or(number);
            (number, Window { id, start, end })
        })
        .collect();
    let is_endless = outline.duration.is_some_and(Length::is_forever);
    for (index, request) in asked.iter().take(MAX_REQUESTS).enumerate() {
        let place = format!("event {id}, /reportDescriptors/{index}");
        match Request::read(request, reporter) {
            Ok(Some(request)) => {
                request.plan(&windows, is_endless, (id, index), now, &mut schedule);
            }
            Ok(None) => {}
            Err(why) => schedule.notes.push(format!("{place}: {why}")),
        }
    }
    schedule
}

/// One `reportDescriptor`.
struct Request {
    payload: String,
    content: Content,
    reading: Option<String>,
    units: Option<&'static str>,
    aggregate: bool,
    /// `None` = the end of the last interval.
    first: Option<i64>,
    /// `None` = all.
    count: Option<i64>,
    is_historical: bool,
    every: i64,
    /// `None` = for ever.
    repeat: Option<i64>,
}

impl Request {
    /// Reads one; `None` if it is about others.
    fn read(value: &Value, reporter: Reporter<'_>) -> Result<Option<Self>, String> {
        let payload = text(value, "payloadType").ok_or("it has no payloadType")?;
        let content =
            Content::of(payload).ok_or_else(|| format!("{payload} is not reported by us"))?;
        let targets = value.get("targets").and_then(Value::as_array);
        let mut named = targets.into_iter().flatten().filter_map(Value::as_str);
        let is_ours = |name: &str| {
            [reporter.client, reporter.resource].contains(&name)
                || reporter.targets.iter().any(|target| target == name)
        };
        let for_all = targets.is_none_or(Vec::is_empty);
        if !for_all && !named.any(is_ours) {
            return Ok(None);
        }
        let number = |name: &str, usual: i64| match value.get(name) {
            None | Some(Value::Null) => Ok(usual),
            Some(given) => given
                .as_i64()
                .filter(|given| *given >= -1)
                .ok_or_else(|| format!("{name} is {given}; -1 or more is needed")),
        };
        let flag =
            |name: &str, usual: bool| value.get(name).and_then(Value::as_bool).unwrap_or(usual);
        let some = |given: i64| (given >= 0).then_some(given);
        let count = some(number("numIntervals", -1)?);
        let frequency = some(number("frequency", -1)?).or(count);
        Ok(Some(Self {
            payload: payload.to_owned(),
            content,
            reading: text(value, "readingType").map(str::to_owned),
            units: content.units(text(value, "units")),
            aggregate: flag("aggregate", false),
            first: some(number("startInterval", -1)?),
            count,
            is_historical: flag("historical", true),
            // Without any number of intervals there is one report of all of them.
            every: frequency.unwrap_or(0),
            repeat: some(number("repeat", 1)?),
        }))
    }

    fn plan(
        &self,
        windows: &[(i64, Window)],
        is_endless: bool,
        (event, index): (&str, usize),
        now: Time,
        schedule: &mut Schedule,
    ) {
        let Some((last, end)) = windows.last().map(|(number, last)| (*number, last.end)) else {
            return;
        };
        let count = last + 1;
        let every = if self.every > 0 || !is_endless {
            self.every
        } else {
            1
        };
        let first = self
            .first
            .unwrap_or(match (is_endless, self.is_historical) {
                (false, true) => count,
                // Nothing lies ahead of the last interval's end: the forecast of all of it is meant.
                (_, false) => 0,
                (true, true) => every.max(1),
            });
        let turns = if every == 0 { Some(1) } else { self.repeat };
        let at = |number: i64| match windows.iter().find(|(it, _)| *it == number) {
            Some((_, window)) => Some(window.start),
            None if number == count => Some(end),
            None => None,
        };
        let mut due = Vec::new();
        // What is over for longer than windows are laid out is passed by.
        let oldest = windows.first().map_or(0, |(number, _)| *number);
        let mut turn = match every {
            0 => 0,
            every => ((oldest - first) / every).max(0),
        };
        // Bounded: every turn moves on, up to the last window.
        while turns.is_none_or(|turns| turn < turns) && first + turn * every <= count {
            let number = first + turn * every;
            match at(number) {
                Some(at) if at > now => {
                    let next = schedule.next.map_or(at, |next| next.min(at));
                    schedule.next = Some(next);
                    break;
                }
                Some(_) => due.push((turn, number)),
                None => {}
            }
            if every == 0 {
                break;
            }
            turn += 1;
        }
        let most = if self.is_historical { MAX_BEHIND } else { 1 };
        let surplus = due.len().saturating_sub(usize::try_from(most).unwrap_or(1));
        for (turn, number) in due.split_off(surplus) {
            let windows = self.windows(windows, number, now);
            if windows.is_empty() {
                continue;
            }
            let name = if self.is_historical {
                format!("{event}/{index}/{}/{turn}", self.payload)
            } else {
                format!("{event}/{index}/{}", self.payload)
            };
            schedule.due.push(Due {
                event: event.to_owned(),
                name,
                replaces: !self.is_historical,
                payload: self.payload.clone(),
                content: self.content,
                reading: self.reading.clone(),
                units: self.units,
                aggregate: self.aggregate,
                windows,
            });
        }
    }

    /// The intervals before or from a number on.
    fn windows(&self, all: &[(i64, Window)], number: i64, now: Time) -> Vec<Window> {
        let count = self.count.unwrap_or(i64::MAX);
        let is_meant = |it: i64| {
            if self.is_historical {
                it < number && it >= number.saturating_sub(count)
            } else {
                it >= number && it < number.saturating_add(count)
            }
        };
        let is_known = |window: &Window| window.end > now - KEPT && window.start < now + AHEAD;
        let meant = all.iter().filter(|(it, _)| is_meant(*it));
        let meant: Vec<Window> = meant
            .map(|(_, window)| window.clone())
            .filter(is_known)
            .collect();
        let surplus = meant.len().saturating_sub(MAX_INTERVALS);
        if self.is_historical {
            meant[surplus..].to_vec()
        } else {
            meant[..meant.len() - surplus].to_vec()
        }
    }
}

impl Due {
    /// The report as it is posted; a figure for each window, in order.
    pub fn body(&self, reporter: Reporter<'_>, figures: &[Figure], now: Time) -> Value {
        let intervals: Vec<Value> = self
            .windows
            .iter()
            .zip(figures)
            .map(|(window, figure)| {
                json!({
                    "id": window.id,
                    "intervalPeriod": {
                        "start": window.start.format("%FT%TZ").to_string(),
                        "duration": format!("PT{}S", (window.end - window.start).num_seconds()),
                    },
                    "payloads": self.payloads(window, figure, now),
                })
            })
            .collect();
        let mut descriptor = json!({
            "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
            "payloadType": self.payload,
            "readingType": self.reading_type(now),
        });
        if let Some(units) = self.units {
            descriptor["units"] = json!(units);
        }
        let resource = if self.aggregate {
            "AGGREGATED_REPORT"
        } else {
            reporter.resource
        };
        json!({
            "objectType": "REPORT",
            "eventID": self.event,
            "clientName": reporter.client,
            "reportName": self.name,
            "payloadDescriptors": [descriptor],
            "resources": [{ "resourceName": resource, "intervals": intervals }],
        })
    }

    fn reading_type(&self, now: Time) -> &str {
        let is_ahead = self.windows.iter().any(|window| window.end > now);
        match (self.content, self.reading.as_deref()) {
            (Content::Usage | Content::Demand, _) if is_ahead => "FORECAST",
            (Content::Demand, Some("PEAK")) => "PEAK",
            (Content::Demand, _) => "MEAN",
            (Content::Usage | Content::OperatingState, _) => "DIRECT_READ",
            (Content::Baseline, _) => "ESTIMATED",
            (Content::UsageForecast | Content::Up | Content::Down, _) => "FORECAST",
        }
    }

    fn payloads(&self, window: &Window, figure: &Figure, now: Time) -> Vec<Value> {
        let span = window.end - window.start;
        let one = |value: Value| vec![json!({ "type": self.payload, "values": [value] })];
        // Only what is over is measured.
        let measured = figure.measured.filter(|_| window.end <= now);
        let used = measured.map(|it| it.energy.mean_power(span));
        if self.content == Content::OperatingState {
            let power = used.or(figure.planned).unwrap_or_default();
            let state = match (power > IDLE, figure.is_curtailed) {
                (true, true) => "RUNNING_CURTAILED",
                (true, false) => "RUNNING_NORMAL",
                (false, true) => "IDLE_CURTAILED",
                (false, false) => "IDLE_NORMAL",
            };
            return one(json!(state));
        }
        let wants_peak = self.reading.as_deref() == Some("PEAK");
        let power = match self.content {
            Content::Demand if wants_peak && window.end <= now => figure.peak.or(used),
            Content::Usage | Content::Demand if window.end <= now => used,
            Content::Usage | Content::Demand | Content::UsageForecast => figure.planned,
            Content::Baseline => figure.baseline,
            Content::Up => figure.up,
            Content::Down => figure.down,
            Content::OperatingState => None,
        };
        let quality = match (power, measured.map(|it| it.quality)) {
            (None, _) | (_, Some(Quality::Missing)) => "MISSING",
            (_, Some(Quality::Estimated)) => "ESTIMATED",
            _ => "OK",
        };
        let quality = json!({ "type": "DATA_QUALITY", "values": [quality] });
        let Some(power) = power else {
            return vec![quality];
        };
        let value = match self.units {
            Some("KWH") => power.over(span).kilowatt_hours(),
            _ => power.kilowatts(),
        };
        let mut payloads = one(json!(value));
        if matches!(self.content, Content::Usage | Content::Demand) {
            payloads.push(quality);
        }
        payloads
    }
}
