//! Power in whole milliwatts: inside the solver limits are integers, so that sums are exact.
//!
//! An `i64` holds 9.2e18 mW. The largest limit is 1e6 kW = 1e12 mW, and 35,136 slots of it are
//! 3.5e16, so sums over one circuit and the whole horizon fit. Sums over sessions saturate.

/// One kW in mW.
pub(crate) const PER_KW: f64 = 1e6;

/// A thousandth of a milliwatt: what binary fractions lose, not a quantity anyone meant.
const NOISE_MW: f64 = 1e-3;

/// A limit: rounded down.
#[expect(
    clippy::cast_possible_truncation,
    reason = "validated to at most 1e12 mW; saturates"
)]
pub(crate) fn floor(kw: f64) -> i64 {
    (kw * PER_KW + NOISE_MW).floor() as i64
}

/// A load that cannot be steered: rounded up.
pub(crate) fn ceil(kw: f64) -> i64 {
    -floor(-kw)
}

/// A power bound of a session: the nearest milliwatt.
#[expect(
    clippy::cast_possible_truncation,
    reason = "validated to at most 1e12 mW; saturates"
)]
pub(crate) fn nearest(kw: f64) -> i64 {
    (kw * PER_KW).round() as i64
}

/// Back to kW.
#[expect(
    clippy::cast_precision_loss,
    reason = "below 2^53 mW, nine million kW, it is exact"
)]
pub(crate) fn to_kw(mw: i64) -> f64 {
    mw as f64 / PER_KW
}
