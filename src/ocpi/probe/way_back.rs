//! Whether profiles arrive and results come back: asked with a question that changes nothing.

use chrono::TimeDelta;
use ocpi_client::profile_request::Verdict;
use ocpi_client::types::{InterfaceRole, ModuleId, Version};
use tokio::sync::oneshot;
use url::Url;

use super::super::check::{CheckRow, CheckStatus};
use super::super::edge::EdgeError;
use super::super::results::new_id;
use super::lists::Running;
use super::{Probe, failed};
use crate::domain::time::Time;

/// How long a result is waited for, in seconds, whatever the partner announces.
const LONGEST_WAIT_S: u32 = 15;

/// The stretch of time a profile is asked for, in seconds.
const ASKED_S: u32 = 300;

/// Most trials at a time with one partner.
const MAX_TRIALS: usize = 8;

impl Probe<'_> {
    /// The rows `chargingprofiles` and `response_url`. With a running session its active profile
    /// is asked for, which changes nothing; without one only what is known is said.
    pub(super) async fn way_back(&self, running: Option<Running>) -> [CheckRow; 2] {
        let module = ModuleId::ChargingProfiles;
        let Some(endpoint) = self.record.endpoint(&module, &InterfaceRole::Receiver) else {
            let row = CheckRow::failed("chargingprofiles", "no RECEIVER endpoint")
                .advised("publish it: without, no limit can be sent");
            return [row, CheckRow::warning("response_url", "not tried")];
        };
        let url = match self.edge.checked(self.record, endpoint) {
            Ok(url) => url,
            Err(error) => {
                let row = failed("chargingprofiles", self.peer, &error);
                return [row, CheckRow::warning("response_url", "not tried")];
            }
        };
        if let Some(running) = running {
            return self.ask(&url, &running).await;
        }
        let detail = format!("RECEIVER at {url}; no session is running to try it with");
        [CheckRow::ok("chargingprofiles", detail), self.heard_row()]
    }

    /// What its own calls show of the way back.
    fn heard_row(&self) -> CheckRow {
        match self.peer.live().health.last_heard_at {
            Some(at) => CheckRow::ok("response_url", format!("it reached us at {}", shown(at))),
            None => CheckRow::warning("response_url", "it has not called us since we started")
                .advised(format!(
                    "see to it that {} is reachable from your side; start a session and test again",
                    self.edge.settings().versions_url()
                )),
        }
    }

    async fn ask(&self, endpoint: &Url, running: &Running) -> [CheckRow; 2] {
        let id = new_id();
        let came = self.await_trial(&id);
        let version = self.record.version.clone().unwrap_or(Version::V221);
        let base = self
            .edge
            .settings()
            .module_url(&version, &ModuleId::ChargingProfiles);
        let response_url = format!("{base}/result/trial/{id}");
        let to = running.owner.clone().or_else(|| self.record.main_party());
        let client = match self.edge.client_for(self.record, to) {
            // It may work on the question for longer than we wait.
            Ok(client) => client.closing(),
            Err(error) => {
                let row = failed("chargingprofiles", self.peer, &error);
                return [row, CheckRow::warning("response_url", "not tried")];
            }
        };
        let call =
            client.get_active_charging_profile(endpoint, &running.id, ASKED_S, &response_url);
        let asked = self.edge.now();
        let result = self.edge.call(self.peer, call).await;
        let rows = match Verdict::of(&result) {
            Verdict::Pending { timeout_s } => {
                let detail = format!("RECEIVER took a question about session {}", running.id);
                let row = CheckRow::ok("chargingprofiles", detail);
                let deadline =
                    self.edge.now() + TimeDelta::seconds(i64::from(timeout_s.min(LONGEST_WAIT_S)));
                [row, self.came_row(came, asked, deadline).await]
            }
            verdict => [self.refused_row(verdict, result), self.heard_row()],
        };
        self.peer.live().trials.remove(&id);
        rows
    }

    /// Who waits for the result of a trial.
    fn await_trial(&self, id: &str) -> oneshot::Receiver<()> {
        let (told, came) = oneshot::channel();
        let mut live = self.peer.live();
        if live.trials.len() < MAX_TRIALS {
            live.trials.insert(id.to_owned(), told);
        }
        came
    }

    async fn came_row(&self, came: oneshot::Receiver<()>, asked: Time, deadline: Time) -> CheckRow {
        let is_there = tokio::select! {
            told = came => told.is_ok(),
            () = self.edge.inner.ports.clock.sleep_until(deadline) => false,
        };
        if is_there {
            let took = (self.edge.now() - asked).num_milliseconds();
            return CheckRow::ok("response_url", format!("a result came after {took} ms"));
        }
        let waited = (deadline - asked).num_seconds();
        let detail = format!("accepted, but no result came within {waited} s");
        let advice = format!(
            "POST the result to response_url; it must be reachable from your side, beneath {}",
            self.edge.settings().public_url
        );
        // Where the operator trusts the immediate answer, nothing hangs on results.
        if self.record.trust_sync_accept {
            CheckRow::warning("response_url", detail).advised(advice)
        } else {
            CheckRow::failed("response_url", detail).advised(advice)
        }
    }

    fn refused_row<T>(&self, verdict: Verdict, result: Result<T, ocpi_client::Error>) -> CheckRow {
        let told = |status, detail: &str, advice: &str| CheckRow {
            status,
            ..CheckRow::ok("chargingprofiles", detail).advised(advice)
        };
        match verdict {
            Verdict::UnknownSession => told(
                CheckStatus::Warning,
                "the session it lists as active is not known to its chargingprofiles",
                "take the session ids that your sessions module sends",
            ),
            Verdict::TooOften => told(
                CheckStatus::Warning,
                "TOO_OFTEN",
                "allow a request per session every few seconds: limits change within seconds",
            ),
            Verdict::NotSupported => told(
                CheckStatus::Warning,
                "NOT_SUPPORTED for reading an active profile",
                "nothing, if setting is supported; the result callback then is the only proof",
            ),
            Verdict::Rejected => told(
                CheckStatus::Failed,
                "REJECTED",
                "allow our party to set profiles: the token's owner or you must have agreed",
            ),
            Verdict::Unclear | Verdict::Pending { .. } => match result {
                Err(error) => failed("chargingprofiles", self.peer, &EdgeError::from(error)),
                Ok(_) => told(
                    CheckStatus::Failed,
                    "the answer's `result` is none of the specification",
                    "answer ACCEPTED, NOT_SUPPORTED, REJECTED, TOO_OFTEN or UNKNOWN_SESSION",
                ),
            },
        }
    }
}

fn shown(at: Time) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}
