//! Changing the password of a station over OCPP without ever locking it out.
//!
//! The new hash is durable before the station hears of it, and old and new are both right until the
//! station shows the new one. So nothing is lost whichever message is.

use serde_json::{Value, json};

use super::{Called, Edge, EdgeError};
use crate::domain::id::StationId;
use crate::ocpp::known::Known;
use crate::ocpp::password::{self, LENGTHS};
use crate::ocpp::version::Version;

/// How a change of a password went.
#[derive(Clone, PartialEq)]
pub struct Rotated {
    /// What the station said.
    pub called: Called,
    /// The station took it (or may have: both are right until it shows one).
    pub is_taken: bool,
}

impl std::fmt::Debug for Rotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotated")
            .field("is_taken", &self.is_taken)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// Gives a connected station a new password over OCPP.
    pub async fn rotate(&self, id: &StationId, wish: Option<String>) -> Result<Rotated, EdgeError> {
        let known = self.need(id)?;
        let version = known.memory().live.as_ref().map(|live| live.version);
        let Some(version) = version else {
            let called = Called::NotSent("the station is not connected".into());
            return Ok(Rotated {
                called,
                is_taken: false,
            });
        };
        let made = wish.unwrap_or_else(password::make);
        let (action, payload) = match version {
            Version::V16 => (
                "ChangeConfiguration",
                json!({ "key": "AuthorizationKey", "value": made }),
            ),
            Version::V201 | Version::V21 => (
                "SetVariables",
                json!({ "setVariableData": [{
                    "component": { "name": "SecurityCtrlr" },
                    "variable": { "name": "BasicAuthPassword" },
                    "attributeValue": made,
                }] }),
            ),
        };
        let called = self.call(id, action, payload).await?;
        let is_taken = known.record().next_password_hash.is_some();
        Ok(Rotated { called, is_taken })
    }

    /// Before a call leaves: if it sets the station's password, the new one is right from now on as
    /// well. Gives true if it does.
    pub(super) async fn prepare_password(
        &self,
        known: &Known,
        action: &str,
        payload: &Value,
    ) -> Result<bool, EdgeError> {
        let Some(password) = password_in(action, payload) else {
            return Ok(false);
        };
        if !LENGTHS.contains(&password.len()) {
            let why = format!("a password has {LENGTHS:?} characters");
            return Err(EdgeError::Refused(why));
        }
        let hash = self.hashed(password).await?;
        self.amend(known, |record| record.next_password_hash = Some(hash))
            .await?;
        Ok(true)
    }

    /// The station answered the change: one that was surely refused is forgotten.
    pub(super) async fn password_answered(
        &self,
        known: &Known,
        called: &Called,
    ) -> Result<(), EdgeError> {
        let is_refused = match called {
            Called::Result(payload) => {
                let status = payload["status"]
                    .as_str()
                    .or(payload["setVariableResult"][0]["attributeStatus"].as_str());
                !matches!(status, Some("Accepted" | "RebootRequired"))
            }
            Called::Error { .. } | Called::NotSent(_) => true,
            // It may have taken it.
            Called::Timeout => false,
        };
        if is_refused {
            self.amend(known, |record| record.next_password_hash = None)
                .await?;
        }
        Ok(())
    }

    /// The station has shown its new password: the old one is over.
    pub(super) async fn password_shown(&self, known: &Known) -> Result<(), EdgeError> {
        self.amend(known, |record| {
            if let Some(next) = record.next_password_hash.take() {
                record.password_hash = Some(next);
            }
        })
        .await
    }
}

/// The password that a call sets, if it does.
fn password_in(action: &str, payload: &Value) -> Option<String> {
    let value = match action {
        "ChangeConfiguration" if payload["key"] == "AuthorizationKey" => &payload["value"],
        "SetVariables" => {
            let entries = payload["setVariableData"].as_array()?.iter();
            let mut passwords = entries.filter(|entry| {
                entry["component"]["name"] == "SecurityCtrlr"
                    && entry["variable"]["name"] == "BasicAuthPassword"
            });
            &passwords.next()?["attributeValue"]
        }
        _ => return None,
    };
    value.as_str().map(str::to_owned)
}
