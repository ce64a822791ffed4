//! From the bytes of an answer to its data.

use serde_json::Value;

use crate::error::Error;
use crate::read::{
    Deviation, Deviations, FromOcpi, Reading, Unreadable, id, read_at, read_list_at, read_one,
    shortened,
};
use crate::types::{Envelope, StatusCode};

const SECTION: &str = "transport_and_format: Response format";
const CALLBACK: &str = "mod_charging_profiles: Sender interface, POST method";

/// Reads a result that a peer sent to a `response_url`: bare, as specified, or wrapped in an
/// envelope, as some do.
pub fn read_callback<T: FromOcpi>(body: &Value) -> Result<Reading<T>, Unreadable> {
    let Some(inner) = body.get("data").filter(|data| !data.is_null()) else {
        return read_one(body);
    };
    let mut reading = read_at::<T>(inner, "$.data")?;
    let detail = "the result is wrapped in an envelope";
    reading.deviations.push(Deviation::new(
        id::ENVELOPE_UNEXPECTED,
        "$",
        CALLBACK,
        detail,
    ));
    Ok(reading)
}

/// An answer as it came, without its headers but one.
#[derive(Debug, Clone, Copy)]
pub struct RawAnswer<'a> {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, when there is one.
    pub content_type: Option<&'a str>,
    /// The body, decompressed.
    pub body: &'a [u8],
}

/// A successful answer: HTTP 2xx and OCPI 1xxx.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    operation: &'static str,
    data: Option<Value>,
    /// JSON path of the data in the body.
    path: &'static str,
    /// What was tolerated so far.
    pub deviations: Deviations,
}

/// Decides whether an answer is a success, and if not, who is at fault.
pub fn classify(operation: &'static str, answer: &RawAnswer<'_>) -> Result<Answer, Error> {
    let json = serde_json::from_slice::<Value>(answer.body);
    if !(200..300).contains(&answer.status) {
        return Err(refused(operation, answer, json.ok()));
    }
    let mut deviations = Deviations::new();
    if answer.body.iter().all(u8::is_ascii_whitespace) {
        deviations.push(envelope_missing("the body is empty"));
        return Ok(Answer {
            operation,
            data: None,
            path: "$",
            deviations,
        });
    }
    let mut body = json.map_err(|error| not_json(operation, answer, &error))?;
    if !answer
        .content_type
        .is_some_and(|value| value.to_ascii_lowercase().contains("json"))
    {
        let found = shortened(answer.content_type.unwrap_or("nothing").to_owned(), 80);
        let detail = format!("{found:?} where the body is JSON");
        deviations.push(Deviation::new(
            id::CONTENT_TYPE,
            "Content-Type",
            SECTION,
            detail,
        ));
    }
    if body.get("status_code").is_none() && body.pointer("/0/status_code").is_none() {
        deviations.push(envelope_missing(
            "the body has no status_code; taken as the data",
        ));
        return Ok(Answer {
            operation,
            data: Some(body),
            path: "$",
            deviations,
        });
    }
    // Taken out, not copied: a page may be megabytes.
    let taken = body
        .as_object_mut()
        .and_then(|fields| fields.remove("data"));
    let envelope = read_one::<Envelope<Value>>(&body)
        .map_err(|reason| Error::Unreadable { operation, reason })?;
    deviations.append(envelope.deviations);
    let Envelope {
        data,
        status_code,
        status_message,
        ..
    } = envelope.value;
    let data = taken.or(data).filter(|data| !data.is_null());
    if !status_code.is_success() {
        return Err(Error::Ocpi {
            operation,
            code: status_code,
            message: status_message.map(|message| shortened(message, 240)),
            data: data.map(Box::new),
        });
    }
    Ok(Answer {
        operation,
        data,
        path: "$.data",
        deviations,
    })
}

fn envelope_missing(detail: &str) -> Deviation {
    Deviation::new(id::ENVELOPE_MISSING, "$", SECTION, detail)
}

fn not_json(operation: &'static str, answer: &RawAnswer<'_>, error: &serde_json::Error) -> Error {
    let detail = format!("{error}; it begins {:?}", start_of(answer.body, 80));
    Error::NotJson {
        operation,
        status: answer.status,
        detail,
    }
}

fn refused(operation: &'static str, answer: &RawAnswer<'_>, body: Option<Value>) -> Error {
    let envelope = body.and_then(|body| read_one::<Envelope<Value>>(&body).ok());
    let (code, message) = match envelope {
        Some(envelope) => (
            Some(envelope.value.status_code),
            envelope.value.status_message,
        ),
        None => (
            None,
            Some(start_of(answer.body, 160)).filter(|start| !start.is_empty()),
        ),
    };
    // A refusal by HTTP with a success code inside is no more of a success.
    let code = code.filter(|code: &StatusCode| !code.is_success());
    let message = message.map(|message| shortened(message, 240));
    Error::Http {
        operation,
        status: answer.status,
        code,
        message,
    }
}

/// The start of a body as text, for a report.
fn start_of(body: &[u8], max_chars: usize) -> String {
    // Four bytes are the longest character in UTF-8.
    let head = &body[..body.len().min(max_chars * 4)];
    shortened(String::from_utf8_lossy(head).trim().to_owned(), max_chars)
}

impl Answer {
    /// The data as one object or value.
    pub fn one<T: FromOcpi>(mut self) -> Result<(T, Deviations), Error> {
        let operation = self.operation;
        let data = self.data.filter(|data| !data.is_null());
        let data = data.ok_or(Error::MissingData { operation })?;
        let reading =
            read_at(&data, self.path).map_err(|reason| Error::Unreadable { operation, reason })?;
        self.deviations.append(reading.deviations);
        Ok((reading.value, self.deviations))
    }

    /// The data as a list; absent and `null` are an empty one, bad entries are left out and noted.
    pub fn list<T: FromOcpi>(mut self) -> (Vec<T>, Deviations) {
        let data = self.data.unwrap_or(Value::Null);
        let reading = read_list_at(&data, self.path);
        self.deviations.append(reading.deviations);
        (reading.value, self.deviations)
    }

    /// Like [`Self::list`], with the number of entries the page had, the bad ones included.
    pub(crate) fn list_with_count<T: FromOcpi>(self) -> ((Vec<T>, usize), Deviations) {
        let count = match &self.data {
            Some(Value::Array(entries)) => entries.len(),
            Some(Value::Object(_)) => 1,
            _ => 0,
        };
        let (items, deviations) = self.list();
        ((items, count), deviations)
    }

    /// The answer to a request that asks for no data; whatever came is ignored.
    pub fn none(self) -> Deviations {
        self.deviations
    }
}
