//! We register at a platform.

use super::check::{Check, Outcome};
use super::discovery::{self, Modules};
use super::step::{Failure, Method, OurSide, Refusal, Registered, Step, StepResult};
use crate::client::parse;
use crate::token::Token;
use crate::types::{Credentials, StatusCode, VersionDetails, VersionEntry};

/// The platform we register at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its versions endpoint.
    pub versions_url: String,
    /// The token it gave us: token A for POST, the current one for PUT.
    pub token: Token,
    /// POST to register, PUT to change an existing registration.
    pub method: Method,
    /// What it must offer.
    pub modules: Modules,
}

/// A registration of ours at another platform.
///
/// Section: credentials, Registration. Versions, details, check of the modules (nothing is sent
/// when one is missing), store token B, send credentials, read token C from the answer.
///
/// A crash between storing and the answer leaves token B stored and token C unknown. The other
/// side may then be registered already: begin again with POST and token A, and when it answers 405,
/// its operator must remove the registration or issue a new token A.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    target: Target,
    ours: OurSide,
    token_b: Token,
    stage: Stage,
    checks: Vec<Check>,
}

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Versions,
    Details(VersionEntry),
    Store(VersionDetails),
    Send(VersionDetails),
    Finished(Box<Registered>),
    Failed(Failure),
}

impl Outgoing {
    /// A registration; `token_b` is what the platform shall show to us, freshly made.
    pub fn new(target: Target, ours: OurSide, token_b: Token) -> Self {
        Self {
            target,
            ours,
            token_b,
            stage: Stage::Versions,
            checks: Vec::new(),
        }
    }

    /// The report so far.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What to do now.
    pub fn step(&self) -> Step {
        let token = self.target.token.clone();
        match &self.stage {
            Stage::Versions => Step::GetVersions {
                url: self.target.versions_url.clone(),
                token,
            },
            Stage::Details(entry) => Step::GetDetails {
                url: entry.url.clone(),
                token,
                version: entry.version.clone(),
            },
            Stage::Store(details) => Step::Store(Box::new(self.half_registered(details))),
            Stage::Send(details) => Step::SendCredentials {
                method: self.target.method,
                // Present: the details were checked for it.
                url: details.credentials_url().unwrap_or_default().to_owned(),
                token,
                credentials: Box::new(
                    self.ours
                        .credentials(&details.version, self.token_b.clone()),
                ),
            },
            Stage::Finished(registered) => Step::Finished {
                registered: registered.clone(),
                answer: None,
            },
            Stage::Failed(failure) => Step::Failed(failure.clone()),
        }
    }

    /// Takes the result of the current step; a result of another step is ignored.
    pub fn feed(&mut self, result: StepResult) {
        let next = match (&self.stage, result) {
            (Stage::Versions, StepResult::Versions(result)) => {
                discovery::versions(&mut self.checks, &self.ours.versions, result)
                    .map(Stage::Details)
            }
            (Stage::Details(entry), StepResult::Details(result)) => {
                let (version, modules) = (&entry.version, &self.target.modules);
                discovery::details(&mut self.checks, version, modules, result).map(Stage::Store)
            }
            (Stage::Store(details), StepResult::Stored(result)) => {
                let details = details.clone();
                self.stored(details, result)
            }
            (Stage::Send(details), StepResult::Credentials(result)) => {
                let half = self.half_registered(details);
                self.answered(half, result)
            }
            _ => return,
        };
        self.stage = next.unwrap_or_else(Stage::Failed);
    }

    fn half_registered(&self, details: &VersionDetails) -> Registered {
        Registered {
            version: details.version.clone(),
            versions_url: self.target.versions_url.clone(),
            details: details.clone(),
            our_token: self.token_b.clone(),
            their_token: self.target.token.clone(),
            roles: Vec::new(),
            hub: None,
        }
    }

    fn stored(
        &mut self,
        details: VersionDetails,
        result: Result<(), Refusal>,
    ) -> Result<Stage, Failure> {
        match result {
            Ok(()) => {
                self.checks
                    .push(Check::new("token", Outcome::Ok, "ours is made and stored"));
                Ok(Stage::Send(details))
            }
            Err(refusal) => Err(discovery::fail(
                &mut self.checks,
                "token",
                StatusCode::SERVER_ERROR,
                refusal.detail,
            )),
        }
    }

    fn answered(
        &mut self,
        half: Registered,
        result: Result<Box<Credentials>, Refusal>,
    ) -> Result<Stage, Failure> {
        match result {
            Ok(theirs) => {
                discovery::roles(&mut self.checks, &theirs.roles);
                let hub = theirs.hub();
                Ok(Stage::Finished(Box::new(Registered {
                    versions_url: self.their_address(&theirs, &half.versions_url),
                    their_token: theirs.token,
                    roles: theirs.roles,
                    hub,
                    ..half
                })))
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    /// Their versions endpoint as they tell it, unless it is no address.
    fn their_address(&mut self, theirs: &Credentials, used: &str) -> String {
        let is_address = parse("credentials", &theirs.url).is_ok();
        if is_address {
            return theirs.url.clone();
        }
        let detail = "the url in the answer is no address; the one used so far is kept";
        self.checks
            .push(Check::new("url", Outcome::Warning, detail));
        used.to_owned()
    }

    fn refused(&mut self, refusal: &Refusal) -> Failure {
        let reason = match (refusal.http_status, self.target.method) {
            (Some(405), Method::Post) => {
                "the platform has us registered already: its operator must remove that \
                 registration or issue a new token, or the registration is to be updated"
                    .to_owned()
            }
            (Some(405), Method::Put) => {
                "the platform does not have us registered: register again".to_owned()
            }
            _ => refusal.detail.clone(),
        };
        let code = refusal.code.unwrap_or(StatusCode::CLIENT_API_UNUSABLE);
        discovery::fail(&mut self.checks, "credentials", code, reason)
    }
}
