//! Tokens and people as they are kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{Hash, Role};
use crate::api::auth::{Grant, Scope, SignalRights};
use crate::domain::id::{SiteId, TenantId};
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::time::Time;

/// Most tokens, and most people.
pub(super) const MAX_KEPT: usize = 1_000;

const TOKENS: &str = "token/api/";
const USERS: &str = "user/";

/// A token of the API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::api) struct StoredToken {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) hash: Hash,
    pub(super) scopes: BTreeSet<Scope>,
    /// `None` = all sites.
    pub(super) sites: Option<BTreeSet<SiteId>>,
    /// What it may send of signals; `None` = everything its scopes allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signals: Option<SignalRights>,
    pub(super) created_at: Time,
    pub(super) created_by: String,
    pub(super) expires_at: Time,
}

impl StoredToken {
    pub(super) fn is_valid(&self, now: Time) -> bool {
        now < self.expires_at
    }

    pub(super) fn grant(&self) -> Grant {
        Grant {
            name: format!("token:{}", self.name),
            tenant: TenantId::default_tenant(),
            scopes: self.scopes.clone(),
            sites: self.sites.clone(),
            signals: self.signals.clone(),
        }
    }

    pub(super) fn write(&self) -> Result<RecordWrite, PortError> {
        record(&key_of_token(&self.id), self)
    }
}

/// A person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::api) struct StoredUser {
    pub(super) name: String,
    pub(super) role: Role,
    /// Argon2id in PHC form.
    pub(super) password_hash: String,
    pub(super) changed_at: Time,
}

impl StoredUser {
    pub(super) fn grant(&self) -> Grant {
        Grant {
            name: format!("user:{}", self.name),
            tenant: TenantId::default_tenant(),
            scopes: [self.role.scope()].into(),
            sites: None,
            signals: None,
        }
    }

    pub(super) fn write(&self) -> Result<RecordWrite, PortError> {
        record(&key_of_user(&self.name), self)
    }
}

pub(super) fn key_of_token(id: &str) -> String {
    format!("{TOKENS}{id}")
}

pub(super) fn key_of_user(name: &str) -> String {
    format!("{USERS}{name}")
}

fn record(key: &str, value: &impl Serialize) -> Result<RecordWrite, PortError> {
    let value = serde_json::to_vec(value).map_err(|error| PortError::Storage(error.to_string()))?;
    Ok(RecordWrite {
        key: key.to_owned(),
        value: Some(value),
    })
}

/// All of them, in memory.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) tokens: BTreeMap<String, StoredToken>,
    pub(super) users: BTreeMap<String, StoredUser>,
    by_hash: HashMap<Hash, String>,
}

impl Book {
    pub(super) async fn load(records: &dyn Records) -> Result<Self, PortError> {
        let mut book = Self::default();
        for (key, value) in records.scan(TOKENS, MAX_KEPT).await? {
            book.put_token(parse(&key, &value)?);
        }
        for (key, value) in records.scan(USERS, MAX_KEPT).await? {
            let user: StoredUser = parse(&key, &value)?;
            book.users.insert(user.name.clone(), user);
        }
        Ok(book)
    }

    pub(super) fn put_token(&mut self, token: StoredToken) {
        self.by_hash.insert(token.hash, token.id.clone());
        self.tokens.insert(token.id.clone(), token);
    }

    pub(super) fn remove_token(&mut self, id: &str) {
        if let Some(token) = self.tokens.remove(id) {
            self.by_hash.remove(&token.hash);
        }
    }

    /// The token of a hash. Looking hashes up says nothing about the token: who can choose the hash
    /// knows the token.
    pub(super) fn token(&self, hash: &Hash, now: Time) -> Option<&StoredToken> {
        let token = self.tokens.get(self.by_hash.get(hash)?)?;
        token.is_valid(now).then_some(token)
    }
}

fn parse<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, PortError> {
    serde_json::from_slice(value)
        .map_err(|error| PortError::Storage(format!("{key} is damaged: {error}")))
}
