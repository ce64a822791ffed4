//! Events of an `OpenADR` 3 VTN become one series of one kind.
//!
//! Everything a VTN's list of events says about a kind: each event's intervals laid out in time
//! (`schedule`), the ones of a higher priority over the others, in our units. An event that cannot be
//! read is left out and named in the notes; it never takes the others with it.
//!
//! Source: `OpenADR` 3.1.0 Definition, sections on events, intervals and enumerations.

mod event;
pub mod report;
mod schedule;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::event::Event;
use super::series::Series;
use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalKind, SignalSlot};
use crate::domain::signal_unit::{ALERTS, Unit};
use crate::domain::time::Time;

/// Most events of one VTN that are read.
pub const MAX_EVENTS: usize = 10_000;

/// What is read out of the events.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Which payloads.
    pub kind: SignalKind,
    /// ISO 4217; prices in another one are left out.
    pub currency: &'q str,
    /// Names or ids of the programs that count; none = all.
    pub programs: &'q [String],
    /// Makes the random starts of this reader differ from those of others, and stay as they are.
    pub salt: &'q str,
    /// The instant of the reading.
    pub now: Time,
}

/// The payload types that say something of a kind, and the unit they come in where nothing is said.
fn payloads(kind: SignalKind) -> Option<(&'static [&'static str], &'static str)> {
    let found: (&[&str], &str) = match kind {
        SignalKind::ImportLimit => (&["IMPORT_CAPACITY_LIMIT"], "KW"),
        SignalKind::ExportLimit => (&["EXPORT_CAPACITY_LIMIT"], "KW"),
        // The user guide's examples leave the direction out.
        SignalKind::ImportFallback => (
            &["IMPORT_CAPACITY_SUBSCRIPTION", "CAPACITY_SUBSCRIPTION"],
            "KW",
        ),
        SignalKind::ExportFallback => (&["EXPORT_CAPACITY_SUBSCRIPTION"], "KW"),
        SignalKind::ImportPrice => (&["PRICE"], "KWH"),
        SignalKind::ExportPrice => (&["EXPORT_PRICE"], "KWH"),
        SignalKind::Carbon => (&["GHG"], "GHG"),
        SignalKind::PowerTarget => (&["DISPATCH_SETPOINT"], "KW"),
        SignalKind::ShedLevel => (&["SIMPLE"], "level"),
        SignalKind::Alert => (&["ALERT_"], "level"),
        SignalKind::DemandPrice | SignalKind::BaseLoad | SignalKind::Pv | SignalKind::MinEnergy => {
            return None;
        }
    };
    Some(found)
}

/// True for the kinds that a VTN can say something of.
pub fn is_told(kind: SignalKind) -> bool {
    payloads(kind).is_some()
}

/// Reads the events. Nothing about the kind is an empty series: then a VTN wants nothing.
pub fn read(events: &[Value], programs: &[Value], question: Question<'_>) -> Series {
    let mut series = Series::default();
    let Some((types, unit)) = payloads(question.kind) else {
        return series;
    };
    let mut found: Vec<(Event, Vec<SignalSlot>)> = Vec::new();
    for (index, value) in events.iter().take(MAX_EVENTS).enumerate() {
        let program = program_of(value, programs);
        if !counts(value, program, question.programs) {
            continue;
        }
        let read = Event::read(value, program, types).and_then(|event| {
            let Some(event) = event else { return Ok(None) };
            let slots = slots(&event, unit, question)?;
            Ok(Some((event, slots)))
        });
        match read {
            Ok(Some(read)) => found.push(read),
            Ok(None) => {}
            Err(why) => {
                let id = value.get("id").and_then(Value::as_str).unwrap_or("?");
                series.note(format!("event {index} ({id}) is left out: {why}"));
            }
        }
    }
    if events.len() > MAX_EVENTS {
        series.note(format!("events beyond {MAX_EVENTS} are left out"));
    }
    // The lowest number first; of equals the newest, as the standard leaves that open.
    found.sort_by(|(a, _), (b, _)| a.rank().cmp(&b.rank()));
    for pair in found.windows(2) {
        let ((a, of_a), (b, of_b)) = (&pair[0], &pair[1]);
        if a.priority == b.priority && overlap(of_a, of_b) {
            series.note(format!(
                "events {} and {} overlap with the same priority: the newer counts",
                a.id, b.id
            ));
        }
    }
    for (_, slots) in found {
        series.slots = under(std::mem::take(&mut series.slots), &slots);
    }
    let surplus = series.slots.len().saturating_sub(MAX_SIGNAL_SLOTS);
    if surplus > 0 {
        series.note(format!("{surplus} slots at the far end are left out"));
        series.slots.truncate(MAX_SIGNAL_SLOTS);
    }
    series
}

