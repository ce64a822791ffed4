//! A site as it comes in: JSON to domain, every fault with its pointer.

use chrono_tz::Tz;
use serde_json::Value;

use super::grid_rules;
use super::input::{Node, Object};
use super::problem::{Faults, Problem};
use crate::domain::evse::{Evse, EvseSource, Phase, Supply};
use crate::domain::grid_rules::{DemandCharge, GridRules};
use crate::domain::id::{CircuitId, SiteKey};
use crate::domain::limit_source::LimitSource;
use crate::domain::quantity::{Current, Power, Price, Voltage};
use crate::domain::signal_unit::{MAX_KW, MAX_PRICE_PER_KWH};
use crate::domain::site::{ArrivalReserve, Circuit, MAX_CIRCUITS, MAX_EVSES, Site};
use crate::domain::tariff_source::{TariffSource, Taxes};

/// Current below which a car does not charge (IEC 61851), per phase.
const MIN_CHARGING_A: f64 = 6.0;
/// Nominal line-to-neutral voltage where none is given.
const DEFAULT_VOLTAGE_V: f64 = 230.0;

const PHASES: [(&str, Phase); 3] = [("L1", Phase::L1), ("L2", Phase::L2), ("L3", Phase::L3)];

/// Reads the body of `PUT /sites/{site}`.
pub(super) fn read(key: &SiteKey, body: &Value) -> Result<Site, Problem> {
    let faults = Faults::default();
    let site = Node::root(body, &faults)
        .object()
        .and_then(|object| read_site(key, object));
    if let Some(site) = &site {
        add_faults(site, &faults);
    }
    faults.give(site)
}

/// What is wrong with a site that did not come in as a whole.
pub(super) fn check(site: &Site) -> Result<(), Problem> {
    let faults = Faults::default();
    add_faults(site, &faults);
    faults.check()
}

fn add_faults(site: &Site, faults: &Faults) {
    for fault in site.faults() {
        faults.add(fault.pointer, fault.detail);
    }
    for over in over_fallback(site) {
        let detail = format!(
            "the fallbacks of its EVSEs and the arrival reserve come to {}, which is {} above \
                 its limit of {}; lower fallback_kw or raise import_limit_kw",
            over.sum,
            over.sum - over.limit,
            over.limit
        );
        faults.add(
            format!("/circuits/{}/import_limit_kw", over.circuit),
            detail,
        );
    }
}

fn read_site(key: &SiteKey, object: Object<'_>) -> Option<Site> {
    let name = object.maybe("name", Node::text);
    let time_zone = object.maybe("time_zone", time_zone);
    let currency = object.maybe("currency", Node::text);
    let circuits = object
        .need("circuits")
        .and_then(|node| all(&node.list(MAX_CIRCUITS)?, read_circuit));
    // An EVSE without a circuit hangs on the root.
    let root = circuits
        .iter()
        .flatten()
        .find(|circuit| circuit.parent.is_none())
        .map(|circuit| circuit.id.clone());
    let evses = object.maybe("evses", |node| {
        all(&node.list(MAX_EVSES)?, |node| {
            read_evse(node, root.as_ref())
        })
    });
    let arrival_reserve = object.maybe("arrival_reserve", reserve);
    let price = object.maybe("price", price);
    // What GET adds to the description may be sent back; it is not read.
    object.get("status");
    object.close();
    let price = price?.unwrap_or_default();
    Some(Site {
        tenant: key.tenant.clone(),
        id: key.site.clone(),
        name: name?.map_or_else(|| key.site.to_string(), str::to_owned),
        time_zone: time_zone?.unwrap_or(Tz::UTC),
        currency: currency?.unwrap_or("EUR").to_owned(),
        circuits: circuits?,
        evses: evses?.unwrap_or_default(),
        arrival_reserve: arrival_reserve?.unwrap_or_default(),
        flat_price: price.flat,
        carbon_price: price.carbon,
        tariff_price: price.tariff,
        grid: GridRules {
            demand_charge: price.demand,
        },
    })
}

/// Reads every node, also after one that is wrong; `None` if any was.
fn all<'a, T>(nodes: &[Node<'a>], read: impl Fn(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = nodes.iter().map(read).collect();
    read.into_iter().collect()
}

fn time_zone(node: &Node<'_>) -> Option<Tz> {
    let text = node.text()?;
    text.parse()
        .map_err(|_| {
            node.fault(format!(
                "is {text:?}; a zone of the IANA list is needed, like Europe/Amsterdam"
            ));
        })
        .ok()
}

fn reserve(node: &Node<'_>) -> Option<ArrivalReserve> {
    let text = node.value().as_str().unwrap_or_default();
    let read = match text.split_once(':') {
        None if text == "all" => Some(ArrivalReserve::All),
        None if text == "none" => Some(ArrivalReserve::None),
        Some(("largest", count)) => count.parse().ok().map(ArrivalReserve::Largest),
        _ => None,
    };
    if read.is_none() {
        node.fault("must be \"all\", \"none\" or \"largest:N\" with a whole number N");
    }
    read
}

