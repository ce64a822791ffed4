//! Which reports an event asks for, when they are due and over which intervals.

use chrono::TimeDelta;
use serde_json::Value;

use super::super::event::{Event, Length, text};
use super::super::schedule;
use super::{Content, Due, Reporter, Window};
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
