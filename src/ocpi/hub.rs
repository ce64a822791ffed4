//! Hubs: whom a request is for, and whether that party can be reached behind one.

use ocpi_client::headers::Party;
use ocpi_client::read::read_one;
use ocpi_client::types::{ClientInfo, ConnectionStatus, CredentialsRole, Role};

use super::edge::Edge;
use super::object::{Kept, ObjectName, StoredObject};
use super::partner::PartnerRecord;
use crate::domain::ports::PortError;

impl PartnerRecord {
    /// True if other parties are behind it: by `hub_party_id` (2.3.0) or by a role HUB (2.2.1).
    pub fn is_hub(&self) -> bool {
        self.hub.is_some() || self.roles.iter().any(|role| role.role == Role::Hub)
    }

    /// The party a request is for when its object does not say: a hub itself; else the first CPO,
    /// else the first role.
    pub fn main_party(&self) -> Option<Party> {
        self.hub.clone().or_else(|| {
            self.roles
                .iter()
                .find(|role| role.role == Role::Hub)
                .or_else(|| self.roles.iter().find(|role| role.role == Role::Cpo))
                .or_else(|| self.roles.first())
                .map(CredentialsRole::party)
        })
    }

    /// The party a request about an object of `owner` is for: through a hub the owner; on a direct
    /// link the owner if it is on the platform, else the platform's own party, which passes it on
    /// (an eMSP that roams with the owner).
    pub fn receiver_for(&self, owner: Option<Party>) -> Option<Party> {
        let Some(owner) = owner else {
            return self.main_party();
        };
        let known = self.roles.iter().map(CredentialsRole::party);
        // As the partner spells it.
        match known.into_iter().find(|known| *known == owner) {
            Some(known) => Some(known),
            None if self.is_hub() => Some(owner),
            None => self.main_party().or(Some(owner)),
        }
    }
}

impl Edge {
    /// Why nothing is asked of a party now, if so: its hub says that it is not connected. Who was
    /// never told of counts as connected; the hub answers 4001 if it is not.
    pub(super) async fn unreachable(
        &self,
        record: &PartnerRecord,
        party: Option<&Party>,
    ) -> Result<Option<String>, PortError> {
        let Some(party) = party.filter(|_| record.is_hub()) else {
            return Ok(None);
        };
        let (country, id) = (party.country_code.as_str(), party.party_id.as_str());
        let Some(name) = ObjectName::of_party(country, id) else {
            return Ok(None);
        };
        let key = name.key(self.tenant(), &record.name, Kept::HubClients);
        let kept = self.inner.ports.records.get(&key).await?;
        let told = kept
            .and_then(|bytes| StoredObject::from_bytes(&bytes))
            .and_then(|stored| Some(read_one::<ClientInfo>(&stored.body).ok()?.value));
        Ok(told
            .filter(|client| client.status != ConnectionStatus::Connected)
            .map(|client| {
                format!(
                    "the hub says that {country}-{id} is {}",
                    client.status.as_str()
                )
            }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::id::PartnerId;

    fn record(roles: &serde_json::Value, hub: Option<Party>) -> PartnerRecord {
        let now = "2026-11-22T16:00:00Z".parse().unwrap();
        let mut record = PartnerRecord::new(PartnerId::new("p").unwrap(), now);
        record.roles = serde_json::from_value(roles.clone()).unwrap();
        record.hub = hub;
        record
    }

    fn role(role: &str, party: &str) -> serde_json::Value {
        json!({"role": role, "country_code": "NL", "party_id": party,
            "business_details": {"name": "x"}})
    }

    fn party(id: &str) -> Party {
        Party::new("NL", id)
    }

    #[test]
    fn through_a_hub_the_owner_is_addressed_and_lists_are_the_hub_s() {
        let by_role = record(&json!([role("HUB", "HUB")]), None);
        let by_id = record(&json!([role("CPO", "CPO")]), Some(party("HUB")));
        for hub in [by_role, by_id] {
            assert!(hub.is_hub());
            assert_eq!(hub.main_party(), Some(party("HUB")));
            assert_eq!(hub.receiver_for(Some(party("XYZ"))), Some(party("XYZ")));
            assert_eq!(hub.receiver_for(None), Some(party("HUB")));
        }
    }

    #[test]
    fn an_emsp_that_passes_sessions_on_is_itself_addressed() {
        let emsp = record(&json!([role("EMSP", "EMP")]), None);
        assert!(!emsp.is_hub());
        assert_eq!(emsp.receiver_for(Some(party("CPO"))), Some(party("EMP")));
    }

    #[test]
    fn of_two_parties_on_one_platform_the_owner_is_addressed() {
        let both = record(&json!([role("CPO", "ABC"), role("CPO", "DEF")]), None);
        assert_eq!(
            both.receiver_for(Some(Party::new("nl", "def"))),
            Some(party("DEF"))
        );
        assert_eq!(both.main_party(), Some(party("ABC")));
    }
}
