//! A site as it goes out: its description as it may be sent back, and its status beside it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::id::EvseId;
use crate::domain::quantity::{Current, Power, Price};
use crate::domain::site::{ArrivalReserve, Circuit, Mode, Site};
use crate::domain::time::Time;
use crate::state::SiteState;

/// What an EVSE gets when we are silent.
#[derive(Debug, Serialize)]
struct FallbackView {
    evse: EvseId,
    fallback_kw: f64,
    /// True if the operator configured it, false for a share of what is left.
    configured: bool,
    /// True if it is below the minimum power: the EVSE pauses.
    pauses: bool,
}

/// What is shown of a site beside its description.
#[derive(Debug, Serialize)]
struct StatusView {
    mode: Mode,
    effective_mode: Mode,
    canary_evses: Vec<EvseId>,
    sessions_active: usize,
    reserve_kw: f64,
    fallback_sum_kw: f64,
    fallbacks: Vec<FallbackView>,
    updated_at: Time,
    warnings: Vec<String>,
}

/// The whole answer to GET and PUT.
pub(super) fn view(state: &SiteState, now: Time) -> Value {
    let mut body = describe(&state.site);
    body["status"] = json!(status(state, now));
    body
}

/// A line of the list of sites.
pub(super) fn line(state: &SiteState) -> Value {
    let root = state.site.root();
    json!({
        "site": state.site.id,
        "name": state.site.name,
        "mode": state.mode,
        "effective_mode": state.effective_mode(),
        "evses": state.site.evses.len(),
        "sessions_active": sessions_active(state),
        "import_limit_kw": root.and_then(|root| root.import_limit).map(Power::kilowatts),
        "updated_at": state.updated_at,
    })
}

pub(super) fn sessions_active(state: &SiteState) -> usize {
    state.evses.values().filter(|evse| !evse.is_free()).count()
}

/// The description as it may be sent back.
pub(super) fn describe(site: &Site) -> Value {
    let reserve = match site.arrival_reserve {
        ArrivalReserve::All => "all".to_owned(),
        ArrivalReserve::None => "none".to_owned(),
        ArrivalReserve::Largest(count) => format!("largest:{count}"),
    };
    json!({
        "name": site.name,
        "time_zone": site.time_zone.name(),
        "currency": site.currency,
        "circuits": site.circuits.iter().map(circuit).collect::<Vec<_>>(),
        "evses": site.evses.iter().map(evse).collect::<Vec<_>>(),
        "arrival_reserve": reserve,
        "price": own_prices(site),
    })
}

fn circuit(circuit: &Circuit) -> Value {
    json!({
        "id": circuit.id,
        "parent": circuit.parent,
        "import_limit_kw": circuit.import_limit.map(Power::kilowatts),
        "phase_limit_a": circuit.phase_limit.map(Current::amps),
        "failsafe_limit_kw": circuit.failsafe_limit.map(Power::kilowatts),
        "limit_source": circuit.limit_source,
    })
}

pub(super) fn evse(evse: &Evse) -> Value {
    let (kind, voltage, count) = match evse.supply {
        Supply::Ac { nominal, phases } => ("ac", Some(nominal.volts()), Some(phases)),
        Supply::Dc => ("dc", None, None),
    };
    let phases: Option<&[Phase]> = (!evse.phases.is_empty()).then_some(&evse.phases);
    let source = match &evse.source {
        EvseSource::Ocpi {
            partner,
            location_id,
            evse_uid,
        } => json!({"ocpi": {
            "partner": partner, "location_id": location_id, "evse_uid": evse_uid,
        }}),
        EvseSource::Ocpp { station, evse } => json!({"ocpp": {"station": station, "evse": evse}}),
    };
    json!({
        "id": evse.id,
        "circuit": evse.circuit,
        "max_kw": evse.max.kilowatts(),
        "min_kw": evse.min.kilowatts(),
        "phases": phases,
        "phase_count": count,
        "current_type": kind,
        "voltage_v": voltage,
        "fallback_kw": evse.fallback.map(Power::kilowatts),
        "source": source,
    })
}

