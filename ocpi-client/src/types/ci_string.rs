//! Case-insensitive text.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::macros::deserialize_leniently;
use crate::read::{FromOcpi, Reader, Unreadable, id};

/// A text of printable ASCII that is compared without regard to case and written as it came.
///
/// Section: types, `CiString`. Some platforms change the case of what they echo, so keys made of
/// this type find their object and answers still carry the owner's spelling. Characters outside of
/// printable ASCII are kept and noted.
#[derive(Clone, Default)]
pub struct CiString(Box<str>);

impl CiString {
    /// A text with this spelling.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is the specification's mark for a value that cannot be known, `#NA`.
    pub fn is_not_available(&self) -> bool {
        &*self.0 == "#NA"
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl From<&str> for CiString {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for CiString {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl AsRef<str> for CiString {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq for CiString {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl PartialEq<str> for CiString {
    fn eq(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl PartialEq<&str> for CiString {
    fn eq(&self, other: &&str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl Eq for CiString {}

impl Hash for CiString {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

impl PartialOrd for CiString {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CiString {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl fmt::Display for CiString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CiString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for CiString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromOcpi for CiString {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        let text = String::read(value, reader)?;
        if !text.is_ascii() {
            reader.note(id::TEXT_CHARACTERS, "characters outside of ASCII");
        }
        Ok(Self(text.into()))
    }
}

deserialize_leniently!(CiString);
