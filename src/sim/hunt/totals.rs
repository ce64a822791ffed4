//! What the sites of a run add up to.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::report::{Cause, Hindrance, SiteReport, Span, Violation};

/// Most failing sites that are named.
const MOST_NAMED: usize = 20;

/// All sites of a run.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Sites played.
    pub sites: u64,
    /// Failing sites: seed and what they found first.
    pub failing: Vec<(u64, Vec<Violation>)>,
    /// How many failed.
    pub failed: u64,
    counts: BTreeMap<&'static str, u64>,
    by_bound: u64,
    excursions: BTreeMap<(Cause, Hindrance), Vec<Span>>,
    faults: BTreeMap<&'static str, u64>,
    cars: u64,
    ready: u64,
    reachable: u64,
    reachable_ready: u64,
    short: Vec<String>,
    unreachable: BTreeMap<&'static str, u64>,
    energy: i128,
    mistaken_drops: u64,
    commands: u64,
    plans: u64,
    events: u64,
}

/// Excursions of one cause. Durations are in seconds; of 100, 50 are not longer than the `p50` and 99 not
/// longer than the `p99`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// What made power pass a limit.
    pub cause: Cause,
    /// What stood in the way of its end.
    pub hindrance: Hindrance,
    /// How many.
    pub count: u64,
    /// From beginning to end.
    pub p50_s: f64,
    /// The same.
    pub p99_s: f64,
    /// The same, the longest.
    pub max_s: f64,
    /// From when on the service could know.
    pub known_p50_s: f64,
    /// The same.
    pub known_p99_s: f64,
    /// The same, the longest.
    pub known_max_s: f64,
}

impl Totals {
    /// Adds a site.
    pub fn add(&mut self, site: SiteReport) {
        self.sites += 1;
        if site.violations() > 0 {
            self.failed += 1;
            if self.failing.len() < MOST_NAMED {
                self.failing.push((site.seed, site.told.clone()));
            }
        }
        for (question, count) in site.counts {
            *self.counts.entry(question).or_default() += count;
        }
        self.by_bound += site.self_caused_by_bound;
        for (key, mut spans) in site.excursions {
            self.excursions.entry(key).or_default().append(&mut spans);
        }
        for (kind, count) in site.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        self.cars += site.cars;
        self.ready += site.ready;
        self.reachable += site.reachable;
        self.reachable_ready += site.reachable_ready;
        if self.short.len() < MOST_NAMED {
            let seed = site.seed;
            let named = site.short.iter().map(|it| format!("seed {seed}: {it}"));
            self.short.extend(named);
        }
        for (why, count) in site.unreachable {
            *self.unreachable.entry(why).or_default() += count;
        }
        self.energy += i128::from(site.energy);
        self.mistaken_drops += site.mistaken_drops;
        self.commands += site.commands;
        self.plans += site.plans;
        self.events += site.events;
    }

    /// What must be 0.
    pub fn violations(&self) -> u64 {
        self.counts.values().sum::<u64>()
    }

    /// Cars that a fair share served and that were not ready.
    pub fn left_short(&self) -> u64 {
        self.reachable - self.reachable_ready
    }

    /// Excursions by cause and hindrance.
    pub fn rows(&self) -> Vec<Row> {
        self.excursions
            .iter()
            .map(|((cause, hindrance), spans)| {
                let whole = seconds(spans.iter().map(|span| span.whole));
                let known = seconds(spans.iter().filter_map(|span| span.known));
                Row {
                    cause: *cause,
                    hindrance: *hindrance,
                    count: u64::try_from(spans.len()).unwrap_or(u64::MAX),
                    p50_s: whole[0],
                    p99_s: whole[1],
                    max_s: whole[2],
                    known_p50_s: known[0],
                    known_p99_s: known[1],
                    known_max_s: known[2],
                }
            })
            .collect()
    }

    /// All of it as one object.
    pub fn json(&self) -> serde_json::Value {
        #[expect(clippy::cast_precision_loss, reason = "kWh need no more digits")]
        let kwh = (self.energy / 3_600_000) as f64 / 1000.0;
        json!({
            "sites": self.sites,
            "self_caused": self.violations(),
            "violations": {
                "by_question": self.counts,
                "by_bound": self.by_bound,
                "failing_sites": self.failed,
                "failing": self.failing.iter().map(|(seed, told)| json!({
                    "site_seed": seed, "violations": told,
                })).collect::<Vec<_>>(),
            },
            "excursions": self.rows(),
            "vehicles": {
                "left": self.cars,
                "ready": self.ready,
                "reachable": self.reachable,
                "reachable_ready": self.reachable_ready,
                "short": self.short,
                "not_ready_because": self.unreachable,
            },
            "energy_kwh": kwh,
            // The sites have one flat price.
            "cost": kwh * 0.3,
            "mistaken_drops": self.mistaken_drops,
            "commands": self.commands,
            "plans": self.plans,
            "events": self.events,
            "faults": self.faults,
        })
    }
}

/// The median, the 99th percentile and the longest of durations in ms, in seconds; 0 where there are
/// none.
fn seconds(spans: impl Iterator<Item = i64>) -> [f64; 3] {
    let mut spans: Vec<i64> = spans.collect();
    spans.sort_unstable();
    let count = spans.len();
    let at = |index: usize| {
        let ms = spans.get(index.min(count.saturating_sub(1)));
        #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53")]
        ms.map_or(0.0, |ms| *ms as f64 / 1000.0)
    };
    [at(count / 2), at(count * 99 / 100), at(count)]
}