fn status(state: &SiteState, now: Time) -> StatusView {
    let fallbacks = fallbacks(state, now);
    let reserve = state
        .site
        .root()
        .map_or(Power::ZERO, |root| state.reserve(root));
    StatusView {
        mode: state.mode,
        effective_mode: state.effective_mode(),
        canary_evses: state.canary.iter().cloned().collect(),
        sessions_active: sessions_active(state),
        reserve_kw: reserve.kilowatts(),
        fallback_sum_kw: fallbacks
            .iter()
            .map(|(_, power)| *power)
            .sum::<Power>()
            .kilowatts(),
        warnings: warnings(state, &fallbacks, reserve),
        fallbacks: fallbacks
            .iter()
            .map(|(evse, power)| FallbackView {
                evse: evse.id.clone(),
                fallback_kw: power.kilowatts(),
                configured: evse.fallback.is_some(),
                pauses: *power < evse.min_bound(),
            })
            .collect(),
        updated_at: state.updated_at,
    }
}

/// The fallback of every EVSE. Equal EVSEs of one circuit share one calculation, which goes over
/// the whole site.
fn fallbacks(state: &SiteState, now: Time) -> Vec<(&Evse, Power)> {
    let mut known = BTreeMap::new();
    state
        .site
        .evses
        .iter()
        .map(|evse| {
            let alike = (
                &evse.circuit,
                evse.fallback,
                evse.min_bound(),
                evse.hardware_max(),
            );
            let power = *known
                .entry(alike)
                .or_insert_with(|| state.fallback(evse, now));
            (evse, power)
        })
        .collect()
}

fn warnings(state: &SiteState, fallbacks: &[(&Evse, Power)], reserve: Power) -> Vec<String> {
    let mut warnings = Vec::new();
    if !state.has_limit() {
        warnings.push(
            "the root circuit has no import_limit_kw: the site is only observed, nothing is sent"
                .to_owned(),
        );
    }
    let pausing: Vec<_> = fallbacks
        .iter()
        .filter(|(evse, power)| *power < evse.min_bound())
        .map(|(evse, _)| evse.id.as_str())
        .collect();
    if !pausing.is_empty() {
        warnings.push(format!(
            "{} of {} EVSEs pause when evenload is silent, because their fallback is below their \
             minimum power: {}",
            pausing.len(),
            fallbacks.len(),
            shortened(&pausing)
        ));
    }
    let limit = state.site.root().and_then(|root| root.import_limit);
    if limit.is_some_and(|limit| reserve > limit) {
        warnings.push(format!(
            "the arrival reserve of {reserve} alone is above the limit: nothing can be raised"
        ));
    }
    if state
        .site
        .circuits
        .iter()
        .any(|circuit| circuit.limit_source.is_some())
    {
        warnings.push("limit_source is kept but not read yet; send limits as signals".to_owned());
    }
    warnings
}

/// The first few of a list of names.
fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}

/// The site's own prices, as its body names them; `null` without any.
fn own_prices(site: &Site) -> Value {
    let mut prices = serde_json::Map::new();
    let mut tell = |name: &str, price: Option<Price>| {
        if let Some(price) = price {
            prices.insert(name.to_owned(), json!(price.per_kwh()));
        }
    };
    tell("flat_per_kwh", site.flat_price);
    tell("carbon_per_kg", site.carbon_price);
    if let Some(tariff) = &site.tariff_price {
        let chosen = json!({"partner": tariff.partner, "tariff_id": tariff.tariff_id,
            "taxes": tariff.taxes});
        prices.insert("ocpi_tariff".to_owned(), chosen);
    }
    if let Some(charge) = &site.grid.demand_charge {
        let charge = super::grid_rules::demand_charge_view(charge);
        prices.insert("demand".to_owned(), charge);
    }
    if prices.is_empty() {
        Value::Null
    } else {
        Value::Object(prices)
    }
}
