//! Who sent a message and whom it is for.

use super::{Party, first};
use crate::read::{Deviation, id};

/// Header with the receiving party's identifier.
pub const TO_PARTY_ID: &str = "OCPI-to-party-id";
/// Header with the receiving party's country.
pub const TO_COUNTRY_CODE: &str = "OCPI-to-country-code";
/// Header with the sending party's identifier.
pub const FROM_PARTY_ID: &str = "OCPI-from-party-id";
/// Header with the sending party's country.
pub const FROM_COUNTRY_CODE: &str = "OCPI-from-country-code";

const SECTION: &str = "transport_and_format: Message routing headers";

/// Longest value that is taken for a country or party; the specification allows 2 and 3.
const MAX_CHARS: usize = 16;

/// The four routing headers: who sent a message and whom it is for.
///
/// Section: `transport_and_format`, Message routing headers. For functional modules only; versions,
/// credentials and hubclientinfo go without. Both ends may be absent: between two platforms with
/// one party each the headers say nothing new, and a request with open routing names no receiver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Routing {
    /// Whom it is for.
    pub to: Option<Party>,
    /// Who sent it.
    pub from: Option<Party>,
}

impl Routing {
    /// From one party to another.
    pub fn between(from: Party, to: Party) -> Self {
        Self {
            to: Some(to),
            from: Some(from),
        }
    }

    /// Reads the headers. One half of a pair alone says nothing; it is noted and ignored.
    pub fn read(headers: &[(&str, &str)]) -> (Self, Vec<Deviation>) {
        let mut notes = Vec::new();
        let mut party = |country_name: &'static str, party_name: &'static str| {
            let country = first(headers, country_name).and_then(usable);
            let party = first(headers, party_name).and_then(usable);
            match (country, party) {
                (Some(country), Some(party)) => Some(Party::new(country, party)),
                (None, None) => None,
                (Some(_), None) => {
                    notes.push(half(country_name, party_name));
                    None
                }
                (None, Some(_)) => {
                    notes.push(half(party_name, country_name));
                    None
                }
            }
        };
        let to = party(TO_COUNTRY_CODE, TO_PARTY_ID);
        let from = party(FROM_COUNTRY_CODE, FROM_PARTY_ID);
        (Self { to, from }, notes)
    }

    /// The headers to send.
    pub fn write(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let to = self.to.iter().flat_map(|party| {
            [
                (TO_COUNTRY_CODE, party.country_code.as_str()),
                (TO_PARTY_ID, party.party_id.as_str()),
            ]
        });
        let from = self.from.iter().flat_map(|party| {
            [
                (FROM_COUNTRY_CODE, party.country_code.as_str()),
                (FROM_PARTY_ID, party.party_id.as_str()),
            ]
        });
        to.chain(from)
    }

    /// The routing of the response to a request with this routing: back to who sent it. `answering`
    /// is the party that answers when the request named no receiver (open routing).
    #[must_use]
    pub fn reply(&self, answering: &Party) -> Self {
        Self {
            to: self.from.clone(),
            from: Some(self.to.clone().unwrap_or_else(|| answering.clone())),
        }
    }
}

fn usable(value: &str) -> Option<&str> {
    let value = value.trim();
    let fits = !value.is_empty() && value.len() <= MAX_CHARS;
    (fits && value.bytes().all(|byte| byte.is_ascii_graphic())).then_some(value)
}

fn half(there: &'static str, missing: &'static str) -> Deviation {
    Deviation::new(
        id::ROUTING_HALF,
        there,
        SECTION,
        format!("{there} without {missing}"),
    )
}
