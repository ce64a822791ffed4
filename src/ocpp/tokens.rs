//! The tokens (RFID cards and the like) that may charge, and the list of them that stations keep.
//!
//! Without any entry every token may charge: a depot's gate is its door. An operator files tokens
//! to block some, to name a group, or, with `unknown_tokens = "refuse"`, to let in only those.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::domain::time::Time;

/// Most tokens of one tenant.
pub const MAX_TOKENS: usize = 50_000;
/// Longest token. Source: OCPP 2.x `idToken`, 36 characters; 1.6 has 20.
pub const MAX_CHARS: usize = 36;
/// Longest token of a 1.6 list.
const MAX_CHARS_16: usize = 20;
/// Changes that are remembered, so that stations that know an older list need not get it whole.
const MAX_CHANGES: usize = 100;

/// What a token may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStatus {
    /// It may charge.
    #[default]
    Accepted,
    /// The operator has blocked it.
    Blocked,
    /// Its time is over.
    Expired,
    /// It is not known, and the unknown may not charge.
    Invalid,
}

impl TokenStatus {
    /// As all versions of OCPP spell it.
    pub fn spelled(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Blocked => "Blocked",
            Self::Expired => "Expired",
            Self::Invalid => "Invalid",
        }
    }
}

/// What is said about a token that was presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// May it charge?
    pub status: TokenStatus,
    /// Until when a station may remember this.
    pub expires_at: Option<Time>,
    /// The group it belongs to: who is of the same group may end its transactions.
    pub group: Option<String>,
}

/// A token as the operator filed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// As printed on the card. Compared without regard to case, as OCPP compares.
    pub id: String,
    /// OCPP 2.x `IdTokenEnumType`, such as `ISO14443`.
    pub kind: String,
    /// What it may.
    pub status: TokenStatus,
    /// From then on it has expired.
    pub expires_at: Option<Time>,
    /// The group it belongs to.
    pub group: Option<String>,
}

impl Token {
    fn verdict(&self, now: Time) -> Verdict {
        let is_over = self.expires_at.is_some_and(|at| at <= now);
        Verdict {
            status: match self.status {
                TokenStatus::Accepted if is_over => TokenStatus::Expired,
                status => status,
            },
            expires_at: self.expires_at,
            group: self.group.clone(),
        }
    }
}

/// One line of a local list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry {
    /// The token.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// What it may; `None` = it is taken off the list.
    pub verdict: Option<Verdict>,
}

/// A list to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUpdate {
    /// The version a station has afterwards.
    pub version: i64,
    /// The whole list; otherwise what changed.
    pub full: bool,
    /// The entries.
    pub entries: Vec<ListEntry>,
}

/// All tokens of one tenant, in memory; looking one up takes no I/O.
#[derive(Debug)]
pub struct TokenBook {
    /// What a token gets that nobody filed.
    unknown: TokenStatus,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By the token in lower case.
    tokens: BTreeMap<String, Token>,
    version: i64,
    /// Versions with the token that changed.
    changes: VecDeque<(i64, String, String)>,
}

impl Default for TokenBook {
    fn default() -> Self {
        Self::new(TokenStatus::Accepted, 0, Vec::new())
    }
}

impl TokenBook {
    /// What was kept.
    pub fn new(unknown: TokenStatus, version: i64, tokens: Vec<Token>) -> Self {
        let tokens = tokens.into_iter().map(|token| (folded(&token.id), token));
        Self {
            unknown,
            inner: RwLock::new(Inner {
                tokens: tokens.collect(),
                version,
                changes: VecDeque::new(),
            }),
        }
    }

    /// What is said about a token that was presented.
    pub fn judge(&self, id: &str, now: Time) -> Verdict {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Verdict {
            status: self.unknown,
            ..Verdict::default()
        };
        inner
            .tokens
            .get(&folded(id))
            .map_or_else(unknown, |token| token.verdict(now))
    }

