//! What is counted while the service runs. The service calls the verbs; what can be read from the
//! sites' states is added when somebody asks.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::scrape;
use super::told::{self, Seen};
use crate::domain::id::{CircuitId, PartnerId, SiteKey};
use crate::domain::time::Time;
use crate::state::excursion::Cause;

/// Bounds of the histogram of solving: 1 ms doubled twelve times, to 4 s.
const SOLVE_BUCKETS: [f64; 13] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
];

/// Bounds of the histogram of sending: 10 ms doubled fourteen times, to 164 s; a partner has some
/// minutes to answer.
const PUSH_BUCKETS: [f64; 15] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SolveLabels {
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FallbackLabels {
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartnerLabels {
    partner: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PushLabels {
    partner: String,
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ExcursionLabels {
    site: String,
    cause: String,
}

/// When the newest counted excursion of a circuit opened: those after it are new.
type Watermarks = BTreeMap<(SiteKey, CircuitId), Time>;

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    solve_duration: Histogram,
    solves: Family<SolveLabels, Counter>,
    fallbacks: Family<FallbackLabels, Counter>,
    callback_timeouts: Family<PartnerLabels, Counter>,
    push_duration: Histogram,
    pushes: Family<PushLabels, Counter>,
    excursions: Family<ExcursionLabels, Counter>,
    counted: Mutex<Watermarks>,
}

impl Metrics {
    /// Nothing counted yet. `commit` is that of the build, or `unknown`.
    pub fn new(commit: &str) -> Self {
        let mut registry = Registry::with_prefix("evenload");
        let solve_duration = Histogram::new(SOLVE_BUCKETS);
        let solves = Family::default();
        let fallbacks = Family::default();
        let callback_timeouts = Family::default();
        let push_duration = Histogram::new(PUSH_BUCKETS);
        let pushes = Family::default();
        let excursions = Family::default();
        registry.register(
            "build",
            "The build that runs",
            Info::new(vec![
                ("version", super::dashboard::VERSION.to_owned()),
                ("commit", commit.to_owned()),
            ]),
        );
        registry.register(
            "solve_duration_seconds",
            "Time to make a plan",
            solve_duration.clone(),
        );
        registry.register(
            "solve",
            "Plans made, by how they came about",
            solves.clone(),
        );
        registry.register(
            "solve_fallback",
            "Plans that the solver did not make to its end, by what took their place",
            fallbacks.clone(),
        );
        registry.register(
            "ocpi_callback_timeout",
            "Profiles of which the partner never said what became of them",
            callback_timeouts.clone(),
        );
        registry.register(
            "profile_push_duration_seconds",
            "From sending a profile to knowing what became of it",
            push_duration.clone(),
        );
        registry.register(
            "profile_push",
            "Charging profiles sent, by what became of them",
            pushes.clone(),
        );
        registry.register(
            "excursions",
            "Times a circuit's bound was above its limit, by cause",
            excursions.clone(),
        );
        Self {
            registry,
            solve_duration,
            solves,
            fallbacks,
            callback_timeouts,
            push_duration,
            pushes,
            excursions,
            counted: Mutex::default(),
        }
    }

    /// A plan was made: how it came about (`optimal`, `time_limit`, `clipped`, ..) and how long it
    /// took.
    pub fn solved(&self, status: &str, seconds: f64) {
        self.solve_duration.observe(seconds);
        self.solves
            .get_or_create(&SolveLabels {
                status: status.to_owned(),
            })
            .inc();
        if status != "optimal" {
            self.fallbacks
                .get_or_create(&FallbackLabels {
                    reason: status.to_owned(),
                })
                .inc();
        }
    }

    /// It is known what became of a profile (`applied`, `refused`, `unknown`, `not_sent`), so many
    /// seconds after it was sent.
    pub fn profile_pushed(&self, partner: &PartnerId, result: &str, seconds: f64) {
        self.push_duration.observe(seconds);
        if result == "unknown" {
            self.callback_timeouts
                .get_or_create(&PartnerLabels {
                    partner: partner.to_string(),
                })
                .inc();
        }
        self.pushes
            .get_or_create(&PushLabels {
                partner: partner.to_string(),
                result: result.to_owned(),
            })
            .inc();
    }

    /// It is known what became of a command to a station of our own.
    pub fn station_commanded(&self, result: &str, seconds: f64) {
        self.push_duration.observe(seconds);
        self.pushes
            .get_or_create(&PushLabels {
                partner: "(stations)".into(),
                result: result.to_owned(),
            })
            .inc();
    }

    /// Everything as text.
    pub(super) fn render(&self, seen: &Seen<'_>, now: Time) -> String {
        let sites = seen.sites;
        let states: Vec<_> = sites
            .all()
            .into_iter()
            .filter_map(|key| Some((sites.snapshot(&key)?, key)))
            .collect();
        for (state, key) in &states {
            let all = state.excursions.closed.iter().chain(&state.excursions.open);
            for excursion in all {
                self.count_excursion(
                    key,
                    &excursion.circuit,
                    excursion.opened_at,
                    excursion.cause,
                );
            }
        }
        let of_sites = scrape::registry(&states, now);
        let told = told::registry(seen, &states);
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &of_sites);
        let _ = encode_registry(&mut text, &told);
        let _ = encode_eof(&mut text);
        text
    }

    /// Counts an excursion once, although it is seen at every scrape.
    fn count_excursion(&self, site: &SiteKey, circuit: &CircuitId, opened_at: Time, cause: Cause) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (site.clone(), circuit.clone());
        if counted
            .get(&place)
            .is_some_and(|newest| opened_at <= *newest)
        {
            return;
        }
        counted.insert(place, opened_at);
        drop(counted);
        self.excursions
            .get_or_create(&ExcursionLabels {
                site: site.site.to_string(),
                cause: cause_name(cause).to_owned(),
            })
            .inc();
    }
}

const fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Arrival => "arrival",
        Cause::LimitCut => "limit_cut",
        Cause::BaseLoad => "base_load",
        Cause::Disobedience => "disobedience",
        Cause::ProfileLost => "profile_lost",
        Cause::Configuration => "configuration",
        Cause::SelfCaused => "self_caused",
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
