//! The stations as the API sees them.

use std::collections::BTreeMap;

use actix_web::web::Bytes;
use serde_json::{Value, json};

use super::activity::Activity;
use crate::api::ports::{
    IdToken, SecretText, StationAdmission, StationCall, StationRotation, StationSetup,
    StationWelcome, Stations,
};
use crate::domain::id::{StationId, TenantId};
use crate::domain::ports::{PortError, PortFuture};
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::Admission;
use crate::ocpp::tokens::{Token, TokenStatus};
use crate::ocpp::version::Version;
use crate::ocpp::{Called, Edge, EdgeError, Setup};

/// The stations of an edge.
#[derive(Debug)]
pub struct StationDesk {
    edge: Edge,
    activity: Activity,
}

impl StationDesk {
    /// The stations of an edge.
    pub fn new(edge: Edge, activity: Activity) -> Self {
        Self { edge, activity }
    }
}

fn port_error(error: EdgeError) -> PortError {
    match error {
        EdgeError::Unknown(id) => PortError::Unknown(format!("station {id}")),
        EdgeError::TooMany => PortError::Overloaded("the list of stations".into()),
        EdgeError::Refused(why) => PortError::Refused(why),
        EdgeError::Port(error) => error,
    }
}

fn ready<T: Send + 'static>(result: Result<T, EdgeError>) -> PortFuture<'static, T> {
    Box::pin(std::future::ready(result.map_err(port_error)))
}

impl Stations for StationDesk {
    fn list(&self, _tenant: &TenantId) -> PortFuture<'_, Vec<Value>> {
        ready(Ok(self.edge.list()))
    }

    fn waiting(&self, _tenant: &TenantId) -> PortFuture<'_, Vec<Value>> {
        let waiting = self.edge.list_waiting();
        ready(Ok(waiting.iter().map(|station| json!(station)).collect()))
    }

    fn show(&self, _tenant: &TenantId, id: &StationId) -> PortFuture<'_, Value> {
        ready(self.edge.show(id))
    }

    fn messages(&self, _tenant: &TenantId, id: &StationId) -> PortFuture<'_, Vec<Value>> {
        let messages = self.edge.messages(id);
        ready(messages.map(|all| all.iter().map(|message| json!(message)).collect()))
    }

    fn set_up(
        &self,
        _tenant: &TenantId,
        id: StationId,
        setup: StationSetup,
    ) -> PortFuture<'_, StationWelcome> {
        Box::pin(async move {
            let assume_protocol = setup.assume_protocol.as_deref().and_then(Version::of);
            let wish = Setup {
                site: setup.site,
                password: setup.password.map(|password| password.reveal().to_owned()),
                allow_insecure: setup.allow_insecure,
                no_password: setup.no_password,
                assume_protocol,
                client_certificate: setup.client_certificate,
                admission: match setup.admission {
                    StationAdmission::Accepted => Admission::Accepted,
                    StationAdmission::Pending => Admission::Pending,
                    StationAdmission::Rejected => Admission::Rejected,
                },
                ways: ways(&setup.quirks)?,
            };
            let approved = self.edge.set_up(&id, wish).await.map_err(port_error)?;
            Ok(StationWelcome {
                is_new: approved.is_new,
                password: approved.password,
            })
        })
    }

    fn remove(&self, _tenant: &TenantId, id: &StationId) -> PortFuture<'_, ()> {
        let id = id.clone();
        Box::pin(async move { self.edge.remove(&id).await.map_err(port_error) })
    }

    fn rotate(
        &self,
        _tenant: &TenantId,
        id: &StationId,
        password: Option<SecretText>,
    ) -> PortFuture<'_, StationRotation> {
        let id = id.clone();
        Box::pin(async move {
            let password = password.map(|password| password.reveal().to_owned());
            let rotated = self.edge.rotate(&id, password).await.map_err(port_error)?;
            Ok(StationRotation {
                is_taken: rotated.is_taken,
                call: said(rotated.called)?,
            })
        })
    }

    fn id_tokens(&self, _tenant: &TenantId) -> PortFuture<'_, Vec<IdToken>> {
        let all = self.edge.list_tokens().into_iter().map(shown_token);
        ready(Ok(all.collect()))
    }

    fn set_id_token(&self, _tenant: &TenantId, token: IdToken) -> PortFuture<'_, bool> {
        Box::pin(async move {
            let token = Token {
                id: token.id,
                kind: token.kind,
                status: if token.blocked {
                    TokenStatus::Blocked
                } else {
                    TokenStatus::Accepted
                },
                expires_at: token.expires_at,
                group: token.group,
            };
            self.edge.set_token(token).await.map_err(port_error)
        })
    }

    fn remove_id_token(&self, _tenant: &TenantId, id: String) -> PortFuture<'_, bool> {
        Box::pin(async move { self.edge.remove_token(&id).await.map_err(port_error) })
    }

    fn uploads(&self, _tenant: &TenantId, id: &StationId) -> PortFuture<'_, Vec<Value>> {
        let id = id.clone();
        Box::pin(async move {
            let all = self.edge.uploads(&id).await.map_err(port_error)?;
            Ok(all.iter().map(|upload| json!(upload)).collect())
        })
    }

    fn upload(&self, _tenant: &TenantId, id: &StationId, name: String) -> PortFuture<'_, Bytes> {
        let id = id.clone();
        Box::pin(async move {
            let content = self.edge.upload(&id, &name).await.map_err(port_error)?;
            let unknown = || PortError::Unknown(format!("a file {name:.100} of station {id}"));
            content.map(Bytes::from).ok_or_else(unknown)
        })
    }

    fn call(
        &self,
        _tenant: &TenantId,
        id: &StationId,
        action: String,
        payload: Value,
    ) -> PortFuture<'_, StationCall> {
        let id = id.clone();
        let busy = self.activity.begin();
        Box::pin(async move {
            let called = self.edge.call(&id, &action, payload).await;
            drop(busy);
            said(called.map_err(port_error)?)
        })
    }
}

fn said(called: Called) -> Result<StationCall, PortError> {
    Ok(match called {
        Called::Result(payload) => StationCall::Result(payload),
        Called::Error { code, description } => StationCall::Error { code, description },
        Called::Timeout => StationCall::Timeout,
        Called::NotSent(why) => return Err(PortError::Refused(why)),
    })
}

fn shown_token(token: Token) -> IdToken {
    IdToken {
        id: token.id,
        kind: token.kind,
        blocked: token.status == TokenStatus::Blocked,
        expires_at: token.expires_at,
        group: token.group,
    }
}

/// Odd ways by their names.
fn ways(named: &BTreeMap<String, bool>) -> Result<BTreeMap<Quirk, bool>, PortError> {
    let all = || Quirk::ALL.map(Quirk::name).join(", ");
    named
        .iter()
        .map(|(name, has)| {
            let quirk = Quirk::ALL.into_iter().find(|quirk| quirk.name() == name);
            let unknown = || format!("quirks: {name:.40} is none of {}", all());
            Ok((quirk.ok_or_else(|| PortError::Refused(unknown()))?, *has))
        })
        .collect()
}
