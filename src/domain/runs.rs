//! Long vectors of slots written as runs `[count, value]`: a plan's powers change seldom.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most elements read back: more slots than any plan has.
const MAX_ELEMENTS: usize = 100_000;

/// Writes equal neighbours once, with their count.
pub fn serialize<T: Serialize + PartialEq, S: Serializer>(
    values: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut runs: Vec<(usize, &T)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs.serialize(serializer)
}

/// Reads what [`serialize`] wrote.
pub fn deserialize<'de, T: DeserializeOwned + Clone, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let runs: Vec<(usize, T)> = Vec::deserialize(deserializer)?;
    let total: usize = runs
        .iter()
        .map(|(count, _)| *count)
        .fold(0, usize::saturating_add);
    if total > MAX_ELEMENTS {
        return Err(D::Error::custom("too many elements"));
    }
    Ok(runs
        .into_iter()
        .flat_map(|(count, value)| std::iter::repeat_n(value, count))
        .collect())
}
