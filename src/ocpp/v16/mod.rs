//! OCPP 1.6-J with its security extension, lowered into [`super::message`].

mod ask;
mod hear;

use serde_json::{Value, json};

pub(super) use ask::{ask, understand};
pub(super) use hear::{hear, spell};

use super::tokens::Verdict;
use super::wire;

/// `idTagInfo`.
fn tag(verdict: &Verdict) -> Value {
    let mut tag = json!({ "status": verdict.status.spelled() });
    if let Some(at) = verdict.expires_at {
        tag["expiryDate"] = json!(wire::time(at));
    }
    // A parent has 20 characters at most.
    if let Some(group) = verdict.group.as_ref().filter(|group| group.len() <= 20) {
        tag["parentIdTag"] = json!(group);
    }
    tag
}
