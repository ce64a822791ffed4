//! Who we are towards partners and how patient we are with them.

use std::time::Duration;

use chrono::TimeDelta;
use ocpi_client::headers::Party;
use ocpi_client::types::{
    BusinessDetails, CredentialsRole, InterfaceRole, ModuleId, Role, Version,
};

use crate::config::{Network, OcpiConfig};

/// What the edge needs to know about itself. Made by the service from its configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our country, ISO 3166-1 alpha-2. Source: OCPI `CredentialsRole.country_code`.
    pub country_code: String,
    /// Our party id, three characters. Source: OCPI `CredentialsRole.party_id`.
    pub party_id: String,
    /// What partners see as our name. Source: OCPI `BusinessDetails.name`.
    pub business_name: String,
    /// Our web site, if any.
    pub website: Option<String>,
    /// Our address as partners see it, without a trailing slash and without `/ocpi`.
    pub public_url: String,
    /// Plain http and this machine are allowed, for tests and closed networks.
    pub allow_insecure: bool,
    /// Private networks in which partners are reached.
    pub private_networks: Vec<Network>,
    /// Deadline of one whole request to a partner, body included. Default 10 s.
    pub request_timeout: Duration,
    /// Most requests under way to one partner. Default 4.
    pub max_in_flight: usize,
    /// Longest answer taken from a partner, in bytes. Default 2 MiB.
    pub max_body_bytes: usize,
    /// How long a result URL stays usable; results come minutes late in the field. Default 24 h.
    pub result_validity: TimeDelta,
    /// How long an invitation can be used. Default 7 days.
    pub invite_validity: TimeDelta,
    /// How long a replaced token of a partner stays valid for requests under way. Default 60 s.
    pub rotation_grace: TimeDelta,
    /// Time between two pulls from a partner that also pushes. Default 15 min.
    pub pull_interval: TimeDelta,
    /// How far a full crawl of sessions reaches back. Default 14 days.
    pub crawl_reach: TimeDelta,
    /// Objects asked for per page. Default 100.
    pub page_limit: u32,
}

impl Settings {
    /// Settings with the defaults named at each field.
    pub fn new(public_url: impl Into<String>) -> Self {
        let public_url: String = public_url.into();
        Self {
            country_code: "DE".into(),
            party_id: "EVL".into(),
            business_name: "evenload".into(),
            website: None,
            public_url: public_url.trim_end_matches('/').to_owned(),
            allow_insecure: false,
            private_networks: Vec::new(),
            request_timeout: Duration::from_secs(10),
            max_in_flight: 4,
            max_body_bytes: 2 * 1024 * 1024,
            result_validity: TimeDelta::hours(24),
            invite_validity: TimeDelta::days(7),
            rotation_grace: TimeDelta::seconds(60),
            pull_interval: TimeDelta::minutes(15),
            crawl_reach: TimeDelta::days(14),
            page_limit: 100,
        }
    }

    /// Settings from the configuration, with the address under which partners see us.
    pub fn of(config: &OcpiConfig, public_url: impl Into<String>) -> Self {
        Self {
            country_code: config.country_code.clone(),
            party_id: config.party_id.clone(),
            business_name: config.business_name.clone(),
            website: config.business_website.clone(),
            allow_insecure: config.allow_insecure,
            private_networks: config.private_networks.clone(),
            request_timeout: Duration::from_secs(u64::from(config.request_timeout_s)),
            max_in_flight: usize::try_from(config.max_in_flight).unwrap_or(1),
            pull_interval: TimeDelta::seconds(i64::from(config.pull_interval_s)),
            ..Self::new(public_url)
        }
    }

    /// Where partners begin: our list of versions.
    pub fn versions_url(&self) -> String {
        format!("{}/ocpi/versions", self.public_url)
    }

    /// Where a version's details are.
    pub(super) fn details_url(&self, version: &Version) -> String {
        format!("{}/ocpi/{version}", self.public_url)
    }

    /// Where a module of ours is.
    pub(super) fn module_url(&self, version: &Version, module: &ModuleId) -> String {
        format!("{}/ocpi/{version}/{module}", self.public_url)
    }

    /// Us as a party.
    pub(super) fn party(&self) -> Party {
        Party::new(self.country_code.as_str(), self.party_id.as_str())
    }

    /// Our roles as they stand in the Credentials object.
    pub(super) fn roles(&self) -> Vec<CredentialsRole> {
        vec![CredentialsRole {
            role: Role::Scsp,
            business_details: BusinessDetails {
                name: self.business_name.clone(),
                website: self.website.clone(),
                logo: None,
            },
            party_id: self.party_id.as_str().into(),
            country_code: self.country_code.as_str().into(),
        }]
    }
}

/// The modules we implement, and on which side. Preferences come to us as sessions SENDER.
pub(super) fn our_modules() -> [(ModuleId, InterfaceRole); 7] {
    [
        (ModuleId::Credentials, InterfaceRole::Sender),
        (ModuleId::Sessions, InterfaceRole::Receiver),
        (ModuleId::Sessions, InterfaceRole::Sender),
        (ModuleId::ChargingProfiles, InterfaceRole::Sender),
        (ModuleId::Locations, InterfaceRole::Receiver),
        (ModuleId::Tariffs, InterfaceRole::Receiver),
        (ModuleId::HubClientInfo, InterfaceRole::Receiver),
    ]
}
