//! Result URLs: one for each request about a profile, unguessable, for one partner and one use.

use serde::{Deserialize, Serialize};

use super::edge::Edge;
use super::secret::hex;
use crate::domain::command::{Action, Answer};
use crate::domain::id::{CommandId, EvseId, PartnerId, SessionId, SiteId, TenantId};
use crate::domain::ports::{PortError, RecordWrite};
use crate::domain::time::Time;

/// What was asked, as it stands in the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResultKind {
    Set,
    Clear,
    Active,
}

impl ResultKind {
    pub(super) fn of(action: &Action) -> Self {
        match action {
            // OCPI has no default profile: dispatch never asks for one there.
            Action::SetProfile { .. } | Action::SetDefault { .. } => Self::Set,
            Action::ClearProfile => Self::Clear,
            Action::ReadProfile => Self::Active,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Clear => "clear",
            Self::Active => "active",
        }
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        [Self::Set, Self::Clear, Self::Active]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// A result that we wait for. Key: `result/{tenant}/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResultRecord {
    /// Who may bring it.
    pub(super) partner: PartnerId,
    /// What was asked.
    pub(super) kind: ResultKind,
    /// The site whose command it answers.
    pub(super) site: SiteId,
    /// The command.
    pub(super) command: CommandId,
    /// The EVSE it was for.
    pub(super) evse: EvseId,
    /// The session it was for.
    pub(super) session: SessionId,
    /// From when on it is not taken any more.
    pub(super) expires_at: Time,
    /// What came and settled it. Once it is there, further results are passed over.
    pub(super) answer: Option<Answer>,
}

impl ResultRecord {
    pub(super) fn key(tenant: &TenantId, id: &str) -> String {
        format!("result/{tenant}/{id}")
    }

    pub(super) fn write(&self, key: String) -> RecordWrite {
        // Ids, times and texts always serialise.
        RecordWrite {
            key,
            value: serde_json::to_vec(self).ok(),
        }
    }
}

/// A new id: 128 random bits in 32 hexadecimal digits.
pub(super) fn new_id() -> String {
    hex(&rand::random::<[u8; 16]>())
}

/// Whether a text has the shape of such an id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl Edge {
    /// What we wait for under an id.
    pub(super) async fn awaited(&self, id: &str) -> Result<Option<ResultRecord>, PortError> {
        let key = ResultRecord::key(self.tenant(), id);
        let bytes = self.inner.ports.records.get(&key).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Forgets results that nobody may bring any more; returns how many.
    pub(super) async fn forget_expired_results(&self) -> Result<usize, PortError> {
        /// At a time; the rest waits for the next turn.
        const BATCH: usize = 10_000;
        let now = self.now();
        let records = &self.inner.ports.records;
        let prefix = format!("result/{}/", self.tenant());
        let writes: Vec<_> = records
            .scan(&prefix, BATCH)
            .await?
            .into_iter()
            .filter(|(_, bytes)| {
                serde_json::from_slice::<ResultRecord>(bytes)
                    .map_or(true, |record| record.expires_at <= now)
            })
            .map(|(key, _)| RecordWrite { key, value: None })
            .collect();
        let count = writes.len();
        if count > 0 {
            records.write(writes).await?;
        }
        Ok(count)
    }
}
