//! Registration from both ends, driven over HTTP; the rules are in `ocpi_client::registration`.

use std::sync::Arc;

use ocpi_client::registration::{
    Check, Failure, Incoming, Method, Modules, OurSide, Outcome, Outgoing, Refusal, Registered,
    Request, Step, StepResult, Target,
};
use ocpi_client::token::{Token, TokenEncoding};
use ocpi_client::types::{Credentials, InterfaceRole, ModuleId, Version};
use url::Url;

use super::check::CheckRow;
use super::edge::{Edge, EdgeError};
use super::partner::{Handshake, PartnerRecord};
use super::peer::Peer;
use super::secret::TokenHash;
use crate::domain::ports::PortError;

/// Most steps of one registration; it has five.
const MAX_STEPS: usize = 16;

/// What a partner must offer so that we can steer its chargers.
fn modules() -> Modules {
    Modules {
        required: vec![(ModuleId::ChargingProfiles, InterfaceRole::Receiver)],
        wanted: vec![
            (ModuleId::Sessions, InterfaceRole::Sender),
            (ModuleId::Locations, InterfaceRole::Sender),
        ],
    }
}

/// A line of the client's report as a row of ours.
fn row(check: &Check) -> CheckRow {
    let row = match check.outcome {
        Outcome::Ok => return CheckRow::ok(&check.name, &check.detail),
        Outcome::Warning => CheckRow::warning(&check.name, &check.detail),
        Outcome::Failed => CheckRow::failed(&check.name, &check.detail),
    };
    match advice(&check.name) {
        Some(advice) => row.advised(advice),
        None => row,
    }
}

/// What to change when a step of the handshake failed.
fn advice(step: &str) -> Option<&'static str> {
    Some(match step {
        "versions" => {
            "check the versions URL and the token: a token A is good for one registration only; \
             serve the list to whoever shows it"
        }
        "version" => "offer 2.2.1 or 2.3.0 in your versions",
        "details" => "serve the version's details at the address that your versions name",
        "credentials" | "request" => {
            "see the answer in the exchanges; to begin anew, remove us on your side and issue a \
             new token A"
        }
        "url" => "send your versions URL in your Credentials object",
        _ if step.starts_with("module ") => "publish this endpoint in your version details",
        _ => return None,
    })
}

pub(super) fn rows(checks: &[Check]) -> Vec<CheckRow> {
    checks.iter().map(row).collect()
}

/// Performs the requests of a registration.
struct Driver<'a> {
    edge: &'a Edge,
    peer: &'a Peer,
    encoding: TokenEncoding,
    /// The address all others are checked against: where the registration began.
    home: Url,
}

impl Driver<'_> {
    async fn perform(&mut self, step: Step) -> Option<StepResult> {
        Some(match step {
            Step::GetVersions { url, token } => {
                StepResult::Versions(self.versions(&url, token).await)
            }
            Step::GetDetails { url, token, .. } => StepResult::Details(match self.address(&url) {
                Err(refusal) => Err(refusal),
                Ok(url) => {
                    let client = self.edge.client_with(token, self.encoding);
                    refused(self.edge.call(self.peer, client.get_details(&url)).await)
                }
            }),
            Step::SendCredentials {
                method,
                url,
                token,
                credentials,
            } => StepResult::Credentials(match self.address(&url) {
                Err(refusal) => Err(refusal),
                Ok(url) => {
                    let client = self.edge.client_with(token, self.encoding);
                    let call = client.send_credentials(method, &url, &credentials);
                    refused(self.edge.call(self.peer, call).await)
                        .and_then(with_roles)
                        .map(Box::new)
                }
            }),
            Step::Store(_) | Step::Finished { .. } | Step::Failed(_) => return None,
        })
    }

    /// The versions; if the token is not known as Base64, once more as it is.
    async fn versions(
        &mut self,
        url: &str,
        token: Token,
    ) -> Result<Vec<ocpi_client::types::VersionEntry>, Refusal> {
        let url = self.address(url)?;
        let other = match self.encoding {
            TokenEncoding::Base64 => TokenEncoding::Raw,
            TokenEncoding::Raw => TokenEncoding::Base64,
        };
        let client = self.edge.client_with(token.clone(), self.encoding);
        let first = self.edge.call(self.peer, client.get_versions(&url)).await;
        if !matches!(
            first.as_ref().map_err(ocpi_client::Error::http_status),
            Err(Some(401 | 403))
        ) {
            return refused(first);
        }
        let client = self.edge.client_with(token, other);
        let second = self.edge.call(self.peer, client.get_versions(&url)).await;
        if second.is_ok() {
            self.encoding = other;
            return refused(second);
        }
        refused(first)
    }

    fn address(&self, url: &str) -> Result<Url, Refusal> {
        self.edge
            .inner
            .guard
            .check_of(&self.home, url)
            .map_err(|error| Refusal::because(format!("address refused: {error}")))
    }

    /// Every endpoint we may call must be on the host the registration began with.
    fn endpoints_are_usable(&self, registered: &Registered) -> Result<(), Refusal> {
        for endpoint in &registered.details.endpoints {
            self.address(&endpoint.url)?;
        }
        Ok(())
    }
}

