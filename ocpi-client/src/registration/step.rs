//! What a registration asks for, what it gets back, and how it ends.

use crate::error::Error;
use crate::headers::Party;
use crate::token::Token;
use crate::types::{
    CiString, Credentials, CredentialsRole, Role, StatusCode, Version, VersionDetails, VersionEntry,
};

/// Which method carries the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// POST: register for the first time.
    Post,
    /// PUT: new token, other endpoints, another version.
    Put,
}

/// What we tell the other side about ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurSide {
    /// Our versions endpoint.
    pub versions_url: String,
    /// Our parties and roles.
    pub roles: Vec<CredentialsRole>,
    /// Our own party when we are a hub; written only for 2.3.0.
    pub hub_party_id: Option<CiString>,
    /// The versions we speak, in order of preference; the other side's list does not change it.
    pub versions: Vec<Version>,
}

impl OurSide {
    /// Our credentials object in this version, with the token the other side shall use.
    ///
    /// 2.3.0 has no role HUB: there it is left out.
    pub fn credentials(&self, version: &Version, token: Token) -> Credentials {
        let has_hub_party_id = *version == Version::V230;
        let roles = self
            .roles
            .iter()
            .filter(|role| !(has_hub_party_id && role.role == Role::Hub));
        Credentials {
            token,
            url: self.versions_url.clone(),
            hub_party_id: self.hub_party_id.clone().filter(|_| has_hub_party_id),
            roles: roles.cloned().collect(),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// GET their versions with this token.
    GetVersions {
        /// Address.
        url: String,
        /// Token to show.
        token: Token,
    },
    /// GET the details of the chosen version with this token.
    GetDetails {
        /// Address.
        url: String,
        /// Token to show.
        token: Token,
        /// The chosen version.
        version: Version,
    },
    /// Store what is known so far, durably, before going on.
    ///
    /// Registering there: `our_token` (token B) must be accepted from now on, because the other
    /// side calls back with it while our request is still open. Being registered: everything is
    /// there, and the answer may only be sent once it is stored.
    Store(Box<Registered>),
    /// Send our credentials and read theirs from the answer.
    SendCredentials {
        /// POST or PUT.
        method: Method,
        /// Address of their credentials module.
        url: String,
        /// Token to show.
        token: Token,
        /// What to send.
        credentials: Box<Credentials>,
    },
    /// Done. Registering there: store this in place of what was stored before, and throw token A
    /// away. Being registered: answer with `answer`.
    Finished {
        /// The result.
        registered: Box<Registered>,
        /// Our credentials for the answer, when we were asked.
        answer: Option<Box<Credentials>>,
    },
    /// It did not work.
    Failed(Failure),
}

impl Step {
    /// Whether there is nothing more to do.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Failed(_))
    }
}

/// Everything to be kept about a registered platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The version both sides use.
    pub version: Version,
    /// Their versions endpoint.
    pub versions_url: String,
    /// Their endpoints.
    pub details: VersionDetails,
    /// The token they must show to us.
    pub our_token: Token,
    /// The token we show to them. While registering there it is still token A (or the old one).
    pub their_token: Token,
    /// Their parties and roles; empty while registering there.
    pub roles: Vec<CredentialsRole>,
    /// Their hub's own party, when they are a hub.
    pub hub: Option<Party>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum StepResult {
    /// Of [`Step::GetVersions`].
    Versions(Result<Vec<VersionEntry>, Refusal>),
    /// Of [`Step::GetDetails`].
    Details(Result<VersionDetails, Refusal>),
    /// Of [`Step::Store`].
    Stored(Result<(), Refusal>),
    /// Of [`Step::SendCredentials`].
    Credentials(Result<Box<Credentials>, Refusal>),
}

/// Why a step gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub detail: String,
    /// HTTP status, when there was one.
    pub http_status: Option<u16>,
    /// OCPI status code, when there was one.
    pub code: Option<StatusCode>,
}

impl Refusal {
    /// A refusal that is neither HTTP's nor OCPI's.
    pub fn because(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            http_status: None,
            code: None,
        }
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        Self {
            detail: error.to_string(),
            http_status: error.http_status(),
            code: error.status_code(),
        }
    }
}

/// Why a registration did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// The HTTP status to answer with when we were asked: 405 when already registered (POST) or not
    /// yet (PUT), otherwise 200.
    pub http_status: u16,
    /// The OCPI status code to answer with: 3001 their interface cannot be used, 3002 no common
    /// version, 3003 endpoints missing; 3000 when it is our own fault.
    pub code: StatusCode,
    /// The reason in one sentence, fit for the status message.
    pub reason: String,
}
