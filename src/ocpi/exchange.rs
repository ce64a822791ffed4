//! Raw exchanges with a partner for people to look at, secrets masked.

use std::collections::{BTreeMap, VecDeque};

use ocpi_client::client::Exchange;
use serde::Serialize;
use serde_json::Value;

use crate::domain::time::Time;

/// Exchanges kept per partner.
pub const KEPT_EXCHANGES: usize = 50;

/// Most characters of a body that are kept.
const MAX_BODY_CHARS: usize = 4 * 1024;

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Fields whose texts are secrets or name a person.
const SECRET_FIELDS: [&str; 5] = [
    "token",
    "uid",
    "contract_id",
    "visual_number",
    "authorization",
];

/// Who began an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The partner called us.
    Inbound,
    /// We called the partner.
    Outbound,
}

/// One exchange as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedExchange {
    /// When it began.
    pub at: Time,
    /// Who began it.
    pub direction: Direction,
    /// How long it took, in milliseconds of our clock.
    pub duration_ms: i64,
    /// Request and answer, secrets masked.
    #[serde(flatten)]
    pub exchange: Exchange,
}

/// Which exchanges are counted together: by module, by who began, by HTTP status (0 = no answer).
pub type TrafficKey = (&'static str, Direction, u16);

/// Exchanges of one kind since we started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many.
    pub count: u64,
    /// How long they took together, in milliseconds.
    pub duration_ms: u64,
}

/// The modules of OCPI as they stand in addresses; everything else is counted as `other`.
const MODULES: [&str; 10] = [
    "versions",
    "credentials",
    "locations",
    "sessions",
    "tariffs",
    "chargingprofiles",
    "hubclientinfo",
    "sitelimits",
    "tokens",
    "cdrs",
];

/// The module an address belongs to: the first part that names one.
fn module_of(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let named = path
        .split('/')
        .find_map(|part| MODULES.into_iter().find(|module| *module == part));
    named.unwrap_or("other")
}

/// The latest exchanges of one partner, and how many there were.
#[derive(Debug, Default)]
pub(super) struct ExchangeLog {
    latest: VecDeque<LoggedExchange>,
    traffic: BTreeMap<TrafficKey, Traffic>,
}

impl ExchangeLog {
    /// Adds one; the oldest makes room.
    pub(super) fn push(&mut self, mut exchange: LoggedExchange) {
        let status = exchange.exchange.status.unwrap_or(0);
        let key = (
            module_of(&exchange.exchange.url),
            exchange.direction,
            status,
        );
        let traffic = self.traffic.entry(key).or_default();
        traffic.count += 1;
        traffic.duration_ms += u64::try_from(exchange.duration_ms).unwrap_or(0);
        for message in [
            &mut exchange.exchange.request,
            &mut exchange.exchange.response,
        ] {
            if let Some(body) = &mut message.body
                && let Some((cut, _)) = body.char_indices().nth(MAX_BODY_CHARS)
            {
                body.truncate(cut);
                body.shrink_to_fit();
            }
        }
        if self.latest.len() >= KEPT_EXCHANGES {
            self.latest.pop_front();
        }
        self.latest.push_back(exchange);
    }

    /// The latest exchange that we began.
    pub(super) fn latest_sent(&self) -> Option<LoggedExchange> {
        let mut latest = self.latest.iter().rev();
        latest
            .find(|logged| logged.direction == Direction::Outbound)
            .cloned()
    }

    /// How many exchanges there were, by kind.
    pub(super) fn traffic(&self) -> BTreeMap<TrafficKey, Traffic> {
        self.traffic.clone()
    }

    /// The exchanges, the latest first.
    pub(super) fn latest_first(&self) -> Vec<LoggedExchange> {
        self.latest.iter().rev().cloned().collect()
    }
}

/// A body of a partner's request or of our answer, masked and shortened.
pub(super) fn masked_body(body: &[u8]) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut json) => {
            mask(&mut json, false);
            json.to_string()
        }
        // Not JSON: nothing can be masked in it, so only its length is kept.
        Err(_) => format!("({} bytes that are not JSON)", body.len()),
    };
    Some(text)
}

/// A header, masked if it is secret.
pub(super) fn masked_header(name: &str, value: &str) -> (String, String) {
    let is_secret = ["authorization", "cookie", "proxy-authorization"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret));
    let value = if is_secret {
        MASK.into()
    } else {
        value.chars().take(512).collect()
    };
    (name.to_owned(), value)
}

/// Masks secret fields at any depth; JSON from `serde_json` is at most 128 levels deep. A `uid` is
/// a person's only inside a token object; EVSEs have one too.
fn mask(json: &mut Value, in_token: bool) {
    match json {
        Value::Array(entries) => entries.iter_mut().for_each(|entry| mask(entry, in_token)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let is_secret = SECRET_FIELDS.contains(&&*name) && (name != "uid" || in_token);
                if value.is_string() && is_secret {
                    *value = Value::String(MASK.to_owned());
                } else {
                    mask(value, name.ends_with("token"));
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_belongs_to_the_module_it_names_and_strangers_count_as_other() {
        let cpo = "https://csms.example/ocpi/cpo/2.2.1/chargingprofiles/S1?duration=900";
        assert_eq!(module_of(cpo), "chargingprofiles");
        assert_eq!(module_of("/ocpi/2.3.0/sessions"), "sessions");
        assert_eq!(module_of("/wp-login.php?sessions"), "other");
    }

    #[test]
    fn tokens_and_persons_are_masked_and_evses_are_not() {
        let body = json!({"token": "secret-1", "evse_uid": "E1", "evses": [{"uid": "E1"}],
            "cdr_token": {"uid": "card-1", "contract_id": "NL-1"}});
        let shown = masked_body(body.to_string().as_bytes()).unwrap();
        for secret in ["secret-1", "card-1", "NL-1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains(r#""uid":"E1""#), "{shown}");
        assert_eq!(masked_header("AUTHORIZATION", "Token x").1, "***");
    }

    #[test]
    fn the_oldest_exchange_makes_room() {
        let mut log = ExchangeLog::default();
        for index in 0..60 {
            log.push(LoggedExchange {
                at: chrono::DateTime::from_timestamp(index, 0).unwrap(),
                direction: Direction::Inbound,
                duration_ms: 0,
                exchange: Exchange::default(),
            });
        }
        let latest = log.latest_first();
        assert_eq!(latest.len(), KEPT_EXCHANGES);
        assert_eq!(latest[0].at.timestamp(), 59);
    }
}
