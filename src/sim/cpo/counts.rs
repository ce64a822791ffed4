//! What the platform has sent and received.

use serde::Serialize;

/// Counted messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CpoCounts {
    /// Sessions sent whole to the SCSP and taken.
    pub session_puts: u64,
    /// Changes of sessions sent to the SCSP and taken.
    pub session_patches: u64,
    /// Charging preferences forwarded and taken.
    pub preferences: u64,
    /// Profiles the SCSP set, whatever the answer.
    pub profiles_set: u64,
    /// Profiles the SCSP cleared, whatever the answer.
    pub profiles_cleared: u64,
    /// Active profiles the SCSP asked for.
    pub profiles_read: u64,
    /// Requests of the SCSP about profiles that were refused at once.
    pub refused: u64,
    /// Results sent to the SCSP and taken.
    pub callbacks: u64,
    /// Active profiles pushed to the SCSP and taken.
    pub actives: u64,
    /// Messages of ours that the SCSP did not take.
    pub failures: u64,
}
