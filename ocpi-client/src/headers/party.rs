//! A party on the network.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::CiString;

/// A party: country code and party identifier together. Compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Party {
    /// Country, ISO 3166-1 alpha-2.
    pub country_code: CiString,
    /// Party identifier, three characters.
    pub party_id: CiString,
}

impl Party {
    /// A party from its two parts.
    pub fn new(country_code: impl Into<CiString>, party_id: impl Into<CiString>) -> Self {
        Self {
            country_code: country_code.into(),
            party_id: party_id.into(),
        }
    }

    /// From both parts in one text of five characters, as in `hub_party_id`.
    pub fn from_joined(text: &str) -> Option<Self> {
        if !text.is_ascii() || text.len() != 5 {
            return None;
        }
        let (country_code, party_id) = text.split_at(2);
        Some(Self::new(country_code, party_id))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.country_code, self.party_id)
    }
}