fn refused<T>(result: Result<T, ocpi_client::Error>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal::from(&error))
}

/// Credentials without a role speak for nobody: nothing that the partner brings could be taken.
fn with_roles(credentials: Credentials) -> Result<Credentials, Refusal> {
    if credentials.roles.is_empty() {
        Err(Refusal::because(
            "the partner's Credentials object names no role",
        ))
    } else {
        Ok(credentials)
    }
}

/// Whether the other side may have taken our credentials although no proper answer came: silence, or
/// a page of something in between.
fn is_lost_answer(refusal: &Refusal) -> bool {
    let is_no = |status: u16| (400..500).contains(&status) && status != 408;
    refusal.code.is_none() && !refusal.http_status.is_some_and(is_no)
}

fn stored(result: Result<(), EdgeError>) -> StepResult {
    StepResult::Stored(result.map_err(|error| Refusal::because(error.to_string())))
}

impl Edge {
    fn our_side(&self) -> OurSide {
        OurSide {
            versions_url: self.settings().versions_url(),
            roles: self.settings().roles(),
            hub_party_id: None,
            versions: Version::SPOKEN.to_vec(),
        }
    }

    /// Our credentials object for a partner, with this token.
    pub(super) fn our_credentials(&self, version: &Version, token: Token) -> Credentials {
        self.our_side().credentials(version, token)
    }

    /// Registers at a partner (POST) or renews the registration (PUT). The partner is entered
    /// already. Our new token is durable before it is sent, since the partner calls back with it
    /// while our request is open.
    pub(super) async fn register_at(
        &self,
        peer: &Arc<Peer>,
        home: Url,
        token: Token,
        method: Method,
    ) -> Result<Vec<CheckRow>, EdgeError> {
        let name = peer.record().name.clone();
        let ours = Token::generate();
        let hash = TokenHash::of(&ours);
        let versions_url = home.to_string();
        let target = Target {
            versions_url,
            token,
            method,
            modules: modules(),
        };
        let mut machine = Outgoing::new(target, self.our_side(), ours);
        let encoding = peer.record().token_encoding;
        let mut driver = Driver {
            edge: self,
            peer,
            encoding,
            home,
        };
        let (mut failure, mut is_lost) = (None, false);
        for _ in 0..MAX_STEPS {
            let result = match machine.step() {
                Step::Store(registered) => match driver.endpoints_are_usable(&registered) {
                    Err(refusal) => StepResult::Stored(Err(refusal)),
                    Ok(()) => stored(
                        self.keep_half(&name, &registered, driver.encoding, method)
                            .await,
                    ),
                },
                Step::Finished { mut registered, .. } => {
                    if driver.address(&registered.versions_url).is_err() {
                        registered.versions_url = driver.home.to_string();
                    }
                    self.keep_whole(&name, &registered, driver.encoding).await?;
                    break;
                }
                Step::Failed(found) => {
                    failure = Some(found);
                    break;
                }
                other => match driver.perform(other).await {
                    Some(result) => result,
                    None => break,
                },
            };
            if let StepResult::Credentials(Err(refusal)) = &result {
                is_lost = is_lost_answer(refusal);
            }
            machine.feed(result);
        }
        let mut rows = rows(machine.checks());
        if is_lost {
            rows.push(CheckRow::warning(
                "token",
                "the answer was lost: the partner may have us registered. Register again with the \
                 same token; if it is refused, its operator must remove us and issue a new one.",
            ));
        }
        self.change(&name, |record| {
            record.checks.clone_from(&rows);
            // A token that surely did not come into use is taken back; after a lost answer it
            // must stay, the partner may have stored it.
            if failure.is_some() && !is_lost {
                record.withdraw(&hash);
                if record.handshake == Handshake::Registering {
                    record.handshake = Handshake::Unregistered;
                }
            }
            Ok(())
        })
        .await?;
        if failure.is_none() {
            self.want_pull(&name);
        }
        Ok(rows)
    }

