//! A partner: a platform we speak OCPI with, as it is kept on disk.

use chrono::TimeDelta;
use ocpi_client::headers::Party;
use ocpi_client::token::TokenEncoding;
use ocpi_client::types::{CredentialsRole, Endpoint, InterfaceRole, ModuleId, Role, Version};
use serde::{Deserialize, Serialize};

use super::check::CheckRow;
use super::secret::TokenHash;
use crate::domain::id::{PartnerId, TenantId};
use crate::domain::time::Time;
use crate::domain::unit_choice::UnitChoice;

/// How far the handshake has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handshake {
    /// It has a single-use token of ours and may register.
    Invited,
    /// We are registering with it: our token is stored, its answer is not there yet.
    Registering,
    /// Both sides hold a token of the other.
    Registered,
    /// One side has ended it.
    Unregistered,
}

/// What a token of ours opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// Versions and credentials only (OCPI's token A).
    Handshake,
    /// Everything.
    Full,
}

/// A token that the partner may show to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedToken {
    /// Its hash.
    pub hash: TokenHash,
    /// What it opens.
    pub scope: TokenScope,
    /// When it stops being valid; absent: it does not.
    pub valid_until: Option<Time>,
}

/// A partner as it is kept. Key: `partner/{tenant}/{name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartnerRecord {
    /// Our name of it.
    pub name: PartnerId,
    /// How far the handshake has come.
    pub handshake: Handshake,
    /// Where its list of versions is.
    pub versions_url: Option<String>,
    /// The version both sides use.
    pub version: Option<Version>,
    /// Its endpoints in that version.
    pub endpoints: Vec<Endpoint>,
    /// The parties on its platform.
    pub roles: Vec<CredentialsRole>,
    /// Its own party if it is a hub.
    pub hub: Option<Party>,
    /// Tokens it may show to us.
    pub accepted: Vec<AcceptedToken>,
    /// The token we show to it, sealed, in Base64.
    pub sends: Option<String>,
    /// How it wants that token in the header.
    pub token_encoding: TokenEncoding,
    /// Its immediate `ACCEPTED` counts as applied: for platforms that never call back. Set by the
    /// operator; outside of what we guarantee.
    pub trust_sync_accept: bool,
    /// It agreed to tell limits of its locations through our own module `sitelimits`.
    #[serde(default)]
    pub site_limits: bool,
    /// In which unit it takes limits, where that is not the usual one.
    #[serde(default)]
    pub profile_units: Vec<UnitChoice>,
    /// What the last registration or test found.
    pub checks: Vec<CheckRow>,
    /// When it was entered.
    pub created_at: Time,
    /// When the handshake was completed last.
    pub registered_at: Option<Time>,
    /// Counts every change, so that a slow handshake notices that another one overtook it.
    pub revision: u64,
}

impl PartnerRecord {
    /// A partner of which nothing is known but its name.
    pub fn new(name: PartnerId, now: Time) -> Self {
        Self {
            name,
            handshake: Handshake::Unregistered,
            versions_url: None,
            version: None,
            endpoints: Vec::new(),
            roles: Vec::new(),
            hub: None,
            accepted: Vec::new(),
            sends: None,
            token_encoding: TokenEncoding::Base64,
            trust_sync_accept: false,
            site_limits: false,
            profile_units: Vec::new(),
            checks: Vec::new(),
            created_at: now,
            registered_at: None,
            revision: 0,
        }
    }

    /// Takes over how the operator wants the partner treated, when it is entered anew.
    pub(super) fn treat_as(&mut self, known: &Self) {
        self.trust_sync_accept = known.trust_sync_accept;
        self.site_limits = known.site_limits;
        self.profile_units.clone_from(&known.profile_units);
        self.revision = known.revision + 1;
    }

    /// Where it is kept.
    pub(super) fn key(tenant: &TenantId, name: &PartnerId) -> String {
        format!("partner/{tenant}/{name}")
    }

    /// What binds its sealed token to its place.
    pub(super) fn seal_context(tenant: &TenantId, name: &PartnerId) -> String {
        format!("ocpi/{tenant}/{name}/token")
    }

    /// True while objects may flow.
    pub fn is_registered(&self) -> bool {
        self.handshake == Handshake::Registered
    }

