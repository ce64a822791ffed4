//! What a plan puts on every circuit, added up from the leaves.

use std::collections::BTreeMap;

use super::mw;
use crate::{GridPhase, Problem, Solution};

/// Loads by circuit and slot.
pub(super) struct Loads {
    /// Uncontrolled load, in kW.
    pub(super) base_kw: Vec<Vec<f64>>,
    /// Uncontrolled load by phase where there is a phase limit, in kW.
    pub(super) base_phase_kw: Vec<Option<[Vec<f64>; 3]>>,
    /// Sessions and batteries, in mW.
    pub(super) controlled: Vec<Vec<i64>>,
    /// The same by phase where there is a phase limit, in twelfths of mW, which keep halves,
    /// thirds and quarters whole.
    pub(super) twelfths: Vec<Option<[Vec<i64>; 3]>>,
}

impl Loads {
    pub(super) fn of(problem: &Problem, solution: &Solution) -> Self {
        let tree = Tree::of(problem);
        let zeros = || vec![0_i64; problem.slots];
        let phases = |limited: bool| limited.then(|| [zeros(), zeros(), zeros()]);
        let mut loads = Self {
            base_kw: problem.circuits.iter().map(|_| Vec::new()).collect(),
            base_phase_kw: vec![None; problem.circuits.len()],
            controlled: problem.circuits.iter().map(|_| zeros()).collect(),
            twelfths: problem
                .circuits
                .iter()
                .map(|it| phases(it.phase_limit_kw.is_some()))
                .collect(),
        };
        for (need, plan) in problem.sessions.iter().zip(&solution.sessions) {
            let phases = need.phases.as_deref().unwrap_or(&GridPhase::ALL);
            loads.add(&tree, &need.circuit, phases, &plan.power_kw);
        }
        for (battery, plan) in problem.batteries.iter().zip(&solution.batteries) {
            loads.add(&tree, &battery.circuit, &GridPhase::ALL, &plan.power_kw);
        }
        for circuit in 0..problem.circuits.len() {
            loads.base_kw[circuit] = tree.base_kw(problem, circuit);
            if problem.circuits[circuit].phase_limit_kw.is_some() {
                loads.base_phase_kw[circuit] = Some(GridPhase::ALL.map(|phase| {
                    let on_phase = |slot| tree.phase_kw(problem, circuit, phase, slot);
                    (0..problem.slots).map(on_phase).collect()
                }));
            }
        }
        loads
    }

    fn add(&mut self, tree: &Tree<'_>, circuit: &str, phases: &[GridPhase], power_kw: &[f64]) {
        let parts = i64::try_from(phases.len().max(1)).unwrap_or(1);
        let power_mw: Vec<i64> = power_kw.iter().map(|kw| mw(*kw)).collect();
        let mut here = tree.index.get(circuit).copied();
        // As many steps as circuits: a tree needs no more, a circle gets no more.
        for _ in 0..tree.parent.len() {
            let Some(circuit) = here else { break };
            for (sum, mw) in self.controlled[circuit].iter_mut().zip(&power_mw) {
                *sum += mw;
            }
            if let Some(by_phase) = &mut self.twelfths[circuit] {
                for phase in phases {
                    for (sum, mw) in by_phase[*phase as usize].iter_mut().zip(&power_mw) {
                        *sum += mw * 12 / parts;
                    }
                }
            }
            here = tree.parent[circuit];
        }
    }
}

struct Tree<'p> {
    index: BTreeMap<&'p str, usize>,
    parent: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
}

impl<'p> Tree<'p> {
    fn of(problem: &'p Problem) -> Self {
        let index: BTreeMap<&str, usize> = problem
            .circuits
            .iter()
            .enumerate()
            .map(|(index, it)| (it.id.as_str(), index))
            .collect();
        let parent: Vec<Option<usize>> = problem
            .circuits
            .iter()
            .map(|it| {
                it.parent
                    .as_ref()
                    .and_then(|id| index.get(id.as_str()))
                    .copied()
            })
            .collect();
        let mut children = vec![Vec::new(); parent.len()];
        for (child, parent) in parent.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(child);
            }
        }
        Self {
            index,
            parent,
            children,
        }
    }

    /// What a circuit's base load puts on one phase: what it states; else what the circuits below
    /// put there, and a third of what its stated total has beyond theirs.
    fn phase_kw(&self, problem: &Problem, circuit: usize, phase: GridPhase, slot: usize) -> f64 {
        let it = &problem.circuits[circuit];
        if let Some(stated) = &it.base_load_phase_kw {
            return stated.on(phase).at(slot);
        }
        // As deep as the tree, which validation bounds.
        let below = |phase| -> f64 {
            self.children[circuit]
                .iter()
                .map(|child| self.phase_kw(problem, *child, phase, slot))
                .sum()
        };
        let here = below(phase);
        let Some(total) = &it.base_load_kw else {
            return here;
        };
        let covered: f64 = self.children[circuit]
            .iter()
            .map(|child| self.total_kw(problem, *child, slot))
            .sum();
        here + (total.at(slot) - covered) / 3.0
    }

    fn total_kw(&self, problem: &Problem, circuit: usize, slot: usize) -> f64 {
        let it = &problem.circuits[circuit];
        match (&it.base_load_kw, &it.base_load_phase_kw) {
            (Some(total), _) => total.at(slot),
            (None, Some(phases)) => phases.l1.at(slot) + phases.l2.at(slot) + phases.l3.at(slot),
            (None, None) => self.children[circuit]
                .iter()
                .map(|child| self.total_kw(problem, *child, slot))
                .sum(),
        }
    }

    /// The base load a circuit states; of one that states none, those of the circuits below it
    /// that do, down to the first on each branch.
    fn base_kw(&self, problem: &Problem, circuit: usize) -> Vec<f64> {
        let mut sum = vec![0.0; problem.slots];
        let mut open = vec![circuit];
        while let Some(here) = open.pop() {
            let it = &problem.circuits[here];
            for (slot, sum) in sum.iter_mut().enumerate() {
                if let Some(own) = &it.base_load_kw {
                    *sum += own.at(slot);
                } else if let Some(phases) = &it.base_load_phase_kw {
                    *sum += phases.l1.at(slot) + phases.l2.at(slot) + phases.l3.at(slot);
                }
            }
            if it.base_load_kw.is_none() && it.base_load_phase_kw.is_none() {
                open.extend(&self.children[here]);
            }
        }
        sum
    }
}
