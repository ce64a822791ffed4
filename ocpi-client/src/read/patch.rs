//! Changes to an object the peer owns.

use serde::Serialize;
use serde_json::Value;

use super::deviation::{Deviation, Deviations, id};
use super::reader::Unreadable;
use super::{FromOcpi, Reading, read_one};
use crate::types::DateTime;

const SECTION: &str = "transport_and_format: PATCH";

/// The object after a PATCH: every field of `changes` replaces that of `object`, whole lists
/// included; `null` removes.
///
/// Section: `transport_and_format`, PATCH. `last_updated` is mandatory; without it, or when the
/// result is no such object any more, the answer to the peer is status code 2001. Sessions have a
/// rule of their own for charging periods, see [`crate::types::Session::patched`].
pub fn patched<T: FromOcpi + Serialize>(
    object: &T,
    changes: &Value,
) -> Result<Reading<T>, Unreadable> {
    let refuse = |id, path: &str, detail: &str| Unreadable {
        deviation: Box::new(Deviation::new(id, path, SECTION, detail)),
    };
    let Value::Object(fields) = changes else {
        return Err(refuse(id::WRONG_TYPE, "$", "a PATCH is an object"));
    };
    let moment = fields.get("last_updated").map(|value| {
        let mut ignored = Deviations::new();
        DateTime::read(
            value,
            &mut super::Reader::new("$.last_updated", &mut ignored),
        )
    });
    match moment {
        None => {
            return Err(refuse(
                id::FIELD_MISSING,
                "$.last_updated",
                "required in a PATCH",
            ));
        }
        Some(moment) => moment?,
    };
    let mut whole = serde_json::to_value(object).unwrap_or_default();
    let Value::Object(known) = &mut whole else {
        return Err(refuse(
            id::WRONG_TYPE,
            "$",
            "only an object can be changed by PATCH",
        ));
    };
    known.extend(fields.clone());
    read_one(&whole)
}