/// What the site's own prices are where no signal says more.
#[derive(Clone, Debug, Default)]
struct OwnPrices {
    flat: Option<Price>,
    carbon: Option<Price>,
    tariff: Option<TariffSource>,
    demand: Option<DemandCharge>,
}

/// Highest price of carbon, per kilogram.
const MAX_CARBON_PER_KG: f64 = 10.0;

/// A flat price, a price of carbon, a partner's tariff, or several of them: the flat price is where
/// the tariff gives none.
fn price(node: &Node<'_>) -> Option<OwnPrices> {
    let object = node.object()?;
    let flat = object.maybe("flat_per_kwh", |node| {
        node.number(&(-MAX_PRICE_PER_KWH..=MAX_PRICE_PER_KWH))
    });
    let carbon = object.maybe("carbon_per_kg", |node| {
        node.number(&(0.0..=MAX_CARBON_PER_KG))
    });
    let tariff = object.maybe("ocpi_tariff", tariff);
    let demand = object.maybe("demand", grid_rules::demand_charge);
    let names = ["flat_per_kwh", "carbon_per_kg", "ocpi_tariff", "demand"];
    if names.into_iter().all(|name| object.get(name).is_none()) {
        object.fault("flat_per_kwh", "is missing");
    }
    object.close();
    Some(OwnPrices {
        flat: flat?.map(Price::from_per_kwh),
        carbon: carbon?.map(Price::from_per_kwh),
        tariff: tariff?,
        demand: demand?,
    })
}

fn tariff(node: &Node<'_>) -> Option<TariffSource> {
    let object = node.object()?;
    let partner = object.need("partner").and_then(|node| node.id());
    let tariff_id = object.need("tariff_id").and_then(|node| peer_id(&node));
    let taxes = object.maybe("taxes", |node| {
        node.word(&[("included", Taxes::Included), ("excluded", Taxes::Excluded)])
    });
    object.close();
    Some(TariffSource {
        partner: partner?,
        tariff_id: tariff_id?,
        taxes: taxes?.unwrap_or_default(),
    })
}

/// A limit or a share: rounded down to whole watts.
pub(super) fn kilowatts(node: &Node<'_>) -> Option<Power> {
    node.number(&(0.0..=MAX_KW))
        .map(Power::floor_from_kilowatts)
}

/// A rating: rounded to the nearest watt.
fn rating(node: &Node<'_>) -> Option<Power> {
    node.number(&(0.0..=MAX_KW)).map(Power::from_kilowatts)
}

fn read_circuit(node: &Node<'_>) -> Option<Circuit> {
    let object = node.object()?;
    let id = object.need("id").and_then(|node| node.id());
    let parent = object.maybe("parent", Node::id);
    let import_limit = object.maybe("import_limit_kw", kilowatts);
    let phase_limit = object.maybe("phase_limit_a", |node| {
        node.number(&(0.0..=1e6)).map(Current::from_amps)
    });
    let failsafe_limit = object.maybe("failsafe_limit_kw", kilowatts);
    let limit_source = object.maybe("limit_source", read_limit_source);
    object.close();
    Some(Circuit {
        id: id?,
        parent: parent?,
        import_limit: import_limit?,
        phase_limit: phase_limit?,
        failsafe_limit: failsafe_limit?,
        limit_source: limit_source?,
    })
}

fn read_limit_source(node: &Node<'_>) -> Option<Value> {
    match LimitSource::read(node.value()) {
        Ok(_) => Some(node.value().clone()),
        Err(why) => {
            node.fault(why);
            None
        }
    }
}

