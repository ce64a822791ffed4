//! Metrics that are read from the sites' states at the moment somebody asks.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::plan::newest_sent;
use super::residual::Residual;
use super::site_view::sessions_active;
use crate::domain::evse::Evse;
use crate::domain::id::SiteKey;
use crate::domain::profile::Profile;
use crate::domain::quantity::Power;
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;
use crate::state::evse_state::Control;
use crate::state::limits::UNLIMITED;
use crate::state::{SiteState, Snapshot};

/// EVSEs have labels of their own up to this many in all: more would swamp a Prometheus.
const MAX_EVSE_LABELS: usize = 500;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SiteLabels {
    site: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PowerLabels {
    site: String,
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabels {
    site: String,
    source: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EvseLabels {
    site: String,
    evse: String,
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EvsePowerLabels {
    site: String,
    evse: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SignalLabels {
    site: String,
    kind: String,
    source: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResidualLabels {
    site: String,
    case: String,
}

#[derive(Default)]
struct Gauges {
    power: Family<PowerLabels, Gauge>,
    limit: Family<LimitLabels, Gauge>,
    evse_limit: Family<EvseLabels, Gauge>,
    sessions: Family<SiteLabels, Gauge>,
    plan_age: Family<SiteLabels, Gauge>,
    open: Family<SiteLabels, Gauge>,
    evse_power: Family<EvsePowerLabels, Gauge>,
    margin: Family<SiteLabels, Gauge>,
    signal_age: Family<SignalLabels, Gauge>,
    residual: Family<ResidualLabels, Gauge>,
    peak: Family<PowerLabels, Gauge>,
}

/// The metrics of these sites now.
pub(super) fn registry(states: &[(Snapshot, SiteKey)], now: Time) -> Registry {
    let gauges = Gauges::default();
    let evses: usize = states.iter().map(|(state, _)| state.site.evses.len()).sum();
    let mut self_caused: u64 = 0;
    let (mut obeying, mut charging) = (0_u32, 0_u32);
    for (state, key) in states {
        let site = key.site.to_string();
        gauges.take_site(&site, state, now);
        if evses <= MAX_EVSE_LABELS {
            gauges.take_evses(&site, state, now);
        }
        self_caused = self_caused.saturating_add(state.excursions.self_caused);
        for evse in state.evses.values().filter(|evse| !evse.is_free()) {
            charging += 1;
            obeying += u32::from(evse.control == Control::Controllable);
        }
    }
    let mut registry = Registry::with_prefix("evenload");
    registry.register(
        "site_power_watts",
        "Power of a site: measured at its EVSEs, planned for them, not controlled",
        gauges.power,
    );
    registry.register(
        "site_limit_watts",
        "Import limit of a site: configured, and effective with signals",
        gauges.limit,
    );
    registry.register(
        "evse_limit_watts",
        "What an EVSE may draw at most: planned, sent, confirmed",
        gauges.evse_limit,
    );
    registry.register("sessions_active", "Sessions that run", gauges.sessions);
    registry.register(
        "plan_age_seconds",
        "Age of the plan that is followed",
        gauges.plan_age,
    );
    registry.register(
        "excursions_open",
        "Circuits whose bound is above their limit now",
        gauges.open,
    );
    registry.register(
        "evse_power_watts",
        "What an EVSE was measured to draw",
        gauges.evse_power,
    );
    registry.register(
        "departure_margin_seconds",
        "The least time between being ready and leaving, of all cars of a site",
        gauges.margin,
    );
    registry.register(
        "signal_age_seconds",
        "Since the newest signal of a kind and source came in",
        gauges.signal_age,
    );
    registry.register(
        "evse_obedience_ratio",
        "Share of the EVSEs with a car that can be controlled and follow their limits",
        ConstGauge::new(if charging == 0 {
            1.0
        } else {
            f64::from(obeying) / f64::from(charging)
        }),
    );
    registry.register(
        "residual_risk_watts",
        "By how much the limit would be passed after our death: if a car came to every free EVSE, and \
         if each that leaves were followed by another besides",
        gauges.residual,
    );
    registry.register(
        "demand_peak_watts",
        "Where peaks cost something: the highest window of this month, the mean of the running one, what \
         is billed in any case, and what the plan keeps to",
        gauges.peak,
    );
    registry.register(
        "self_caused",
        "Excursions that a command of ours caused; must be 0",
        ConstCounter::new(self_caused),
    );
    registry
}

impl Gauges {
    fn take_site(&self, site: &str, state: &SiteState, now: Time) {
        let label = SiteLabels {
            site: site.to_owned(),
        };
        let sessions = i64::try_from(sessions_active(state)).unwrap_or(i64::MAX);
        self.sessions.get_or_create(&label).set(sessions);
        let open = i64::try_from(state.excursions.open.len()).unwrap_or(i64::MAX);
        self.open.get_or_create(&label).set(open);

        let measured: Power = state
            .evses
            .values()
            .filter(|evse| !evse.is_free())
            .filter_map(|evse| evse.reading.map(|reading| reading.power))
            .sum();
        self.set_power(site, "measured", measured);
        if let Some(plan) = &state.plan {
            let age = (now - plan.made_at).num_seconds();
            self.plan_age.get_or_create(&label).set(age);
            if let Some(slot) = plan.horizon.slot_at(now) {
                let planned: Power = plan
                    .evses
                    .iter()
                    .filter_map(|evse| evse.power.get(slot).copied())
                    .sum();
                self.set_power(site, "planned", planned);
            }
        }
        self.take_margin(&label, state);
        self.take_peak(site, state, now);
        self.take_signals(site, state, now);
        if let Some(root) = state.site.root() {
            self.set_power(site, "uncontrolled", state.uncontrolled(root, now).at(now));
            if let Some(limit) = root.import_limit {
                self.set_limit(site, "configured", limit);
            }
            if let Some(residual) = Residual::of(state, root, now) {
                for (case, power) in [
                    ("arrivals", residual.arrivals_over),
                    ("successors", residual.successors_over),
                ] {
                    let label = ResidualLabels {
                        site: site.to_owned(),
                        case: case.to_owned(),
                    };
                    self.residual.get_or_create(&label).set(power.watts());
                }
            }
            let effective = state.limit(root).at(now);
            if effective < UNLIMITED {
                self.set_limit(site, "effective", effective);
            }
        }
    }

    fn take_margin(&self, label: &SiteLabels, state: &SiteState) {
        let planned = state.plan.iter().flat_map(|plan| &plan.evses);
        let margins = planned.filter_map(|evse| {
            let is_there = state.evses.get(&evse.evse)?.running()?.id == evse.session;
            let margin = evse.departure? - evse.ready_at?;
            is_there.then(|| margin.num_seconds())
        });
        if let Some(least) = margins.min() {
            self.margin.get_or_create(label).set(least);
        }
    }

    fn take_peak(&self, site: &str, state: &SiteState, now: Time) {
        let Some(standing) = state.demand_standing(now) else {
            return;
        };
        let target = state.plan.as_ref().and_then(|plan| plan.peak_target);
        for (kind, power) in [
            ("month", Some(standing.reached)),
            ("running", Some(standing.running_mean())),
            (
                "billed",
                Some(standing.ratchet.max(standing.minimum_billed)),
            ),
            ("target", target),
        ] {
            if let Some(power) = power {
                let label = PowerLabels {
                    site: site.to_owned(),
                    kind: kind.to_owned(),
                };
                self.peak.get_or_create(&label).set(power.watts());
            }
        }
    }

    fn take_signals(&self, site: &str, state: &SiteState, now: Time) {
        // Of several with one label the newest counts: the oldest is set first.
        let mut signals: Vec<_> = state.signals.values().collect();
        signals.sort_by_key(|signal| signal.received_at);
        for signal in signals {
            let label = SignalLabels {
                site: site.to_owned(),
                kind: name_of(signal.kind),
                source: signal.source.clone(),
            };
            let age = (now - signal.received_at).num_seconds();
            self.signal_age.get_or_create(&label).set(age);
        }
    }

    fn set_power(&self, site: &str, kind: &str, power: Power) {
        let label = PowerLabels {
            site: site.to_owned(),
            kind: kind.to_owned(),
        };
        self.power.get_or_create(&label).set(power.watts());
    }

    fn set_limit(&self, site: &str, source: &str, limit: Power) {
        let label = LimitLabels {
            site: site.to_owned(),
            source: source.to_owned(),
        };
        self.limit.get_or_create(&label).set(limit.watts());
    }

    fn take_evses(&self, site: &str, state: &SiteState, now: Time) {
        for evse in &state.site.evses {
            let Some(believed) = state.evses.get(&evse.id).filter(|evse| !evse.is_free()) else {
                continue;
            };
            if let Some(reading) = believed.reading {
                let label = EvsePowerLabels {
                    site: site.to_owned(),
                    evse: evse.id.to_string(),
                };
                let watts = reading.power.watts();
                self.evse_power.get_or_create(&label).set(watts);
            }
            let planned = state.plan.as_ref().and_then(|plan| {
                plan.evse(&evse.id)?
                    .power
                    .get(plan.horizon.slot_at(now)?)
                    .copied()
            });
            let confirmed = believed.profiles.confirmed.as_ref().map(|c| &c.profile);
            let sent = newest_sent(believed).or(confirmed);
            for (name, power) in [
                ("planned", planned),
                ("sent", sent.and_then(|profile| allowed(evse, profile, now))),
                (
                    "confirmed",
                    confirmed.and_then(|profile| allowed(evse, profile, now)),
                ),
            ] {
                if let Some(power) = power {
                    let label = EvseLabels {
                        site: site.to_owned(),
                        evse: evse.id.to_string(),
                        state: name.to_owned(),
                    };
                    self.evse_limit.get_or_create(&label).set(power.watts());
                }
            }
        }
    }
}

/// A kind as the API spells it.
fn name_of(kind: SignalKind) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn allowed(evse: &Evse, profile: &Profile, at: Time) -> Option<Power> {
    profile
        .limit_at(at)
        .map(|limit| evse.worst_case_of(profile.unit, limit))
}
