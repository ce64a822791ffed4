//! What a new description of a site may not take away.

use super::problem::Problem;
use crate::domain::evse::Evse;
use crate::domain::site::{Mode, Site};
use crate::state::SiteState;

/// Refuses to drop an EVSE, or to reach it elsewhere, while a car charges at it under our control:
/// what the car goes on to draw would count nowhere.
pub(super) fn check(before: &SiteState, after: &Site) -> Result<(), Problem> {
    if matches!(before.effective_mode(), Mode::Observe | Mode::Shadow) {
        return Ok(());
    }
    let lost: Vec<String> = before
        .site
        .evses
        .iter()
        .filter(|evse| !after.evses.iter().any(|other| other.source == evse.source))
        .filter_map(|evse| charging(before, evse))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Problem::conflict(format!(
        "the description leaves out EVSEs at which cars charge: {}; wait until the sessions have \
         ended, or set the mode to shadow first",
        lost.join(", ")
    )))
}

/// What charges at an EVSE, if something does.
fn charging(state: &SiteState, evse: &Evse) -> Option<String> {
    let known = state.evses.get(&evse.id)?;
    let session = known.running()?;
    let power = known.bound(evse).at(state.updated_at);
    Some(format!(
        "session {} runs at {} and may draw {power}",
        session.native_id, evse.id
    ))
}
