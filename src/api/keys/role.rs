//! What a person may do.

use serde::{Deserialize, Serialize};

use crate::api::auth::Scope;

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Run sites day by day.
    Operator,
    /// Set up sites, partners, tokens and people.
    Admin,
}

impl Role {
    /// The words of the API.
    pub(super) const WORDS: [(&str, Self); 3] = [
        ("viewer", Self::Viewer),
        ("operator", Self::Operator),
        ("admin", Self::Admin),
    ];

    /// The scope that the role stands for.
    pub(super) const fn scope(self) -> Scope {
        match self {
            Self::Viewer => Scope::Read,
            Self::Operator => Scope::Operate,
            Self::Admin => Scope::Admin,
        }
    }
}
