//! Setting stations up, changing and forgetting them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError};

use super::admission::is_identity;
use super::{Edge, EdgeError, MAX_STATIONS};
use crate::domain::id::{SiteId, StationId};
use crate::domain::ports::PortError;
use crate::ocpp::caps::Quirk;
use crate::ocpp::known::{Errand, Known, StationRecord, caps_key, record_key};
use crate::ocpp::message::Admission;
use crate::ocpp::password;
use crate::ocpp::version::Version;

/// How a station is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The site it belongs to.
    pub site: Option<SiteId>,
    /// Its password; `None` = one is made, or the present one stays.
    pub password: Option<String>,
    /// It may come without TLS from elsewhere than this machine.
    pub allow_insecure: bool,
    /// It shows no password at all (security profile 0); only with `allow_insecure`.
    pub no_password: bool,
    /// What it speaks though it names no sub-protocol.
    pub assume_protocol: Option<Version>,
    /// It must show a client certificate that names it (security profile 3).
    pub client_certificate: bool,
    /// Whether it may work.
    pub admission: Admission,
    /// Odd ways it has or has not, whatever we find out.
    pub ways: BTreeMap<Quirk, bool>,
}

/// A station that was set up.
#[derive(Clone, PartialEq, Eq)]
pub struct Approved {
    /// It is new.
    pub is_new: bool,
    /// The password that was made for it: shown this once.
    pub password: Option<String>,
}

impl fmt::Debug for Approved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approved")
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

impl Edge {
    /// Sets a station up, or changes it. A station that is connected stays so.
    pub async fn set_up(&self, id: &StationId, setup: Setup) -> Result<Approved, EdgeError> {
        if !is_identity(id.as_str()) {
            return Err(EdgeError::Refused(
                "a station's identity has 1 to 48 of the characters A-Z a-z 0-9 * - _ = + | @ ."
                    .into(),
            ));
        }
        if setup.client_certificate && setup.allow_insecure {
            return Err(EdgeError::Refused(
                "a client certificate is shown over TLS only: not with allow_insecure".into(),
            ));
        }
        if setup.no_password && !setup.allow_insecure {
            return Err(EdgeError::Refused(
                "without a password only with allow_insecure (security profile 0)".into(),
            ));
        }
        let _writing = self.inner.writing.lock().await;
        let before = self.known(id);
        if before.is_none() && self.all().len() >= MAX_STATIONS {
            return Err(EdgeError::TooMany);
        }
        let old = before.as_ref().map(|known| known.record());
        let keeps = old.as_ref().and_then(|record| record.password_hash.clone());
        let needs_none = setup.no_password || setup.client_certificate;
        let (password_hash, made) = match (setup.password, keeps, needs_none) {
            (_, _, true) if setup.no_password => (None, None),
            // Profile 3 shows none; what there was stays, for the way back.
            (None, kept, true) => (kept, None),
            (Some(password), _, _) => (Some(self.hashed(password).await?), None),
            (None, Some(kept), false) => (Some(kept), None),
            (None, None, false) => {
                let made = password::make();
                (Some(self.hashed(made.clone()).await?), Some(made))
            }
        };
        let record = StationRecord {
            id: id.clone(),
            site: setup.site,
            password_hash,
            allow_insecure: setup.allow_insecure,
            assume_protocol: setup.assume_protocol,
            approved_at: old.map_or_else(|| self.now(), |record| record.approved_at),
            next_password_hash: None,
            client_certificate: setup.client_certificate,
            admission: setup.admission,
            ways: setup.ways,
            // The operator has decided anew.
            shown_profile: 0,
        };
        self.keep(&record).await?;
        self.waiting().remove(id.as_str());
        self.forgive(id.as_str());
        if let Some(known) = &before {
            known.set_record(record);
            let mut memory = known.memory();
            memory.verified = None;
            memory.caps.told.clone_from(&known.record().ways);
            if let Some(live) = &memory.live {
                // A full queue is busy; it reads its record again when it connects next.
                let _ = live.errands.try_send(Errand::Changed);
            }
        } else {
            let mut stations = self
                .inner
                .stations
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            stations.insert(id.clone(), Arc::new(Known::new(record)));
        }
        Ok(Approved {
            is_new: before.is_none(),
            password: made,
        })
    }

    /// Forgets a station: its connection is closed, its transactions stay in the sites' journals.
    pub async fn remove(&self, id: &StationId) -> Result<(), EdgeError> {
        let _writing = self.inner.writing.lock().await;
        let known = self.need(id)?;
        let tenant = &self.inner.tenant;
        self.write(record_key(tenant, id), None).await?;
        self.write(caps_key(tenant, id), None).await?;
        self.inner
            .stations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        if let Some(live) = &known.memory().live {
            live.leave.notify_one();
        }
        Ok(())
    }

    /// Keeps a station's record.
    pub(super) async fn keep(&self, record: &StationRecord) -> Result<(), EdgeError> {
        let value = serde_json::to_vec(record)
            .map_err(|error| PortError::Storage(format!("a station's record: {error}")))?;
        let key = record_key(&self.inner.tenant, &record.id);
        Ok(self.write(key, Some(value)).await?)
    }

    /// Changes a station's record, durably first.
    pub(super) async fn amend(
        &self,
        known: &Known,
        change: impl FnOnce(&mut StationRecord),
    ) -> Result<(), EdgeError> {
        let _writing = self.inner.writing.lock().await;
        let mut record = known.record();
        change(&mut record);
        self.keep(&record).await?;
        known.set_record(record);
        Ok(())
    }
}
