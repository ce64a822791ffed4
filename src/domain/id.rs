//! Names of things. Every id is its own type, so that an EVSE can never be taken for a circuit.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest id of our own API, in characters.
pub const MAX_ID_CHARS: usize = 128;

/// Why a text cannot be an id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text has no characters.
    #[error("is empty; 1 to {MAX_ID_CHARS} characters are allowed")]
    Empty,
    /// The text is longer than [`MAX_ID_CHARS`].
    #[error("has {0} characters; 1 to {MAX_ID_CHARS} are allowed")]
    TooLong(usize),
    /// The text holds a character that ids do not have.
    #[error("holds {0:?}; printable characters without spaces and '/' are allowed")]
    Character(char),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    let count = text.chars().count();
    if count > MAX_ID_CHARS {
        return Err(IdError::TooLong(count));
    }
    match text
        .chars()
        .find(|c| c.is_control() || c.is_whitespace() || *c == '/')
    {
        Some(found) => Err(IdError::Character(found)),
        None => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks a text and makes it an id.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.to_string()
            }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

id! {
    /// Owner of everything else; one named `default` unless told otherwise.
    TenantId
}
id! {
    /// A site: the unit of planning.
    SiteId
}
id! {
    /// A node of a site's limit tree.
    CircuitId
}
id! {
    /// An EVSE: the unit of control. Unique within its site.
    EvseId
}
id! {
    /// A charging session, unique within its site. Over OCPI it is made of country code, party id
    /// and the CPO's session id, so that equal ids of two parties stay apart.
    SessionId
}
id! {
    /// A platform we speak OCPI with.
    PartnerId
}
id! {
    /// A charging station of our own CSMS.
    StationId
}
id! {
    /// The key under which a source keeps one of its signals.
    SignalKey
}
id! {
    /// The caller's id of a dispatch.
    DispatchId
}
id! {
    /// Sites that share a limit.
    GroupId
}
id! {
    /// What a departure is filed under: id token, contract id, vehicle or EVSE.
    DepartureKey
}

impl TenantId {
    /// The tenant of an installation that has only one.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

/// Number of a plan within its site, counted up from 1. An older plan is never sent after a newer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PlanId(pub u64);

impl PlanId {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Number of a command within its site, counted up from 1: deterministic, so that a replay gives
/// the same one. The unguessable part of a result URL is made by the edge that sends it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CommandId(pub u64);

impl CommandId {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A site together with its tenant: the key of everything a site owns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SiteKey {
    /// Who owns the site.
    pub tenant: TenantId,
    /// The site.
    pub site: SiteId,
}

impl fmt::Display for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.site)
    }
}

/// A partner together with its tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartnerKey {
    /// Who owns the relation.
    pub tenant: TenantId,
    /// The partner.
    pub partner: PartnerId,
}

impl fmt::Display for PartnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.partner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_printable_bounded_and_without_slash() {
        assert!(SiteId::new("HAM-1").is_ok());
        assert_eq!(SiteId::new(""), Err(IdError::Empty));
        assert_eq!(SiteId::new("a/b"), Err(IdError::Character('/')));
        assert_eq!(SiteId::new("a\nb"), Err(IdError::Character('\n')));
        assert_eq!(SiteId::new("x".repeat(129)), Err(IdError::TooLong(129)));
    }

    #[test]
    fn a_bad_id_in_json_is_refused() {
        assert!(serde_json::from_str::<SiteId>("\"a b\"").is_err());
        assert!(serde_json::from_str::<SiteId>("\"ab\"").is_ok());
    }
}
