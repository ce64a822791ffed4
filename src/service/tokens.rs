//! The admin token: from the configuration, else made at first start and shown once. Only its
//! hash is kept.

use std::collections::BTreeSet;

use thiserror::Error;

use super::vault::{Secret, hash_token, new_token, same_text};
use crate::api::auth::{Grant, Scope, TokenBook};
use crate::config;
use crate::domain::id::TenantId;
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::time::Time;

/// Where the hash of a token made at first start is kept.
const KEY: &str = "token/admin";

/// Why the admin token could not be restored.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The store failed.
    #[error("the admin token: {0}")]
    Store(#[from] PortError),
    /// What is stored is not a hash.
    #[error("the stored admin token is damaged; set EVENLOAD__API__ADMIN_TOKEN to go on")]
    Damaged,
}

/// The tokens of the API, and the admin token if it was just made.
#[derive(Debug)]
pub struct AdminToken {
    /// What requests are checked against.
    pub book: Book,
    /// Made at this start.
    pub made: Option<Secret>,
}

/// The one token there is, as a hash.
#[derive(Debug)]
pub struct Book {
    hash: String,
}

impl AdminToken {
    /// Takes the configured token, or the one made earlier, or makes one.
    pub async fn load(
        records: &dyn Records,
        configured: Option<&config::Secret>,
    ) -> Result<Self, TokenError> {
        if let Some(token) = configured {
            return Ok(Self {
                book: Book {
                    hash: hash_token(token.expose()),
                },
                made: None,
            });
        }
        if let Some(stored) = records.get(KEY).await? {
            let hash = String::from_utf8(stored).map_err(|_| TokenError::Damaged)?;
            return Ok(Self {
                book: Book { hash },
                made: None,
            });
        }
        let token = new_token();
        let hash = hash_token(token.expose());
        let value = Some(hash.clone().into_bytes());
        records
            .write(vec![RecordWrite {
                key: KEY.into(),
                value,
            }])
            .await?;
        Ok(Self {
            book: Book { hash },
            made: Some(token),
        })
    }
}

impl TokenBook for Book {
    fn grant(&self, presented: &str, _now: Time) -> Option<Grant> {
        same_text(&hash_token(presented), &self.hash).then(|| Grant {
            name: "admin".into(),
            tenant: TenantId::default_tenant(),
            scopes: BTreeSet::from([Scope::Admin]),
            sites: None,
            signals: None,
        })
    }
}
