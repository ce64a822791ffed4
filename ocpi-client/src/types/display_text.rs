//! Text for people.

use serde::Serialize;

use super::macros::deserialize_leniently;
use crate::read::{Object, OcpiObject, Unreadable};

/// A text in one language. Section: types, `DisplayText` class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisplayText {
    /// Language, ISO 639-1. Two characters, cardinality 1; absence tolerated (then empty).
    pub language: String,
    /// The text, without markup. At most 512 characters, cardinality 1.
    pub text: String,
}

impl OcpiObject for DisplayText {
    const SECTION: &'static str = "types: DisplayText class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("language", 2), ("text", 512)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            language: object.expected("language").unwrap_or_default(),
            text: object.required("text")?,
        })
    }
}

deserialize_leniently!(DisplayText);
