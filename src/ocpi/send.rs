//! Requests about profiles: one call each, and what its outcome proves.

use std::sync::Arc;

use chrono::TimeDelta;
use ocpi_client::error::{Error, TransportKind};
use ocpi_client::headers::Party;
use ocpi_client::profile_request::Verdict;
use ocpi_client::types::{
    ChargingProfileResponse, InterfaceRole, ModuleId, SetChargingProfile, StatusClass, StatusCode,
};
use url::Url;

use super::edge::Edge;
use super::partner::PartnerRecord;
use super::peer::Peer;
use super::results::{ResultKind, ResultRecord, new_id};
use super::translate::profile::to_wire;
use crate::domain::command::{Action, Answer, Command, Evidence, Refusal};
use crate::domain::evse::EvseSource;
use crate::domain::id::{PartnerId, SessionId, SiteKey};
use crate::domain::ports::RecordWrite;
use crate::domain::profile::RateUnit;
use crate::domain::unit_choice::{UnitChoice, chosen_unit};

/// How far ahead an active profile is asked for, in seconds: the longest of the 5 to 60 minutes
/// that the specification suggests.
const ACTIVE_PROFILE_S: u32 = 60 * 60;

/// Longest wait for a result that a partner may announce: 15 min.
const LONGEST_WAIT_S: i64 = 15 * 60;

/// Where a request goes, everything checked.
struct Aim {
    peer: Arc<Peer>,
    record: Arc<PartnerRecord>,
    endpoint: Url,
    session: SessionId,
    native_session: String,
    to: Option<Party>,
}

impl Edge {
    /// Sends one command that is durable already, to an EVSE at a partner. The result URL is
    /// durable before the first byte leaves.
    ///
    /// `NotSent` is answered only when surely nothing has left; whatever could have reached the
    /// partner is `Unknown`. A result may come before this returns: then it is what is answered.
    pub async fn send(&self, site: &SiteKey, source: &EvseSource, command: &Command) -> Answer {
        let aim = match self.aim(source, command).await {
            Ok(aim) => aim,
            Err(detail) => return Answer::NotSent { detail },
        };
        let kind = ResultKind::of(&command.action);
        let id = new_id();
        let key = ResultRecord::key(self.tenant(), &id);
        let awaited = ResultRecord {
            partner: aim.record.name.clone(),
            kind,
            site: site.site.clone(),
            command: command.id,
            evse: command.evse.clone(),
            session: aim.session.clone(),
            expires_at: self.now() + self.settings().result_validity,
            answer: None,
        };
        let records = &self.inner.ports.records;
        if let Err(error) = records.write(vec![awaited.write(key.clone())]).await {
            return Answer::NotSent {
                detail: error.to_string(),
            };
        }
        let version = aim
            .record
            .version
            .clone()
            .unwrap_or(ocpi_client::types::Version::V221);
        let base = self
            .settings()
            .module_url(&version, &ModuleId::ChargingProfiles);
        let response_url = format!("{base}/result/{}/{id}", kind.as_str());
        let answer = self.ask(&aim, command, &response_url).await;
        if let Answer::NotSent { .. } = answer {
            // Nobody will ever bring this result.
            let gone = RecordWrite { key, value: None };
            if let Err(error) = records.write(vec![gone]).await {
                tracing::debug!(%error, "an unused result URL was not removed");
            }
            return answer;
        }
        if let Answer::Refused {
            reason: Refusal::UnknownSession,
            ..
        } = answer
        {
            self.want_pull(&aim.record.name);
        }
        // The result may have overtaken the answer to the request.
        match self.awaited(&id).await {
            Ok(Some(ResultRecord {
                answer: Some(result),
                ..
            })) => result,
            _ => answer,
        }
    }

