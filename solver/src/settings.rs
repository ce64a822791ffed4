//! How a problem is to be solved.

use serde::{Deserialize, Serialize};

/// Which method to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The flow method where it is exact, else the linear program.
    #[default]
    Auto,
    /// The flow method. A problem it cannot express exactly takes the linear program all the same;
    /// the solution says which was used.
    Flow,
    /// The linear program by the interior-point method of `clarabel`.
    Clarabel,
    /// The linear program by the simplex method of `microlp`; slow beyond some 100 sessions.
    Microlp,
    /// The linear program by `HiGHS`; where it is not built in ([`Backend::is_built_in`]),
    /// `clarabel` takes its place.
    Highs,
}

impl Backend {
    /// True where the method is part of this build: `HiGHS` only with the feature `highs`.
    pub const fn is_built_in(self) -> bool {
        cfg!(feature = "highs") || !matches!(self, Self::Highs)
    }
}

/// How to solve; the default is what the service uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which method to use.
    pub backend: Backend,
    /// True = power anywhere between 0 and the maximum; false = 0 or at least the minimum.
    pub relax: bool,
    /// Most steps of work; beyond, the best plan so far is returned. `None` = no limit.
    ///
    /// A step is a row of bits looked at or a quarter of a power changed, and what else is done counts
    /// by the size of the problem: the same count on every machine, so a plan that is cut off is the
    /// same everywhere too. On one core of a machine of 2023 a second is some 100 million steps; [`crate::Solution::work`] has what a plan took. A
    /// run of the linear program cannot be cut off and counts by its size beforehand.
    pub work_limit: Option<u64>,
}

/// Where the work is; told to the caller of [`crate::solve_with_phases`], who may keep the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bringing the problem into the form the method needs.
    Build,
    /// Searching the plan.
    Solve,
    /// Auditing and explaining the plan.
    Finish,
}
