//! What a peer wrote differently from the specification, and where.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Most deviations kept from one reading; the rest are only counted.
///
/// A page of 1,000 objects with the same fault would otherwise fill the memory with copies of
/// one sentence.
pub const MAX_DEVIATIONS: usize = 256;

/// Longest `detail` kept, in characters, so that a peer cannot make our records large.
const MAX_DETAIL_CHARS: usize = 240;

/// Stable identifiers of the deviations this crate can find.
///
/// They never change their meaning, so they can be stored, counted and documented. What only a look at
/// several fields shows is named where that is done: [`crate::plausibility::ENERGY_IN_WH`],
/// [`crate::plausibility::POWER_IN_W`], [`crate::types::LINE_TO_LINE_VOLTAGE`]. A caller that finds
/// more adds identifiers of its own.
pub mod id {
    /// A field that the specification requires is absent, `null` or (where it matters) empty.
    pub const FIELD_MISSING: &str = "field.missing";
    /// A field of known meaning is spelled differently, such as `lastUpdated`.
    pub const FIELD_SPELLING: &str = "field.spelling";
    /// An optional field holds `""` where it should be absent.
    pub const FIELD_EMPTY: &str = "field.empty";
    /// A value has a JSON type from which nothing can be read.
    pub const WRONG_TYPE: &str = "type.wrong";
    /// A number was sent as a JSON string.
    pub const NUMBER_AS_TEXT: &str = "number.as_text";
    /// A whole number was expected and a fraction was sent; it is rounded down.
    pub const NUMBER_FRACTION: &str = "number.fraction";
    /// More decimals than the field allows; the value is rounded down.
    pub const NUMBER_DECIMALS: &str = "number.decimals";
    /// A number is outside of what the field can hold.
    pub const NUMBER_RANGE: &str = "number.range";
    /// A boolean was sent as text or as a number.
    pub const BOOLEAN_AS_TEXT: &str = "boolean.as_text";
    /// A text was sent as a JSON number or boolean.
    pub const TEXT_AS_NUMBER: &str = "text.as_number";
    /// A text is longer than the specification allows; it is kept whole.
    pub const TEXT_TOO_LONG: &str = "text.too_long";
    /// A text holds characters that its type does not allow; it is kept.
    pub const TEXT_CHARACTERS: &str = "text.characters";
    /// A required text is empty; it is kept.
    pub const TEXT_EMPTY: &str = "text.empty";
    /// A time carries an offset instead of being in UTC; it is converted.
    pub const DATETIME_OFFSET: &str = "datetime.offset";
    /// A time is written in another way than RFC 3339 (a blank for the `T`, a date alone).
    pub const DATETIME_FORMAT: &str = "datetime.format";
    /// A time was sent as a count of seconds or milliseconds.
    pub const DATETIME_EPOCH: &str = "datetime.epoch";
    /// A text that should be a time cannot be read.
    pub const DATETIME_UNREADABLE: &str = "datetime.unreadable";
    /// An enum value is known but in another case.
    pub const ENUM_CASE: &str = "enum.case";
    /// An enum value is a known other name, such as `RESERVED` for `RESERVATION`.
    pub const ENUM_ALIAS: &str = "enum.alias";
    /// An enum value is not in the specification; it is kept as text.
    pub const ENUM_UNKNOWN: &str = "enum.unknown";
    /// One object stands where a list is expected; it is read as a list of one.
    pub const LIST_SINGLE: &str = "list.single_object";
    /// An entry of a list cannot be read; the others are kept.
    pub const LIST_BAD_ENTRY: &str = "list.bad_entry";
    /// A list that must have an entry is empty.
    pub const LIST_EMPTY: &str = "list.empty";
    /// An object is wrapped in a list of one; it is unwrapped.
    pub const OBJECT_IN_LIST: &str = "object.in_list";
    /// An object cannot be read at all.
    pub const OBJECT_UNREADABLE: &str = "object.unreadable";
    /// A price is a bare number, as in OCPI 2.1.1.
    pub const PRICE_BARE_NUMBER: &str = "price.bare_number";
    /// The response has no envelope; the body is taken as the data.
    pub const ENVELOPE_MISSING: &str = "envelope.missing";
    /// A callback's body is wrapped in an envelope; the result inside is used.
    pub const ENVELOPE_UNEXPECTED: &str = "envelope.unexpected";
    /// The response's `Content-Type` is not JSON.
    pub const CONTENT_TYPE: &str = "http.content_type";
    /// The token in the `Authorization` header is not Base64.
    pub const TOKEN_RAW: &str = "http.token_raw";
    /// A message identifier header is absent or unusable.
    pub const REQUEST_ID: &str = "http.request_id";
    /// A response does not echo the identifiers of its request.
    pub const REQUEST_ID_ECHO: &str = "http.request_id_echo";
    /// A routing header is there without its other half.
    pub const ROUTING_HALF: &str = "http.routing_half";
    /// A `Link` header that names no usable next page.
    pub const PAGE_LINK: &str = "page.link";
    /// A page has no next link although the total says that more is there.
    pub const PAGE_LINK_MISSING: &str = "page.link_missing";
    /// A page holds more objects than were asked for.
    pub const PAGE_TOO_LONG: &str = "page.too_long";
    /// A counting header (`X-Total-Count`, `X-Limit`) is not a number.
    pub const PAGE_COUNT: &str = "page.count";
    /// A URL cannot be read or is of no use.
    pub const URL: &str = "url.unreadable";