    async fn aim(&self, source: &EvseSource, command: &Command) -> Result<Aim, String> {
        let EvseSource::Ocpi { partner, .. } = source else {
            return Err("this EVSE is not reached over OCPI".into());
        };
        let peer = self.peer(partner).map_err(|error| error.to_string())?;
        let record = peer.record();
        if !record.is_registered() {
            return Err(format!("partner {partner} is not registered"));
        }
        let endpoint = record
            .endpoint(&ModuleId::ChargingProfiles, &InterfaceRole::Receiver)
            .ok_or_else(|| format!("partner {partner} has no chargingprofiles RECEIVER"))?;
        let endpoint = self
            .checked(&record, endpoint)
            .map_err(|error| error.to_string())?;
        let (Some(session), Some(native)) = (&command.session, &command.native_session) else {
            return Err("over OCPI an EVSE is reached through its session only".into());
        };
        let to = record.receiver_for(owner_of(session));
        let unreachable = self.unreachable(&record, to.as_ref()).await;
        if let Some(reason) = unreachable.map_err(|error| error.to_string())? {
            return Err(reason);
        }
        self.admitted(&peer).await?;
        Ok(Aim {
            endpoint,
            session: session.clone(),
            native_session: native.clone(),
            to,
            record,
            peer,
        })
    }

    async fn ask(&self, aim: &Aim, command: &Command, response_url: &str) -> Answer {
        let client = match self.client_for(&aim.record, aim.to.clone()) {
            Ok(client) => client,
            Err(error) => {
                return Answer::NotSent {
                    detail: error.to_string(),
                };
            }
        };
        let (endpoint, session) = (&aim.endpoint, aim.native_session.as_str());
        let result = match &command.action {
            Action::SetProfile { profile } => {
                let Some(charging_profile) = to_wire(profile) else {
                    return Answer::NotSent {
                        detail: "the profile is not well formed".into(),
                    };
                };
                let body = SetChargingProfile {
                    charging_profile,
                    response_url: response_url.to_owned(),
                };
                self.call(
                    &aim.peer,
                    client.put_charging_profile(endpoint, session, &body),
                )
                .await
            }
            Action::SetDefault { .. } => {
                return Answer::Refused {
                    reason: Refusal::NotSupported,
                    detail: "OCPI has no default profile".into(),
                };
            }
            Action::ClearProfile => {
                let call = client.clear_charging_profile(endpoint, session, response_url);
                self.call(&aim.peer, call).await
            }
            Action::ReadProfile => {
                let client = client.clone().closing();
                let call = client.get_active_charging_profile(
                    endpoint,
                    session,
                    ACTIVE_PROFILE_S,
                    response_url,
                );
                self.call(&aim.peer, call).await
            }
        };
        self.proven(&aim.record, &command.action, &result)
    }

    /// What the outcome of a call proves.
    fn proven(
        &self,
        record: &PartnerRecord,
        action: &Action,
        result: &Result<ChargingProfileResponse, Error>,
    ) -> Answer {
        let detail = match result {
            Ok(response) => format!("answered {}", shown(response.result.as_str())),
            Err(error) => with_cause(error),
        };
        let refused = |reason| Answer::Refused {
            reason,
            detail: detail.clone(),
        };
        match Verdict::of(result) {
            Verdict::Pending { .. }
                if record.trust_sync_accept && *action != Action::ReadProfile =>
            {
                Answer::Applied {
                    evidence: Evidence::TrustedSyncAccept,
                }
            }
            Verdict::Pending { timeout_s } => {
                let wait = i64::from(timeout_s).min(LONGEST_WAIT_S);
                Answer::Accepted {
                    deadline: self.now() + TimeDelta::seconds(wait),
                }
            }
            Verdict::NotSupported => refused(Refusal::NotSupported),
            Verdict::Rejected => refused(Refusal::Rejected),
            Verdict::TooOften => refused(Refusal::TooOften),
            Verdict::UnknownSession => refused(Refusal::UnknownSession),
            Verdict::Unclear => match result {
                Err(error) if has_surely_not_left(error) => Answer::NotSent { detail },
                Err(error) if is_refusal(error) => refused(Refusal::Rejected),
                _ => Answer::Unknown { detail },
            },
        }
    }

    /// Sets in which unit a partner takes limits.
    pub async fn steer_in(
        &self,
        partner: &PartnerId,
        units: Vec<UnitChoice>,
    ) -> Result<(), super::edge::EdgeError> {
        self.change(partner, |record| {
            record.profile_units = units;
            Ok(())
        })
        .await
    }

