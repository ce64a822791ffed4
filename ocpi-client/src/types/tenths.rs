//! A number with one decimal.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::macros::deserialize_leniently;
use crate::read::{FromOcpi, Reader, Unreadable, id};

/// A number with at most one decimal, held as a whole number of tenths.
///
/// Section: `mod_charging_profiles`, `ChargingProfilePeriod`: a limit has at most one decimal. The
/// unit is that of the profile around it: amperes per phase or watts. On the wire it is a JSON
/// number (`16.0`); in between no float exists. A value with more decimals is rounded down, which
/// for a limit is the safe side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenths(i64);

impl Tenths {
    /// Nothing: a pause, when it is a limit.
    pub const ZERO: Self = Self(0);

    /// The largest value: 10^13 tenths = 10^12 units (1 TW). Beyond it a value is cut to it: some
    /// platforms write "no limit" as a very large number.
    pub const MAX: Self = Self(10_000_000_000_000);

    /// The smallest value.
    pub const MIN: Self = Self(-Self::MAX.0);

    /// From a count of tenths; beyond [`Self::MAX`] and [`Self::MIN`] it is cut to them.
    pub const fn from_tenths(tenths: i64) -> Self {
        if tenths > Self::MAX.0 {
            Self::MAX
        } else if tenths < Self::MIN.0 {
            Self::MIN
        } else {
            Self(tenths)
        }
    }

    /// From whole units.
    pub const fn from_whole(units: i64) -> Self {
        Self::from_tenths(units.saturating_mul(10))
    }

    /// From thousandths of a unit (milliamperes of amperes), rounded down to a tenth.
    pub const fn floor_from_milli(milli: i64) -> Self {
        Self::from_tenths(milli.div_euclid(100))
    }

    /// The count of tenths.
    pub const fn tenths(self) -> i64 {
        self.0
    }

    /// Thousandths of a unit (milliamperes of amperes); exact.
    pub const fn milli(self) -> i64 {
        self.0.saturating_mul(100)
    }

    /// Whole units, rounded down.
    pub const fn floor(self) -> i64 {
        self.0.div_euclid(10)
    }

    /// From a JSON number as it was written; the flag says whether something was rounded off.
    fn from_decimal(text: &str) -> Option<(Self, bool)> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(fraction) {
            return None;
        }
        // 13 digits are beyond MAX already.
        let units = if whole.trim_start_matches('0').len() > 13 {
            Self::MAX.0
        } else {
            whole.parse::<i64>().ok()?
        };
        let tenth = fraction
            .bytes()
            .next()
            .map_or(0, |digit| i64::from(digit - b'0'));
        let rounded = fraction.bytes().skip(1).any(|digit| digit != b'0');
        let tenths = units.saturating_mul(10).saturating_add(tenth);
        let tenths = if negative {
            -tenths - i64::from(rounded)
        } else {
            tenths
        };
        Some((Self::from_tenths(tenths), rounded))
    }

    /// From a float, for numbers written with an exponent; rounded down.
    fn from_float(number: f64) -> (Self, bool) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "10^13 is exact in a 64-bit float"
        )]
        let bound = Self::MAX.0 as f64;
        let tenths = number * 10.0;
        let floor = tenths.floor();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cut to 10^13, whole after floor"
        )]
        let value = Self(floor.clamp(-bound, bound) as i64);
        (value, (tenths - floor).abs() > 0.0)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{}", self.0.abs() / 10, self.0.abs() % 10)
    }
}

impl Serialize for Tenths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Up to 10^13 tenths, the nearest float to a tenth prints as that tenth again.
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^53 every whole number is exact"
        )]
        serializer.serialize_f64(self.0 as f64 / 10.0)
    }
}

impl FromOcpi for Tenths {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            _ => return Err(reader.wrong_type("a number", value)),
        };
        let (tenths, rounded) = match Self::from_decimal(&text) {
            Some(read) => read,
            None => Self::from_float(f64::read(value, reader)?),
        };
        if value.is_string() {
            reader.note(id::NUMBER_AS_TEXT, format!("{tenths} in quotes"));
        }
        if rounded {
            reader.note(
                id::NUMBER_DECIMALS,
                format!("{text} rounded down to {tenths}"),
            );
        }
        if tenths == Self::MAX || tenths == Self::MIN {
            reader.note(id::NUMBER_RANGE, format!("{text} cut to {tenths}"));
        }
        Ok(tenths)
    }
}

deserialize_leniently!(Tenths);
