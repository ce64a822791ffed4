//! Partners' objects as they sent them, and the keys under which they are kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::id::{EvseId, PartnerId, SessionId, SiteId, TenantId};
use crate::domain::ports::RecordWrite;
use crate::domain::time::Time;

/// Longest id taken from a path or body, in bytes; OCPI allows 36.
pub(super) const MAX_ID_BYTES: usize = 100;

/// The modules whose objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Sessions,
    Locations,
    Tariffs,
    HubClients,
    SiteLimits,
}

impl Kept {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Locations => "locations",
            Self::Tariffs => "tariffs",
            Self::HubClients => "hubclientinfo",
            Self::SiteLimits => "sitelimits",
        }
    }

    /// Whether the module has DELETE; elsewhere a state says that an object is no more.
    pub(super) fn is_deleted(self) -> bool {
        matches!(self, Self::Tariffs | Self::SiteLimits)
    }
}

/// Owner and id of an object, as spelled by the one who sent it. Compared in lower case.
#[derive(Clone, Debug)]
pub(super) struct ObjectName {
    pub(super) country_code: String,
    pub(super) party_id: String,
    pub(super) id: String,
}

impl ObjectName {
    /// A name from its parts, if they are of bearable length.
    pub(super) fn new(country_code: &str, party_id: &str, id: &str) -> Option<Self> {
        let fits = |text: &str, most| !text.is_empty() && text.len() <= most;
        (fits(country_code, 8) && fits(party_id, 8) && fits(id, MAX_ID_BYTES)).then(|| Self {
            country_code: country_code.to_owned(),
            party_id: party_id.to_owned(),
            id: id.to_owned(),
        })
    }

    /// The name of a party itself: its id is its own.
    pub(super) fn of_party(country_code: &str, party_id: &str) -> Option<Self> {
        Self::new(country_code, party_id, party_id)
    }

    /// Whether `country_code`, `party_id` and the id of a body say the same; what a body leaves
    /// out does not contradict.
    pub(super) fn agrees_with(&self, body: &Value, id_field: &str) -> bool {
        [
            ("country_code", &self.country_code),
            ("party_id", &self.party_id),
            (id_field, &self.id),
        ]
        .into_iter()
        .all(|(field, own)| match body.get(field) {
            None | Some(Value::Null) => true,
            Some(told) => told
                .as_str()
                .is_some_and(|told| told.eq_ignore_ascii_case(own)),
        })
    }

    /// The key of the object.
    pub(super) fn key(&self, tenant: &TenantId, partner: &PartnerId, kept: Kept) -> String {
        let prefix = prefix(tenant, partner, kept);
        let [country, party, id] =
            [&self.country_code, &self.party_id, &self.id].map(|part| key_part(part));
        format!("{prefix}{country}/{party}/{id}")
    }

    /// Our id of a session of this name: country code, party id and id in lower case.
    pub(super) fn session_id(&self) -> Option<SessionId> {
        let [country, party, id] =
            [&self.country_code, &self.party_id, &self.id].map(|part| key_part(part));
        SessionId::new(format!("{country}*{party}*{id}")).ok()
    }
}

/// What all keys of a partner's objects of one module begin with.
pub(super) fn prefix(tenant: &TenantId, partner: &PartnerId, kept: Kept) -> String {
    format!("object/{tenant}/{partner}/{}/", kept.as_str())
}

/// A part of a key: in lower case, and everything that could be mistaken percent-encoded.
pub(super) fn key_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'/' | b'%' | b'*' | 0..=32 | 127.. => {
                part.push('%');
                part.push_str(&super::secret::hex(&[byte]));
            }
            _ => part.push(char::from(byte.to_ascii_lowercase())),
        }
    }
    part
}

/// An object as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredObject {
    /// What the partner sent, patches worked in.
    pub(super) body: Value,
    /// Its `last_updated`, or when we took it in if that lay in the future: the order of versions.
    pub(super) updated_at: Time,
    /// When we took it in.
    pub(super) received_at: Time,
    /// For sessions: what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<SessionNotes>,
}

/// What we note beside a kept session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SessionNotes {
    /// Pending or active when last seen.
    pub(super) is_live: bool,
    /// Not listed the last time everything was read back.
    #[serde(default)]
    pub(super) is_missing: bool,
    /// We ended it, since it was not listed twice in a row, though it never said that it is over.
    #[serde(default)]
    pub(super) is_gone: bool,
    /// The `last_updated` with which its latest measured period came.
    pub(super) measured_at: Option<Time>,
    /// The site and EVSE it was given to.
    pub(super) given_to: Option<(SiteId, EvseId)>,
}

impl StoredObject {
    /// Reads a kept object. Damaged ones count as not there: the partner sends it again.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether it is a session that was pending or active when last seen.
    pub(super) fn is_live(&self) -> bool {
        self.session.as_ref().is_some_and(|notes| notes.is_live)
    }

    /// The write that keeps it.
    pub(super) fn write(&self, key: String) -> RecordWrite {
        // JSON made of JSON values and strings always serialises.
        RecordWrite {
            key,
            value: serde_json::to_vec(self).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn partner() -> PartnerId {
        PartnerId::new("CPO-1").unwrap()
    }

    #[test]
    fn ids_that_differ_in_case_only_are_one_object_and_odd_ids_stay_apart() {
        let tenant = TenantId::default_tenant();
        let key = |id: &str| {
            ObjectName::new("NL", "CPO", id)
                .unwrap()
                .key(&tenant, &partner(), Kept::Sessions)
        };
        assert_eq!(key("S1"), "object/default/CPO-1/sessions/nl/cpo/s1");
        assert_eq!(key("S1"), key("s1"));
        assert_ne!(key("a/b"), key("a%2fb"));
        assert_eq!(key("ü").matches('%').count(), 2);
    }

    #[test]
    fn equal_ids_of_two_parties_are_two_sessions() {
        let id = |party| {
            ObjectName::new("NL", party, "1")
                .unwrap()
                .session_id()
                .unwrap()
        };
        assert_eq!(id("CPO").as_str(), "nl*cpo*1");
        assert_ne!(id("CPO"), id("XYZ"));
    }

    #[test]
    fn a_body_may_leave_its_name_out_but_not_contradict_the_url() {
        let name = ObjectName::new("NL", "CPO", "S1").unwrap();
        assert!(name.agrees_with(&json!({}), "id"));
        assert!(name.agrees_with(&json!({"id": "s1", "country_code": "nl"}), "id"));
        assert!(!name.agrees_with(&json!({"id": "s2"}), "id"));
        assert!(!name.agrees_with(&json!({"id": 7}), "id"));
    }
}
