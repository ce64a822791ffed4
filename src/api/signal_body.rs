//! A signal as it comes in: checked as a whole, every fault with its pointer.

use chrono::TimeDelta;
use serde_json::Value;

use super::input::{Maybe, Node, Object};
use super::problem::{Faults, Problem};
use crate::domain::duration::duration;
use crate::domain::id::{CircuitId, EvseId};
use crate::domain::signal::{MAX_SIGNAL_SLOTS, SignalKind, SignalSlot};
use crate::domain::signal_unit::{KINDS, Unit, is_limit};
use crate::domain::site::Site;
use crate::domain::time::Time;

/// Shortest slot.
const MIN_SLOT: TimeDelta = TimeDelta::minutes(1);
/// Longest slot.
const MAX_SLOT: TimeDelta = TimeDelta::days(1);
/// How long a series may be, and how far it may reach into the future.
const MAX_HORIZON: TimeDelta = TimeDelta::days(40);
/// How far another clock may be ahead of ours.
pub(super) const MAX_CLOCK_LEAD: TimeDelta = TimeDelta::minutes(5);

/// What a request says about a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignalBody {
    pub(super) kind: SignalKind,
    pub(super) circuit: Option<CircuitId>,
    pub(super) evse: Option<EvseId>,
    /// At least one; sorted, without overlap.
    pub(super) slots: Vec<SignalSlot>,
    pub(super) revision: Option<u64>,
    pub(super) priority: Option<i32>,
    pub(super) hard: Option<bool>,
    pub(super) issued_at: Option<Time>,
    pub(super) valid_until: Option<Time>,
}

/// Reads the body of PUT and PATCH.
pub(super) fn read(site: &Site, body: &Value, now: Time) -> Result<SignalBody, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults)
        .object()
        .and_then(|object| read_object(site, object, now));
    faults.give(read)
}

fn read_object(site: &Site, object: Object<'_>, now: Time) -> Option<SignalBody> {
    let kind = object.need("kind").and_then(|node| node.word(&KINDS));
    let unit_node = object.need("unit");
    let unit = kind.zip(unit_node.as_ref()).and_then(|(kind, node)| {
        Unit::read(kind, node.text()?, &site.currency)
            .map_err(|detail| node.fault(detail))
            .ok()
    });
    let circuit = object.maybe("circuit", |node| {
        let id = node.id::<CircuitId>()?;
        if site.circuit(&id).is_none() {
            node.fault(format!("{id} is not a circuit of this site"));
            return None;
        }
        Some(id)
    });
    let evse = read_evse(site, &object, kind);
    if kind.is_some_and(is_of_site)
        && let Some(Some(circuit)) = &circuit
        && site.root().is_none_or(|root| root.id != *circuit)
    {
        object.fault(
            "circuit",
            "is for limits, shed levels, alerts and base load; this kind is about the whole site",
        );
    }
    let revision = object.maybe("revision", |node| {
        node.whole(0..=i64::MAX).and_then(|n| u64::try_from(n).ok())
    });
    let priority = object.maybe("priority", |node| {
        node.whole(0..=1_000).and_then(|n| i32::try_from(n).ok())
    });
    let hard = object.maybe("hard", |node| {
        let may_be = |kind| is_limit(kind) || kind == SignalKind::PowerTarget;
        if kind.is_some_and(|kind| !may_be(kind)) {
            node.fault("is for limits and targets only");
            return None;
        }
        node.flag()
    });
    let issued_at = object.maybe("issued_at", |node| {
        let at = node.instant()?;
        if at > now + MAX_CLOCK_LEAD {
            node.fault(format!(
                "lies more than 5 minutes ahead of our clock ({now})"
            ));
            return None;
        }
        Some(at)
    });
    let valid_until = object.maybe("valid_until", |node| {
        let at = node.instant()?;
        if at <= now {
            node.fault(format!("is over; it is {now} now"));
            return None;
        }
        Some(at)
    });
    let slots = read_slots(&object, unit, now);
    object.close();
    Some(SignalBody {
        kind: kind?,
        circuit: circuit?,
        evse: evse?,
        slots: slots?,
        revision: revision?,
        priority: priority?,
        hard: hard?,
        issued_at: issued_at?,
        valid_until: valid_until?,
    })
}

/// Kinds that say something of the site as a whole.
fn is_of_site(kind: SignalKind) -> bool {
    matches!(
        kind,
        SignalKind::ImportPrice
            | SignalKind::ExportPrice
            | SignalKind::DemandPrice
            | SignalKind::Carbon
            | SignalKind::Pv
            | SignalKind::PowerTarget
            | SignalKind::ExportLimit
            | SignalKind::ExportFallback
    )
}

/// The EVSE of a `min_energy`; no other kind has one.
fn read_evse(site: &Site, object: &Object<'_>, kind: Option<SignalKind>) -> Maybe<EvseId> {
    let evse = object.maybe("evse", |node| {
        let id = node.id::<EvseId>()?;
        if kind.is_some_and(|kind| kind != SignalKind::MinEnergy) {
            node.fault("is for min_energy only");
            return None;
        }
        if site.evse(&id).is_none() {
            node.fault(format!("{id} is not an EVSE of this site"));
            return None;
        }
        Some(id)
    })?;
    if kind == Some(SignalKind::MinEnergy) && evse.is_none() {
        object.fault(
            "evse",
            "is missing: min_energy is about the session at one EVSE",
        );
        return None;
    }
    Some(evse)
}