    /// What the peer should change, for a deviation of this crate; `None` for a caller's own.
    pub fn advice(id: &str) -> Option<&'static str> {
        Some(match id {
            FIELD_MISSING => "Send every field that the specification marks as required.",
            FIELD_SPELLING => "Spell field names as in the specification: lower case, underscores.",
            FIELD_EMPTY => "Leave an optional field out instead of sending an empty text.",
            WRONG_TYPE => "Send the JSON type that the specification names for this field.",
            NUMBER_AS_TEXT => "Send numbers as JSON numbers, without quotes.",
            NUMBER_FRACTION => "Send a whole number here.",
            NUMBER_DECIMALS => "Send no more decimals than the specification allows.",
            NUMBER_RANGE => "Send a number within the range of this field.",
            BOOLEAN_AS_TEXT => "Send JSON true or false, without quotes.",
            TEXT_AS_NUMBER => "Send texts and identifiers in quotes.",
            TEXT_TOO_LONG => "Keep texts within the length given by the specification.",
            TEXT_CHARACTERS => "Use printable characters only (ASCII for a CiString).",
            TEXT_EMPTY => "Send the value, or `#NA` where it really cannot be known.",
            DATETIME_OFFSET => "Send times in UTC with a trailing `Z`, not with an offset.",
            DATETIME_FORMAT | DATETIME_UNREADABLE => "Write times as `2026-01-31T12:00:00Z`.",
            DATETIME_EPOCH => "Write times as text in RFC 3339, not as a count.",
            ENUM_CASE => "Write enum values in the case of the specification.",
            ENUM_ALIAS | ENUM_UNKNOWN => "Use the enum values of the specification.",
            LIST_SINGLE => "Send a JSON list here, even for a single entry.",
            LIST_BAD_ENTRY => "Repair the entry named by the path; it was left out.",
            LIST_EMPTY => "This list needs at least one entry.",
            OBJECT_IN_LIST => "Send the object itself, not a list that holds it.",
            OBJECT_UNREADABLE => "Repair the object named by the path; it was left out.",
            PRICE_BARE_NUMBER => "Send a Price object, not a number.",
            ENVELOPE_MISSING => "Wrap every response: data, status_code, timestamp.",
            ENVELOPE_UNEXPECTED => "POST the bare result object to the response_url.",
            CONTENT_TYPE => "Answer with `Content-Type: application/json`.",
            TOKEN_RAW => "Encode the credentials token as Base64 in the Authorization header.",
            REQUEST_ID => "Send X-Request-ID and X-Correlation-ID with every message.",
            REQUEST_ID_ECHO => "Echo X-Request-ID and X-Correlation-ID in every response.",
            ROUTING_HALF => "Send party id and country code headers together.",
            PAGE_LINK => {
                "Write `Link: <url>; rel=\"next\"`; leave the header out on the last page."
            }
            PAGE_LINK_MISSING => "Send a Link header on every page but the last.",
            PAGE_TOO_LONG => "Send no more objects in a page than `limit` asks for.",
            PAGE_COUNT => "Send whole numbers in X-Total-Count and X-Limit.",
            URL => "Send an absolute http or https URL.",
            crate::plausibility::ENERGY_IN_WH => "Send ENERGY volumes in kWh.",
            crate::plausibility::POWER_IN_W => "Send POWER volumes in kW.",
            crate::types::LINE_TO_LINE_VOLTAGE => {
                "Send the voltage between a phase and neutral in `max_voltage`: 230, not 400."
            }
            _ => return None,
        })
    }
}

