//! A platform registers with us.

use super::check::{Check, Outcome};
use super::discovery::{self, Modules};
use super::step::{Failure, Method, OurSide, Registered, Step, StepResult};
use crate::token::Token;
use crate::types::{Credentials, StatusCode, Version, VersionDetails, VersionEntry};

/// The request that came to our credentials module.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// POST or PUT.
    pub method: Method,
    /// The version whose credentials module was called: both sides will use it.
    pub version: Version,
    /// The body.
    pub credentials: Credentials,
    /// Whether the sender is registered already.
    pub is_registered: bool,
    /// What the sender must offer.
    pub modules: Modules,
}

/// A registration of another platform with us.
///
/// Section: credentials, Registration. While its request is open we fetch its versions and details
/// with token B from the body, check the modules, store everything with our new token C, and
/// answer with our credentials.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    request: Request,
    ours: OurSide,
    token_c: Token,
    stage: Stage,
    checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Versions,
    Details(VersionEntry),
    Store(VersionDetails),
    Finished(VersionDetails),
    Failed(Failure),
}

impl Incoming {
    /// A registration; `token_c` is what the platform shall show to us, freshly made.
    ///
    /// POST from a registered platform and PUT from an unregistered one fail at once with HTTP 405.
    pub fn new(request: Request, ours: OurSide, token_c: Token) -> Self {
        let mut checks = Vec::new();
        let refusal = match (request.method, request.is_registered) {
            (Method::Post, true) => Some("already registered: use PUT to change the registration"),
            (Method::Put, false) => Some("not registered: use POST to register"),
            _ => None,
        };
        let stage = match refusal {
            None => {
                discovery::roles(&mut checks, &request.credentials.roles);
                Stage::Versions
            }
            Some(reason) => {
                let code = StatusCode::CLIENT_ERROR;
                let failure = discovery::fail(&mut checks, "request", code, reason.to_owned());
                Stage::Failed(Failure {
                    http_status: 405,
                    ..failure
                })
            }
        };
        Self {
            request,
            ours,
            token_c,
            stage,
            checks,
        }
    }

    /// The report so far.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What to do now.
    pub fn step(&self) -> Step {
        let theirs = &self.request.credentials;
        match &self.stage {
            Stage::Versions => Step::GetVersions {
                url: theirs.url.clone(),
                token: theirs.token.clone(),
            },
            Stage::Details(entry) => Step::GetDetails {
                url: entry.url.clone(),
                token: theirs.token.clone(),
                version: entry.version.clone(),
            },
            Stage::Store(details) => Step::Store(Box::new(self.registered(details))),
            Stage::Finished(details) => Step::Finished {
                registered: Box::new(self.registered(details)),
                answer: Some(Box::new(
                    self.ours
                        .credentials(&details.version, self.token_c.clone()),
                )),
            },
            Stage::Failed(failure) => Step::Failed(failure.clone()),
        }
    }

    /// Takes the result of the current step; a result of another step is ignored.
    pub fn feed(&mut self, result: StepResult) {
        let next = match (&self.stage, result) {
            (Stage::Versions, StepResult::Versions(result)) => {
                let wanted = std::slice::from_ref(&self.request.version);
                discovery::versions(&mut self.checks, wanted, result).map(Stage::Details)
            }
            (Stage::Details(entry), StepResult::Details(result)) => {
                let (version, modules) = (&entry.version, &self.request.modules);
                discovery::details(&mut self.checks, version, modules, result).map(Stage::Store)
            }
            (Stage::Store(details), StepResult::Stored(Ok(()))) => {
                let details = details.clone();
                self.checks
                    .push(Check::new("token", Outcome::Ok, "ours is made and stored"));
                Ok(Stage::Finished(details))
            }
            (Stage::Store(_), StepResult::Stored(Err(refusal))) => {
                let code = StatusCode::SERVER_ERROR;
                Err(discovery::fail(
                    &mut self.checks,
                    "token",
                    code,
                    refusal.detail,
                ))
            }
            _ => return,
        };
        self.stage = next.unwrap_or_else(Stage::Failed);
    }

    fn registered(&self, details: &VersionDetails) -> Registered {
        let theirs = &self.request.credentials;
        Registered {
            version: details.version.clone(),
            versions_url: theirs.url.clone(),
            details: details.clone(),
            our_token: self.token_c.clone(),
            their_token: theirs.token.clone(),
            roles: theirs.roles.clone(),
            hub: theirs.hub(),
        }
    }
}
