//! What a provider's forecasts come to as signals.

use chrono::TimeDelta;

use crate::domain::oscp::{OscpBlock, OscpForecast, OscpLink};
use crate::domain::signal::{SignalKind, SignalSlot};
use crate::domain::time::Time;

/// What a series is that a provider gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OscpSeries {
    /// What makes its key, after the provider's name.
    pub suffix: &'static str,
    /// What it means.
    pub kind: SignalKind,
    /// When.
    pub slots: Vec<SignalSlot>,
}

/// What is kept as a limit of which nothing is known any more: more than any circuit's own.
const BOUNDLESS_W: i64 = 1_000_000_000;

/// The series of a link. While its provider is offline its limits end at that instant, so that the
/// fallback holds from there on, below the circuit's fail-safe.
pub fn series(link: &OscpLink, now: Time) -> Vec<OscpSeries> {
    let ends_at = (!link.holds(now)).then(|| link.offline_at.unwrap_or(now).min(now));
    let of = |of: OscpForecast| link.forecasts.get(&of).map_or(&[][..], |blocks| blocks);
    let limit = |limit: OscpForecast, fallback: OscpForecast| -> Vec<SignalSlot> {
        let blocks = of(limit);
        let Some(end) = ends_at else {
            return slots(blocks);
        };
        if blocks.is_empty() && of(fallback).is_empty() {
            return Vec::new();
        }
        let mut kept = slots(blocks);
        kept.retain(|slot| slot.start < end);
        for slot in &mut kept {
            slot.end = slot.end.min(end);
        }
        if kept.last().is_none_or(|slot| slot.end < end) {
            // Something has to end for its fallback to hold.
            kept.push(SignalSlot {
                start: end - TimeDelta::seconds(1),
                end,
                value: BOUNDLESS_W,
            });
            let count = kept.len();
            if count > 1 {
                kept[count - 1].start = kept[count - 1].start.max(kept[count - 2].end);
            }
        }
        kept
    };
    let all = [
        (
            "import_limit",
            SignalKind::ImportLimit,
            limit(OscpForecast::Consumption, OscpForecast::FallbackConsumption),
        ),
        (
            "import_fallback",
            SignalKind::ImportFallback,
            slots(of(OscpForecast::FallbackConsumption)),
        ),
        (
            "export_limit",
            SignalKind::ExportLimit,
            limit(OscpForecast::Generation, OscpForecast::FallbackGeneration),
        ),
        (
            "export_fallback",
            SignalKind::ExportFallback,
            slots(of(OscpForecast::FallbackGeneration)),
        ),
        (
            "optimum",
            SignalKind::PowerTarget,
            match ends_at {
                // What it would like is of no meaning while it is away.
                Some(_) => Vec::new(),
                None => slots(of(OscpForecast::Optimum)),
            },
        ),
    ];
    all.into_iter()
        .map(|(suffix, kind, slots)| OscpSeries {
            suffix,
            kind,
            slots,
        })
        .collect()
}

fn slots(blocks: &[OscpBlock]) -> Vec<SignalSlot> {
    let slot = |block: &OscpBlock| SignalSlot {
        start: block.start,
        end: block.end,
        value: block.capacity.watts(),
    };
    blocks.iter().map(slot).collect()
}
