//! Who we are towards OCPI partners, and how we speak with them.

use super::kind::{BaseUrl, Code, Name, PrivateNetworks, Switch, Whole};
use super::network::Network;
use super::reader::Reader;

/// The section `[ocpi]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcpiConfig {
    /// Our country code (ISO 3166-1 alpha-2). Our choice: `XX`, which no country has, until set.
    pub country_code: String,
    /// Our party id, three characters, given out by the country's id office (ISO 15118).
    pub party_id: String,
    /// Our name as partners show it.
    pub business_name: String,
    /// Our web page as partners link it.
    pub business_website: Option<String>,
    /// Accepts partners over plain http and on loopback addresses: tests and demos only.
    pub allow_insecure: bool,
    /// Networks of our own in which partners are reached; all other private addresses are refused.
    pub private_networks: Vec<Network>,
    /// How often sessions and locations are pulled besides what is pushed, in seconds.
    pub pull_interval_s: u32,
    /// How long to wait for a partner's answer to one request, in seconds.
    pub request_timeout_s: u32,
    /// Most requests in flight to one partner.
    pub max_in_flight: u32,
}

impl Default for OcpiConfig {
    fn default() -> Self {
        Self {
            country_code: "XX".to_owned(),
            party_id: "EVL".to_owned(),
            business_name: "evenload".to_owned(),
            business_website: None,
            allow_insecure: false,
            private_networks: Vec::new(),
            pull_interval_s: 300,
            request_timeout_s: 10,
            max_in_flight: 4,
        }
    }
}

impl OcpiConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const COUNTRY: Code = Code {
            chars: 2,
            digits: false,
        };
        const PARTY: Code = Code {
            chars: 3,
            digits: true,
        };
        let default = Self::default();
        Self {
            country_code: reader.get("ocpi.country_code", &COUNTRY, default.country_code),
            party_id: reader.get("ocpi.party_id", &PARTY, default.party_id),
            business_name: reader.get("ocpi.business_name", &Name, default.business_name),
            business_website: reader.optional("ocpi.business_website", &BaseUrl),
            allow_insecure: reader.get("ocpi.allow_insecure", &Switch, default.allow_insecure),
            private_networks: reader.get(
                "ocpi.private_networks",
                &PrivateNetworks,
                default.private_networks,
            ),
            pull_interval_s: reader.get(
                "ocpi.pull_interval_s",
                // A day at most: an object missed by push must not stay unknown for longer.
                &Whole(10..=86_400),
                default.pull_interval_s,
            ),
            request_timeout_s: reader.get(
                "ocpi.request_timeout_s",
                &Whole(1..=120),
                default.request_timeout_s,
            ),
            max_in_flight: reader.get("ocpi.max_in_flight", &Whole(1..=64), default.max_in_flight),
        }
    }
}
