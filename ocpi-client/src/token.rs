//! The credentials token and the `Authorization` header.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::read::{FromOcpi, Reader, Unreadable, id};

/// Longest token that is accepted at all, in bytes; the specification allows 64. Longer ones than
/// 64 are seen and noted, longer ones than this are no tokens.
pub const MAX_TOKEN_BYTES: usize = 1024;

/// A credentials token: what one side shows to the other on every request.
///
/// Section: credentials, Credentials object: printable ASCII without blanks, at most 64 characters.
/// `Debug` shows no part of it and there is no `Display`; `Serialize` writes it, because it must
/// travel inside the Credentials object.
#[derive(Clone)]
pub struct Token(Box<str>);

/// A text that cannot be a token. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Nothing there.
    #[error("a token must not be empty")]
    Empty,
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("a token must not be longer than 1024 bytes")]
    TooLong,
    /// Blanks, control characters or characters outside of ASCII.
    #[error("a token consists of printable ASCII without blanks")]
    Characters,
}

impl Token {
    /// A token from its text.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidToken> {
        let text = text.as_ref();
        if text.is_empty() {
            Err(InvalidToken::Empty)
        } else if text.len() > MAX_TOKEN_BYTES {
            Err(InvalidToken::TooLong)
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(InvalidToken::Characters)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// A new token of 64 hexadecimal digits with 244 random bits (two version-4 UUIDs).
    pub fn generate() -> Self {
        let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        Self(format!("{}{}", first.simple(), second.simple()).into())
    }

    /// The token itself. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The value of the `Authorization` header.
    ///
    /// Section: `transport_and_format`, Authorization header.
    pub fn authorization(&self, encoding: TokenEncoding) -> String {
        match encoding {
            TokenEncoding::Base64 => format!("Token {}", STANDARD.encode(self.0.as_bytes())),
            TokenEncoding::Raw => format!("Token {}", self.0),
        }
    }
}

impl PartialEq for Token {
    /// Takes the same time wherever the texts of one length differ.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        let difference = a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y));
        a.len() == b.len() && std::hint::black_box(difference) == 0
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromOcpi for Token {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let Value::String(text) = value else {
            return Err(reader.unreadable(id::WRONG_TYPE, "a token is a text"));
        };
        Self::new(text.trim())
            .map_err(|reason| reader.unreadable(id::TEXT_CHARACTERS, reason.to_string()))
    }
}

crate::types::macros::deserialize_leniently!(Token);

/// How a peer wants the token in the `Authorization` header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenEncoding {
    /// Base64 with padding (RFC 4648 section 4): as specified since 2.2-d2.
    #[default]
    Base64,
    /// The token as it is: what older platforms send and expect.
    Raw,
}

/// The tokens that an `Authorization` header may mean, each with how it would be encoded: the
/// decoded one first, then the text as it stands. At most two; none when the header is unusable.
///
/// Compare each of them with the tokens known: a raw token can look like Base64. The scheme is
/// compared without regard to case, white space after decoding is dropped (the specification's own
/// example ends in a line feed), and missing padding is tolerated.
pub fn candidates(authorization: &str) -> Vec<(Token, TokenEncoding)> {
    let mut parts = authorization.split_ascii_whitespace();
    let (Some(scheme), Some(credentials), None) = (parts.next(), parts.next(), parts.next()) else {
        return Vec::new();
    };
    if !scheme.eq_ignore_ascii_case("token") || credentials.len() > 2 * MAX_TOKEN_BYTES {
        return Vec::new();
    }
    let decoded = STANDARD
        .decode(credentials)
        .or_else(|_| STANDARD_NO_PAD.decode(credentials))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| Token::new(text.trim_end()).ok())
        .map(|token| (token, TokenEncoding::Base64));
    let raw = Token::new(credentials)
        .ok()
        .map(|token| (token, TokenEncoding::Raw));
    decoded.into_iter().chain(raw).collect()
}
