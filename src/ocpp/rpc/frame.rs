//! One message on the socket: reading it without trusting it, writing it as the standard says.

use serde_json::{Map, Value, json};

use super::error::{CallError, ErrorCode};
use crate::ocpp::version::Version;

/// Longest message that is read: 256 KiB. The largest in the standards' schemas is a report part
/// of far less.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Deepest nesting that is read; the schemas need 8.
pub const MAX_DEPTH: usize = 32;
/// Longest message id that is taken. The standard says 36; some stations send more.
pub const MAX_ID_CHARS: usize = 128;

/// One message. Source: OCPP-J 1.6 section 4.2, OCPP 2.1 part 4 section 4.2.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A request, type 2.
    Call {
        /// The sender's id of it.
        id: String,
        /// The action's name.
        action: String,
        /// Its payload.
        payload: Map<String, Value>,
    },
    /// An answer, type 3.
    Result {
        /// The id of the request.
        id: String,
        /// The payload.
        payload: Map<String, Value>,
    },
    /// A refusal, type 4.
    Error {
        /// The id of the request.
        id: String,
        /// Why.
        error: CallError,
    },
    /// The peer could not use our answer, type 5 (2.1).
    ResultError {
        /// The id of the request.
        id: String,
        /// Why.
        error: CallError,
    },
    /// A message without an answer, type 6 (2.1).
    Send {
        /// The sender's id of it.
        id: String,
        /// The action's name.
        action: String,
        /// Its payload.
        payload: Map<String, Value>,
    },
}

/// A message that is none, and what is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// What is wrong.
    pub detail: String,
    /// What to answer; `None` where the standard has no answer.
    pub reply: Option<String>,
}

/// Reads one message.
pub fn read(text: &str, version: Version) -> Result<Frame, BadFrame> {
    // Nobody's id: 2.x answers under "-1", 1.6 has nothing to say.
    let nameless = |detail: &str| BadFrame {
        detail: detail.to_owned(),
        reply: version
            .is_two()
            .then(|| error(version, "-1", &framework(detail))),
    };
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(nameless("longer than 256 KiB"));
    }
    if is_too_deep(text) {
        return Err(nameless("nested deeper than 32"));
    }
    let Ok(Value::Array(mut parts)) = serde_json::from_str::<Value>(text) else {
        return Err(nameless("not a JSON array"));
    };
    let Some(kind) = parts.first().and_then(Value::as_i64) else {
        return Err(nameless("does not begin with a message type"));
    };
    let id = match parts.get(1) {
        Some(Value::String(id)) if (1..=MAX_ID_CHARS).contains(&id.chars().count()) => id.clone(),
        // Some stations send numbers; their answers are found by the same spelling.
        Some(Value::Number(id)) if version == Version::V16 => id.to_string(),
        _ => return Err(nameless("has no message id of 1 to 36 characters")),
    };
    let named = |problem: CallError| BadFrame {
        detail: problem.to_string(),
        reply: Some(error(version, &id, &problem)),
    };
    let silent = |detail: &str| BadFrame {
        detail: detail.to_owned(),
        reply: None,
    };
    match kind {
        2 | 6 if kind == 2 || version == Version::V21 => {
            let answerable = |problem: CallError| {
                if kind == 2 {
                    named(problem)
                } else {
                    silent("an unreadable SEND")
                }
            };
            if parts.len() != 4 {
                let detail = format!("a CALL has 4 elements, not {}", parts.len());
                return Err(answerable(framework(&detail)));
            }
            let payload = payload(parts.pop().unwrap_or_default(), version)
                .ok_or_else(|| answerable(format("the payload is not an object")))?;
            let action = match parts.pop() {
                Some(Value::String(action)) if !action.is_empty() && action.len() <= 64 => action,
                _ => return Err(answerable(framework("the action is not a name"))),
            };
            Ok(if kind == 2 {
                Frame::Call {
                    id,
                    action,
                    payload,
                }
            } else {
                Frame::Send {
                    id,
                    action,
                    payload,
                }
            })
        }
        3 => match parts.into_iter().nth(2).and_then(|p| payload(p, version)) {
            Some(payload) => Ok(Frame::Result { id, payload }),
            // Whose answer it is is known: the call failed.
            None => Ok(Frame::Error {
                id,
                error: format("the answer's payload is not an object"),
            }),
        },
        4 => Ok(Frame::Error {
            id,
            error: read_error(&parts),
        }),
        5 if version == Version::V21 => Ok(Frame::ResultError {
            id,
            error: read_error(&parts),
        }),
        _ if version.is_two() => Err(named(CallError::new(
            ErrorCode::MessageTypeNotSupported,
            format!("message type {kind}"),
        ))),
        _ => Err(silent("a message type that 1.6 does not have")),
    }
}

/// Writes a CALL.
pub(super) fn call(id: &str, action: &str, payload: &Value) -> String {
    json!([2, id, action, payload]).to_string()
}

/// Writes a CALLRESULT.
pub(super) fn result(id: &str, payload: &Value) -> String {
    json!([3, id, payload]).to_string()
}

/// Writes a CALLERROR.
pub(super) fn error(version: Version, id: &str, error: &CallError) -> String {
    json!([4, id, error.code.spelled(version), error.description, {}]).to_string()
}

/// Writes a CALLRESULTERROR (2.1).
pub(super) fn result_error(id: &str, error: &CallError) -> String {
    let code = error.code.spelled(Version::V21);
    json!([5, id, code, error.description, {}]).to_string()
}

fn framework(detail: &str) -> CallError {
    CallError::new(ErrorCode::RpcFrameworkError, detail)
}

fn format(detail: &str) -> CallError {
    CallError::new(ErrorCode::FormatViolation, detail)
}

fn payload(value: Value, version: Version) -> Option<Map<String, Value>> {
    match value {
        Value::Object(payload) => Some(payload),
        // OCPP-J 1.6 allows null for an empty payload.
        Value::Null if version == Version::V16 => Some(Map::new()),
        _ => None,
    }
}

fn read_error(parts: &[Value]) -> CallError {
    let text = |index: usize| parts.get(index).and_then(Value::as_str).unwrap_or_default();
    CallError::new(ErrorCode::read(text(2)), text(3))
}

/// True if arrays and objects are nested deeper than [`MAX_DEPTH`]; decided before parsing.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}
