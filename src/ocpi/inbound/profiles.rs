//! Charging profiles as SENDER: the results of our requests, and active profiles that changed.

use ocpi_client::types::{
    ActiveChargingProfile, ActiveChargingProfileResult, ChargingProfileResult,
    ChargingProfileResultType, StatusCode,
};
use serde_json::Value;

use super::super::edge::Edge;
use super::super::results::{ResultKind, ResultRecord, is_id};
use super::super::translate::profile::from_active;
use super::reply::{Reply, either};
use super::{Method, Request};
use crate::domain::command::{Answer, Evidence, Refusal};
use crate::domain::event::EventKind;
use crate::domain::id::SiteKey;

impl Edge {
    pub(super) async fn profiles(&self, request: &Request<'_>) -> Reply {
        match (request.method, request.tail) {
            (Method::Post, ["result", "trial", id]) => either(trial(request, id)),
            (Method::Post, ["result", kind, id]) => either(self.result(request, kind, id).await),
            (Method::Put, [session_id]) => either(self.active(request, session_id).await),
            (_, ["result", _, _] | [_]) => Reply::method_not_allowed(),
            _ => Reply::not_found("an active profile is PUT to {session_id}"),
        }
    }

    /// A result of one of our requests: from the right partner, once.
    async fn result(&self, request: &Request<'_>, kind: &str, id: &str) -> Result<Reply, Reply> {
        let unknown = || Reply::not_found("no result is awaited here");
        let kind = ResultKind::from_text(kind).ok_or_else(unknown)?;
        if !is_id(id) {
            return Err(unknown());
        }
        let key = ResultRecord::key(self.tenant(), id);
        let _lock = self.lock(&key).await;
        let awaited = self.awaited(id).await?.ok_or_else(unknown)?;
        let is_ours = awaited.partner == request.caller.peer.record().name
            && awaited.kind == kind
            && self.now() < awaited.expires_at;
        if !is_ours {
            return Err(unknown());
        }
        if awaited.answer.is_some() {
            return Ok(Reply::done());
        }
        let body = request.json()?;
        let (answer, event) = understood(request, &awaited, &body)?;
        let site = SiteKey {
            tenant: self.tenant().clone(),
            site: awaited.site.clone(),
        };
        // What says nothing settles nothing: the true result may still come.
        let done = ResultRecord {
            answer: Some(answer).filter(|answer| !matches!(answer, Answer::Unknown { .. })),
            ..awaited
        };
        self.tell(&site, vec![event], vec![done.write(key)]).await?;
        Ok(Reply::done())
    }

    /// An active profile that changed at the partner.
    async fn active(&self, request: &Request<'_>, session_id: &str) -> Result<Reply, Reply> {
        let body = request.json()?;
        let profile: ActiveChargingProfile = request.read_result(&body)?;
        let found = self
            .session_by_id(
                &request.caller.peer,
                request.routing.from.as_ref(),
                session_id,
            )
            .await?;
        let Some((name, stored)) = found else {
            let message = format!("session {session_id} is not known");
            return Err(Reply::refused(404, StatusCode::INVALID_PARAMETERS, message));
        };
        let place = stored
            .session
            .as_ref()
            .and_then(|notes| notes.given_to.clone());
        if let (Some((site, evse)), Some(session)) = (place, name.session_id()) {
            let event = EventKind::ProfileRead {
                evse,
                session,
                profile: from_active(&profile),
                command: None,
            };
            let site = SiteKey {
                tenant: self.tenant().clone(),
                site,
            };
            self.tell(&site, vec![event], Vec::new()).await?;
        }
        Ok(Reply::done())
    }
}

/// A result that a check list waits for.
fn trial(request: &Request<'_>, id: &str) -> Result<Reply, Reply> {
    let waiting = request.caller.peer.live().trials.remove(id);
    let waiting = waiting.ok_or_else(|| Reply::not_found("no result is awaited here"))?;
    // Read for what deviates; that it came is what counts.
    let read = request
        .json()
        .and_then(|body| request.read_result::<ActiveChargingProfileResult>(&body));
    // Who waited may have given up meanwhile.
    let _ = waiting.send(());
    read.map(|_| Reply::done())
}

/// What a result means for the command, and what the site is told.
fn understood(
    request: &Request<'_>,
    awaited: &ResultRecord,
    body: &Value,
) -> Result<(Answer, EventKind), Reply> {
    let told = |answer: Answer| {
        let command = awaited.command;
        (
            answer.clone(),
            EventKind::CommandAnswered { command, answer },
        )
    };
    let (result, profile) = if awaited.kind == ResultKind::Active {
        let read: ActiveChargingProfileResult = request.read_result(body)?;
        (read.result, read.profile)
    } else {
        (
            request.read_result::<ChargingProfileResult>(body)?.result,
            None,
        )
    };
    Ok(match result {
        ChargingProfileResultType::Accepted if awaited.kind == ResultKind::Active => {
            let Some(profile) = profile else {
                let detail = "ACCEPTED without a profile".to_owned();
                return Ok(told(Answer::Unknown { detail }));
            };
            let answer = Answer::Applied {
                evidence: Evidence::ActiveProfile,
            };
            let event = EventKind::ProfileRead {
                evse: awaited.evse.clone(),
                session: awaited.session.clone(),
                profile: from_active(&profile),
                command: Some(awaited.command),
            };
            (answer, event)
        }
        ChargingProfileResultType::Accepted => told(Answer::Applied {
            evidence: Evidence::Result,
        }),
        ChargingProfileResultType::Rejected => told(Answer::Refused {
            reason: Refusal::Rejected,
            detail: "result REJECTED".into(),
        }),
        ChargingProfileResultType::Unknown => told(Answer::Unknown {
            detail: "result UNKNOWN".into(),
        }),
        ChargingProfileResultType::Other(text) => {
            let text: String = text.chars().take(40).collect();
            told(Answer::Unknown {
                detail: format!("result {text:?}"),
            })
        }
    })
}
