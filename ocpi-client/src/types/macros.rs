//! The two shapes that repeat: enums that keep unknown values, and `Deserialize` by lenient
//! reading.

/// An enum of the specification whose unknown values are kept as text.
///
/// Closed enums are written so too: one unknown value must not lose a page of objects. Only there
/// it is noted; in those marked `(open)`, which the specification lets anyone extend, it is not.
macro_rules! open_enum {
    (@is_open open) => { true };
    (
        $(#[$meta:meta])*
        pub enum $name:ident $(($open:ident))? in $section:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal $(| $alias:literal)* ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $( $(#[$variant_meta])* $variant, )+
            /// A value that the specification does not have, as the peer wrote it.
            Other(String),
        }

        impl $name {
            /// Whether the specification lets anyone add values.
            pub const IS_OPEN: bool = false $(|| open_enum!(@is_open $open))?;

            /// Every value of the specification that has a name here.
            pub const KNOWN: &[Self] = &[$(Self::$variant),+];

            /// The value as it stands in JSON.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $text, )+
                    Self::Other(text) => text,
                }
            }

            /// The value for a text: exact first, then in any case, then known other names;
            /// anything else is kept as [`Self::Other`].
            pub fn from_text(text: &str) -> Self {
                match text {
                    $( $text => Self::$variant, )+
                    $( _ if text.eq_ignore_ascii_case($text) => Self::$variant, )+
                    $( $( _ if text.eq_ignore_ascii_case($alias) => Self::$variant, )* )+
                    _ => Self::Other(text.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl $crate::read::FromOcpi for $name {
            fn read(
                value: &serde_json::Value,
                reader: &mut $crate::read::Reader<'_>,
            ) -> Result<Self, $crate::read::Unreadable> {
                use $crate::read::id;
                let serde_json::Value::String(text) = value else {
                    return Err(reader.wrong_type("a text", value));
                };
                let read = Self::from_text(text);
                if matches!(read, Self::Other(_)) {
                    if Self::IS_OPEN {
                        return Ok(read);
                    }
                    let start = $crate::read::shortened(text.clone(), 40);
                    reader.note_in($section, id::ENUM_UNKNOWN, format!("{start:?} is no value of it"));
                } else if read.as_str().eq_ignore_ascii_case(text) {
                    if read.as_str() != text {
                        reader.note_in($section, id::ENUM_CASE, format!("{text:?} for {read}"));
                    }
                } else {
                    reader.note_in($section, id::ENUM_ALIAS, format!("{text:?} for {read}"));
                }
                Ok(read)
            }
        }

        $crate::types::macros::deserialize_leniently!($name);
    };
}

/// `serde::Deserialize` by way of the lenient reader, without the deviations.
macro_rules! deserialize_leniently {
    ($($name:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
                $crate::read::read_one(&value)
                    .map(|reading| reading.value)
                    .map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(crate) use deserialize_leniently;
pub(crate) use open_enum;
