//! A request with its answer, for people to look at.

use serde::Serialize;
use serde_json::Value;

use crate::read::shortened;
use crate::token::Token;

/// Most characters of a body that are kept.
pub const MAX_KEPT_CHARS: usize = 16 * 1024;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Headers whose values are secrets.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
];

/// JSON fields whose texts are secrets or name a driver.
const SECRET_FIELDS: [&str; 4] = ["token", "contract_id", "visual_number", "authorization"];

/// One side of an exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Headers, secrets masked.
    pub headers: Vec<(String, String)>,
    /// Body, secrets masked, at most [`MAX_KEPT_CHARS`].
    pub body: Option<String>,
}

/// A request with its answer. Tokens, contract identifiers and card numbers are masked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// HTTP method.
    pub method: String,
    /// Address with its query.
    pub url: String,
    /// What we sent.
    pub request: Message,
    /// HTTP status; absent when no answer came.
    pub status: Option<u16>,
    /// What came back.
    pub response: Message,
}

/// Masks what must not be shown.
pub(super) struct Masker<'t> {
    secrets: Vec<(&'t str, String)>,
}

impl<'t> Masker<'t> {
    /// Masks this token wherever it stands, as it is and encoded.
    pub(super) fn new(token: &'t Token) -> Self {
        let header = token.authorization(crate::token::TokenEncoding::Base64);
        let encoded = header.trim_start_matches("Token ").to_owned();
        Self {
            secrets: vec![(token.reveal(), encoded)],
        }
    }

    /// A header's value, masked when it is secret.
    pub(super) fn header(&self, name: &str, value: &str) -> (String, String) {
        let secret = SECRET_HEADERS
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret));
        let shown = if secret {
            MASK.to_owned()
        } else {
            self.text(value)
        };
        (name.to_owned(), shortened(shown, 1024))
    }

    /// A body, masked and shortened.
    pub(super) fn body(&self, body: &[u8]) -> Option<String> {
        if body.is_empty() {
            return None;
        }
        let text = match serde_json::from_slice::<Value>(body) {
            Ok(mut json) => {
                mask_fields(&mut json, "");
                json.to_string()
            }
            Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        Some(shortened(self.text(&text), MAX_KEPT_CHARS))
    }

    /// A text without the known tokens. Very short tokens are left: they would match by chance.
    fn text(&self, text: &str) -> String {
        self.secrets
            .iter()
            .fold(text.to_owned(), |text, (raw, encoded)| {
                if raw.len() < 8 {
                    return text;
                }
                text.replace(raw, MASK).replace(encoded.as_str(), MASK)
            })
    }
}

/// Masks secret fields at any depth; JSON from `serde_json` is at most 128 levels deep.
fn mask_fields(json: &mut Value, inside: &str) {
    match json {
        Value::Array(entries) => entries
            .iter_mut()
            .for_each(|entry| mask_fields(entry, inside)),
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_card = inside.eq_ignore_ascii_case("cdr_token") && name == "uid";
                let is_secret = SECRET_FIELDS
                    .iter()
                    .any(|secret| name.eq_ignore_ascii_case(secret));
                if value.is_string() && (is_card || is_secret) {
                    *value = Value::String(MASK.to_owned());
                } else {
                    mask_fields(value, name);
                }
            }
        }
        _ => {}
    }
}
