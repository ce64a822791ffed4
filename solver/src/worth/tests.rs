use proptest::prelude::*;

use super::*;

fn want(most: &[u32], parts: &[(u32, &[i32])]) -> Want {
    let part = |(energy, worth): &(u32, &[i32])| Part {
        energy: *energy,
        worth: worth.to_vec(),
    };
    Want {
        circuit: 0,
        most: most.to_vec(),
        strain: Vec::new(),
        parts: parts.iter().map(part).collect(),
    }
}

fn under(free: &[u32], wants: Vec<Want>) -> Wants {
    let root = Supply {
        parent: None,
        free: free.to_vec(),
    };
    Wants {
        slots: free.len(),
        circuits: vec![root],
        wants,
    }
}

#[test]
fn who_may_be_gone_soon_is_served_before_who_stays() {
    // Both want 4; the first is worth nothing later.
    let wants = vec![
        want(&[4, 4], &[(4, &[60, 0])]),
        want(&[4, 4], &[(4, &[90, 80])]),
    ];
    let plan = most_worth(&under(&[4, 4], wants), 1_000);
    assert_eq!(plan, [[4, 0], [0, 4]]);
}

#[test]
fn energy_that_is_probably_needed_comes_before_energy_that_hardly_is() {
    let wants = vec![
        want(&[9], &[(3, &[90]), (6, &[10])]),
        want(&[9], &[(3, &[80]), (6, &[20])]),
    ];
    // 3 + 3 of 7 for the likely parts, 1 left for the better of the others.
    let plan = most_worth(&under(&[7], wants), 1_000);
    assert_eq!(plan, [[3], [4]]);
}

#[test]
fn it_waits_for_a_slot_that_is_worth_more() {
    let plan = most_worth(
        &under(&[9, 9], vec![want(&[5, 5], &[(7, &[10, 12])])]),
        1_000,
    );
    assert_eq!(plan, [[2, 5]]);
}

#[test]
fn what_is_worth_nothing_is_not_given() {
    let plan = most_worth(
        &under(&[9, 9], vec![want(&[5, 5], &[(7, &[0, -3])])]),
        1_000,
    );
    assert_eq!(plan, [[0, 0]]);
}

#[test]
fn strain_spreads_what_is_worth_the_same() {
    let mut wants = vec![want(&[8], &[(8, &[50])]), want(&[8], &[(8, &[49])])];
    assert_eq!(most_worth(&under(&[8], wants.clone()), 1_000), [[8], [0]]);
    for want in &mut wants {
        want.strain = vec![5];
    }
    // Quarters of 2 are worth 50, 45, 40, 35 and 49, 44, 39, 34.
    assert_eq!(most_worth(&under(&[8], wants), 1_000), [[4], [4]]);
}

/// The best worth by trying everything, one unit at a time.
fn best(problem: &Wants, given: &mut Vec<Vec<Vec<u32>>>, at: (usize, usize, usize)) -> i64 {
    let (i, k, t) = at;
    if i == problem.wants.len() {
        return 0;
    }
    let next = if t + 1 < problem.slots {
        (i, k, t + 1)
    } else if k + 1 < problem.wants[i].parts.len() {
        (i, k + 1, 0)
    } else {
        (i + 1, 0, 0)
    };
    let part = &problem.wants[i].parts[k];
    let used: u32 = given[i][k].iter().sum();
    let here: u32 = given[i].iter().map(|part| part[t]).sum();
    let at_slot: u32 = given.iter().flatten().map(|part| part[t]).sum();
    let room = (part.energy - used)
        .min(problem.wants[i].most[t] - here)
        .min(problem.circuits[0].free[t] - at_slot);
    let mut most = i64::MIN;
    for amount in 0..=room {
        given[i][k][t] = amount;
        let worth = i64::from(amount) * i64::from(part.worth[t]);
        most = most.max(worth + best(problem, given, next));
    }
    given[i][k][t] = 0;
    most
}

fn worth_of(problem: &Wants, plan: &[Vec<u32>]) -> i64 {
    // Within one want the best split of a slot's energy over the parts is a small problem of its
    // own; with the plan as `most` the same search finds it.
    let mut exact = problem.clone();
    for (want, row) in exact.wants.iter_mut().zip(plan) {
        want.most.clone_from(row);
    }
    let mut given: Vec<Vec<Vec<u32>>> = exact
        .wants
        .iter()
        .map(|want| vec![vec![0; exact.slots]; want.parts.len()])
        .collect();
    best(&exact, &mut given, (0, 0, 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_other_way_is_worth_more(
        free in prop::collection::vec(0u32..4, 2),
        wants in prop::collection::vec(
            (prop::collection::vec(0u32..3, 2), prop::collection::vec(
                (0u32..3, prop::collection::vec(-2i32..9, 2)), 1..3)), 1..3),
    ) {
        let wants: Vec<Want> = wants.into_iter().map(|(most, parts)| Want {
            circuit: 0,
            most,
            strain: Vec::new(),
            parts: parts.into_iter().map(|(energy, worth)| Part { energy, worth }).collect(),
        }).collect();
        let problem = under(&free, wants);
        let plan = most_worth(&problem, 10_000);
        for slot in 0..2 {
            let sum: u32 = plan.iter().map(|row| row[slot]).sum();
            prop_assert!(sum <= free[slot]);
        }
        let mut given: Vec<Vec<Vec<u32>>> = problem.wants.iter()
            .map(|want| vec![vec![0; 2]; want.parts.len()]).collect();
        prop_assert_eq!(worth_of(&problem, &plan), best(&problem, &mut given, (0, 0, 0)));
    }
}
