//! What an operator does with partners.

use std::collections::BTreeMap;

use ocpi_client::registration::Method;
use ocpi_client::token::{Token, TokenEncoding};
use ocpi_client::types::{InterfaceRole, ModuleId};
use serde::Serialize;

use super::check::CheckRow;
use super::deviations::SeenDeviation;
use super::edge::{Edge, EdgeError};
use super::exchange::{LoggedExchange, Traffic, TrafficKey};
use super::partner::{AcceptedToken, Handshake, PartnerRecord, TokenScope};
use super::peer::{Health, Peer};
use super::secret::TokenHash;
use crate::domain::event::PartnerHealth;
use crate::domain::id::PartnerId;
use crate::domain::time::Time;
use crate::domain::unit_choice::UnitChoice;

/// A partner as it is shown: no token, hashed or not.
#[derive(Clone, Debug, Serialize)]
pub struct PartnerView {
    /// Our name of it.
    pub name: PartnerId,
    /// How far the handshake has come.
    pub handshake: Handshake,
    /// Where its list of versions is.
    pub versions_url: Option<String>,
    /// The version both sides use.
    pub version: Option<String>,
    /// Its parties: role, country code and party id.
    pub parties: Vec<String>,
    /// Its modules with their side and address.
    pub endpoints: Vec<String>,
    /// How it wants its token: `base64` or `raw`.
    pub token_encoding: &'static str,
    /// Its immediate `ACCEPTED` counts as applied.
    pub trust_sync_accept: bool,
    /// It may tell limits through our module `sitelimits`.
    pub site_limits: bool,
    /// In which unit it takes limits, where that is not the usual one.
    pub profile_units: Vec<UnitChoice>,
    /// Until when an invitation can be used.
    pub invited_until: Option<Time>,
    /// When the handshake was completed last.
    pub registered_at: Option<Time>,
    /// How it has been doing since we started.
    pub health: Health,
    /// Rows of the last registration or test.
    pub checks: Vec<CheckRow>,
    /// Ways in which it differs from the specification.
    pub deviations: Vec<SeenDeviation>,
}

/// What a partner needs to register with us. Shown once; only the hash of the token is kept.
#[derive(Clone, Debug, Serialize)]
pub struct Invitation {
    /// Our versions URL.
    pub versions_url: String,
    /// The single-use token.
    pub token_a: Token,
    /// Until when it can be used.
    pub valid_until: Time,
}

impl PartnerView {
    fn of(peer: &Peer) -> Self {
        let record = peer.record();
        let live = peer.live();
        let invited = record
            .accepted
            .iter()
            .find(|token| token.scope == TokenScope::Handshake);
        Self {
            name: record.name.clone(),
            handshake: record.handshake,
            versions_url: record.versions_url.clone(),
            version: record.version.as_ref().map(ToString::to_string),
            parties: record
                .roles
                .iter()
                .map(|role| format!("{} {}", role.role, role.party()))
                .collect(),
            endpoints: record
                .endpoints
                .iter()
                .map(|endpoint| {
                    let role = endpoint.role.as_ref().map_or("", InterfaceRole::as_str);
                    format!("{} {role} {}", endpoint.identifier, endpoint.url)
                })
                .collect(),
            token_encoding: match record.token_encoding {
                TokenEncoding::Base64 => "base64",
                TokenEncoding::Raw => "raw",
            },
            trust_sync_accept: record.trust_sync_accept,
            site_limits: record.site_limits,
            profile_units: record.profile_units.clone(),
            invited_until: invited.and_then(|token| token.valid_until),
            registered_at: record.registered_at,
            health: live.health.clone(),
            checks: record.checks.clone(),
            deviations: live.deviations.all(),
        }
    }
}

impl Edge {
    /// Registers with a partner whose token A we hold; gives the check list. A failed step is a
    /// row, not an error.
    pub async fn register(
        &self,
        name: &PartnerId,
        versions_url: &str,
        token_a: &str,
    ) -> Result<Vec<CheckRow>, EdgeError> {
        let token =
            Token::new(token_a.trim()).map_err(|error| EdgeError::Token(error.to_string()))?;
        let home = match self.inner.guard.check(versions_url.trim()) {
            Ok(home) => home,
            Err(refused) => {
                let row = CheckRow::failed("address", refused.to_string());
                let advice = "name an https address of the public internet, with its usual port; \
                              on a closed network the operator of evenload allows others by \
                              EVENLOAD__OCPI__ALLOW_INSECURE=true";
                return Ok(vec![row.advised(advice)]);
            }
        };
        let mut record = PartnerRecord::new(name.clone(), self.now());
        record.versions_url = Some(home.to_string());
        if let Ok(known) = self.peer(name) {
            record.treat_as(&known.record());
        }
        let peer = self.enter(record).await?;
        let mut rows = Box::pin(self.register_at(&peer, home, token, Method::Post)).await?;
        if peer.record().is_registered() {
            rows.extend(Box::pin(self.probe(&peer)).await);
            self.keep_rows(name, &rows).await?;
        }
        Ok(rows)
    }

