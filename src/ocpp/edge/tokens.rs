//! Filing tokens, and telling the stations that keep a list of them.

use super::{Edge, EdgeError};
use crate::domain::id::TenantId;
use crate::domain::key::hashed_key;
use crate::domain::ports::{PortError, Ports, RecordWrite};
use crate::ocpp::known::Errand;
use crate::ocpp::settings::Settings;
use crate::ocpp::tokens::{MAX_CHARS, MAX_TOKENS, Token, TokenBook, TokenStatus};

fn prefix(tenant: &TenantId) -> String {
    format!("id-token/{tenant}/")
}

fn version_key(tenant: &TenantId) -> String {
    format!("id-token-version/{tenant}")
}

/// Reads what was filed. What names a person is sealed on the disk.
pub(super) async fn open(
    ports: &Ports,
    settings: &Settings,
    tenant: &TenantId,
) -> Result<TokenBook, PortError> {
    let damaged = |key: &str| PortError::Storage(format!("{key} is damaged"));
    let version_key = version_key(tenant);
    let version = match ports.records.get(&version_key).await? {
        None => 0,
        Some(bytes) => std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| damaged(&version_key))?,
    };
    let found = ports.records.scan(&prefix(tenant), MAX_TOKENS).await?;
    let tokens = found.iter().map(|(key, sealed)| {
        let bytes = ports.vault.unseal(key, sealed)?;
        serde_json::from_slice(&bytes).map_err(|_| damaged(key))
    });
    let tokens = tokens.collect::<Result<Vec<Token>, _>>()?;
    Ok(TokenBook::new(settings.unknown_tokens, version, tokens))
}

impl Edge {
    /// All tokens that were filed.
    pub fn list_tokens(&self) -> Vec<Token> {
        self.inner.tokens.all()
    }

    /// Files a token or changes it; true if it is new.
    pub async fn set_token(&self, token: Token) -> Result<bool, EdgeError> {
        let length = token.id.chars().count();
        if !(1..=MAX_CHARS).contains(&length) {
            let why = format!("a token has 1 to {MAX_CHARS} characters, not {length}");
            return Err(EdgeError::Refused(why));
        }
        let _writing = self.inner.writing.lock().await;
        let book = &self.inner.tokens;
        let before = book.get(&token.id);
        if before.is_none() && book.count() >= MAX_TOKENS {
            let why = format!("there are {MAX_TOKENS} tokens already");
            return Err(EdgeError::Refused(why));
        }
        let forgets = token.status != TokenStatus::Accepted;
        let id = token.id.clone();
        self.change_token(&id, Some(token), forgets).await?;
        Ok(before.is_none())
    }

    /// Takes a token out; false if there was none.
    pub async fn remove_token(&self, id: &str) -> Result<bool, EdgeError> {
        let _writing = self.inner.writing.lock().await;
        if self.inner.tokens.get(id).is_none() {
            return Ok(false);
        }
        self.change_token(id, None, true).await?;
        Ok(true)
    }

    async fn change_token(
        &self,
        id: &str,
        token: Option<Token>,
        forgets: bool,
    ) -> Result<(), EdgeError> {
        let tenant = &self.inner.tenant;
        let hashed =
            hashed_key(tenant, id).ok_or_else(|| EdgeError::Refused("this names nobody".into()))?;
        let key = format!("{}{hashed}", prefix(tenant));
        let value = match &token {
            None => None,
            Some(token) => {
                let bytes = serde_json::to_vec(token)
                    .map_err(|error| PortError::Storage(format!("a token: {error}")))?;
                Some(self.inner.ports.vault.seal(&key, &bytes))
            }
        };
        let version = self.inner.tokens.version() + 1;
        let writes = vec![
            RecordWrite { key, value },
            RecordWrite {
                key: version_key(tenant),
                value: Some(version.to_string().into_bytes()),
            },
        ];
        self.inner.ports.records.write(writes).await?;
        self.inner.tokens.change(id, token, version);
        for known in self.all() {
            if let Some(live) = &known.memory().live {
                // A full queue: the list is compared again when the station connects next.
                let _ = live.errands.try_send(Errand::Tokens { forgets });
            }
        }
        Ok(())
    }
}
