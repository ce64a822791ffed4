//! What a plan depends on, as one number.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::frame::Frame;
use crate::domain::evse::Evse;
use crate::domain::id::PlanId;
use crate::domain::policy::Policy;
use crate::domain::session::PastSession;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::demand::Demand;
use crate::state::evse_state::{Control, Override};

/// Everything a plan is made from. Two plans of the same inputs are equal.
#[derive(Serialize)]
struct Inputs<'a> {
    now: Time,
    policy: &'a Policy,
    frame: &'a Frame,
    demands: &'a [Demand],
    evses: Vec<EvseInput<'a>>,
    history: Vec<&'a PastSession>,
    last_plan: PlanId,
    /// The plan that is clipped if need be.
    clipped: Option<PlanId>,
}

#[derive(Serialize)]
struct EvseInput<'a> {
    evse: &'a Evse,
    control: Option<&'a Control>,
    steered: bool,
    override_: Option<Override>,
}

/// SHA-256 over the canonical JSON of the inputs, in hex.
pub(super) fn digest(state: &SiteState, frame: &Frame, policy: &Policy, now: Time) -> String {
    let demands = state.demands(policy, now);
    let inputs = Inputs {
        now,
        policy,
        frame,
        demands: &demands,
        evses: state
            .site
            .evses
            .iter()
            .map(|evse| {
                let known = state.evses.get(&evse.id);
                EvseInput {
                    evse,
                    control: known.map(|known| &known.control),
                    steered: super::frame::is_controllable(state, evse),
                    override_: known.and_then(|known| known.override_),
                }
            })
            .collect(),
        history: if policy.expected_arrival_days == 0 {
            Vec::new()
        } else {
            state.history.iter().collect()
        },
        last_plan: state.last_plan,
        clipped: state.plan.as_ref().map(|plan| plan.id),
    };
    let mut hash = Sha256::new();
    // Hashing cannot fail, and every key is a text: there is nothing to handle.
    let written = serde_json::to_writer(&mut hash, &inputs);
    debug_assert!(written.is_ok());
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        for nibble in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    text
}
