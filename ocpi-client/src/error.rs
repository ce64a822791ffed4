//! What can go wrong in an exchange, and whose fault it is.

use serde_json::Value;

use crate::read::Unreadable;
use crate::types::{StatusClass, StatusCode};

/// The cause underneath a [`Error::Transport`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an exchange gave no result. Every message names the operation and the culprit.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// We were asked to call an address that cannot be built.
    #[error("{operation}: no usable address: {detail}")]
    Address {
        /// What was being done.
        operation: &'static str,
        /// Why not.
        detail: String,
    },
    /// The message or its answer did not get through.
    #[error("{operation}: {kind}")]
    Transport {
        /// What was being done.
        operation: &'static str,
        /// At which stage.
        kind: TransportKind,
        /// The library's error.
        #[source]
        source: Cause,
    },
    /// The answer is longer than we take.
    #[error("{operation}: the peer's answer is longer than {limit_bytes} bytes")]
    TooLarge {
        /// What was being done.
        operation: &'static str,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The peer answered with an HTTP status other than 2xx.
    #[error("{operation}: the peer answered HTTP {status}{}", in_words(*code, message.as_deref()))]
    Http {
        /// What was being done.
        operation: &'static str,
        /// HTTP status.
        status: u16,
        /// OCPI's status code, when the body was an envelope all the same.
        code: Option<StatusCode>,
        /// The envelope's message or the start of the body.
        message: Option<String>,
    },
    /// The peer answered 2xx with something that is not JSON.
    #[error("{operation}: the peer's answer (HTTP {status}) is not JSON: {detail}")]
    NotJson {
        /// What was being done.
        operation: &'static str,
        /// HTTP status.
        status: u16,
        /// What it is instead.
        detail: String,
    },
    /// The peer understood and refused.
    #[error("{operation}: the peer answered OCPI{}", in_words(Some(*code), message.as_deref()))]
    Ocpi {
        /// What was being done.
        operation: &'static str,
        /// OCPI's status code.
        code: StatusCode,
        /// The peer's sentence on it.
        message: Option<String>,
        /// Data that came with the refusal.
        data: Option<Box<Value>>,
    },
    /// The peer reported success but left out the data.
    #[error("{operation}: the peer reported success without the data asked for")]
    MissingData {
        /// What was being done.
        operation: &'static str,
    },
    /// The data is there but not what was asked for.
    #[error("{operation}: the peer's data cannot be read: {reason}")]
    Unreadable {
        /// What was being done.
        operation: &'static str,
        /// What is wrong and where.
        #[source]
        reason: Unreadable,
    },
}

fn in_words(code: Option<StatusCode>, message: Option<&str>) -> String {
    let code = code
        .map(|code| format!(" status {code}"))
        .unwrap_or_default();
    let message = message
        .map(|message| format!(": {message:?}"))
        .unwrap_or_default();
    code + &message
}

/// The stage at which the transport failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// No connection: name, address, port or TLS.
    Connect,
    /// The deadline for the whole exchange passed.
    Deadline,
    /// The connection broke while sending or receiving.
    Interrupted,
    /// The request could not be built or was refused by the caller's own client.
    Request,
}

impl std::fmt::Display for TransportKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "cannot connect to the peer",
            Self::Deadline => "the peer did not answer completely before the deadline",
            Self::Interrupted => "the connection to the peer broke",
            Self::Request => "the request was not sent",
        })
    }
}

/// Who has to act to repair it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Culprit {
    /// Whoever called this crate: address, token, parameters.
    Us,
    /// Nobody in particular: the way between.
    Network,
    /// The platform that was called.
    Peer,
    /// A hub on the way, or a party behind it.
    Hub,
}

impl Error {
    /// What was being done.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Address { operation, .. }
            | Self::Transport { operation, .. }
            | Self::TooLarge { operation, .. }
            | Self::Http { operation, .. }
            | Self::NotJson { operation, .. }
            | Self::Ocpi { operation, .. }
            | Self::MissingData { operation }
            | Self::Unreadable { operation, .. } => operation,
        }
    }

    /// Who has to act to repair it.
    pub fn culprit(&self) -> Culprit {
        match self {
            Self::Address { .. }
            | Self::Transport {
                kind: TransportKind::Request,
                ..
            } => Culprit::Us,
            Self::Transport { .. } => Culprit::Network,
            Self::Http {
                code: Some(code), ..
            }
            | Self::Ocpi { code, .. } => match code.class() {
                StatusClass::Client => Culprit::Us,
                StatusClass::Hub => Culprit::Hub,
                StatusClass::Success | StatusClass::Server | StatusClass::Unknown => Culprit::Peer,
            },
            Self::Http {
                status: 400..=499, ..
            } => Culprit::Us,
            Self::Http { .. }
            | Self::TooLarge { .. }
            | Self::NotJson { .. }
            | Self::MissingData { .. }
            | Self::Unreadable { .. } => Culprit::Peer,
        }
    }

    /// Whether the same request may succeed later without anyone repairing anything.
    ///
    /// OCPI asks not to queue and replay pushes: make a fresh request from the latest state.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { kind, .. } => *kind != TransportKind::Request,
            Self::Http { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            Self::Ocpi { code, .. } => [
                StatusCode::SERVER_ERROR,
                StatusCode::HUB_ERROR,
                StatusCode::HUB_TIMEOUT,
                StatusCode::HUB_CONNECTION,
            ]
            .contains(code),
            _ => false,
        }
    }

    /// The HTTP status of a refusal.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Http { status, .. } | Self::NotJson { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// OCPI's status code of a refusal.
    pub fn status_code(&self) -> Option<StatusCode> {
        match self {
            Self::Http { code, .. } => *code,
            Self::Ocpi { code, .. } => Some(*code),
            _ => None,
        }
    }
}
