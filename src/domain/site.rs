//! A site: the unit of planning, with its limit tree and its EVSEs.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::evse::Evse;
use super::grid_rules::GridRules;
use super::id::{CircuitId, EvseId, SiteId, SiteKey, TenantId};
use super::quantity::{Current, Power, Price};
use super::tariff_source::TariffSource;

/// Most circuits of one site.
pub const MAX_CIRCUITS: usize = 200;
/// Most EVSEs of one site.
pub const MAX_EVSES: usize = 5_000;

/// A node of the limit tree: the grid connection, a transformer, a feeder, a cabinet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Its name within the site.
    pub id: CircuitId,
    /// The circuit that feeds it; `None` for the one root.
    pub parent: Option<CircuitId>,
    /// Highest import, as the operator configured it; no outside input raises it. `None` = not
    /// known: a root without a limit keeps its site in [`Mode::Observe`].
    pub import_limit: Option<Power>,
    /// Highest current on each phase.
    pub phase_limit: Option<Current>,
    /// What holds beyond the last slot of a limit that came from outside.
    pub failsafe_limit: Option<Power>,
    /// Where a lower limit is taken from, kept as the operator wrote it.
    pub limit_source: Option<serde_json::Value>,
}

/// How much power is held back for cars that may plug in at an EVSE we cannot reach before they
/// draw (OCPI has no default profile). Worst cases count, at the EVSE's hardware maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalReserve {
    /// Every free EVSE may start at once.
    All,
    /// The given number of the largest free EVSEs may start at once.
    Largest(u32),
    /// Nothing is held back.
    None,
}

impl Default for ArrivalReserve {
    fn default() -> Self {
        Self::Largest(1)
    }
}

/// What evenload may do at a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Only watch: no limit is known, nothing is ever sent.
    Observe,
    /// Plan and show what would be sent; send nothing.
    #[default]
    Shadow,
    /// Send to the named EVSEs only.
    Canary,
    /// Send to all.
    Live,
}

/// A site as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its owner.
    pub tenant: TenantId,
    /// Its name.
    pub id: SiteId,
    /// What people call it.
    pub name: String,
    /// Where its days begin.
    pub time_zone: Tz,
    /// ISO 4217 code of all its prices.
    pub currency: String,
    /// The limit tree.
    pub circuits: Vec<Circuit>,
    /// The EVSEs.
    pub evses: Vec<Evse>,
    /// Power held back for arrivals over OCPI.
    pub arrival_reserve: ArrivalReserve,
    /// Price where no signal gives one.
    pub flat_price: Option<Price>,
    /// What a kilogram of carbon counts beside the price, in the currency. `None` = prices alone
    /// count, and carbon only where no price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carbon_price: Option<Price>,
    /// The partner's tariff that gives the price, if the operator chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff_price: Option<TariffSource>,
    /// What the connection asks for beside its limit.
    #[serde(default, skip_serializing_if = "GridRules::is_empty")]
    pub grid: GridRules,
}

/// What is wrong with a site, and where (a JSON pointer into the API's site body).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{pointer}: {detail}")]
pub struct SiteFault {
    /// JSON pointer of the culprit.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

impl Site {
    /// Site and tenant.
    pub fn key(&self) -> SiteKey {
        SiteKey {
            tenant: self.tenant.clone(),
            site: self.id.clone(),
        }
    }

    /// The EVSE of a name.
    pub fn evse(&self, id: &EvseId) -> Option<&Evse> {
        self.evses.iter().find(|evse| evse.id == *id)
    }

    /// The circuit of a name.
    pub fn circuit(&self, id: &CircuitId) -> Option<&Circuit> {
        self.circuits.iter().find(|circuit| circuit.id == *id)
    }

    /// The root of the limit tree.
    pub fn root(&self) -> Option<&Circuit> {
        self.circuits
            .iter()
            .find(|circuit| circuit.parent.is_none())
    }

    /// The circuits above an EVSE, from its own to the root. Bounded by the number of circuits.
    pub fn path(&self, circuit: &CircuitId) -> Vec<&Circuit> {
        let mut path = Vec::new();
        let mut next = self.circuit(circuit);
        while let Some(circuit) = next {
            path.push(circuit);
            if path.len() > self.circuits.len() {
                break;
            }
            next = circuit
                .parent
                .as_ref()
                .and_then(|parent| self.circuit(parent));
        }
        path
    }

