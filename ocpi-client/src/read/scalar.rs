//! Texts, numbers and booleans.

use serde_json::Value;

use super::FromOcpi;
use super::deviation::id;
use super::reader::{Reader, Unreadable, excerpt};

impl FromOcpi for String {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        match value {
            Value::String(text) => {
                if text.is_empty() {
                    reader.note(id::TEXT_EMPTY, "an empty text");
                }
                if text.contains(char::is_control) {
                    reader.note(id::TEXT_CHARACTERS, "line breaks or control characters");
                }
                Ok(text.clone())
            }
            Value::Number(_) | Value::Bool(_) => {
                reader.note(
                    id::TEXT_AS_NUMBER,
                    format!("{} without quotes", excerpt(value)),
                );
                Ok(value.to_string())
            }
            _ => Err(reader.wrong_type("a text", value)),
        }
    }
}

impl FromOcpi for bool {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let read = match value {
            Value::Bool(answer) => return Ok(*answer),
            Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => true,
            Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => false,
            Value::Number(number) if number.as_i64() == Some(1) => true,
            Value::Number(number) if number.as_i64() == Some(0) => false,
            _ => return Err(reader.wrong_type("true or false", value)),
        };
        reader.note(
            id::BOOLEAN_AS_TEXT,
            format!("{} for {read}", excerpt(value)),
        );
        Ok(read)
    }
}

impl FromOcpi for f64 {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => {
                let number = text.trim().parse::<f64>().ok();
                if number.is_some() {
                    reader.note(id::NUMBER_AS_TEXT, format!("{} in quotes", excerpt(value)));
                }
                number
            }
            _ => None,
        };
        number
            .filter(|number| number.is_finite())
            .ok_or_else(|| reader.wrong_type("a number", value))
    }
}

impl FromOcpi for i64 {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        if let Some(whole) = value.as_i64() {
            return Ok(whole);
        }
        if let Some(whole) = value.as_str().and_then(|text| text.trim().parse().ok()) {
            reader.note(id::NUMBER_AS_TEXT, format!("{} in quotes", excerpt(value)));
            return Ok(whole);
        }
        let number = f64::read(value, reader)?;
        if number.fract().abs() > 0.0 {
            reader.note(
                id::NUMBER_FRACTION,
                format!("{number} where a whole number belongs"),
            );
        }
        // 2^53: every whole number up to here is exact in a 64-bit float.
        if number.abs() > 9_007_199_254_740_992.0 {
            return Err(reader.unreadable(id::NUMBER_RANGE, format!("{number} is out of range")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within 2^53 by the check above"
        )]
        Ok(number.floor() as Self)
    }
}

macro_rules! read_small_integer {
    ($($integer:ty),+) => {$(
        impl FromOcpi for $integer {
            fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
                let number = i64::read(value, reader)?;
                Self::try_from(number).map_err(|_| {
                    reader.unreadable(id::NUMBER_RANGE, format!("{number} is out of range"))
                })
            }
        }
    )+};
}

read_small_integer!(u16, u32, i32, u64);

impl FromOcpi for Value {
    fn read(value: &Value, _: &mut Reader<'_>) -> Result<Self, Unreadable> {
        Ok(value.clone())
    }
}