/// One place where a peer's message differs from the specification.
///
/// A deviation is not an error: the message was understood. It is meant to be shown to the people
/// who can repair the other side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Deviation {
    /// Stable identifier, see [`id`].
    pub id: Cow<'static, str>,
    /// JSON path from the body's root, such as `$.data[3].cdr_token.uid`; for headers the name.
    pub path: String,
    /// Part of the specification that says how it should be, such as
    /// `mod_sessions: Session object`.
    pub section: Cow<'static, str>,
    /// One readable sentence on what was found.
    pub detail: String,
}

impl Deviation {
    /// A deviation; `detail` is shortened when a peer's text makes it very long.
    pub fn new(
        id: &'static str,
        path: impl Into<String>,
        section: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            id: Cow::Borrowed(id),
            path: path.into(),
            section: Cow::Borrowed(section),
            detail: shortened(detail.into(), MAX_DETAIL_CHARS),
        }
    }

    /// What the peer should change, when the deviation is one of this crate's.
    pub fn advice(&self) -> Option<&'static str> {
        id::advice(&self.id)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at {}: {} ({})",
            self.id, self.path, self.detail, self.section
        )
    }
}

/// `text` cut to `max` characters, with an ellipsis when something was cut.
pub(crate) fn shortened(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text,
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

/// Deviations collected during one reading, at most [`MAX_DEVIATIONS`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deviations {
    found: Vec<Deviation>,
    dropped: usize,
}

impl Deviations {
    /// No deviations yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, or counts it when the collection is full.
    pub fn push(&mut self, deviation: Deviation) {
        if self.found.len() < MAX_DEVIATIONS {
            self.found.push(deviation);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Adds all of another collection.
    pub fn append(&mut self, other: Self) {
        self.dropped = self.dropped.saturating_add(other.dropped);
        for deviation in other.found {
            self.push(deviation);
        }
    }

    /// The deviations kept, in the order found.
    pub fn as_slice(&self) -> &[Deviation] {
        &self.found
    }

    /// The deviations kept, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Deviation> {
        self.found.iter()
    }

    /// How many were found beyond [`MAX_DEVIATIONS`].
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Whether the message was as the specification says.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && self.dropped == 0
    }

    /// Whether a deviation with this identifier was found.
    pub fn has(&self, id: &str) -> bool {
        self.found.iter().any(|deviation| deviation.id == id)
    }

    /// The kept deviations, owned.
    pub fn into_vec(self) -> Vec<Deviation> {
        self.found
    }
}

impl<'a> IntoIterator for &'a Deviations {
    type Item = &'a Deviation;
    type IntoIter = std::slice::Iter<'a, Deviation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<Deviation> for Deviations {
    fn extend<I: IntoIterator<Item = Deviation>>(&mut self, deviations: I) {
        for deviation in deviations {
            self.push(deviation);
        }
    }
}