/// True if an event belongs to a program that is asked for.
pub fn is_of_programs(event: &Value, programs: &[Value], question: Question<'_>) -> bool {
    counts(event, program_of(event, programs), question.programs)
}

fn program_of<'v>(event: &Value, programs: &'v [Value]) -> Option<&'v Value> {
    let id = event.get("programID")?.as_str()?;
    programs
        .iter()
        .find(|program| program.get("id").and_then(Value::as_str) == Some(id))
}

/// True if an event belongs to a program that is asked for.
fn counts(event: &Value, program: Option<&Value>, wanted: &[String]) -> bool {
    let names = [
        event.get("programID"),
        program.and_then(|program| program.get("programName")),
    ];
    wanted.is_empty()
        || names
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|name| wanted.iter().any(|wanted| wanted == name))
}

/// An event's slots in the base unit of the kind. One value that is not believable refuses the event.
fn slots(event: &Event, unit: &str, question: Question<'_>) -> Result<Vec<SignalSlot>, String> {
    let unit = event.unit(unit, question.kind, question.currency)?;
    let mut slots = Vec::new();
    for (start, end, payload) in schedule::lay_out(event, question.salt, question.now)? {
        let value = value_of(&payload, unit)?;
        slots.push(SignalSlot { start, end, value });
    }
    Ok(slots)
}

/// A value, or the gravity of an alert.
fn value_of(payload: &event::Payload, unit: Unit) -> Result<i64, String> {
    if let Some(alert) = payload.type_.strip_prefix("ALERT_") {
        let alert = alert.to_ascii_lowercase();
        // "ALERT_GRID_EMERGENCY" and the rest are our words with a prefix.
        let known = ALERTS.iter().find(|(word, _)| *word == alert);
        return Ok(known.map_or(1, |(_, gravity)| *gravity));
    }
    let Some(value) = payload.value else {
        return Err(format!("a {} has no number", payload.type_));
    };
    let range = unit.range();
    if !range.contains(&value) {
        return Err(format!(
            "{} {value} is outside of {} to {}",
            payload.type_,
            range.start(),
            range.end()
        ));
    }
    if unit.has_steps() && value.fract() != 0.0 {
        return Err(format!("{} {value} is not a whole level", payload.type_));
    }
    Ok(unit.to_base(value))
}

fn overlap(one: &[SignalSlot], other: &[SignalSlot]) -> bool {
    let mut others = other.iter().peekable();
    one.iter().any(|slot| {
        while others.next_if(|it| it.end <= slot.start).is_some() {}
        others.peek().is_some_and(|it| it.start < slot.end)
    })
}

/// What counts already, and the rest of `lower` in its gaps; both sorted, without overlap.
fn under(upper: Vec<SignalSlot>, lower: &[SignalSlot]) -> Vec<SignalSlot> {
    if upper.is_empty() {
        return lower.to_vec();
    }
    let mut all = Vec::with_capacity(upper.len() + lower.len());
    let mut first = 0;
    for slot in lower {
        while upper.get(first).is_some_and(|it| it.end <= slot.start) {
            first += 1;
        }
        let mut from = slot.start;
        for it in upper[first..].iter().take_while(|it| it.start < slot.end) {
            if from < it.start {
                let end = it.start;
                all.push(SignalSlot {
                    start: from,
                    end,
                    ..*slot
                });
            }
            from = from.max(it.end);
        }
        if from < slot.end {
            all.push(SignalSlot {
                start: from,
                ..*slot
            });
        }
    }
    all.extend(upper);
    all.sort_unstable_by_key(|slot| slot.start);
    all
}
