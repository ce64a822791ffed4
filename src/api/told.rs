//! Metrics that others have counted: the chronicle of each site, the partners, the stations. Read at
//! the moment somebody asks.

use std::collections::BTreeMap;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::chronicle::Chronicle;
use super::ports::{PartnerTraffic, SiteDirectory};
use crate::domain::id::SiteKey;
use crate::state::Snapshot;

/// What is looked at for `/metrics`.
pub(super) struct Seen<'a> {
    pub(super) sites: &'a dyn SiteDirectory,
    pub(super) chronicle: &'a Chronicle,
    pub(super) traffic: Vec<PartnerTraffic>,
    /// The stations as the API shows them.
    pub(super) stations: Vec<Value>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SiteLabels {
    site: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DepartureLabels {
    site: String,
    result: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CostLabels {
    site: String,
    currency: String,
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OcpiLabels {
    partner: String,
    module: String,
    direction: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OcpiTimeLabels {
    partner: String,
    direction: String,
}

type Amount = Counter<f64, std::sync::atomic::AtomicU64>;

/// The metrics of these sites, and of everybody they talk to.
pub(super) fn registry(seen: &Seen<'_>, states: &[(Snapshot, SiteKey)]) -> Registry {
    let mut registry = Registry::with_prefix("evenload");
    of_sites(seen.chronicle, states, &mut registry);
    of_partners(&seen.traffic, &mut registry);
    of_stations(&seen.stations, &mut registry);
    registry
}

fn of_sites(chronicle: &Chronicle, states: &[(Snapshot, SiteKey)], registry: &mut Registry) {
    let energy = Family::<SiteLabels, Counter>::default();
    let violations = Family::<SiteLabels, Counter>::default();
    let departures = Family::<DepartureLabels, Counter>::default();
    let cost = Family::<CostLabels, Amount>::default();
    for (state, key) in states {
        let tally = chronicle.read(key, |site| site.tally.clone());
        let site = key.site.to_string();
        let label = SiteLabels { site: site.clone() };
        let joules = u64::try_from(tally.energy.joules()).unwrap_or(0);
        energy.get_or_create(&label).inc_by(joules);
        violations.get_or_create(&label).inc_by(tally.violation_s);
        for (result, count) in [
            ("on_time", tally.on_time),
            ("short", tally.short),
            ("missed", tally.missed),
        ] {
            let label = DepartureLabels {
                site: site.clone(),
                result: result.to_owned(),
            };
            departures.get_or_create(&label).inc_by(count);
        }
        let label = CostLabels {
            site,
            currency: state.site.currency.clone(),
            kind: "actual".to_owned(),
        };
        // A counter never falls; prices below zero may make it wait.
        cost.get_or_create(&label)
            .inc_by(tally.cost.amount().max(0.0));
    }
    registry.register(
        "session_energy_joules",
        "Energy drawn by the EVSEs, from their readings",
        energy,
    );
    registry.register(
        "site_limit_violation_seconds",
        "Time in which the mean of a minute was measured above the limit",
        violations,
    );
    registry.register(
        "departures",
        "Cars that left: with what they wanted, with at least half of it, with less",
        departures,
    );
    registry.register("cost", "What the energy cost at the prices known", cost);
}

fn of_partners(traffic: &[PartnerTraffic], registry: &mut Registry) {
    let requests = Family::<OcpiLabels, Counter>::default();
    let durations = Family::<OcpiTimeLabels, Amount>::default();
    for seen in traffic {
        let label = OcpiLabels {
            partner: seen.partner.to_string(),
            module: seen.module.to_owned(),
            direction: seen.direction.to_owned(),
            status: seen.status,
        };
        requests.get_or_create(&label).inc_by(seen.count);
        let label = OcpiTimeLabels {
            partner: seen.partner.to_string(),
            direction: seen.direction.to_owned(),
        };
        let milliseconds = u32::try_from(seen.duration_ms).unwrap_or(u32::MAX);
        durations
            .get_or_create(&label)
            .inc_by(f64::from(milliseconds) / 1_000.0);
    }
    registry.register(
        "ocpi_requests",
        "Requests over OCPI; status 0 = no answer",
        requests,
    );
    registry.register(
        "ocpi_request_duration_seconds",
        "How long requests over OCPI took together",
        durations,
    );
}

fn of_stations(stations: &[Value], registry: &mut Registry) {
    let connected = Family::<SiteLabels, Gauge>::default();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for station in stations {
        let site = station["site"].as_str().unwrap_or_default().to_owned();
        *counts.entry(site).or_default() += i64::from(station["state"] == "connected");
    }
    for (site, count) in counts {
        connected.get_or_create(&SiteLabels { site }).set(count);
    }
    registry.register(
        "ocpp_connected",
        "Stations connected to us, by the site they belong to",
        connected,
    );
}
