//! What we believe now. [`SiteState::apply`] is the only place where it changes.

pub mod bound;
pub mod defaults;
pub mod demand;
mod evidence;
pub mod evse_state;
pub mod excursion;
pub mod fallback;
pub mod history;
pub mod late;
pub mod lifecycle;
pub mod limits;
pub mod peaks;
pub mod site_meter;
#[cfg(test)]
pub(crate) mod testing;
pub mod used_phases;

mod apply;
#[cfg(test)]
mod closed_loop_tests;
#[cfg(test)]
mod late_tests;
mod succession;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::evse_state::EvseState;
use self::excursion::Excursions;
pub use self::fallback::Fallbacks;
use self::history::History;
use self::peaks::Peaks;
use crate::domain::event::PartnerHealth;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{CommandId, DepartureKey, EvseId, PartnerId, PlanId, SignalKey};
use crate::domain::plan::Plan;
use crate::domain::policy::Policy;
use crate::domain::quantity::Power;
use crate::domain::session::{Departure, Reading};
use crate::domain::signal::SignalSeries;
use crate::domain::site::{Mode, Site};
use crate::domain::time::Time;

/// An immutable picture of a site's state: what planner, dispatch and API read.
pub type Snapshot = Arc<SiteState>;

/// What the site's own meter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteMeter {
    /// The newest reading at the grid connection, EVs included.
    pub reading: Reading,
    /// The reading less the EVSEs' readings of that time, never below 0 (PV credit is off).
    pub uncontrolled: Power,
    /// Seen lower than that, but not for long enough.
    #[serde(default)]
    pub falling: Option<site_meter::Falling>,
    /// The highest such value since `highest_since`.
    pub highest_uncontrolled: Power,
    /// The highest value is forgotten a day after this.
    pub highest_since: Time,
}

/// Everything we believe about a site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteState {
    /// The site as configured.
    pub site: Arc<Site>,
    /// What we may do.
    pub mode: Mode,
    /// For [`Mode::Canary`]: the EVSEs that are sent to.
    pub canary: BTreeSet<EvseId>,
    /// The EVSEs of which anything is known.
    pub evses: BTreeMap<EvseId, EvseState>,
    /// Live signals.
    pub signals: BTreeMap<SignalKey, Arc<SignalSeries>>,
    /// Filed departures.
    pub departures: BTreeMap<DepartureKey, Departure>,
    /// The site's meter, if it has one.
    pub meter: Option<SiteMeter>,
    /// A reading of the site's meter older than this counts no more: the highest of the last day
    /// stands for it. In seconds; the operator's setting of the same name.
    #[serde(default = "meter_stale_s")]
    pub meter_stale_s: u32,
    /// How fresh our view of each partner is; a partner that is not listed counts as stale.
    pub partners: BTreeMap<PartnerId, PartnerHealth>,
    /// Peaks of the months, where they cost something.
    #[serde(default, skip_serializing_if = "Peaks::is_empty")]
    pub peaks: Peaks,
    /// The plan that dispatch follows.
    pub plan: Option<Arc<Plan>>,
    /// The number of the newest plan ever stored.
    pub last_plan: PlanId,
    /// The number of the newest command ever issued.
    pub last_command: CommandId,
    /// Past sessions.
    pub history: Arc<History>,
    /// Excursions of bounds over limits.
    pub excursions: Excursions,
    /// The number of the newest event applied.
    pub last_seq: u64,
    /// When the newest event was applied.
    pub updated_at: Time,
    /// The site was given up.
    #[serde(default)]
    pub removed: bool,
    /// Counted up whenever something changes that a plan depends on.
    pub plan_inputs: u64,
}

fn meter_stale_s() -> u32 {
    Policy::default().meter_stale_s
}

impl SiteState {
    /// A site of which nothing is known but its description.
    pub fn new(site: Site, now: Time) -> Self {
        Self {
            site: Arc::new(site),
            mode: Mode::default(),
            canary: BTreeSet::new(),
            evses: BTreeMap::new(),
            signals: BTreeMap::new(),
            departures: BTreeMap::new(),
            meter: None,
            peaks: Peaks::default(),
            meter_stale_s: meter_stale_s(),
            partners: BTreeMap::new(),
            plan: None,
            last_plan: PlanId::default(),
            last_command: CommandId::default(),
            history: Arc::default(),
            excursions: Excursions::default(),
            last_seq: 0,
            updated_at: now,
            removed: false,
            plan_inputs: 0,
        }
    }

    /// The mode that really holds: without a known limit a site is only observed.
    pub fn effective_mode(&self) -> Mode {
        if self.has_limit() {
            self.mode
        } else {
            Mode::Observe
        }
    }

    /// True if profiles may be sent to this EVSE.
    pub fn may_send_to(&self, evse: &EvseId) -> bool {
        match self.effective_mode() {
            Mode::Observe | Mode::Shadow => false,
            Mode::Canary => self.canary.contains(evse),
            Mode::Live => true,
        }
    }

    /// True if our view of whoever holds this EVSE is current, so that it may be raised.
    pub fn is_current(&self, evse: &Evse) -> bool {
        match &evse.source {
            EvseSource::Ocpi { partner, .. } => {
                self.partners.get(partner) == Some(&PartnerHealth::Current)
            }
            EvseSource::Ocpp { .. } => true,
        }
    }

    /// What an EVSE gets when we are silent; see [`Fallbacks`].
    pub fn fallback(&self, evse: &Evse, now: Time) -> Power {
        Fallbacks::of(self, now).get(self, evse)
    }
}
