//! The lists we read of a partner.

use chrono::TimeDelta;
use ocpi_client::headers::Party;
use ocpi_client::paging::{PageLimits, PageQuery};
use ocpi_client::types::{DateTime, InterfaceRole, ModuleId};
use serde_json::Value;

use super::super::check::CheckRow;
use super::super::edge::EdgeError;
use super::{Probe, failed};

/// Pages read of each list.
const MAX_PAGES: usize = 20;

/// A running session of the partner, to try the way back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) owner: Option<Party>,
    pub(super) id: String,
}

/// What a list holds.
#[derive(Debug, Default)]
struct Listed {
    count: usize,
    active: usize,
    /// The active session that began last: the likeliest to be running still.
    running: Option<(String, Running)>,
}

impl Probe<'_> {
    pub(super) async fn locations(&self) -> CheckRow {
        match self.list(&ModuleId::Locations).await {
            Ok(Some(listed)) => CheckRow::ok("locations", format!("{} listed", listed.count)),
            Ok(None) => CheckRow::warning("locations", "no SENDER endpoint")
                .advised("publish it: without, powers and phases must be typed in per EVSE"),
            Err(error) => failed("locations", self.peer, &error),
        }
    }

    pub(super) async fn sessions(&self) -> (CheckRow, Option<Running>) {
        match self.list(&ModuleId::Sessions).await {
            Ok(Some(listed)) => {
                let detail = format!(
                    "{} active, {} changed within a day",
                    listed.active, listed.count
                );
                let running = listed.running.map(|(_, running)| running);
                if self.peer.live().health.is_pull_only() {
                    let every_s = self.edge.settings().pull_interval.num_seconds();
                    let detail = format!("{detail}; pulled only, so up to {every_s} s old");
                    let row = CheckRow::warning("sessions", detail).advised(
                        "push sessions (PUT, then PATCH); until then hold back power for all cars \
                         that may arrive between two pulls (arrival_reserve)",
                    );
                    return (row, running);
                }
                (CheckRow::ok("sessions", detail), running)
            }
            Ok(None) => {
                let row = CheckRow::warning("sessions", "no SENDER endpoint")
                    .advised("publish it: without, what is not pushed stays unknown");
                (row, None)
            }
            Err(error) => (failed("sessions", self.peer, &error), None),
        }
    }

    pub(super) async fn tariffs(&self) -> CheckRow {
        match self.list(&ModuleId::Tariffs).await {
            Ok(Some(listed)) => CheckRow::ok("tariffs", format!("{} listed", listed.count)),
            // Nothing is missing: prices mostly come from elsewhere.
            Ok(None) => CheckRow::ok("tariffs", "not offered; prices come from elsewhere"),
            Err(error) => CheckRow {
                status: super::CheckStatus::Warning,
                ..failed("tariffs", self.peer, &error)
            },
        }
    }

    /// A list of the partner; `None` where it offers none.
    async fn list(&self, module: &ModuleId) -> Result<Option<Listed>, EdgeError> {
        let Some(url) = self.record.endpoint(module, &InterfaceRole::Sender) else {
            return Ok(None);
        };
        let url = self.edge.checked(self.record, url)?;
        let day_ago = DateTime::from(self.edge.now() - TimeDelta::days(1));
        let query = PageQuery {
            date_from: (*module == ModuleId::Sessions).then_some(day_ago),
            limit: Some(self.edge.settings().page_limit),
            ..PageQuery::default()
        };
        let limits = PageLimits {
            max_pages: MAX_PAGES,
            ..PageLimits::default()
        };
        let mut crawl = self
            .client
            .crawl::<Value>("get a list", &url, &query, limits);
        let mut listed = Listed::default();
        while let Some(page) = self.edge.next_page(self.peer, &mut crawl).await? {
            for object in &page {
                listed.take(object);
            }
        }
        self.peer.note_deviations(crawl.pager().deviations());
        Ok(Some(listed))
    }
}

impl Listed {
    fn take(&mut self, object: &Value) {
        let text = |field| object.get(field).and_then(Value::as_str);
        self.count += 1;
        if text("status").is_none_or(|status| !status.eq_ignore_ascii_case("ACTIVE")) {
            return;
        }
        self.active += 1;
        let Some(id) = text("id").filter(|id| !id.is_empty() && id.len() <= 100) else {
            return;
        };
        let began = text("start_date_time").unwrap_or_default();
        if self.running.as_ref().is_none_or(|(at, _)| **at < *began) {
            let owner = text("country_code")
                .zip(text("party_id"))
                .map(|(country, party)| Party::new(country, party));
            let running = Running {
                owner,
                id: id.to_owned(),
            };
            self.running = Some((began.to_owned(), running));
        }
    }
}
