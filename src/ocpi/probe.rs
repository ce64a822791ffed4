//! The check list of a registered partner: what we need of it, tried once.

use std::sync::Arc;

use chrono::TimeDelta;
use ocpi_client::client::Client;
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::types::{DateTime, InterfaceRole, ModuleId};
use serde_json::Value;
use url::Url;

use super::check::CheckRow;
use super::edge::{Edge, EdgeError};
use super::partner::PartnerRecord;
use super::peer::Peer;

/// Pages read of each list.
const MAX_PAGES: usize = 20;

/// Beyond this a partner's clock is worth a warning, in seconds.
const CLOCK_WARNING_S: i64 = 30;

impl Edge {
    /// Tries everything once; every failure is a row.
    pub(super) async fn probe(&self, peer: &Arc<Peer>) -> Vec<CheckRow> {
        let record = peer.record();
        let client = match self.client_for(&record, record.main_party()) {
            Ok(client) if record.is_registered() => client,
            Ok(_) => {
                let detail = "the handshake is not complete";
                return vec![CheckRow::failed("credentials", detail)];
            }
            Err(error) => return vec![CheckRow::failed("credentials", error.to_string())],
        };
        let mut rows = vec![
            self.probe_versions(peer, &record, &client).await,
            self.probe_credentials(peer, &record, &client).await,
            self.probe_list(peer, &record, &client, &ModuleId::Locations)
                .await,
            self.probe_list(peer, &record, &client, &ModuleId::Sessions)
                .await,
        ];
        rows.push(
            match record.endpoint(&ModuleId::ChargingProfiles, &InterfaceRole::Receiver) {
                Some(url) => CheckRow::ok("chargingprofiles", format!("RECEIVER at {url}")),
                None => CheckRow::failed(
                    "chargingprofiles",
                    "no RECEIVER endpoint: no profile can be sent; publish one",
                ),
            },
        );
        rows.push(clock_row(peer.live().health.clock_skew_s));
        rows
    }

    async fn probe_versions(
        &self,
        peer: &Peer,
        record: &PartnerRecord,
        client: &Client,
    ) -> CheckRow {
        let url = record.versions_url.clone().unwrap_or_default();
        let began = self.now();
        let result = match self.checked(record, &url) {
            Ok(url) => self
                .call(peer, client.get_versions(&url))
                .await
                .map_err(EdgeError::from),
            Err(error) => Err(error),
        };
        let round_trip_ms = (self.now() - began).num_milliseconds();
        match result {
            Ok(versions) => {
                let list: Vec<_> = versions
                    .iter()
                    .take(16)
                    .map(|entry| entry.version.to_string())
                    .collect();
                let used = record
                    .version
                    .as_ref()
                    .map_or("none", |version| version.as_str());
                let list = list.join(", ");
                CheckRow::ok(
                    "versions",
                    format!("{list}; {used} is used; {round_trip_ms} ms"),
                )
            }
            Err(error) => CheckRow::failed("versions", error.to_string()),
        }
    }

    async fn probe_credentials(
        &self,
        peer: &Peer,
        record: &PartnerRecord,
        client: &Client,
    ) -> CheckRow {
        let Some(url) = record.endpoint(&ModuleId::Credentials, &InterfaceRole::Sender) else {
            return CheckRow::failed("credentials", "no credentials endpoint");
        };
        let result = match self.checked(record, url) {
            Ok(url) => self
                .call(peer, client.get_credentials(&url))
                .await
                .map_err(EdgeError::from),
            Err(error) => Err(error),
        };
        match result {
            Ok(theirs) => {
                let parties: Vec<_> = theirs
                    .roles
                    .iter()
                    .take(16)
                    .map(|role| format!("{} {}", role.role, role.party()))
                    .collect();
                CheckRow::ok("credentials", parties.join(", "))
            }
            Err(error) => CheckRow::warning("credentials", error.to_string()),
        }
    }

    async fn probe_list(
        &self,
        peer: &Peer,
        record: &PartnerRecord,
        client: &Client,
        module: &ModuleId,
    ) -> CheckRow {
        let step = module.as_str();
        let Some(url) = record.endpoint(module, &InterfaceRole::Sender) else {
            let detail = "no SENDER endpoint: what is not pushed stays unknown";
            return CheckRow::warning(step, detail);
        };
        let listed = match self.checked(record, url) {
            Ok(url) => self.count(peer, client, &url, module).await,
            Err(error) => Err(error),
        };
        match listed {
            Ok((count, _)) if *module == ModuleId::Locations => {
                CheckRow::ok(step, format!("{count} listed"))
            }
            Ok((count, active)) => CheckRow::ok(
                step,
                format!("{active} active, {count} changed within a day"),
            ),
            Err(error) => CheckRow::failed(step, error.to_string()),
        }
    }

    /// How many objects a list has, and how many of them are active.
    async fn count(
        &self,
        peer: &Peer,
        client: &Client,
        endpoint: &Url,
        module: &ModuleId,
    ) -> Result<(usize, usize), EdgeError> {
        let day_ago = DateTime::from(self.now() - TimeDelta::days(1));
        let query = PageQuery {
            date_from: (*module == ModuleId::Sessions).then_some(day_ago),
            limit: Some(self.settings().page_limit),
            ..PageQuery::default()
        };
        let limits = PageLimits {
            max_pages: MAX_PAGES,
            ..PageLimits::default()
        };
        let mut crawl = client.crawl::<Value>("get a list", endpoint, &query, limits);
        let (mut count, mut active) = (0, 0);
        while let Some(page) = self.next_page(peer, &mut crawl).await? {
            count += page.len();
            active += page
                .iter()
                .filter(|object| object.get("status").and_then(Value::as_str) == Some("ACTIVE"))
                .count();
        }
        peer.note_deviations(crawl.pager().deviations());
        Ok((count, active))
    }
}

fn clock_row(skew_s: Option<i64>) -> CheckRow {
    match skew_s {
        None => CheckRow::warning("clock", "its answers have no Date header"),
        Some(skew) if skew.abs() > CLOCK_WARNING_S => {
            let detail = format!("{skew} s ahead of ours; set it by NTP");
            CheckRow::warning("clock", detail)
        }
        Some(skew) => CheckRow::ok("clock", format!("{skew} s ahead of ours")),
    }
}
