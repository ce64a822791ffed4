//! OCPP 2.0.1, and 2.1 where it is the same, lowered into [`super::message`]. What only 2.1 has is
//! in [`super::v21`].

mod ask;
mod hear;
mod noted;

use serde_json::{Value, json};

pub(super) use ask::{ask, understand};
pub(super) use hear::{hear, spell};

use super::tokens::Verdict;
use super::wire;

/// `idTokenInfo`.
fn token_info(verdict: &Verdict) -> Value {
    let mut info = json!({ "status": verdict.status.spelled() });
    if let Some(at) = verdict.expires_at {
        info["cacheExpiryDateTime"] = json!(wire::time(at));
    }
    if let Some(group) = &verdict.group {
        info["groupIdToken"] = json!({ "idToken": group, "type": "Central" });
    }
    info
}
