//! Who may use the API beside the administrator's token: scoped tokens, people with a password, and
//! the browser sessions they sign in to. Secrets are kept as hashes only.

mod book;
mod browser;
pub(super) mod login;
mod password;
mod role;
pub(super) mod tokens;
pub(super) mod users;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::TimeDelta;
use rand::RngCore as _;
use sha2::{Digest, Sha256};

use self::book::Book;
pub(super) use self::book::{StoredToken, StoredUser};
pub(super) use self::browser::Browser;
use self::browser::{Browsers, Identity};
pub use self::role::Role;
use super::auth::{Grant, Scope, TokenBook};
use crate::domain::id::TenantId;
use crate::domain::ports::{PortError, RecordWrite, Records};
use crate::domain::time::Time;

/// How long a one-time sign-in code may wait to be used.
const CODE_LIFE: TimeDelta = TimeDelta::hours(24);
/// One-time codes that wait at a time; beyond it the oldest is void.
const MAX_CODES: usize = 16;

/// A SHA-256, as secrets are kept.
type Hash = [u8; 32];

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// 32 random bytes as text that fits into headers, addresses and cookies.
pub(super) fn random_text() -> String {
    use base64::Engine as _;
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Everyone who may come in.
pub struct Keyring {
    admin: Arc<dyn TokenBook>,
    records: Arc<dyn Records>,
    book: RwLock<Book>,
    browsers: Mutex<Browsers>,
    codes: Mutex<Vec<(Hash, Time)>>,
    /// Passwords are checked one after the other: each takes 19 MiB.
    password_check: tokio::sync::Semaphore,
}

impl Keyring {
    /// The administrator's token, and what was kept of the others.
    pub async fn open(
        records: Arc<dyn Records>,
        admin: Arc<dyn TokenBook>,
    ) -> Result<Self, PortError> {
        let book = Book::load(records.as_ref()).await?;
        Ok(Self {
            admin,
            records,
            book: RwLock::new(book),
            browsers: Mutex::default(),
            codes: Mutex::default(),
            password_check: tokio::sync::Semaphore::new(1),
        })
    }

    /// True while nobody has an account: the way in is a one-time code or the administrator's
    /// token.
    pub fn has_no_users(&self) -> bool {
        self.read(|book| book.users.is_empty())
    }

    /// A code that signs in once, as administrator.
    pub fn one_time_code(&self, now: Time) -> String {
        let code = random_text();
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|(_, until)| now < *until);
        if codes.len() >= MAX_CODES {
            codes.remove(0);
        }
        codes.push((hash(&code), now + CODE_LIFE));
        code
    }

    /// Uses a code up.
    fn redeem(&self, code: &str, now: Time) -> bool {
        let hash = hash(code);
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let found = codes
            .iter()
            .position(|(known, until)| *known == hash && now < *until);
        found.map(|index| codes.remove(index)).is_some()
    }

    /// What a presented token opens.
    pub(super) fn grant(&self, presented: &str, now: Time) -> Option<Grant> {
        self.admin
            .grant(presented, now)
            .or_else(|| self.read(|book| book.token(&hash(presented), now).map(StoredToken::grant)))
    }

    /// The browser session of a cookie and what it opens now; using it keeps it alive.
    pub(super) fn browser(&self, cookie: &str, now: Time) -> Option<(Browser, Grant)> {
        let session = self.with_browsers(|all| all.touch(&hash(cookie), now))?;
        let grant = self.grant_of(&session.identity, now)?;
        Some((session, grant))
    }

    fn grant_of(&self, identity: &Identity, now: Time) -> Option<Grant> {
        match identity {
            Identity::Administrator => Some(Grant {
                name: "admin".to_owned(),
                tenant: TenantId::default_tenant(),
                scopes: [Scope::Admin].into(),
                sites: None,
                signals: None,
            }),
            Identity::User(name) => self.read(|book| book.users.get(name).map(StoredUser::grant)),
            Identity::Token(id) => self.read(|book| {
                let token = book.tokens.get(id)?;
                token.is_valid(now).then(|| token.grant())
            }),
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_browsers<T>(&self, work: impl FnOnce(&mut Browsers) -> T) -> T {
        work(&mut self.browsers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change durable, then lets it hold.
    async fn change(
        &self,
        write: RecordWrite,
        apply: impl FnOnce(&mut Book),
    ) -> Result<(), PortError> {
        self.records.write(vec![write]).await?;
        apply(&mut self.book.write().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}
