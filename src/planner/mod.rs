//! From a snapshot to a plan: pure, deterministic, and always with an answer.
//!
//! [`plan`] resolves the live signals into a [`frame::Frame`], turns running sessions into needs,
//! solves them in stages, extracts a plan in whole watts and has it checked by [`check`], which
//! knows nothing of how it was made. A plan that fails the check, or that the caller stops waiting
//! for, is replaced by the next rung of the `fallback` module.

pub mod baseline;
mod belief;
mod bridge;
mod chances;
pub mod check;
mod digest;
mod draft;
mod exchange;
mod expected;
mod explain;
mod extract;
mod fallback;
pub mod flexibility;
mod formulation;
pub mod frame;
mod layout;
mod need;
pub mod peak;
pub mod price;
mod room;
mod stages;
mod steady;
#[cfg(test)]
mod tests;
mod top_up;
pub mod wish;

use self::draft::Draft;
use self::frame::Frame;
use self::layout::Layout;
use self::stages::Stages;
use crate::domain::plan::{Plan, PlanOrigin};
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::state::SiteState;

/// Plans a site. Always returns a checked plan, numbered after the last one stored; the same
/// inputs give the same plan. `should_stop` is asked between steps: once it says yes, the best
/// that is at hand is returned.
///
/// It says what each EVSE may draw at the highest voltage; what is sent, and when, is dispatch's.
pub fn plan(state: &SiteState, policy: &Policy, now: Time, should_stop: &dyn Fn() -> bool) -> Plan {
    let layout = Layout::of(&state.site);
    let frame = Frame::resolve(state, policy, now);
    let needs = need::needs(state, &layout, &frame, policy, now);
    let phantoms = expected::arrivals(state, &layout, &frame, policy);
    let stages = Stages {
        layout: &layout,
        frame: &frame,
        policy,
        needs: &needs,
        phantoms: &phantoms,
        last: state.plan.as_deref(),
        should_stop,
    };
    let held = peak::held(state, &stages, now);
    let frame = held.unwrap_or_else(|| frame.clone());
    let stages = Stages {
        frame: &frame,
        ..stages
    };
    let input_digest = digest::digest(state, &frame, policy, now);
    let rungs: [&dyn Fn() -> Option<Draft>; 3] = [
        &|| solved(&stages),
        &|| {
            let last = state.plan.as_deref()?;
            Some(fallback::clipped(&layout, &frame, &needs, last))
        },
        &|| Some(fallback::proportional(&layout, &frame, &needs)),
    ];
    let extract = |draft: &Draft| {
        extract::plan(
            state,
            &layout,
            &frame,
            policy,
            &needs,
            draft,
            input_digest.clone(),
        )
    };
    rungs
        .into_iter()
        .filter_map(|rung| rung())
        .map(|draft| extract(&draft))
        .find(|plan| check::check(state, plan, now).is_ok())
        .unwrap_or_else(|| {
            let slots = frame.horizon.slots;
            extract(&Draft::nothing(
                PlanOrigin::ProportionalShare,
                &needs,
                slots,
            ))
        })
}

/// The solver's plan, if it has one in time.
fn solved(stages: &Stages<'_>) -> Option<Draft> {
    let Stages {
        layout,
        frame,
        policy,
        needs,
        phantoms,
        ..
    } = *stages;
    let mut draft = stages.run()?;
    exchange::exchange(layout, frame, needs, &mut draft);
    steady::steady(layout, needs, phantoms, &mut draft);
    bridge::bridge(layout, frame, policy, needs, &mut draft);
    draft.expected = expected::power(layout, phantoms, &draft.phantoms);
    top_up::top_up(layout, frame, needs, &mut draft);
    top_up::finish(layout, frame, needs, &mut draft);
    top_up::keep_alive(layout, frame, needs, &mut draft);
    Some(draft)
}
