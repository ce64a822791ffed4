//! Error codes of a CALLERROR, spelled as each version spells them.

use std::fmt;

use crate::ocpp::version::Version;

/// Why a call was not answered with a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The action is not known.
    NotImplemented,
    /// The action is known and not offered.
    NotSupported,
    /// We or the peer failed inside.
    InternalError,
    /// The payload is incomplete.
    ProtocolError,
    /// A security rule forbids it now.
    SecurityError,
    /// The payload does not have the shape of the action.
    FormatViolation,
    /// A field's value is not allowed.
    PropertyConstraintViolation,
    /// A field is missing or there too often.
    OccurrenceConstraintViolation,
    /// A field has the wrong type.
    TypeConstraintViolation,
    /// The kind of message is not known (2.x).
    MessageTypeNotSupported,
    /// Not even the frame could be read (2.x).
    RpcFrameworkError,
    /// Anything else.
    GenericError,
    /// A code that no version has, as spelled by the peer.
    Other(String),
}

impl ErrorCode {
    /// Reads a code of either spelling.
    pub fn read(code: &str) -> Self {
        match code {
            "NotImplemented" => Self::NotImplemented,
            "NotSupported" => Self::NotSupported,
            "InternalError" => Self::InternalError,
            "ProtocolError" => Self::ProtocolError,
            "SecurityError" => Self::SecurityError,
            "FormationViolation" | "FormatViolation" => Self::FormatViolation,
            "PropertyConstraintViolation" => Self::PropertyConstraintViolation,
            "OccurenceConstraintViolation" | "OccurrenceConstraintViolation" => {
                Self::OccurrenceConstraintViolation
            }
            "TypeConstraintViolation" => Self::TypeConstraintViolation,
            "MessageTypeNotSupported" => Self::MessageTypeNotSupported,
            "RpcFrameworkError" => Self::RpcFrameworkError,
            "GenericError" => Self::GenericError,
            other => Self::Other(other.chars().take(50).collect()),
        }
    }

    /// The code as a version spells it. What 1.6 does not have becomes its nearest code.
    pub fn spelled(&self, version: Version) -> &str {
        let old = version == Version::V16;
        match self {
            Self::NotImplemented => "NotImplemented",
            Self::NotSupported => "NotSupported",
            Self::InternalError => "InternalError",
            Self::ProtocolError => "ProtocolError",
            Self::SecurityError => "SecurityError",
            Self::FormatViolation | Self::RpcFrameworkError if old => "FormationViolation",
            Self::FormatViolation => "FormatViolation",
            Self::PropertyConstraintViolation => "PropertyConstraintViolation",
            Self::OccurrenceConstraintViolation if old => "OccurenceConstraintViolation",
            Self::OccurrenceConstraintViolation => "OccurrenceConstraintViolation",
            Self::TypeConstraintViolation => "TypeConstraintViolation",
            Self::MessageTypeNotSupported => "MessageTypeNotSupported",
            Self::RpcFrameworkError => "RpcFrameworkError",
            Self::GenericError | Self::Other(_) => "GenericError",
        }
    }
}

/// A CALLERROR, ours or the peer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// What kind.
    pub code: ErrorCode,
    /// For people; 255 characters at most.
    pub description: String,
}

impl CallError {
    /// An error with a sentence for people.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        let description: String = description.into();
        Self {
            code,
            description: description.chars().take(255).collect(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match &self.code {
            ErrorCode::Other(code) => code,
            known => known.spelled(Version::V201),
        };
        match self.description.as_str() {
            "" => f.write_str(code),
            description => write!(f, "{code}: {description}"),
        }
    }
}
