//! What is still free in every circuit and phase while a plan is being put together.

use crate::model::Model;

/// Free power by circuit and slot, in mW, and by phase in sixths of mW.
#[derive(Debug, Clone)]
pub(crate) struct Headroom {
    free: Vec<Vec<i64>>,
    phase_free: Vec<Option<[Vec<i64>; 3]>>,
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

    /// The most a session could draw on top in a slot, in mW, all limits above it considered.
    pub(crate) fn for_session(&self, model: &Model<'_>, session: usize, slot: usize) -> i64 {
        let it = &model.sessions[session];
        let per_phase = it.sixths_per_phase();
        let mut most = i64::MAX;
        for circuit in model.upwards(it.circuit) {
            most = most.min(self.free[circuit][slot]);
            for (phase, free) in self.phase_free[circuit].iter().flatten().enumerate() {
                if it.on_phase[phase] {
                    most = most.min(free[slot].div_euclid(per_phase));
                }
            }
        }
        most.max(0)
    }

    /// Takes power (or gives it back, if negative) on behalf of a session.
    pub(crate) fn take(&mut self, model: &Model<'_>, session: usize, slot: usize, mw: i64) {
        let it = &model.sessions[session];
        let per_phase = it.sixths_per_phase();
        for circuit in model.upwards(it.circuit) {
            self.free[circuit][slot] -= mw;
            for (phase, free) in self.phase_free[circuit].iter_mut().flatten().enumerate() {
                if it.on_phase[phase] {
                    free[slot] -= mw * per_phase;
                }
            }
        }
    }

    /// Free power of a circuit in a slot, in mW.
    pub(crate) fn at(&self, circuit: usize, slot: usize) -> i64 {
        self.free[circuit][slot]
    }

    /// Free power of a phase of a circuit in a slot, in sixths of mW; `None` without a limit.
    pub(crate) fn phase_at(&self, circuit: usize, phase: usize, slot: usize) -> Option<i64> {
        self.phase_free[circuit]
            .as_ref()
            .map(|free| free[phase][slot])
    }
}
