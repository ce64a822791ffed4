//! The stations of our own CSMS, as the API needs them.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::web::Bytes;

use super::SecretText;
use crate::domain::id::{SiteId, StationId, TenantId};
use crate::domain::ports::PortFuture;
use crate::domain::time::Time;

/// How a station is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StationSetup {
    /// The site it belongs to.
    pub site: Option<SiteId>,
    /// Its password; `None` = one is made, or the present one stays.
    pub password: Option<SecretText>,
    /// It shows no password (OCPP security profile 0).
    pub no_password: bool,
    /// It may come without TLS from elsewhere than this machine.
    pub allow_insecure: bool,
    /// The sub-protocol it speaks though it names none.
    pub assume_protocol: Option<String>,
    /// It must show a client certificate that names it (security profile 3).
    pub client_certificate: bool,
    /// Whether it may work.
    pub admission: StationAdmission,
    /// Odd ways by name that it has or has not, whatever is found out.
    pub quirks: BTreeMap<String, bool>,
}

/// Whether a station may work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StationAdmission {
    /// It may.
    #[default]
    Accepted,
    /// It may be read and configured only.
    Pending,
    /// It is turned away when it starts.
    Rejected,
}

/// What came of changing a station's password over OCPP.
#[derive(Clone, Debug, PartialEq)]
pub struct StationRotation {
    /// It took it, or may have.
    pub is_taken: bool,
    /// What it said.
    pub call: StationCall,
}

/// A token (a card, say) that may charge or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// As printed.
    pub id: String,
    /// OCPP 2.x `IdTokenEnumType`.
    pub kind: String,
    /// It may not charge.
    pub blocked: bool,
    /// From then on it may not.
    pub expires_at: Option<Time>,
    /// The group it belongs to.
    pub group: Option<String>,
}

/// A station that was set up.
#[derive(Clone, PartialEq, Eq)]
pub struct StationWelcome {
    /// It is new.
    pub is_new: bool,
    /// The password that was made for it, shown this once.
    pub password: Option<String>,
}

impl fmt::Debug for StationWelcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StationWelcome")
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

/// What came of an operator's call to a station.
#[derive(Clone, Debug, PartialEq)]
pub enum StationCall {
    /// The station's payload.
    Result(serde_json::Value),
    /// The station's refusal.
    Error {
        /// OCPP's error code.
        code: String,
        /// For people.
        description: String,
    },
    /// Nothing was heard in time.
    Timeout,
}

/// The stations of our own CSMS. An unknown station is `PortError::Unknown`, one that is not
/// connected `PortError::Refused`.
pub trait Stations: Send + Sync {
    /// All stations, sorted.
    fn list(&self, tenant: &TenantId) -> PortFuture<'_, Vec<serde_json::Value>>;

    /// Unknown stations that tried to connect.
    fn waiting(&self, tenant: &TenantId) -> PortFuture<'_, Vec<serde_json::Value>>;

    /// One station.
    fn show(&self, tenant: &TenantId, id: &StationId) -> PortFuture<'_, serde_json::Value>;

    /// Its last messages, newest first, passwords masked.
    fn messages(&self, tenant: &TenantId, id: &StationId)
    -> PortFuture<'_, Vec<serde_json::Value>>;

    /// Sets one up, or changes it.
    fn set_up(
        &self,
        tenant: &TenantId,
        id: StationId,
        setup: StationSetup,
    ) -> PortFuture<'_, StationWelcome>;

    /// Forgets one and closes its connection.
    fn remove(&self, tenant: &TenantId, id: &StationId) -> PortFuture<'_, ()>;

    /// Gives one that is connected a new password over OCPP.
    fn rotate(
        &self,
        tenant: &TenantId,
        id: &StationId,
        password: Option<SecretText>,
    ) -> PortFuture<'_, StationRotation>;

    /// The tokens that were filed, sorted.
    fn id_tokens(&self, tenant: &TenantId) -> PortFuture<'_, Vec<IdToken>>;

    /// Files one or changes it; true if it is new.
    fn set_id_token(&self, tenant: &TenantId, token: IdToken) -> PortFuture<'_, bool>;

    /// Takes one out; false if there was none.
    fn remove_id_token(&self, tenant: &TenantId, id: String) -> PortFuture<'_, bool>;

    /// The files it has uploaded, the oldest first.
    fn uploads(&self, tenant: &TenantId, id: &StationId) -> PortFuture<'_, Vec<serde_json::Value>>;

    /// What is in one of them; `PortError::Unknown` if there is none of this name.
    fn upload(&self, tenant: &TenantId, id: &StationId, name: String) -> PortFuture<'_, Bytes>;

    /// Sends a call of OCPP to one.
    fn call(
        &self,
        tenant: &TenantId,
        id: &StationId,
        action: String,
        payload: serde_json::Value,
    ) -> PortFuture<'_, StationCall>;
}