/// Slots in long form (`slots`) or compact (`start`, `resolution`, `values`).
fn read_slots(object: &Object<'_>, unit: Option<Unit>, now: Time) -> Option<Vec<SignalSlot>> {
    let long = object.get("slots");
    let (start, resolution, values) = (
        object.get("start"),
        object.get("resolution"),
        object.get("values"),
    );
    let compact = start.is_some() || resolution.is_some() || values.is_some();
    match long {
        Some(node) if compact => {
            node.fault("is given beside start, resolution, values; give one of the two forms");
            None
        }
        Some(node) => {
            let slots = read_long(&node, unit)?;
            within_horizon(&node, &slots, now).then_some(slots)
        }
        None if compact => {
            for (name, node) in [
                ("start", &start),
                ("resolution", &resolution),
                ("values", &values),
            ] {
                if node.is_none() {
                    object.fault(name, "is missing");
                }
            }
            let start = start.and_then(|node| node.instant());
            let resolution = resolution.and_then(|node| read_resolution(&node));
            let node = values?;
            let values = read_values(&node, unit);
            let slots = compact_slots(start?, resolution?, &values?)?;
            within_horizon(&node, &slots, now).then_some(slots)
        }
        None => {
            object.fault(
                "slots",
                "is missing; give slots, or start, resolution and values",
            );
            None
        }
    }
}

fn read_values(node: &Node<'_>, unit: Option<Unit>) -> Option<Vec<i64>> {
    let items = node.list(MAX_SIGNAL_SLOTS)?;
    if items.is_empty() {
        node.fault("is empty; to withdraw a signal, DELETE it");
        return None;
    }
    let values: Vec<_> = items.iter().map(|item| read_value(item, unit)).collect();
    values.into_iter().collect()
}

/// A value in the base unit. Without a known unit it is checked to be a number only.
fn read_value(node: &Node<'_>, unit: Option<Unit>) -> Option<i64> {
    let Some(unit) = unit else {
        node.number(&(f64::MIN..=f64::MAX))?;
        return None;
    };
    if unit.has_steps() {
        // A step of a scale is whole, or an alert's own word.
        if let Some(step) = node.value().as_str().and_then(|text| unit.step_of(text)) {
            return Some(step);
        }
        let step = node.number(&unit.range())?;
        if step.fract() != 0.0 {
            node.fault(format!("is {step}; a whole number from 0 to 3 is needed"));
            return None;
        }
        return Some(unit.to_base(step));
    }
    node.number(&unit.range()).map(|value| unit.to_base(value))
}

fn compact_slots(start: Time, resolution: TimeDelta, values: &[i64]) -> Option<Vec<SignalSlot>> {
    let mut slots = Vec::with_capacity(values.len());
    let mut from = start;
    for value in values {
        let end = from.checked_add_signed(resolution)?;
        slots.push(SignalSlot {
            start: from,
            end,
            value: *value,
        });
        from = end;
    }
    Some(slots)
}

fn read_long(node: &Node<'_>, unit: Option<Unit>) -> Option<Vec<SignalSlot>> {
    let items = node.list(MAX_SIGNAL_SLOTS)?;
    if items.is_empty() {
        node.fault("is empty; to withdraw a signal, DELETE it");
        return None;
    }
    let mut slots = Vec::with_capacity(items.len());
    let mut sound = true;
    let mut before: Option<Time> = None;
    for item in &items {
        match read_slot(item, unit, before) {
            Some(slot) => {
                before = Some(slot.end);
                slots.push(slot);
            }
            None => sound = false,
        }
    }
    sound.then_some(slots)
}

fn read_slot(item: &Node<'_>, unit: Option<Unit>, before: Option<Time>) -> Option<SignalSlot> {
    let object = item.object()?;
    let start = object.need("start").and_then(|node| node.instant());
    let end = object.need("end").and_then(|node| node.instant());
    let value = object
        .need("value")
        .and_then(|node| read_value(&node, unit));
    let mut sound = true;
    if let (Some(start), Some(end)) = (start, end) {
        if end <= start {
            object.fault("end", "is not after start");
            sound = false;
        } else if end - start < MIN_SLOT || end - start > MAX_SLOT {
            object.fault("end", "gives a slot outside of 1 minute to 1 day");
            sound = false;
        }
    }
    if let (Some(start), Some(before)) = (start, before)
        && start < before
    {
        object.fault(
            "start",
            format!("lies before {before}, the end of the slot before it"),
        );
        sound = false;
    }
    object.close();
    let slot = SignalSlot {
        start: start?,
        end: end?,
        value: value?,
    };
    sound.then_some(slot)
}

fn within_horizon(node: &Node<'_>, slots: &[SignalSlot], now: Time) -> bool {
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else {
        return false;
    };
    if last.end - first.start > MAX_HORIZON {
        node.fault("spans more than 40 days");
        return false;
    }
    if last.end > now + MAX_HORIZON {
        node.fault(format!("reaches more than 40 days ahead; it is {now} now"));
        return false;
    }
    true
}

fn read_resolution(node: &Node<'_>) -> Option<TimeDelta> {
    let text = node.text()?;
    let Some(length) = duration(text) else {
        node.fault(format!(
            "is {text:?}; a duration of ISO 8601 is needed, like PT15M"
        ));
        return None;
    };
    if length < MIN_SLOT || length > MAX_SLOT {
        node.fault(format!("is {text:?}; PT1M to P1D are allowed"));
        return None;
    }
    Some(length)
}
