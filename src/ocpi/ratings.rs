//! What partners say of their EVSEs: for sites that are set up from locations.

use ocpi_client::read::read_one;
use ocpi_client::types::{Capability, Location, Status};
use serde::Serialize;

use super::edge::{Edge, EdgeError};
use super::object::{Kept, StoredObject, prefix};
use super::translate::connector::{Rating, evse_rating, is_contradictory, rating};
use crate::domain::evse::EvseSource;
use crate::domain::id::PartnerId;

/// Most locations of one partner that are looked at.
const MAX_LOCATIONS: usize = 20_000;

/// An EVSE as its partner describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfferedEvse {
    /// Where it is reached; ids in lower case.
    pub source: EvseSource,
    /// OCPI `EVSE.uid` as its partner spells it.
    pub evse_uid: String,
    /// OCPI `Location.id` as its partner spells it.
    pub location_id: String,
    /// OCPI `Location.name`, else its address.
    pub location: Option<String>,
    /// OCPI `Location.time_zone`.
    pub time_zone: Option<String>,
    /// What is printed on it or its id for people.
    pub label: Option<String>,
    /// Its strongest connector, if that says enough. Not what the grid can give.
    #[serde(skip)]
    pub rating: Option<Rating>,
    /// Whether it says that it follows charging profiles. Some follow them without saying so.
    pub says_profile_capable: bool,
    /// What a person should look at before the guess is used.
    pub doubts: Vec<String>,
}

impl Edge {
    /// The EVSEs of a partner's kept locations, except removed ones.
    pub async fn offered_evses(&self, partner: &PartnerId) -> Result<Vec<OfferedEvse>, EdgeError> {
        self.peer(partner)?;
        let prefix = prefix(self.tenant(), partner, Kept::Locations);
        let found = self
            .inner
            .ports
            .records
            .scan(&prefix, MAX_LOCATIONS)
            .await?;
        let locations = found.iter().filter_map(|(_, bytes)| {
            let stored = StoredObject::from_bytes(bytes)?;
            Some(read_one::<Location>(&stored.body).ok()?.value)
        });
        Ok(locations
            .flat_map(|location| {
                let offered = |evse| offered(partner, &location, evse);
                location
                    .evses
                    .iter()
                    .filter_map(offered)
                    .collect::<Vec<_>>()
            })
            .collect())
    }

    /// One EVSE as its partner describes it, if it does.
    pub async fn offered_evse(
        &self,
        source: &EvseSource,
    ) -> Result<Option<OfferedEvse>, EdgeError> {
        let EvseSource::Ocpi { partner, .. } = source else {
            return Ok(None);
        };
        let all = self.offered_evses(partner).await?;
        Ok(all.into_iter().find(|offered| offered.source == *source))
    }
}

fn offered(
    partner: &PartnerId,
    location: &Location,
    evse: &ocpi_client::types::Evse,
) -> Option<OfferedEvse> {
    (evse.status != Status::Removed).then(|| OfferedEvse {
        source: EvseSource::Ocpi {
            partner: partner.clone(),
            location_id: location.id.as_str().to_ascii_lowercase(),
            evse_uid: evse.uid.as_str().to_ascii_lowercase(),
        },
        evse_uid: evse.uid.to_string(),
        location_id: location.id.to_string(),
        location: location.name.clone().or_else(|| location.address.clone()),
        time_zone: location.time_zone.clone(),
        label: evse
            .physical_reference
            .clone()
            .or_else(|| evse.evse_id.as_ref().map(ToString::to_string)),
        rating: evse_rating(evse),
        says_profile_capable: evse.can(&Capability::ChargingProfileCapable),
        doubts: doubts(evse),
    })
}

/// Where an EVSE's own figures leave room for error.
fn doubts(evse: &ocpi_client::types::Evse) -> Vec<String> {
    let mut doubts = Vec::new();
    for connector in &evse.connectors {
        let id = connector.id.as_str();
        if rating(connector).is_none() {
            doubts.push(format!(
                "connector {id} names no power_type, or neither power nor voltage and current"
            ));
        }
        if connector.has_line_to_line_voltage() {
            doubts.push(format!(
                "connector {id}: {} V on three phases is taken as line to line",
                connector.max_voltage.unwrap_or_default()
            ));
        }
        if is_contradictory(connector) {
            doubts.push(format!(
                "connector {id}: max_electric_power is more than volts times amperes give"
            ));
        }
    }
    if !evse.can(&Capability::ChargingProfileCapable) {
        doubts.push("it does not say CHARGING_PROFILE_CAPABLE; some follow all the same".into());
    }
    doubts
}
