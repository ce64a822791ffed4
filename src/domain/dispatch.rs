//! A dispatch: somebody asks a site for less or more power for a while, and is told what came of it.
//!
//! Powers and energies are those of the EVSEs alone. Changes are counted as grids count regulation
//! upwards: load that is shed is positive, load that is added is negative.

use serde::{Deserialize, Serialize};

use super::id::{DispatchId, PlanId, SiteKey};
use super::quantity::{Energy, Power};
use super::time::Time;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// This much less than without it; negative = more.
    Shed(Power),
    /// This power of all EVSEs together.
    Setpoint(Power),
}

impl Ask {
    /// What is asked to be shed of a baseline.
    pub fn of(self, baseline: Power) -> Power {
        match self {
            Self::Shed(power) => power,
            Self::Setpoint(power) => baseline - power,
        }
    }
}

/// What was said to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All of it can be had.
    Accepted,
    /// Part of it can be had.
    Partially,
    /// Nothing worth the name can be had; it is not followed.
    Rejected,
    /// It was withdrawn.
    Withdrawn,
}

/// How well a measured energy is known, in the words of `OpenADR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Quality {
    /// From meters that were read around both borders.
    Ok,
    /// A meter was not read for longer than a slot, or not for energy.
    Estimated,
    /// A meter was not read at all.
    Missing,
}

/// What was measured in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Energy of all EVSEs.
    pub energy: Energy,
    /// How well it is known.
    pub quality: Quality,
}

/// One slot of a dispatch or of the time after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchSlot {
    /// Inclusive start.
    pub start: Time,
    /// Exclusive end.
    pub end: Time,
    /// Frozen: what would have been drawn without it.
    pub baseline: Power,
    /// What is to be shed of that.
    pub requested: Power,
    /// What can be shed, as the answer said.
    pub achievable: Power,
    /// What was drawn, once it is known.
    pub measured: Option<Measured>,
}

impl DispatchSlot {
    /// What the baseline comes to.
    pub fn baseline_energy(&self) -> Energy {
        self.baseline.over(self.end - self.start)
    }

    /// What was to be shed.
    pub fn requested_energy(&self) -> Energy {
        self.requested.over(self.end - self.start)
    }

    /// Baseline less measured.
    pub fn delivered_energy(&self) -> Option<Energy> {
        Some(self.baseline_energy() - self.measured?.energy)
    }
}

/// The plan a baseline was frozen from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenPlan {
    /// The number it would have had.
    pub plan: PlanId,
    /// Digest of everything it was made from.
    pub input_digest: String,
    /// When it was made.
    pub made_at: Time,
}

/// A dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// The caller's id.
    pub id: DispatchId,
    /// Where.
    pub site: SiteKey,
    /// Who asked.
    pub source: String,
    /// When it came.
    pub received_at: Time,
    /// From when.
    pub start: Time,
    /// Until when.
    pub end: Time,
    /// For what.
    pub ask: Ask,
    /// The caller calls it binding. It stays within limits and stated needs all the same.
    pub hard: bool,
    /// What was said to it.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: Option<String>,
    /// Where the baseline comes from.
    pub frozen: FrozenPlan,
    /// SHA-256 of the frozen baseline, in hex.
    pub baseline_hash: String,
    /// SHA-256 of the request's body, in hex: the same again gives the same answer.
    pub request_hash: String,
    /// The slots it is about.
    pub slots: Vec<DispatchSlot>,
    /// The slots after it, in which what was shed may come back.
    pub after: Vec<DispatchSlot>,
    /// When it was withdrawn.
    pub withdrawn_at: Option<Time>,
    /// When everything about it was known.
    pub closed_at: Option<Time>,
}

/// Where a dispatch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It was refused.
    Rejected,
    /// Its time has not come.
    Scheduled,
    /// It is being followed.
    Active,
    /// It is over; meters are still read.
    Measuring,
    /// Everything is known.
    Closed,
    /// It was taken back.
    Withdrawn,
}

impl Dispatch {
    /// Where it stands.
    pub fn stage(&self, now: Time) -> Stage {
        match self.verdict {
            Verdict::Rejected => Stage::Rejected,
            Verdict::Withdrawn => Stage::Withdrawn,
            _ if self.closed_at.is_some() => Stage::Closed,
            _ if now < self.start => Stage::Scheduled,
            _ if now < self.end => Stage::Active,
            _ => Stage::Measuring,
        }
    }

    /// True while something of it is still to be measured.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none() && self.verdict != Verdict::Rejected
    }

    /// Everything was measured.
    pub fn is_measured(&self) -> bool {
        let mut all = self.slots.iter().chain(&self.after);
        all.all(|slot| slot.measured.is_some())
    }
}
