//! What a site's connection asks of it beside its limit: a price of peak power.

use serde::{Deserialize, Serialize};

use super::quantity::{Power, Price};

/// Rules of a site's grid connection that its operator set; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GridRules {
    /// What the peak of a billing month costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand_charge: Option<DemandCharge>,
}

impl GridRules {
    /// True if the operator set none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the highest mean power within a billing month costs. Months begin at the site's local
/// midnight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemandCharge {
    /// Price of each kW of the peak, in millionths of the currency per kW, where no signal
    /// (`demand_price`) gives one.
    pub per_kw: Price,
    /// Power is billed as the mean over windows of this length, in seconds, that begin at multiples
    /// of it since the Unix epoch: a quarter of an hour in most tariffs.
    pub window_s: u32,
    /// The peak of the current month before evenload saw any of it. Counts in the month in which it
    /// was stated.
    pub peak_so_far: Option<Power>,
    /// So much is billed in any case: drawing up to it costs nothing more.
    pub minimum_billed: Option<Power>,
    /// Part of the peaks of earlier months that is billed in any case.
    pub ratchet: Option<Ratchet>,
}

/// The highest peak of some months before goes on to be billed in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratchet {
    /// Which part of it, percent.
    pub percent: u8,
    /// Of how many months before the current one; at most [`MAX_RATCHET_MONTHS`].
    pub months: u8,
}

/// Peaks are kept for two years.
pub const MAX_RATCHET_MONTHS: u8 = 24;

/// The lengths of windows that are known, in seconds. Each divides the hour, so that windows are
/// the same in every time zone of whole quarters of an hour.
pub const WINDOWS_S: [u32; 5] = [300, 600, 900, 1800, 3600];
