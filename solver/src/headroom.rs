//! What is still free in every circuit and phase while a plan is being put together.

use crate::model::{Model, SIXTHS};

/// Free power by circuit and slot, in mW, and by phase in sixths of mW.
#[derive(Debug, Clone)]
pub(crate) struct Headroom {
    pub(crate) free: Vec<Vec<i64>>,
    pub(crate) phase_free: Vec<Option<[Vec<i64>; 3]>>,
}

/// Who draws: a circuit and the phases that share the power equally.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tap {
    pub(crate) circuit: usize,
    pub(crate) on_phase: [bool; 3],
}

impl Tap {
    pub(crate) fn of_session(model: &Model<'_>, session: usize) -> Self {
        let it = &model.sessions[session];
        Self {
            circuit: it.circuit,
            on_phase: it.on_phase,
        }
    }

    /// A battery is balanced over three phases.
    pub(crate) fn of_battery(model: &Model<'_>, battery: usize) -> Self {
        Self {
            circuit: model.battery_circuits[battery],
            on_phase: [true; 3],
        }
    }

    fn sixths_per_phase(self) -> i64 {
        match self.on_phase.iter().filter(|on| **on).count() {
            1 => SIXTHS,
            2 => SIXTHS / 2,
            _ => SIXTHS / 3,
        }
    }
}

impl Headroom {
    /// Nothing planned yet.
    pub(crate) fn of(model: &Model<'_>) -> Self {
        Self {
            free: model.circuits.iter().map(|it| it.free_mw.clone()).collect(),
            phase_free: model
                .circuits
                .iter()
                .map(|it| it.phase_free.clone())
                .collect(),
        }
    }

    /// The most that can be drawn on top in a slot, in mW, all limits above considered; negative
    /// where a limit is broken already.
    pub(crate) fn up(&self, model: &Model<'_>, tap: Tap, slot: usize) -> i64 {
        let per_phase = tap.sixths_per_phase();
        let mut most = i64::MAX;
        for circuit in model.upwards(tap.circuit) {
            most = most.min(self.free[circuit][slot]);
            for (phase, free) in self.phase_free[circuit].iter().flatten().enumerate() {
                if tap.on_phase[phase] {
                    most = most.min(free[slot].div_euclid(per_phase));
                }
            }
        }
        most
    }

    /// The most that can be fed in on top in a slot, in mW, all feed-in limits above considered.
    pub(crate) fn down(&self, model: &Model<'_>, tap: Tap, slot: usize) -> i64 {
        let room = |circuit: usize| {
            let node = &model.circuits[circuit];
            node.feed_in_mw[slot] + node.free_mw[slot] - self.free[circuit][slot]
        };
        model
            .upwards(tap.circuit)
            .map(room)
            .min()
            .unwrap_or_default()
    }

    /// Takes power; gives it back if negative.
    pub(crate) fn take(&mut self, model: &Model<'_>, tap: Tap, slot: usize, mw: i64) {
        let per_phase = tap.sixths_per_phase();
        for circuit in model.upwards(tap.circuit) {
            self.free[circuit][slot] -= mw;
            for (phase, free) in self.phase_free[circuit].iter_mut().flatten().enumerate() {
                if tap.on_phase[phase] {
                    free[slot] -= mw * per_phase;
                }
            }
        }
    }
}