    /// Makes a single-use token with which a partner may register with us.
    pub async fn invite(&self, name: &PartnerId) -> Result<Invitation, EdgeError> {
        let token_a = Token::generate();
        let valid_until = self.now() + self.settings().invite_validity;
        let mut record = PartnerRecord::new(name.clone(), self.now());
        record.handshake = Handshake::Invited;
        record.accepted.push(AcceptedToken {
            hash: TokenHash::of(&token_a),
            scope: TokenScope::Handshake,
            valid_until: Some(valid_until),
        });
        if let Ok(known) = self.peer(name) {
            record.treat_as(&known.record());
        }
        self.enter(record).await?;
        Ok(Invitation {
            versions_url: self.settings().versions_url(),
            token_a,
            valid_until,
        })
    }

    /// All partners by name.
    pub fn list(&self) -> Vec<PartnerView> {
        self.peers()
            .iter()
            .map(|peer| PartnerView::of(peer))
            .collect()
    }

    /// One partner.
    pub fn show(&self, name: &PartnerId) -> Result<PartnerView, EdgeError> {
        Ok(PartnerView::of(&*self.peer(name)?))
    }

    /// The last raw exchanges with a partner since we started, the latest first, secrets masked.
    pub fn exchanges(&self, name: &PartnerId) -> Result<Vec<LoggedExchange>, EdgeError> {
        Ok(self.peer(name)?.live().exchanges.latest_first())
    }

    /// How many exchanges there were with each partner since we started, by kind.
    pub fn traffic(&self) -> Vec<(PartnerId, BTreeMap<TrafficKey, Traffic>)> {
        let peers = self.peers();
        let counted = peers
            .iter()
            .map(|peer| (peer.record().name.clone(), peer.live().exchanges.traffic()));
        counted.collect()
    }

    /// Tries out everything we need of a registered partner, without changing anything there.
    pub async fn test(&self, name: &PartnerId) -> Result<Vec<CheckRow>, EdgeError> {
        let peer = self.peer(name)?;
        let rows = Box::pin(self.probe(&peer)).await;
        self.keep_rows(name, &rows).await?;
        Ok(rows)
    }

    /// Exchanges both tokens for new ones (PUT credentials).
    pub async fn rotate(&self, name: &PartnerId) -> Result<Vec<CheckRow>, EdgeError> {
        let peer = self.peer(name)?;
        let record = peer.record();
        if !record.is_registered() {
            return Err(EdgeError::NotRegistered(name.clone()));
        }
        let token = self.unseal(&record)?;
        let home = record.versions_url.clone().unwrap_or_default();
        let home = self.inner.guard.check(&home)?;
        Box::pin(self.register_at(&peer, home, token, Method::Put)).await
    }

    /// Ends the relation and forgets the partner; its kept objects go with it. The partner is told
    /// if it can be reached; that it was is the answer.
    pub async fn remove(&self, name: &PartnerId) -> Result<bool, EdgeError> {
        let peer = self.peer(name)?;
        let record = peer.record();
        let mut is_told = false;
        if record.is_registered()
            && let Some(url) = record.endpoint(&ModuleId::Credentials, &InterfaceRole::Sender)
            && let (Ok(url), Ok(client)) =
                (self.checked(&record, url), self.client_for(&record, None))
        {
            is_told = self
                .call(&peer, client.delete_credentials(&url))
                .await
                .is_ok();
        }
        self.partner_seen(name, PartnerHealth::Stale).await?;
        self.forget(name).await?;
        self.forget_objects(name).await?;
        self.forget_deviations(name).await?;
        Ok(is_told)
    }

    async fn forget_objects(&self, name: &PartnerId) -> Result<(), EdgeError> {
        /// At a time.
        const BATCH: usize = 1000;
        /// 10 million objects are more than any partner has.
        const MOST_TURNS: usize = 10_000;
        let records = &self.inner.ports.records;
        let prefix = format!("object/{}/{name}/", self.tenant());
        for _ in 0..MOST_TURNS {
            let found = records.scan(&prefix, BATCH).await?;
            if found.is_empty() {
                break;
            }
            let gone = found
                .into_iter()
                .map(|(key, _)| crate::domain::ports::RecordWrite { key, value: None });
            records.write(gone.collect()).await?;
        }
        Ok(())
    }

    pub(super) async fn keep_rows(
        &self,
        name: &PartnerId,
        rows: &[CheckRow],
    ) -> Result<(), EdgeError> {
        self.change(name, |record| {
            record.checks = rows.to_vec();
            Ok(())
        })
        .await
    }
}
