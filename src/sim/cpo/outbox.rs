//! Sends what the platform has to say. Messages of one session keep their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::Method;
use serde_json::Value;

use super::client::{Reply, Routing};
use super::handshake::Peer;
use super::platform::Outgoing;
use super::quirks::Quirk;
use super::server::{InFlight, Shared};
use super::spoil;

/// Sends all messages in the background: sessions side by side, each in order.
pub(super) fn send_all(shared: &Arc<Shared>, messages: Vec<Outgoing>) {
    let mut by_session: BTreeMap<String, Vec<Outgoing>> = BTreeMap::new();
    for message in messages {
        by_session
            .entry(message.session().to_owned())
            .or_default()
            .push(message);
    }
    for messages in by_session.into_values() {
        let shared = Arc::clone(shared);
        let in_flight = InFlight::begin(&shared);
        tokio::spawn(async move {
            // Closed only when the program ends.
            if let Ok(_permit) = shared.connections.acquire().await {
                for message in messages {
                    send(&shared, message).await;
                }
            }
            drop(in_flight);
        });
    }
}

async fn send(shared: &Shared, message: Outgoing) {
    let Some(peer) = shared.peer().filter(|_| shared.is_open()) else {
        return;
    };
    if let Outgoing::SessionPut { session, .. } = &message {
        let platform = &mut shared.state().platform;
        let now = platform.depot.now();
        platform.delays.pushed(session, now);
    }
    let outcome = match &message {
        Outgoing::SessionPut { session, body } => put_session(shared, &peer, session, body).await,
        Outgoing::SessionPatch { session, body } => {
            patch_session(shared, &peer, session, body).await
        }
        Outgoing::Preferences { session, body } => match peer.endpoint("sessions", "SENDER") {
            None => Err("the SCSP has no Sessions Sender endpoint".into()),
            Some(base) => {
                let url = format!("{base}/{session}/charging_preferences");
                call(shared, &peer, Method::PUT, &url, body).await
            }
        },
        Outgoing::Active { session, body } => match peer.endpoint("chargingprofiles", "SENDER") {
            None => Err("the SCSP has no ChargingProfiles Sender endpoint".into()),
            Some(base) => {
                let url = format!("{base}/{session}");
                call(shared, &peer, Method::PUT, &url, body).await
            }
        },
        Outgoing::Result { url, body, .. } => call(shared, &peer, Method::POST, url, body).await,
    };
    let mut state = shared.state();
    let counts = &mut state.platform.counts;
    match (outcome, &message) {
        (Ok(_), Outgoing::SessionPut { .. }) => counts.session_puts += 1,
        (Ok(_), Outgoing::SessionPatch { .. }) => counts.session_patches += 1,
        (Ok(_), Outgoing::Preferences { .. }) => counts.preferences += 1,
        (Ok(_), Outgoing::Active { .. }) => counts.actives += 1,
        (Ok(_), Outgoing::Result { .. }) => counts.callbacks += 1,
        (Err(error), message) => {
            counts.failures += 1;
            let what = match message {
                Outgoing::SessionPut { .. } => "PUT session",
                Outgoing::SessionPatch { .. } => "PATCH session",
                Outgoing::Preferences { .. } => "PUT charging_preferences",
                Outgoing::Active { .. } => "PUT active profile",
                Outgoing::Result { .. } => "POST result",
            };
            let session = message.session();
            let complaint = format!("{what} of {session}: {error}");
            state.platform.keep_complaint(complaint);
        }
    }
}

/// Puts a session of a caller's own making; what comes back.
pub(super) async fn put_made(shared: &Shared, session: &str, body: &Value) -> Result<(), String> {
    let peer = shared.peer().ok_or("no SCSP is registered")?;
    put_session(shared, &peer, session, body).await.map(drop)
}

/// What the SCSP holds of a session of ours.
pub(super) async fn read_back(shared: &Shared, session: &str) -> Result<Value, String> {
    let peer = shared.peer().ok_or("no SCSP is registered")?;
    let url = session_url(shared, &peer, session)?;
    let body = Value::Null;
    let reply = call(shared, &peer, Method::GET, &url, &body).await?;
    Ok(reply.data)
}

async fn put_session(
    shared: &Shared,
    peer: &Peer,
    session: &str,
    body: &Value,
) -> Result<Reply, String> {
    let url = session_url(shared, peer, session)?;
    let body = spoil::session(&shared.quirks, body.clone());
    call(shared, peer, Method::PUT, &url, &body).await
}

/// A PATCH that fails is made good by a PUT of the whole session.
async fn patch_session(
    shared: &Shared,
    peer: &Peer,
    session: &str,
    body: &Value,
) -> Result<Reply, String> {
    let url = session_url(shared, peer, session)?;
    let body = spoil::session(&shared.quirks, body.clone());
    match call(shared, peer, Method::PATCH, &url, &body).await {
        Ok(reply) => Ok(reply),
        Err(error) => {
            let whole = shared.state().platform.session(session).ok_or(error)?;
            put_session(shared, peer, session, &whole).await
        }
    }
}

fn session_url(shared: &Shared, peer: &Peer, session: &str) -> Result<String, String> {
    let base = peer
        .endpoint("sessions", "RECEIVER")
        .ok_or("the SCSP has no Sessions Receiver endpoint")?;
    let (country, party) = &shared.party;
    if shared.quirks.contains(&Quirk::PushesElsewhere) {
        let origin: Vec<&str> = base.splitn(4, '/').take(3).collect();
        let origin = origin.join("/");
        return Ok(format!(
            "{origin}/receiver/sessions/{country}/{party}/{session}"
        ));
    }
    Ok(format!("{base}/{country}/{party}/{session}"))
}

async fn call(
    shared: &Shared,
    peer: &Peer,
    method: Method,
    url: &str,
    body: &Value,
) -> Result<Reply, String> {
    let routing = Routing {
        to: Some((peer.country_code.clone(), peer.party_id.clone())),
        from: Some(shared.party.clone()),
    };
    let reply = shared
        .http
        .call(method, url, &peer.their_token, &routing, Some(body))
        .await?;
    if reply.is_success() {
        Ok(reply)
    } else {
        let Reply {
            http,
            status_code,
            message,
            ..
        } = reply;
        Err(format!("HTTP {http}, OCPI {status_code} {message}"))
    }
}