    /// Before our credentials leave: the token we send with them is valid from now on.
    async fn keep_half(
        &self,
        name: &crate::domain::id::PartnerId,
        registered: &Registered,
        encoding: TokenEncoding,
        method: Method,
    ) -> Result<(), EdgeError> {
        let hash = TokenHash::of(&registered.our_token);
        self.change(name, |record| {
            record.accept_also(hash);
            record.token_encoding = encoding;
            if method == Method::Post {
                record.handshake = Handshake::Registering;
                record.version = Some(registered.version.clone());
                record.endpoints.clone_from(&registered.details.endpoints);
            }
            Ok(())
        })
        .await
    }

    /// After the partner's answer, or before ours: all of it.
    async fn keep_whole(
        &self,
        name: &crate::domain::id::PartnerId,
        registered: &Registered,
        encoding: TokenEncoding,
    ) -> Result<(), EdgeError> {
        let hash = TokenHash::of(&registered.our_token);
        let sealed = self.seal(name, &registered.their_token);
        let (now, grace) = (self.now(), self.settings().rotation_grace);
        self.change(name, |record| {
            let is_accepted = record.accepted.iter().any(|token| token.hash == hash);
            if !is_accepted {
                record.accept_also(hash);
            }
            record.keep_only(&hash, now, grace);
            record.handshake = Handshake::Registered;
            record.registered_at = Some(now);
            record.token_encoding = encoding;
            record.sends = Some(sealed);
            fill_in(record, registered);
            Ok(())
        })
        .await
    }

    /// A partner registers with us (POST) or renews its registration (PUT) while its request is
    /// open. What it gets is durable before it gets it.
    pub(super) async fn registered_by(
        &self,
        peer: &Arc<Peer>,
        method: Method,
        version: Version,
        credentials: Credentials,
        encoding: TokenEncoding,
    ) -> Result<Credentials, Failure> {
        if credentials.roles.is_empty() {
            // Nobody could bring an object of a party then; the token stays good for another try.
            return Err(Failure {
                http_status: 200,
                code: ocpi_client::types::StatusCode::INVALID_PARAMETERS,
                reason: "your Credentials object names no role; name at least one".into(),
            });
        }
        let before = peer.record();
        let is_registered = matches!(
            before.handshake,
            Handshake::Registered | Handshake::Registering
        );
        let home = self
            .inner
            .guard
            .check(&credentials.url)
            .map_err(|error| Failure {
                http_status: 200,
                code: ocpi_client::types::StatusCode::CLIENT_API_UNUSABLE,
                reason: format!("your versions URL is refused: {error}"),
            })?;
        let request = Request {
            method,
            version,
            credentials,
            is_registered,
            modules: modules(),
        };
        let mut machine = Incoming::new(request, self.our_side(), Token::generate());
        let mut driver = Driver {
            edge: self,
            peer,
            encoding,
            home,
        };
        let mut outcome = Err(unfinished());
        for _ in 0..MAX_STEPS {
            let result = match machine.step() {
                Step::Store(registered) => match driver.endpoints_are_usable(&registered) {
                    Err(refusal) => StepResult::Stored(Err(refusal)),
                    Ok(()) if peer.record().revision != before.revision => {
                        StepResult::Stored(Err(Refusal::because("another handshake came first")))
                    }
                    Ok(()) => stored(
                        self.keep_whole(&before.name, &registered, driver.encoding)
                            .await,
                    ),
                },
                Step::Finished { answer, .. } => {
                    outcome = answer.map(|answer| *answer).ok_or_else(unfinished);
                    break;
                }
                Step::Failed(failure) => {
                    outcome = Err(failure);
                    break;
                }
                other => match driver.perform(other).await {
                    Some(result) => result,
                    None => break,
                },
            };
            machine.feed(result);
        }
        let rows = rows(machine.checks());
        if outcome
            .as_ref()
            .err()
            .is_none_or(|failure| failure.http_status != 405)
        {
            let kept = self.change(&before.name, |record| {
                record.checks = rows;
                Ok(())
            });
            if let Err(error) = kept.await {
                tracing::warn!(partner.id = %before.name, %error, "a check list was not kept");
            }
        }
        if outcome.is_ok() {
            tracing::info!(partner.id = %before.name, "partner registered with us");
            self.want_pull(&before.name);
        }
        outcome
    }
}

fn unfinished() -> Failure {
    Failure {
        http_status: 200,
        code: ocpi_client::types::StatusCode::SERVER_ERROR,
        reason: PortError::Storage("the registration came to no end".into()).to_string(),
    }
}

fn fill_in(record: &mut PartnerRecord, registered: &Registered) {
    record.version = Some(registered.version.clone());
    record.versions_url = Some(registered.versions_url.clone());
    record.endpoints.clone_from(&registered.details.endpoints);
    // An answer without roles takes none away that were known.
    if !registered.roles.is_empty() || record.roles.is_empty() {
        record.roles.clone_from(&registered.roles);
    }
    record.hub.clone_from(&registered.hub);
}
