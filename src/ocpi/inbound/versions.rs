//! Which versions we speak, and where our modules are.

use ocpi_client::types::{
    Endpoint, InterfaceRole, ModuleId, Version, VersionDetails, VersionEntry,
};

use super::super::edge::Edge;
use super::super::partner::PartnerRecord;
use super::super::settings::our_modules;
use super::reply::Reply;
use super::site_limits::MODULE;

impl Edge {
    /// Our versions.
    pub(super) fn versions(&self) -> Reply {
        let entries = Version::SPOKEN.map(|version| VersionEntry {
            url: self.settings().details_url(&version),
            version,
        });
        Reply::data(entries)
    }

    /// Our modules in a version.
    pub(super) fn details(&self, version: &str, partner: &PartnerRecord) -> Reply {
        let version = Version::from_text(version);
        if !version.is_spoken() {
            return Reply::not_found("this version is not served");
        }
        // Some refuse a list with a module that they do not know.
        let agreed = partner.site_limits.then(|| {
            let module = ModuleId::from_text(MODULE);
            (module, InterfaceRole::Receiver)
        });
        let endpoints = our_modules()
            .into_iter()
            .chain(agreed)
            .map(|(identifier, role)| Endpoint {
                url: self.settings().module_url(&version, &identifier),
                identifier,
                role: Some(role),
            })
            .collect();
        Reply::data(VersionDetails { version, endpoints })
    }
}