fn read_evse(node: &Node<'_>, root: Option<&CircuitId>) -> Option<Evse> {
    let object = node.object()?;
    let id = object.need("id").and_then(|node| node.id());
    let circuit = match object.get("circuit") {
        Some(node) => node.id(),
        None => root.cloned().or_else(|| {
            object.fault("circuit", "is missing, and there is no root to hang it on");
            None
        }),
    };
    let max = object.need("max_kw").and_then(|node| rating(&node));
    let min = object.maybe("min_kw", rating);
    let phases = object.maybe("phases", read_phases);
    // Where only their number is known, not the wiring.
    let count = object.maybe("phase_count", |node| node.whole(1..=3));
    if let (Some(Some(phases)), Some(Some(count))) = (&phases, &count)
        && i64::try_from(phases.len()) != Ok(*count)
    {
        object.fault("phase_count", "differs from the number of phases");
    }
    let direct = object.maybe("current_type", |node| {
        node.word(&[("ac", false), ("dc", true)])
    });
    let voltage = object.maybe("voltage_v", |node| node.number(&(50.0..=1000.0)));
    let fallback = object.maybe("fallback_kw", kilowatts);
    let source = object.need("source").and_then(|node| read_source(&node));
    object.close();

    let (max, phases) = (max?, phases?.unwrap_or_default());
    let count = count?.and_then(|count| u8::try_from(count).ok());
    let nominal = Voltage::from_volts(voltage?.unwrap_or(DEFAULT_VOLTAGE_V));
    let supply = if direct?.unwrap_or(false) {
        Supply::Dc
    } else {
        let phases = match (u8::try_from(phases.len()), count) {
            (Ok(count @ 1..=3), _) | (_, Some(count)) => count,
            // Where the phases are unknown: three, unless it is too small to charge on three.
            _ if max < minimum(3, nominal) => 1,
            _ => 3,
        };
        Supply::Ac { phases, nominal }
    };
    let least = match supply {
        Supply::Ac { phases, nominal } => minimum(phases, nominal).min(max),
        Supply::Dc => Power::ZERO,
    };
    Some(Evse {
        id: id?,
        circuit: circuit?,
        max,
        min: min?.unwrap_or(least),
        phases,
        supply,
        fallback: fallback?,
        source: source?,
    })
}

/// 6 A on every phase at nominal voltage.
fn minimum(phases: u8, nominal: Voltage) -> Power {
    Current::from_amps(MIN_CHARGING_A).times(nominal) * i64::from(phases)
}

fn read_phases(node: &Node<'_>) -> Option<Vec<Phase>> {
    let phases = all(&node.list(3)?, |node| node.word(&PHASES))?;
    let twice = phases
        .iter()
        .enumerate()
        .any(|(index, phase)| phases[..index].contains(phase));
    if twice {
        node.fault("names a phase twice");
        return None;
    }
    Some(phases)
}

fn read_source(node: &Node<'_>) -> Option<EvseSource> {
    let object = node.object()?;
    let (ocpi, ocpp) = (object.get("ocpi"), object.get("ocpp"));
    object.close();
    match (ocpi, ocpp) {
        (Some(node), None) => {
            let object = node.object()?;
            let partner = object.need("partner").and_then(|node| node.id());
            let location = object.need("location_id").and_then(|node| peer_id(&node));
            let evse = object.need("evse_uid").and_then(|node| peer_id(&node));
            object.close();
            Some(EvseSource::Ocpi {
                partner: partner?,
                location_id: location?,
                evse_uid: evse?,
            })
        }
        (None, Some(node)) => {
            let object = node.object()?;
            let station = object.need("station").and_then(|node| node.id());
            let evse = object.need("evse").and_then(|node| node.whole(1..=1_000));
            object.close();
            Some(EvseSource::Ocpp {
                station: station?,
                evse: u32::try_from(evse?).ok()?,
            })
        }
        _ => {
            node.fault("must have exactly one of ocpi, ocpp");
            None
        }
    }
}

/// A peer's id: 1 to 36 characters (OCPI `CiString(36)`), compared in lower case.
pub(super) fn peer_id(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.chars().count() > 36 {
        node.fault("has more than 36 characters");
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// A circuit whose fallbacks do not fit under its limit.
struct OverFallback {
    circuit: usize,
    sum: Power,
    limit: Power,
}

/// The circuits at which silence would not be safe (I2): every car at its fallback, and the
/// largest arrivals of the reserve at full power in place of theirs, come to more than the limit.
/// A circuit without configured fallbacks gives shares of what is left and is never over.
fn over_fallback(site: &Site) -> Vec<OverFallback> {
    let mut over = Vec::new();
    for (index, circuit) in site.circuits.iter().enumerate() {
        let Some(limit) = circuit.import_limit else {
            continue;
        };
        let beneath: Vec<&Evse> = site
            .evses
            .iter()
            .filter(|evse| site.is_beneath(&evse.circuit, &circuit.id))
            .collect();
        let fallbacks: Power = beneath.iter().filter_map(|evse| evse.fallback).sum();
        if !fallbacks.is_positive() {
            continue;
        }
        let reserved = match site.arrival_reserve {
            ArrivalReserve::All | ArrivalReserve::None => 0,
            ArrivalReserve::Largest(count) => usize::try_from(count).unwrap_or(usize::MAX),
        };
        let mut arrivals: Vec<Power> = beneath
            .iter()
            .filter(|evse| matches!(evse.source, EvseSource::Ocpi { .. }))
            .map(|evse| {
                evse.hardware_max()
                    .saturating_minus(evse.fallback.unwrap_or(Power::ZERO))
            })
            .collect();
        arrivals.sort_unstable_by(|a, b| b.cmp(a));
        let sum = fallbacks + arrivals.into_iter().take(reserved).sum();
        if sum > limit {
            over.push(OverFallback {
                circuit: index,
                sum,
                limit,
            });
        }
    }
    over
}