    /// The address of one of its endpoints, as it published it: some answer with a redirect where a
    /// trailing slash is missing, and none is followed.
    pub fn endpoint(&self, module: &ModuleId, role: &InterfaceRole) -> Option<&str> {
        self.endpoints
            .iter()
            .find(|endpoint| {
                endpoint.identifier == *module
                    && (*module == ModuleId::Credentials || endpoint.role.as_ref() == Some(role))
            })
            .map(|endpoint| endpoint.url.as_str())
    }

    /// True if the partner may write objects of this party: of its own, and where others are
    /// behind it (a hub, or an eMSP that passes on the sessions of CPOs it roams with) of any.
    /// Every partner's objects are kept apart, so it can only speak for what it brought itself.
    pub fn speaks_for(&self, country_code: &str, party_id: &str) -> bool {
        self.is_hub()
            || self.roles.iter().any(|role| {
                role.role == Role::Emsp
                    || (role.country_code == country_code && role.party_id == party_id)
            })
    }

    /// Accepts a new token for everything, beside those accepted so far. An invitation stays
    /// until the handshake is complete.
    pub(super) fn accept_also(&mut self, hash: TokenHash) {
        /// Rotations in quick succession keep the newest few.
        const MOST: usize = 4;
        let surplus = (self.accepted.len() + 1).saturating_sub(MOST);
        self.accepted.drain(..surplus);
        self.accepted.push(AcceptedToken {
            hash,
            scope: TokenScope::Full,
            valid_until: None,
        });
    }

    /// From now on only this token; older ones for `grace` more, invitations no more.
    pub(super) fn keep_only(&mut self, hash: &TokenHash, now: Time, grace: TimeDelta) {
        self.accepted.retain(|token| {
            token.scope == TokenScope::Full && token.valid_until.is_none_or(|until| until > now)
        });
        let until = now + grace;
        for token in self.accepted.iter_mut().filter(|token| token.hash != *hash) {
            token.valid_until = Some(token.valid_until.map_or(until, |old| old.min(until)));
        }
    }

    /// Takes a token back that never came into use.
    pub(super) fn withdraw(&mut self, hash: &TokenHash) {
        self.accepted.retain(|token| token.hash != *hash);
    }

    /// Ends the relation: no token is valid any more, none is kept to send.
    pub(super) fn end(&mut self) {
        self.handshake = Handshake::Unregistered;
        self.accepted.clear();
        self.sends = None;
    }
}

#[cfg(test)]
mod tests {
    use ocpi_client::token::Token;

    use super::*;

    fn hash(text: &str) -> TokenHash {
        TokenHash::of(&Token::new(text).unwrap())
    }

    #[test]
    fn a_rotated_token_stays_valid_for_a_minute_and_a_second_rotation_does_not_prolong_it() {
        let now: Time = "2026-11-22T16:00:00Z".parse().unwrap();
        let grace = TimeDelta::seconds(60);
        let mut partner = PartnerRecord::new(PartnerId::new("cpo").unwrap(), now);
        for (name, at) in [("one", 0), ("two", 0), ("three", 30)] {
            partner.accept_also(hash(name));
            partner.keep_only(&hash(name), now + TimeDelta::seconds(at), grace);
        }
        let until: Vec<_> = partner
            .accepted
            .iter()
            .map(|token| token.valid_until)
            .collect();
        assert_eq!(
            until,
            [Some(now + grace), Some(now + TimeDelta::seconds(90)), None]
        );
    }

    #[test]
    fn an_invitation_ends_with_the_first_real_token() {
        let now: Time = "2026-11-22T16:00:00Z".parse().unwrap();
        let mut partner = PartnerRecord::new(PartnerId::new("cpo").unwrap(), now);
        partner.accepted.push(AcceptedToken {
            hash: hash("a"),
            scope: TokenScope::Handshake,
            valid_until: None,
        });
        partner.accept_also(hash("c"));
        assert_eq!(partner.accepted.len(), 2);
        partner.keep_only(&hash("c"), now, TimeDelta::seconds(60));
        assert_eq!(partner.accepted.len(), 1);
        assert_eq!(partner.accepted[0].hash, hash("c"));
    }
}
