//! A signal as it goes out, and what is said about one that came in.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::domain::quantity::Power;
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::signal_unit::{is_limit, shown_unit, shown_value};
use crate::domain::site::Site;
use crate::domain::time::Time;

/// Where a series stands: `scheduled`, `live` or `expired`.
pub(super) fn state(series: &SignalSeries, now: Time) -> &'static str {
    match (series.slots.first(), series.end()) {
        (Some(first), _) if now < first.start => "scheduled",
        (_, Some(end)) if now < end => "live",
        _ => "expired",
    }
}

/// One line of the list.
pub(super) fn line(series: &SignalSeries, site: &Site, now: Time) -> Value {
    json!({
        "key": series.key,
        "kind": series.kind,
        "unit": shown_unit(series.kind, &site.currency),
        "circuit": series.circuit,
        "source": series.source,
        "revision": series.revision,
        "priority": series.priority,
        "hard": may_be_hard(series.kind).then_some(series.hard),
        "state": state(series, now),
        "evse": series.evse,
        "acted_on": idle(series, site).is_none(),
        "source_state": source_state(series, now),
        "slots": series.slots.len(),
        "from": series.slots.first().map(|slot| slot.start),
        "until": series.end(),
        "value_now": series.slot_at(now).map(|slot| shown_value(series.kind, slot.value)),
        "issued_at": series.issued_at,
        "received_at": series.received_at,
        "age_s": (now - series.received_at).num_seconds(),
        "valid_until": series.valid_until,
    })
}

/// One signal with all its slots.
pub(super) fn whole(series: &SignalSeries, site: &Site, now: Time) -> Value {
    let mut view = line(series, site, now);
    view["slots"] = series
        .slots
        .iter()
        .map(|slot| {
            json!({
                "start": slot.start,
                "end": slot.end,
                "value": shown_value(series.kind, slot.value),
            })
        })
        .collect();
    view
}

fn may_be_hard(kind: SignalKind) -> bool {
    is_limit(kind) || kind == SignalKind::PowerTarget
}

/// How much its source can still be counted on: `fresh`; `stale` after `valid_until` while what it
/// announced goes on to hold; `failed` once nothing of it is left and what stands in for it holds.
pub(super) fn source_state(series: &SignalSeries, now: Time) -> &'static str {
    let is_over = series.end().is_none_or(|end| end <= now);
    let is_lost = series.valid_until.is_some_and(|until| until <= now);
    match (is_over, is_lost) {
        (true, _) => "failed",
        (false, true) => "stale",
        (false, false) => "fresh",
    }
}

/// Why a signal changes nothing at this site as it is described; `None` if it is acted on.
fn idle(series: &SignalSeries, site: &Site) -> Option<&'static str> {
    match series.kind {
        SignalKind::Carbon if site.carbon_price.is_none() => {
            Some("carbon decides only where no price is known: the site has no price.carbon_per_kg")
        }
        SignalKind::ExportLimit | SignalKind::ExportFallback | SignalKind::ExportPrice => Some(
            "nothing is ever discharged, so nothing of ours is exported; it counts only where a pv \
             forecast shows a surplus",
        ),
        _ => None,
    }
}

/// The answer to PUT and PATCH. `sent` are the slots of the request.
pub(super) fn accepted(
    series: &SignalSeries,
    sent: &[SignalSlot],
    before: Option<&SignalSeries>,
    site: &Site,
    now: Time,
) -> Value {
    let ahead = sent.iter().filter(|slot| slot.end > now);
    let effective_from = ahead.clone().next().map(|slot| slot.start.max(now));
    json!({
        "id": series.key,
        "key": series.key,
        "revision": series.revision,
        "accepted_slots": ahead.count(),
        "effective_from": effective_from,
        "acted_on": idle(series, site).is_none(),
        "frame_url": format!("/api/v1/sites/{}/frame", site.id),
        "warnings": warnings(series, sent, before, site, now),
    })
}

fn warnings(
    series: &SignalSeries,
    sent: &[SignalSlot],
    before: Option<&SignalSeries>,
    site: &Site,
    now: Time,
) -> Vec<String> {
    let mut warnings = Vec::new();
    warnings.extend(idle(series, site).map(str::to_owned));
    if series.kind == SignalKind::ImportLimit && !series.hard {
        let wish = "a limit with hard = false is a wish: kept unless a stated need would go short";
        warnings.push(wish.to_owned());
    }
    let past = sent.iter().filter(|slot| slot.end <= now).count();
    if past > 0 {
        warnings.push(format!("{past} slots lie in the past and have no effect"));
    }
    let gaps = sent
        .windows(2)
        .filter(|pair| pair[0].end < pair[1].start)
        .count();
    if gaps > 0 {
        let instead = match series.kind {
            SignalKind::ImportLimit => "; there the fallback, else the fail-safe limit holds",
            SignalKind::ImportPrice => "; there the next price source counts",
            _ => "",
        };
        warnings.push(format!("the series has {gaps} gaps{instead}"));
    }
    if sent.len() < 2 {
        warnings.push("the series has a single slot: what comes after it is not known".to_owned());
    }
    warnings.extend(above_connection(series, sent, site));
    warnings.extend(jump(series, sent, before));
    if series
        .valid_until
        .is_some_and(|until| until < now + TimeDelta::minutes(1))
    {
        warnings.push("valid_until is less than a minute away".to_owned());
    }
    warnings
}

fn above_connection(series: &SignalSeries, sent: &[SignalSlot], site: &Site) -> Option<String> {
    if !is_limit(series.kind) {
        return None;
    }
    let own = match &series.circuit {
        Some(id) => site.circuit(id),
        None => site.root(),
    }?
    .import_limit?;
    let above = sent
        .iter()
        .filter(|slot| Power::from_watts(slot.value) > own)
        .count();
    (above > 0).then(|| {
        format!("{above} slots are above the configured limit of {own}, which goes on to hold")
    })
}

/// Values ten times larger or smaller than the last series' are often a mistaken unit.
fn jump(
    series: &SignalSeries,
    sent: &[SignalSlot],
    before: Option<&SignalSeries>,
) -> Option<String> {
    let before = before.filter(|before| before.kind == series.kind)?;
    let (new, old) = (mean(sent)?, mean(&before.slots)?);
    let (small, large) = (new.abs().min(old.abs()), new.abs().max(old.abs()));
    (small > 0 && large >= small.saturating_mul(10)).then(|| {
        format!(
            "the mean went from {} to {}: is the unit right?",
            shown_value(series.kind, old),
            shown_value(series.kind, new)
        )
    })
}

fn mean(slots: &[SignalSlot]) -> Option<i64> {
    let count = i128::try_from(slots.len())
        .ok()
        .filter(|count| *count > 0)?;
    let sum: i128 = slots.iter().map(|slot| i128::from(slot.value)).sum();
    i64::try_from(sum / count).ok()
}
