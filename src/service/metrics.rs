//! What is counted and published for Prometheus. Names: `docs/metrics.md`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::domain::command::Answer;
use crate::domain::id::{PartnerId, SiteKey};
use crate::domain::plan::Plan;
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::limits::UNLIMITED;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SiteKind {
    site: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SiteOnly {
    site: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SiteCause {
    site: String,
    cause: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusOnly {
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartnerResult {
    partner: String,
    result: &'static str,
}

type Watts = Gauge<f64, AtomicU64>;

#[derive(Debug)]
struct Inner {
    registry: Registry,
    power: Family<SiteKind, Watts>,
    limit: Family<SiteOnly, Watts>,
    bound: Family<SiteOnly, Watts>,
    reserve: Family<SiteOnly, Watts>,
    sessions: Family<SiteOnly, Gauge>,
    plan_age: Family<SiteOnly, Gauge>,
    excursions: Family<SiteCause, Gauge>,
    self_caused: Family<SiteOnly, Gauge>,
    solves: Family<StatusOnly, Counter>,
    solve_seconds: Histogram,
    pushes: Family<PartnerResult, Counter>,
}

/// The service's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("evenload");
        registry.register(
            "build",
            "Which build runs",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let power = Family::<SiteKind, Watts>::default();
        registry.register(
            "site_power_watts",
            "Power of a site: measured, planned, uncontrolled",
            power.clone(),
        );
        let limit = Family::<SiteOnly, Watts>::default();
        registry.register(
            "site_limit_watts",
            "Import limit in effect at the root",
            limit.clone(),
        );
        let bound = Family::<SiteOnly, Watts>::default();
        registry.register(
            "site_bound_watts",
            "What everything at the site may draw now",
            bound.clone(),
        );
        let reserve = Family::<SiteOnly, Watts>::default();
        registry.register(
            "site_reserve_watts",
            "Held back for arrivals",
            reserve.clone(),
        );
        let sessions = Family::<SiteOnly, Gauge>::default();
        registry.register("sessions_active", "Sessions that run", sessions.clone());
        let plan_age = Family::<SiteOnly, Gauge>::default();
        registry.register(
            "plan_age_seconds",
            "Age of the plan in effect",
            plan_age.clone(),
        );
        let excursions = Family::<SiteCause, Gauge>::default();
        registry.register(
            "excursions",
            "Excursions of the bound over a limit kept in the log",
            excursions.clone(),
        );
        let self_caused = Family::<SiteOnly, Gauge>::default();
        registry.register(
            "excursions_self_caused",
            "Excursions a command of ours caused; must be 0",
            self_caused.clone(),
        );
        let solves = Family::<StatusOnly, Counter>::default();
        registry.register(
            "solve",
            "Plans made, by how they came about",
            solves.clone(),
        );
        let solve_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register(
            "solve_duration_seconds",
            "Time to make a plan",
            solve_seconds.clone(),
        );
        let pushes = Family::<PartnerResult, Counter>::default();
        registry.register(
            "profile_push",
            "Requests to partners, by their direct answer",
            pushes.clone(),
        );
        Self {
            inner: Arc::new(Inner {
                registry,
                power,
                limit,
                bound,
                reserve,
                sessions,
                plan_age,
                excursions,
                self_caused,
                solves,
                solve_seconds,
                pushes,
            }),
        }
    }

    /// Takes over what a site's state says.
    pub fn observe(&self, site: &SiteKey, state: &SiteState, now: Time) {
        let inner = &self.inner;
        let only = SiteOnly {
            site: site.site.to_string(),
        };
        let kind = |kind| SiteKind {
            site: site.site.to_string(),
            kind,
        };
        let measured: Power = state
            .evses
            .values()
            .filter(|e| !e.is_free())
            .filter_map(|e| e.reading.map(|r| r.power))
            .sum();
        let measured = state.meter.map_or(measured, |meter| meter.reading.power);
        inner
            .power
            .get_or_create(&kind("measured"))
            .set(watts(measured));
        let sessions = state.evses.values().filter(|e| !e.is_free()).count();
        inner
            .sessions
            .get_or_create(&only)
            .set(i64::try_from(sessions).unwrap_or(i64::MAX));
        if let Some(root) = state.site.root() {
            let bound = state.circuit_bound(root, now);
            let limit = bound.limit.at(now);
            if limit < UNLIMITED {
                inner.limit.get_or_create(&only).set(watts(limit));
            }
            inner
                .bound
                .get_or_create(&only)
                .set(watts(bound.total().at(now)));
            inner.reserve.get_or_create(&only).set(watts(bound.reserve));
            inner
                .power
                .get_or_create(&kind("uncontrolled"))
                .set(watts(bound.uncontrolled.at(now)));
        }
        if let Some(plan) = &state.plan {
            inner
                .plan_age
                .get_or_create(&only)
                .set((now - plan.made_at).num_seconds());
            let planned: Power = plan
                .evses
                .iter()
                .filter_map(|evse| evse.power.get(plan.horizon.slot_at(now).unwrap_or(0)))
                .copied()
                .sum();
            inner
                .power
                .get_or_create(&kind("planned"))
                .set(watts(planned));
        }
        inner
            .self_caused
            .get_or_create(&only)
            .set(i64::try_from(state.excursions.self_caused).unwrap_or(i64::MAX));
        let mut by_cause = std::collections::BTreeMap::<String, i64>::new();
        for excursion in state.excursions.closed.iter().chain(&state.excursions.open) {
            *by_cause
                .entry(format!("{:?}", excursion.cause).to_lowercase())
                .or_default() += 1;
        }
        for (cause, count) in by_cause {
            let label = SiteCause {
                site: only.site.clone(),
                cause,
            };
            inner.excursions.get_or_create(&label).set(count);
        }
    }

    /// A plan was made.
    pub fn planned(&self, _site: &SiteKey, plan: &Plan, took: Duration) {
        let status = StatusOnly {
            status: format!("{:?}", plan.origin).to_lowercase(),
        };
        self.inner.solves.get_or_create(&status).inc();
        self.inner.solve_seconds.observe(took.as_secs_f64());
    }

    /// No plan could be made.
    pub fn plan_failed(&self) {
        self.inner
            .solves
            .get_or_create(&StatusOnly {
                status: "failed".into(),
            })
            .inc();
    }

    /// A request went to a partner.
    pub fn pushed(&self, partner: &PartnerId, answer: &Answer) {
        let result = match answer {
            Answer::NotSent { .. } => "not_sent",
            Answer::Accepted { .. } => "accepted",
            Answer::Applied { .. } => "applied",
            Answer::Refused { .. } => "refused",
            Answer::Unknown { .. } => "unknown",
        };
        let label = PartnerResult {
            partner: partner.to_string(),
            result,
        };
        self.inner.pushes.get_or_create(&label).inc();
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.inner.registry);
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "watts stay far below 2^53")]
fn watts(power: Power) -> f64 {
    power.watts() as f64
}
