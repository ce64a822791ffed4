//! Requests about profiles: one call each, and what its outcome proves.

use std::sync::Arc;

use chrono::TimeDelta;
use ocpi_client::error::{Error, TransportKind};
use ocpi_client::headers::Party;
use ocpi_client::read::read_one;
use ocpi_client::types::{
    ChargingProfileResponse, ChargingProfileResponseType, InterfaceRole, ModuleId,
    SetChargingProfile,
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
        let aim = match self.aim(source, command) {
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

    fn aim(&self, source: &EvseSource, command: &Command) -> Result<Aim, String> {
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
        let to = party_of(session, &record).or_else(|| record.main_party());
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
            Action::ClearProfile => {
                let call = client.clear_charging_profile(endpoint, session, response_url);
                self.call(&aim.peer, call).await
            }
            Action::ReadProfile => {
                let call = client.get_active_charging_profile(
                    endpoint,
                    session,
                    ACTIVE_PROFILE_S,
                    response_url,
                );
                self.call(&aim.peer, call).await
            }
        };
        match result {
            Ok(response) => self.answered(&aim.record, &command.action, &response),
            Err(error) => failed(&error),
        }
    }

    /// What an answer at once proves.
    fn answered(
        &self,
        record: &PartnerRecord,
        action: &Action,
        response: &ChargingProfileResponse,
    ) -> Answer {
        let trusted = record.trust_sync_accept && *action != Action::ReadProfile;
        match refusal(&response.result) {
            Some(reason) => {
                let detail = format!("answered {}", shown(response.result.as_str()));
                Answer::Refused { reason, detail }
            }
            None if response.result != ChargingProfileResponseType::Accepted => Answer::Unknown {
                detail: format!("answered {}", shown(response.result.as_str())),
            },
            None if trusted => Answer::Applied {
                evidence: Evidence::TrustedSyncAccept,
            },
            None => {
                let announced = i64::from(response.timeout).min(LONGEST_WAIT_S);
                let wait = match announced {
                    0 => self.settings().result_timeout,
                    seconds => TimeDelta::seconds(seconds),
                };
                Answer::Accepted {
                    deadline: self.now() + wait,
                }
            }
        }
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

fn refusal(result: &ChargingProfileResponseType) -> Option<Refusal> {
    match result {
        ChargingProfileResponseType::NotSupported => Some(Refusal::NotSupported),
        ChargingProfileResponseType::Rejected => Some(Refusal::Rejected),
        ChargingProfileResponseType::TooOften => Some(Refusal::TooOften),
        ChargingProfileResponseType::UnknownSession => Some(Refusal::UnknownSession),
        ChargingProfileResponseType::Accepted | ChargingProfileResponseType::Other(_) => None,
    }
}

/// What a failed call proves. A refusal in words is a refusal; everything in doubt is unknown.
fn failed(error: &Error) -> Answer {
    let detail = with_cause(error);
    let refused = |reason| Answer::Refused {
        reason,
        detail: detail.clone(),
    };
    let speaks_of_session = |message: Option<&str>| {
        message.is_some_and(|message| message.to_ascii_lowercase().contains("session"))
    };
    match error {
        Error::Address { .. } => Answer::NotSent { detail },
        Error::Transport {
            kind: TransportKind::Connect | TransportKind::Request,
            ..
        } => Answer::NotSent { detail },
        Error::Http { status: 404, .. } => refused(Refusal::UnknownSession),
        Error::Http { status: 429, .. } => refused(Refusal::TooOften),
        // 408 and 425 may come from something in between, after the request was passed on.
        Error::Http {
            status: 408 | 425, ..
        } => Answer::Unknown { detail },
        Error::Http {
            status: 400..=499,
            message,
            ..
        } => {
            let is_session = speaks_of_session(message.as_deref());
            refused(if is_session {
                Refusal::UnknownSession
            } else {
                Refusal::Rejected
            })
        }
        Error::Ocpi {
            code,
            message,
            data,
            ..
        } if (2000..3000).contains(&code.0) => {
            let told = data
                .as_deref()
                .and_then(|data| read_one::<ChargingProfileResponse>(data).ok())
                .and_then(|read| refusal(&read.value.result));
            match told {
                Some(reason) if reason != Refusal::Rejected => refused(reason),
                _ if speaks_of_session(message.as_deref()) => refused(Refusal::UnknownSession),
                _ => refused(Refusal::Rejected),
            }
        }
        // A hub that does not know the receiver has passed nothing on.
        Error::Ocpi { code, .. } if code.0 == 4001 => refused(Refusal::Rejected),
        _ => Answer::Unknown { detail },
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

/// The party that owns a session, spelled as the partner spells it. Our session ids are
/// `{country code}*{party id}*{id}`.
fn party_of(session: &SessionId, record: &PartnerRecord) -> Option<Party> {
    let mut parts = session.as_str().splitn(3, '*');
    let (country, party) = (parts.next()?, parts.next()?);
    parts.next()?;
    let known = record
        .roles
        .iter()
        .map(ocpi_client::types::CredentialsRole::party);
    let wanted = Party::new(country.to_ascii_uppercase(), party.to_ascii_uppercase());
    Some(
        known
            .into_iter()
            .find(|known| *known == wanted)
            .unwrap_or(wanted),
    )
}

#[cfg(test)]
mod tests {
    use ocpi_client::types::StatusCode;

    use super::*;

    fn http(status: u16) -> Error {
        Error::Http {
            operation: "put",
            status,
            code: None,
            message: None,
        }
    }

    fn ocpi(code: u16, message: &str) -> Error {
        Error::Ocpi {
            operation: "put",
            code: StatusCode(code),
            message: Some(message.into()),
            data: None,
        }
    }

    fn reason(error: &Error) -> Option<Refusal> {
        match failed(error) {
            Answer::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn a_refusal_in_words_is_a_refusal() {
        assert_eq!(reason(&http(404)), Some(Refusal::UnknownSession));
        assert_eq!(reason(&http(429)), Some(Refusal::TooOften));
        assert_eq!(reason(&http(401)), Some(Refusal::Rejected));
        assert_eq!(
            reason(&ocpi(2001, "Session not found")),
            Some(Refusal::UnknownSession)
        );
        assert_eq!(reason(&ocpi(2000, "no")), Some(Refusal::Rejected));
    }

    #[test]
    fn whatever_may_have_arrived_is_unknown() {
        for error in [
            http(500),
            http(502),
            http(408),
            ocpi(3000, ""),
            ocpi(4002, ""),
        ] {
            assert!(matches!(failed(&error), Answer::Unknown { .. }), "{error}");
        }
        let lost = Error::Transport {
            operation: "put",
            kind: TransportKind::Deadline,
            source: "slow".into(),
        };
        assert!(matches!(failed(&lost), Answer::Unknown { .. }));
        let refused = Error::Transport {
            operation: "put",
            kind: TransportKind::Connect,
            source: "refused".into(),
        };
        assert!(matches!(failed(&refused), Answer::NotSent { .. }));
    }
}
