//! Versions of OCPI.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::macros::deserialize_leniently;
use crate::read::{FromOcpi, Object, OcpiObject, Reader, Unreadable, shortened};

/// A version of OCPI.
///
/// Section: `version_information_endpoint`, `VersionNumber`. The order is that of preference: any
/// other version is less than the two this crate speaks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// A version that this crate does not speak, as the peer wrote it.
    Other(String),
    /// 2.2.1.
    V221,
    /// 2.3.0.
    V230,
}

impl Version {
    /// The versions this crate speaks, the preferred one first.
    pub const SPOKEN: [Self; 2] = [Self::V230, Self::V221];

    /// The version as it is written in JSON and in paths.
    pub fn as_str(&self) -> &str {
        match self {
            Self::V221 => "2.2.1",
            Self::V230 => "2.3.0",
            Self::Other(text) => text,
        }
    }

    /// The version for a text.
    pub fn from_text(text: &str) -> Self {
        match text.trim() {
            "2.2.1" => Self::V221,
            // Some write the two leading numbers only.
            "2.3.0" | "2.3" => Self::V230,
            other => Self::Other(shortened(other.to_owned(), 16)),
        }
    }

    /// Whether this crate speaks it.
    pub fn is_spoken(&self) -> bool {
        !matches!(self, Self::Other(_))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromOcpi for Version {
    fn read(value: &Value, reader: &mut Reader<'_>) -> Result<Self, Unreadable> {
        String::read(value, reader).map(|text| Self::from_text(&text))
    }
}

/// One version a platform offers, with the address of its details.
///
/// Section: `version_information_endpoint`, Version class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionEntry {
    /// The version. Cardinality 1.
    pub version: Version,
    /// Where the version's details are. URL, cardinality 1.
    pub url: String,
}

impl OcpiObject for VersionEntry {
    const SECTION: &'static str = "version_information_endpoint: Version class";
    const MAX_LENGTHS: &'static [(&'static str, usize)] = &[("url", 255)];

    fn read_fields(object: &mut Object<'_, '_, '_>) -> Result<Self, Unreadable> {
        Ok(Self {
            version: object.required("version")?,
            url: object.required("url")?,
        })
    }
}

deserialize_leniently!(Version, VersionEntry);
