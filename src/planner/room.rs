//! What is free in every circuit and phase, in whole watts, while a plan is put together.

use super::frame::Frame;
use super::layout::{Layout, PhaseShare};
use crate::domain::quantity::Power;

/// Free power by circuit and slot.
#[derive(Clone, Debug)]
pub(super) struct Room {
    circuits: Vec<CircuitRoom>,
}

#[derive(Clone, Debug)]
struct CircuitRoom {
    free: Vec<Power>,
    phases: Option<[Vec<Power>; 3]>,
}

/// Who takes room: the circuits above it and its phases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) path: &'a [usize],
    pub(super) phases: PhaseShare,
}

impl<'a> Place<'a> {
    /// The place of the EVSE at an index.
    pub(super) fn of(layout: &'a Layout<'_>, evse: usize) -> Self {
        Self {
            path: &layout.paths[evse],
            phases: PhaseShare::of(&layout.evses[evse]),
        }
    }
}

impl Room {
    /// All that the frame leaves.
    pub(super) fn of(frame: &Frame) -> Self {
        let circuits = frame
            .circuits
            .iter()
            .map(|circuit| CircuitRoom {
                free: circuit
                    .limit
                    .iter()
                    .zip(&circuit.uncontrolled)
                    .map(|(limit, load)| {
                        let held = circuit.reserve + circuit.uncontrollable;
                        (*limit - *load - held).at_least_zero()
                    })
                    .collect(),
                phases: circuit.phases.as_ref().map(|phases| {
                    phases.taken.each_ref().map(|taken| {
                        taken
                            .iter()
                            .map(|taken| (phases.limit - *taken).at_least_zero())
                            .collect()
                    })
                }),
            })
            .collect();
        Self { circuits }
    }

    /// All that the frame leaves where nobody's wish is passed over.
    pub(super) fn of_wishes(frame: &Frame) -> Self {
        let mut room = Self::of(frame);
        for (index, circuit) in room.circuits.iter_mut().enumerate() {
            for (slot, free) in circuit.free.iter_mut().enumerate() {
                if let Some(cap) = frame.wishes.cap(index, slot) {
                    *free = (*free).min(cap);
                }
            }
        }
        room
    }

    /// What was given beyond a wish leaves nothing, not less.
    pub(super) fn none_below_zero(&mut self) {
        for circuit in &mut self.circuits {
            for free in &mut circuit.free {
                *free = free.at_least_zero();
            }
        }
    }

    /// The most that can be added at a place in a slot.
    pub(super) fn at(&self, place: Place<'_>, slot: usize) -> Power {
        let mut most = Power::from_watts(i64::MAX);
        for circuit in place.path {
            let circuit = &self.circuits[*circuit];
            most = most.min(circuit.free[slot]);
            for (phase, free) in circuit.phases.iter().flatten().enumerate() {
                if let Some(within) = place.phases.within(phase, free[slot]) {
                    most = most.min(within);
                }
            }
        }
        if place.path.is_empty() {
            Power::ZERO
        } else {
            most.at_least_zero()
        }
    }

    /// Takes power at a place in a slot.
    pub(super) fn take(&mut self, place: Place<'_>, slot: usize, power: Power) {
        for circuit in place.path {
            let circuit = &mut self.circuits[*circuit];
            circuit.free[slot] -= power;
            for (phase, free) in circuit.phases.iter_mut().flatten().enumerate() {
                free[slot] -= place.phases.on(phase, power);
            }
        }
    }

    /// Gives power back: what it was before [`Room::take`] of the same power.
    pub(super) fn give_back(&mut self, place: Place<'_>, slot: usize, power: Power) {
        for circuit in place.path {
            let circuit = &mut self.circuits[*circuit];
            circuit.free[slot] += power;
            for (phase, free) in circuit.phases.iter_mut().flatten().enumerate() {
                free[slot] += place.phases.on(phase, power);
            }
        }
    }

    /// What is free in a circuit, by slot.
    pub(super) fn free(&self, circuit: usize) -> &[Power] {
        &self.circuits[circuit].free
    }

    /// What is free in every circuit in one slot.
    pub(super) fn free_in(&self, slot: usize) -> Vec<Power> {
        self.circuits
            .iter()
            .map(|circuit| circuit.free[slot].at_least_zero())
            .collect()
    }

    /// What is free on the phases of a circuit, by slot; `None` if it does not limit phases.
    pub(super) fn phases(&self, circuit: usize) -> Option<&[Vec<Power>; 3]> {
        self.circuits[circuit].phases.as_ref()
    }
}