    /// True if `circuit` is `above` or lies beneath it.
    pub fn is_beneath(&self, circuit: &CircuitId, above: &CircuitId) -> bool {
        let mut next = Some(circuit);
        for _ in 0..=self.circuits.len() {
            match next {
                Some(id) if id == above => return self.circuit(above).is_some(),
                Some(id) => next = self.circuit(id).and_then(|it| it.parent.as_ref()),
                None => return false,
            }
        }
        false
    }

    /// Everything that is wrong with the site; an empty list means it is sound.
    pub fn faults(&self) -> Vec<SiteFault> {
        let mut faults = Vec::new();
        let mut fault =
            |pointer: String, detail: String| faults.push(SiteFault { pointer, detail });
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            fault(
                "/currency".into(),
                format!("is {:?}; three capital letters (ISO 4217)", self.currency),
            );
        }
        if self.circuits.is_empty() || self.circuits.len() > MAX_CIRCUITS {
            fault(
                "/circuits".into(),
                format!("has {}; 1 to {MAX_CIRCUITS}", self.circuits.len()),
            );
        }
        if self.evses.len() > MAX_EVSES {
            fault(
                "/evses".into(),
                format!("has {}; 0 to {MAX_EVSES}", self.evses.len()),
            );
        }
        let roots = self
            .circuits
            .iter()
            .filter(|circuit| circuit.parent.is_none())
            .count();
        if roots != 1 {
            fault(
                "/circuits".into(),
                format!("{roots} of them have no parent; exactly one must"),
            );
        }
        let ids: BTreeMap<_, _> = self.circuits.iter().map(|c| (&c.id, c)).collect();
        let mut seen = BTreeSet::new();
        for (index, circuit) in self.circuits.iter().enumerate() {
            if !seen.insert(&circuit.id) {
                fault(
                    format!("/circuits/{index}/id"),
                    format!("{} is there twice", circuit.id),
                );
            }
            if let Some(parent) = &circuit.parent
                && !ids.contains_key(parent)
            {
                fault(
                    format!("/circuits/{index}/parent"),
                    format!("{parent} is not a circuit"),
                );
            }
            let path = self.path(&circuit.id);
            if path.len() > self.circuits.len()
                || path.last().is_some_and(|top| top.parent.is_some())
            {
                fault(
                    format!("/circuits/{index}/parent"),
                    "leads in a circle or nowhere".into(),
                );
            }
            for (name, limit) in [
                ("import_limit_kw", circuit.import_limit),
                ("failsafe_limit_kw", circuit.failsafe_limit),
            ] {
                if limit.is_some_and(|limit| limit < Power::ZERO) {
                    fault(
                        format!("/circuits/{index}/{name}"),
                        "is negative; 0 or more".into(),
                    );
                }
            }
            if circuit
                .phase_limit
                .is_some_and(|limit| limit < Current::ZERO)
            {
                fault(
                    format!("/circuits/{index}/phase_limit_a"),
                    "is negative; 0 or more".into(),
                );
            }
        }
        let mut names = BTreeSet::new();
        let mut sources = BTreeSet::new();
        for (index, evse) in self.evses.iter().enumerate() {
            if !names.insert(&evse.id) {
                fault(
                    format!("/evses/{index}/id"),
                    format!("{} is there twice", evse.id),
                );
            }
            if !sources.insert(&evse.source) {
                fault(
                    format!("/evses/{index}/source"),
                    "another EVSE has the same source".into(),
                );
            }
            if !ids.contains_key(&evse.circuit) {
                fault(
                    format!("/evses/{index}/circuit"),
                    format!("{} is not a circuit", evse.circuit),
                );
            }
            if !evse.max.is_positive() {
                fault(format!("/evses/{index}/max_kw"), "must be above 0".into());
            }
            if evse.min < Power::ZERO || evse.min > evse.max {
                fault(
                    format!("/evses/{index}/min_kw"),
                    "must lie between 0 and max_kw".into(),
                );
            }
            if evse
                .fallback
                .is_some_and(|fallback| fallback < Power::ZERO || fallback > evse.hardware_max())
            {
                fault(
                    format!("/evses/{index}/fallback_kw"),
                    "must lie between 0 and max_kw".into(),
                );
            }
        }
        faults
    }
}
