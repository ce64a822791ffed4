//! The hunt itself, in small, and the mutants it must find.

use super::mutants::Mutant;
use super::spoil::Spoil;
use super::{Scenario, play, run, seed_of, shrink};

fn scenario() -> Scenario {
    let text = include_str!("../../../examples/simulate/hunt.toml");
    let scenario = Scenario::read(text).expect("the committed scenario is sound");
    Scenario {
        days: 1,
        ..scenario
    }
}

#[test]
fn the_same_seed_finds_the_same() {
    let scenario = scenario();
    let seed = seed_of(scenario.seed, 3);
    assert_eq!(play(&scenario, seed), play(&scenario, seed));
    assert_ne!(play(&scenario, seed), play(&scenario, seed_of(9, 3)));
}

#[test]
fn no_command_of_ours_breaks_a_limit_whatever_is_lost_or_late() {
    let scenario = scenario();
    for index in 0..6 {
        let seed = seed_of(scenario.seed, index);
        let report = play(&scenario, seed);
        if report.violations() > 0 {
            let small = shrink(&scenario, seed);
            panic!(
                "site {index} (seed {seed}), {} days, {:?}: {:#?}\n{}",
                small.days,
                small.kinds,
                small.report.told,
                small.trace.join("\n")
            );
        }
    }
}

/// The scenario with more of what some of the mutants need: restarts with requests under way, and
/// feeders.
fn dense() -> Scenario {
    let text = include_str!("../../../examples/simulate/hunt.toml")
        .replace("kill = 500", "kill = 1000")
        .replace("answer_lost = 20", "answer_lost = 150")
        .replace("request_late = 20", "request_late = 150")
        .replace("feeder_percent = 40", "feeder_percent = 90");
    let scenario = Scenario::read(&text).expect("sound");
    Scenario {
        days: 1,
        ..scenario
    }
}

/// Site-days until a mutant is found; `None` if it is not within 100.
fn found_after(mutant: Mutant) -> Option<u32> {
    let scenario = dense();
    (0..100)
        .find(|index| {
            let seed = seed_of(scenario.seed, *index);
            run(&scenario, seed, Spoil::of(mutant), false)
                .0
                .violations()
                > 0
        })
        .map(|index| (index + 1) * scenario.days)
}

#[test]
#[ignore = "takes minutes without optimisation: cargo test --release --lib sim::hunt -- --ignored"]
fn each_broken_rule_is_found_within_a_hundred_site_days() {
    let found: Vec<_> = Mutant::ALL
        .into_iter()
        .map(|mutant| (mutant, found_after(mutant)))
        .collect();
    let dense = dense();
    let whole = (0..100).all(|index| play(&dense, seed_of(dense.seed, index)).violations() == 0);
    assert!(whole, "it finds something where nothing is broken");
    let missed = found.iter().filter(|(_, days)| days.is_none()).count();
    assert_eq!(missed, 0, "site-days until found: {found:?}");
}
