//! What is asked of a station: a site's commands and an operator's calls.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::{Edge, EdgeError};
use crate::domain::command::{Action, Answer, Command};
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::StationId;
use crate::domain::profile::Profile;
use crate::ocpp::known::{Errand, Known};
use crate::ocpp::rpc::ErrorCode;
use crate::ocpp::station::{Outcome, What};
use crate::ocpp::version::Version;

/// Longest an order may take, all tries of a profile included.
const ORDER_LIMIT: Duration = Duration::from_secs(150);

/// What came of an operator's call.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    /// The station's payload.
    Result(Value),
    /// The station's refusal: code and description.
    Error {
        /// The code, as 2.x spells it.
        code: String,
        /// For people.
        description: String,
    },
    /// Nothing was heard in time.
    Timeout,
    /// The station is not connected, or too much waits for it.
    NotSent(String),
}

impl Edge {
    /// Sends an operator's call and waits for what comes of it.
    pub async fn call(
        &self,
        id: &StationId,
        action: &str,
        mut payload: Value,
    ) -> Result<Called, EdgeError> {
        let known = self.need(id)?;
        self.offer_sink(&known, action, &mut payload);
        let sets_password = self.prepare_password(&known, action, &payload).await?;
        let called = match list_of(action) {
            Some((list, limit)) => {
                let most = known.memory().caps.number(limit).unwrap_or(usize::MAX);
                self.call_in_parts(&known, action, payload, list, most)
                    .await
            }
            None => self.call_once(&known, action, payload).await,
        };
        if sets_password {
            self.password_answered(&known, &called).await?;
        }
        Ok(called)
    }

    async fn call_once(&self, known: &Known, action: &str, payload: Value) -> Called {
        let what = What::Call {
            action: action.to_owned(),
            payload,
        };
        match self.order(known, what).await {
            Err(detail) => Called::NotSent(detail),
            Ok(Outcome::Result(payload)) => Called::Result(payload),
            Ok(Outcome::Error(error)) => Called::Error {
                code: match &error.code {
                    ErrorCode::Other(code) => code.clone(),
                    code => code.spelled(Version::V201).to_owned(),
                },
                description: error.description,
            },
            Ok(Outcome::Timeout) => Called::Timeout,
            Ok(Outcome::NotSent | Outcome::Answer(_)) => Called::NotSent("it did not leave".into()),
        }
    }

    /// A call whose list is longer than the station takes is sent in parts; the answers' lists are
    /// put together again.
    async fn call_in_parts(
        &self,
        known: &Known,
        action: &str,
        payload: Value,
        (list, answers): (&str, &str),
        most: usize,
    ) -> Called {
        let entries = payload[list].as_array().cloned().unwrap_or_default();
        if entries.len() <= most.max(1) {
            return self.call_once(known, action, payload).await;
        }
        let mut together = Vec::new();
        for part in entries.chunks(most.max(1)) {
            let mut payload = payload.clone();
            payload[list] = Value::from(part.to_vec());
            match self.call_once(known, action, payload).await {
                Called::Result(answer) => {
                    together.extend(answer[answers].as_array().cloned().unwrap_or_default());
                }
                other => return other,
            }
        }
        Called::Result(serde_json::json!({ answers: together }))
    }

    /// Carries out a site's command; says what is known afterwards. `lowers`: it takes power away.
    pub async fn send(&self, evse: &Evse, command: &Command, lowers: bool) -> Answer {
        let not_sent = |detail: &str| Answer::NotSent {
            detail: detail.to_owned(),
        };
        let EvseSource::Ocpp {
            station,
            evse: number,
        } = &evse.source
        else {
            return not_sent("the EVSE is not reached over OCPP");
        };
        let Some(known) = self.known(station) else {
            return not_sent("the station is not approved");
        };
        let Some(what) = wanted(evse, *number, command, lowers) else {
            return not_sent("no transaction is named");
        };
        match self.order(&known, what).await {
            Ok(Outcome::Answer(answer)) => answer,
            Ok(_) => Answer::Unknown {
                detail: "no answer".into(),
            },
            Err(detail) => Answer::NotSent { detail },
        }
    }

    async fn order(&self, known: &Known, what: What) -> Result<Outcome, String> {
        let errands = known
            .memory()
            .live
            .as_ref()
            .map(|live| live.errands.clone())
            .ok_or("the station is not connected")?;
        let (reply, outcome) = oneshot::channel();
        errands
            .try_send(Errand::Order(what, reply))
            .map_err(|_| "too much waits for the station")?;
        match tokio::time::timeout(ORDER_LIMIT, outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            // The task ended, or it takes too long: whatever it was may have been done.
            Ok(Err(_)) | Err(_) => Ok(Outcome::Timeout),
        }
    }
}

/// The list of a call that stations take in parts only: its name and the answer's, and the variable
/// that says how many entries one message may have.
fn list_of(action: &str) -> Option<((&'static str, &'static str), &'static str)> {
    match action {
        "GetVariables" => Some((
            ("getVariableData", "getVariableResult"),
            "DeviceDataCtrlr.ItemsPerMessage[GetVariables]",
        )),
        "SetVariables" => Some((
            ("setVariableData", "setVariableResult"),
            "DeviceDataCtrlr.ItemsPerMessage[SetVariables]",
        )),
        _ => None,
    }
}

/// What a command wants of the station.
fn wanted(evse: &Evse, number: u32, command: &Command, lowers: bool) -> Option<What> {
    let place = |profile: &Profile| (Box::new(evse.clone()), profile.clone());
    let transaction = || command.native_session.clone();
    Some(match &command.action {
        Action::SetDefault { profile } => {
            let (evse, profile) = place(profile);
            What::SetDefault {
                evse,
                number,
                profile,
                lowers,
            }
        }
        Action::SetProfile { profile } => {
            let (evse, profile) = place(profile);
            What::SetProfile {
                evse,
                number,
                transaction: transaction()?,
                profile,
                lowers,
            }
        }
        Action::ClearProfile => What::Clear {
            number,
            transaction: transaction()?,
        },
        Action::ReadProfile => What::Read {
            evse: Box::new(evse.clone()),
            number,
            transaction: transaction()?,
        },
    })
}
