//! The check list of a registered partner: what we need of it, tried once.

mod lists;
mod way_back;

use std::sync::Arc;

use chrono::TimeDelta;
use ocpi_client::client::Client;
use ocpi_client::types::{InterfaceRole, ModuleId};

use super::advice;
use super::check::{CheckRow, CheckStatus};
use super::edge::{Edge, EdgeError};
use super::partner::PartnerRecord;
use super::peer::Peer;
use crate::domain::time::Time;

/// Beyond this a partner's clock is worth a warning, in seconds.
const CLOCK_WARNING_S: i64 = 30;

/// Beyond this an answer is slow enough for a warning: a limit that is cut must arrive within
/// seconds.
const SLOW: TimeDelta = TimeDelta::seconds(2);

/// One trial of a partner.
struct Probe<'a> {
    edge: &'a Edge,
    peer: &'a Peer,
    record: &'a PartnerRecord,
    client: Client,
}

impl Edge {
    /// Tries everything once; every failure is a row that says what to change.
    pub(super) async fn probe(&self, peer: &Arc<Peer>) -> Vec<CheckRow> {
        let record = peer.record();
        if !record.is_registered() {
            let row = CheckRow::failed("credentials", "the handshake is not complete");
            let advice = "register: POST credentials with the token A of an invitation, or have us \
                          register with yours";
            return vec![row.advised(advice)];
        }
        let client = match self.client_for(&record, record.main_party()) {
            Ok(client) => client,
            Err(error) => return vec![failed("credentials", peer, &error)],
        };
        let probe = Probe {
            edge: self,
            peer,
            record: &record,
            client,
        };
        let (versions, round_trip) = probe.versions().await;
        let mut rows = vec![versions, probe.credentials().await];
        rows.push(probe.locations().await);
        let (sessions, running) = probe.sessions().await;
        rows.extend([sessions, probe.tariffs().await]);
        rows.extend(probe.way_back(running).await);
        rows.push(clock_row(peer.live().health.clock_skew_s));
        rows.extend(round_trip);
        rows
    }
}

impl Probe<'_> {
    /// The versions, and how long the answer took.
    async fn versions(&self) -> (CheckRow, Option<CheckRow>) {
        let url = self.record.versions_url.clone().unwrap_or_default();
        let began = self.edge.now();
        let result = match self.edge.checked(self.record, &url) {
            Ok(url) => {
                let call = self.client.get_versions(&url);
                let listed = self.edge.call(self.peer, call).await;
                listed.map_err(EdgeError::from)
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(versions) => {
                let list: Vec<_> = versions
                    .iter()
                    .take(16)
                    .map(|entry| entry.version.to_string())
                    .collect();
                let used = self.record.version.as_ref();
                let used = used.map_or("none", |version| version.as_str());
                let row = CheckRow::ok("versions", format!("{}; {used} is used", list.join(", ")));
                (row, Some(round_trip_row(began, self.edge.now())))
            }
            Err(error) => (failed("versions", self.peer, &error), None),
        }
    }

    async fn credentials(&self) -> CheckRow {
        let module = ModuleId::Credentials;
        let Some(url) = self.record.endpoint(&module, &InterfaceRole::Sender) else {
            let row = CheckRow::failed("credentials", "no credentials endpoint");
            return row.advised("publish the module credentials in your version details");
        };
        let result = match self.edge.checked(self.record, url) {
            Ok(url) => {
                let call = self.client.get_credentials(&url);
                let theirs = self.edge.call(self.peer, call).await;
                theirs.map_err(EdgeError::from)
            }
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
            // Everything else works without: only a warning.
            Err(error) => CheckRow {
                status: CheckStatus::Warning,
                ..failed("credentials", self.peer, &error)
            },
        }
    }
}

/// A failed row with what to change and the exchange in which it failed.
fn failed(step: &str, peer: &Peer, error: &EdgeError) -> CheckRow {
    let is_exchange = matches!(error, EdgeError::Exchange(_) | EdgeError::Incomplete(_));
    CheckRow {
        advice: advice::for_error(error),
        exchange: is_exchange
            .then(|| peer.live().exchanges.latest_sent())
            .flatten()
            .map(Box::new),
        ..CheckRow::failed(step, error.to_string())
    }
}

fn clock_row(skew_s: Option<i64>) -> CheckRow {
    match skew_s {
        None => CheckRow::warning("clock", "its answers have no Date header")
            .advised("send the Date header, so that clocks can be compared"),
        Some(skew) if skew.abs() > CLOCK_WARNING_S => {
            CheckRow::warning("clock", format!("{} ours", ahead(skew)))
                .advised("set the clock by NTP: profiles have absolute times")
        }
        Some(skew) => CheckRow::ok("clock", format!("{} ours", ahead(skew))),
    }
}

fn ahead(skew_s: i64) -> String {
    match skew_s {
        0 => "equal to".into(),
        1.. => format!("{skew_s} s ahead of"),
        _ => format!("{} s behind", -skew_s),
    }
}

fn round_trip_row(began: Time, ended: Time) -> CheckRow {
    let took = ended - began;
    let detail = format!("{} ms", took.num_milliseconds());
    if took > SLOW {
        CheckRow::warning("round_trip", detail)
            .advised("answer within 2 s: lowered limits wait for it")
    } else {
        CheckRow::ok("round_trip", detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_half_a_minute_off_is_a_warning_with_advice() {
        assert_eq!(clock_row(Some(30)).status, CheckStatus::Ok);
        let off = clock_row(Some(-31));
        assert_eq!(off.status, CheckStatus::Warning);
        assert_eq!(off.detail, "31 s behind ours");
        assert!(off.advice.is_some());
    }
}
