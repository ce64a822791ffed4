//! A quantity over time: one number for all slots, or one number per slot.

use serde::{Deserialize, Serialize};

/// One number that holds in every slot, or one number for each slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Series {
    /// The same value in every slot.
    Constant(f64),
    /// One value for each slot, in order.
    PerSlot(Vec<f64>),
}

impl Series {
    /// The value in `slot`; beyond the end of a per-slot series its last value, 0 if it is empty.
    pub fn at(&self, slot: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::PerSlot(values) => values
                .get(slot)
                .or(values.last())
                .copied()
                .unwrap_or_default(),
        }
    }
}

impl From<f64> for Series {
    fn from(value: f64) -> Self {
        Self::Constant(value)
    }
}

impl From<Vec<f64>> for Series {
    fn from(values: Vec<f64>) -> Self {
        Self::PerSlot(values)
    }
}

impl Default for Series {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}
