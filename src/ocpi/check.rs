//! The rows of a check list: what was tried with a partner and how it went.

use serde::{Deserialize, Serialize};

use super::exchange::LoggedExchange;

/// How one step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// As it should be.
    Ok,
    /// Works, but something is missing or odd.
    Warning,
    /// Does not work.
    Failed,
}

/// One row of a check list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// What was tried, as a stable word: `address`, `versions`, `details`, `modules`,
    /// `credentials`, `locations`, `sessions`, `tariffs`, `chargingprofiles`, `response_url`,
    /// `clock`, `round_trip`.
    pub step: String,
    /// How it went.
    pub status: CheckStatus,
    /// What was found, for people.
    pub detail: String,
    /// What to change, if something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// The exchange that failed, secrets masked; not kept.
    #[serde(skip)]
    pub exchange: Option<Box<LoggedExchange>>,
}

impl CheckRow {
    pub(super) fn ok(step: &str, detail: impl Into<String>) -> Self {
        Self::new(step, CheckStatus::Ok, detail)
    }

    pub(super) fn warning(step: &str, detail: impl Into<String>) -> Self {
        Self::new(step, CheckStatus::Warning, detail)
    }

    pub(super) fn failed(step: &str, detail: impl Into<String>) -> Self {
        Self::new(step, CheckStatus::Failed, detail)
    }

    fn new(step: &str, status: CheckStatus, detail: impl Into<String>) -> Self {
        Self {
            step: step.to_owned(),
            status,
            detail: detail.into(),
            advice: None,
            exchange: None,
        }
    }

    /// With what to change.
    pub(super) fn advised(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// True if no row failed.
pub fn all_passed(rows: &[CheckRow]) -> bool {
    rows.iter().all(|row| row.status != CheckStatus::Failed)
}
