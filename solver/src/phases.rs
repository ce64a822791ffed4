//! When do limits by phase couple sessions in a way no tree of limits expresses?
//!
//! Where all sessions below a circuit load the same phases, its phase limits are one more limit on
//! their sum. Where they load different phases, a three-phase session takes from every phase and a
//! single-phase session from one: the limits overlap without being nested.

use crate::model::{Model, Need};

/// The phases below a circuit, as a set of sets: bit `m` stands for the phase mask `m`.
pub(crate) fn masks_below(model: &Model<'_>) -> Vec<u8> {
    let mut masks = vec![0_u8; model.circuits.len()];
    for it in model
        .sessions
        .iter()
        .filter(|it| it.from < it.to && it.max_mw > 0)
    {
        for circuit in model.upwards(it.circuit) {
            masks[circuit] |= 1 << mask(it);
        }
    }
    masks
}

/// The phases of a session as bits.
pub(crate) fn mask(it: &Need) -> u8 {
    it.on_phase
        .iter()
        .rev()
        .fold(0, |mask, on| (mask << 1) | u8::from(*on))
}

/// True when phase limits couple sessions on different phases in at least one slot.
pub(crate) fn couple(model: &Model<'_>) -> bool {
    let masks = masks_below(model);
    (0..model.circuits.len()).any(|circuit| {
        masks[circuit].count_ones() > 1
            && model.circuits[circuit].phase_free.is_some()
            && can_bind(model, circuit)
    })
}

fn can_bind(model: &Model<'_>, circuit: usize) -> bool {
    let Some(free) = &model.circuits[circuit].phase_free else {
        return false;
    };
    (0..3).any(|phase| {
        let mut most = vec![0_i64; model.slots];
        let below = |it: &&Need| model.upwards(it.circuit).any(|above| above == circuit);
        for it in model
            .sessions
            .iter()
            .filter(below)
            .filter(|it| it.on_phase[phase])
        {
            for sum in &mut most[it.from..it.to] {
                *sum = sum.saturating_add(it.max_mw * it.sixths_per_phase());
            }
        }
        most.iter()
            .zip(&free[phase])
            .any(|(most, free)| most > free)
    })
}
