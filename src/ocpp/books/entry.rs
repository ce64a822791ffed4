//! One transaction as it is kept.

use serde::{Deserialize, Serialize};

use crate::domain::quantity::Energy;
use crate::domain::time::Time;

/// One transaction as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id: ours over 1.6, the station's over 2.x.
    pub id: String,
    /// The EVSE (1.6: connector); 0 = not said yet.
    pub evse: u32,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
    /// The register when it began, or when it was last found to have jumped back.
    pub base: Option<Energy>,
    /// Energy before the register jumped.
    pub before_jump: Energy,
    /// Energy delivered.
    pub energy: Energy,
    /// The hashed keys under which its departure may be filed.
    pub keys: Vec<String>,
    /// What a repeated start is known by (1.6).
    pub fingerprint: Option<String>,
    /// The highest sequence number seen (2.x).
    pub seq_no: Option<i64>,
    /// Why it ended.
    pub reason: Option<String>,
    /// What the car asked for over ISO 15118: when it leaves.
    pub departure: Option<Time>,
    /// What the car asked for over ISO 15118: energy of the whole session.
    pub wanted: Option<Energy>,
    /// The plan is set aside for it (2.1 priority charging).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub priority: bool,
}

impl Entry {
    /// True while it runs.
    pub fn is_running(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Takes in a value of the energy register.
    pub(super) fn note_register(&mut self, register: Energy) {
        let Some(base) = self.base else {
            self.base = Some(register);
            return;
        };
        if register < base {
            // It was reset, or counts per session: go on from here. Nothing is ever taken away.
            self.before_jump = self.energy;
            self.base = Some(register);
            return;
        }
        let energy = self.before_jump + (register - base);
        self.energy = self.energy.max(energy);
    }
}
