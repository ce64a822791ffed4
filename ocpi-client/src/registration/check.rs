//! One line of the report on a registration.

use serde::Serialize;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Works, but less than wished.
    Warning,
    /// The registration ends here.
    Failed,
}

/// One line of the report on a registration, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, such as `versions` or `module chargingprofiles RECEIVER`.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was found, in one sentence.
    pub detail: String,
}

impl Check {
    pub(super) fn new(name: &str, outcome: Outcome, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            detail: detail.into(),
        }
    }

    /// Whether it is as it should be.
    pub fn ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}