    /// All tokens, sorted.
    pub fn all(&self) -> Vec<Token> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.tokens.values().cloned().collect()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<Token> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.tokens.get(&folded(id)).cloned()
    }

    /// The version of the list; it rises with each change.
    pub fn version(&self) -> i64 {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.version
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.tokens.len()
    }

    /// Files or changes one, or takes it out; the list has this version from now on.
    pub(super) fn change(&self, id: &str, token: Option<Token>, version: i64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let key = folded(id);
        let before = match token {
            Some(token) => inner.tokens.insert(key.clone(), token),
            None => inner.tokens.remove(&key),
        };
        let spelled = before.map_or_else(|| id.to_owned(), |token| token.id);
        inner.version = version;
        inner.changes.push_back((version, key, spelled));
        if inner.changes.len() > MAX_CHANGES {
            inner.changes.pop_front();
        }
    }

    /// What a station needs that holds version `known` of the list: `None` if it is in step,
    /// otherwise the changes since, or the whole where those are not remembered. `for_16`: without
    /// the tokens that are too long for it.
    pub fn update_since(&self, known: i64, for_16: bool, now: Time) -> Option<ListUpdate> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if known == inner.version || (inner.version == 0 && known <= 0) {
            return None;
        }
        let fits = |id: &str| !for_16 || id.chars().count() <= MAX_CHARS_16;
        let entry = |token: &Token| ListEntry {
            id: token.id.clone(),
            kind: token.kind.clone(),
            verdict: Some(token.verdict(now)),
        };
        let since: Vec<_> = inner
            .changes
            .iter()
            .filter(|(version, ..)| *version > known)
            .collect();
        // A station with no list (0 or -1) gets it whole.
        let is_complete = known > 0 && since.first().is_some_and(|(v, ..)| *v == known + 1);
        let entries: Vec<ListEntry> = if is_complete {
            let mut changed: BTreeMap<&str, &str> = BTreeMap::new();
            for (_, key, spelled) in since {
                changed.insert(key, spelled);
            }
            let entries = changed.into_iter().map(|(key, spelled)| {
                inner.tokens.get(key).map_or_else(
                    || ListEntry {
                        id: spelled.to_owned(),
                        kind: "ISO14443".into(),
                        verdict: None,
                    },
                    entry,
                )
            });
            entries.filter(|entry| fits(&entry.id)).collect()
        } else {
            let all = inner.tokens.values().map(entry);
            all.filter(|entry| fits(&entry.id)).collect()
        };
        Some(ListUpdate {
            version: inner.version,
            full: !is_complete,
            entries,
        })
    }
}

fn folded(id: &str) -> String {
    id.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Time {
        "2026-11-22T12:00:00Z".parse().expect("valid")
    }

    fn token(id: &str, status: TokenStatus) -> Token {
        Token {
            id: id.into(),
            kind: "ISO14443".into(),
            status,
            expires_at: None,
            group: None,
        }
    }

    #[test]
    fn the_unknown_charge_unless_they_are_refused() {
        let open = TokenBook::default();
        assert_eq!(open.judge("X", noon()).status, TokenStatus::Accepted);
        let closed = TokenBook::new(TokenStatus::Invalid, 0, Vec::new());
        assert_eq!(closed.judge("X", noon()).status, TokenStatus::Invalid);
    }

    #[test]
    fn a_token_is_known_in_any_case_and_expires() {
        let mut card = token("AbC", TokenStatus::Accepted);
        card.expires_at = Some(noon());
        let book = TokenBook::new(TokenStatus::Invalid, 1, vec![card]);
        let before = noon() - chrono::TimeDelta::seconds(1);
        assert_eq!(book.judge("aBc", before).status, TokenStatus::Accepted);
        assert_eq!(book.judge("aBc", noon()).status, TokenStatus::Expired);
    }

    #[test]
    fn who_knows_an_older_list_gets_what_changed_and_who_knows_none_gets_it_whole() {
        let book = TokenBook::default();
        assert_eq!(book.update_since(0, true, noon()), None, "nothing filed");
        for (version, id) in [(1, "A"), (2, "B"), (3, "C")] {
            book.change(id, Some(token(id, TokenStatus::Accepted)), version);
        }
        book.change("a", None, 4);
        let whole = book.update_since(-1, true, noon()).expect("an update");
        assert_eq!(
            (whole.full, whole.version, whole.entries.len()),
            (true, 4, 2)
        );
        let change = book.update_since(3, true, noon()).expect("an update");
        assert!(!change.full);
        let gone = (change.entries[0].id.as_str(), &change.entries[0].verdict);
        assert_eq!(gone, ("A", &None));
        assert_eq!(book.update_since(4, true, noon()), None, "in step");
        let ahead = book.update_since(9, true, noon()).expect("an update");
        assert!(ahead.full, "a list of someone else's is replaced");
    }
}