    /// The unit in which an EVSE at a partner takes limits, where that is not the usual one.
    pub fn unit_of(&self, source: &EvseSource) -> Option<RateUnit> {
        let EvseSource::Ocpi { partner, .. } = source else {
            return None;
        };
        chosen_unit(&self.peer(partner).ok()?.record().profile_units, source)
    }

    /// Sets whether a partner may tell limits through our module `sitelimits`.
    pub async fn agree_on_site_limits(
        &self,
        partner: &PartnerId,
        agreed: bool,
    ) -> Result<(), super::edge::EdgeError> {
        self.change(partner, |record| {
            record.site_limits = agreed;
            Ok(())
        })
        .await
    }

    /// Sets whether a partner's immediate `ACCEPTED` counts as applied.
    pub async fn trust_sync_accept(
        &self,
        partner: &PartnerId,
        trust: bool,
    ) -> Result<(), super::edge::EdgeError> {
        self.change(partner, |record| {
            record.trust_sync_accept = trust;
            Ok(())
        })
        .await
    }
}

/// Whether nothing of a request can have reached the partner.
fn has_surely_not_left(error: &Error) -> bool {
    match error {
        Error::Address { .. } => true,
        Error::Transport { kind, source, .. } => match kind {
            TransportKind::Connect | TransportKind::Request => true,
            // A deadline may have passed before there was a connection at all.
            TransportKind::Deadline | TransportKind::Interrupted => source
                .downcast_ref::<reqwest::Error>()
                .is_some_and(reqwest::Error::is_connect),
        },
        _ => false,
    }
}

/// Whether the partner said no, in whatever words. Errors of its own say nothing about what was
/// done before them, nor do 408 and 425, which may come from something in between.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Http { status, .. } => (400..500).contains(status) && ![408, 425].contains(status),
        Error::Ocpi { code, .. } => {
            code.class() == StatusClass::Client || *code == StatusCode::UNKNOWN_RECEIVER
        }
        _ => false,
    }
}

fn with_cause(error: &Error) -> String {
    use std::error::Error as _;
    let mut text = error.to_string();
    let mut cause = error.source();
    // Bounded: nobody needs more than a few causes.
    for _ in 0..4 {
        let Some(inner) = cause else { break };
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.chars().take(400).collect()
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The party that owns a session. Our session ids are `{country code}*{party id}*{id}`.
fn owner_of(session: &SessionId) -> Option<Party> {
    let mut parts = session.as_str().splitn(3, '*');
    let (country, party) = (parts.next()?, parts.next()?);
    parts.next()?;
    Some(Party::new(
        country.to_ascii_uppercase(),
        party.to_ascii_uppercase(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16) -> Error {
        Error::Http {
            operation: "put",
            status,
            code: None,
            message: None,
        }
    }

    fn ocpi(code: u16) -> Error {
        Error::Ocpi {
            operation: "put",
            code: StatusCode(code),
            message: None,
            data: None,
        }
    }

    fn transport(kind: TransportKind) -> Error {
        Error::Transport {
            operation: "put",
            kind,
            source: "broken".into(),
        }
    }

    #[test]
    fn a_no_is_a_refusal_and_an_error_of_the_partner_proves_nothing() {
        for no in [http(400), http(401), http(422), ocpi(2002), ocpi(4001)] {
            assert!(is_refusal(&no), "{no}");
        }
        for unclear in [
            http(500),
            http(502),
            http(408),
            ocpi(3000),
            ocpi(4002),
            ocpi(4003),
        ] {
            assert!(
                !is_refusal(&unclear) && !has_surely_not_left(&unclear),
                "{unclear}"
            );
        }
    }

    #[test]
    fn only_without_a_connection_has_surely_nothing_left() {
        assert!(has_surely_not_left(&transport(TransportKind::Connect)));
        assert!(!has_surely_not_left(&transport(TransportKind::Deadline)));
        assert!(!has_surely_not_left(&transport(TransportKind::Interrupted)));
    }
}
