//! The hunt for the seed that breaks the core: the real state, planner, dispatch, pacing, solver and
//! journal in a world that misbehaves in every way we know, in virtual time, from one number.
//!
//! [`play`] plays one site; a site's chance depends on nothing but the seed and its index, so that
//! sites run on any core in any order and give the same. [`shrink`] makes a failing one small.

mod breakdowns;
mod chance;
mod comings;
mod days;
mod excursions;
mod meters;
#[cfg(test)]
mod mutants;
mod oracle;
mod peers;
mod post;
mod report;
pub mod scenario;
mod service;
mod share;
mod site;
mod spoil;
#[cfg(test)]
mod tests;
mod totals;
mod world;

pub use report::{Cause, Hindrance, SiteReport, Span, Violation};
pub use scenario::{Faults, Scenario, ScenarioFault};
pub use totals::{Row, Totals};

use chance::Chance;
use spoil::Spoil;
use world::World;

/// Lines of a trace that are told: the last before it breaks.
const TRACE_LINES: usize = 60;

/// The seed of a site.
pub fn seed_of(seed: u64, index: u32) -> u64 {
    let mut chance = Chance::of(seed.wrapping_add(u64::from(index)), "hunt");
    chance.draw()
}

/// Plays one site.
pub fn play(scenario: &Scenario, site_seed: u64) -> SiteReport {
    run(scenario, site_seed, Spoil::off(), false).0
}

/// Plays one site and tells all that happened there, up to the first violation.
pub fn told(scenario: &Scenario, site_seed: u64) -> (SiteReport, Vec<String>) {
    run(scenario, site_seed, Spoil::off(), true)
}

fn run(
    scenario: &Scenario,
    site_seed: u64,
    spoil: Spoil,
    with_trace: bool,
) -> (SiteReport, Vec<String>) {
    let Some(mut world) = World::new(scenario, site_seed, scenario.days, spoil) else {
        return (SiteReport::new(site_seed), Vec::new());
    };
    world.trace = with_trace.then(Vec::new);
    world.play()
}

/// A failing site made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// Days that are needed.
    pub days: u32,
    /// Kinds of faults that are needed; others never happen.
    pub kinds: Vec<&'static str>,
    /// What it finds.
    pub report: SiteReport,
    /// The last things that happened.
    pub trace: Vec<String>,
}

/// Leaves out every kind of fault and every day without which a site still fails.
pub fn shrink(scenario: &Scenario, site_seed: u64) -> Shrunk {
    let fails = |scenario: &Scenario| play(scenario, site_seed).violations() > 0;
    let mut small = scenario.clone();
    for days in [1, 2, 3, 5, 8] {
        let shorter = Scenario {
            days,
            ..small.clone()
        };
        if days < small.days && fails(&shorter) {
            small = shorter;
        }
    }
    for kind in Faults::KINDS {
        let fewer = Scenario {
            faults: small.faults.without(kind),
            ..small.clone()
        };
        if small.faults.rate(kind) > 0 && fails(&fewer) {
            small = fewer;
        }
    }
    let (report, mut trace) = run(&small, site_seed, Spoil::off(), true);
    trace.drain(..trace.len().saturating_sub(TRACE_LINES));
    let needed = Faults::KINDS.iter().copied();
    Shrunk {
        days: small.days,
        kinds: needed.filter(|kind| small.faults.rate(kind) > 0).collect(),
        report,
        trace,
    }
}
