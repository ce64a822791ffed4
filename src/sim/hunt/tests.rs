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

/// Site-days until a mutant is found; `None` if it is not within 100.
fn found_after(mutant: Mutant) -> Option<u32> {
    let scenario = scenario();
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
    let missed: Vec<_> = Mutant::ALL
        .into_iter()
        .filter(|mutant| found_after(*mutant).is_none())
        .collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
