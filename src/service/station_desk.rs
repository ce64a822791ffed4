//! The stations as the API sees them.

use serde_json::{Value, json};

use super::activity::Activity;
use crate::api::ports::{StationCall, StationSetup, StationWelcome, Stations};
use crate::domain::id::{StationId, TenantId};
use crate::domain::ports::{PortError, PortFuture};
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
            Ok(match called.map_err(port_error)? {
                Called::Result(payload) => StationCall::Result(payload),
                Called::Error { code, description } => StationCall::Error { code, description },
                Called::Timeout => StationCall::Timeout,
                Called::NotSent(why) => return Err(PortError::Refused(why)),
            })
        })
    }
}
