//! A request as the routes see it, and the answer: OCPI's envelope and its headers.

use serde_json::{Map, Value, json};

use crate::domain::time::Time;

/// A request, freed of its socket.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub method: String,
    /// The path's parts, as they came.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    /// The credentials token, decoded; `None` without a readable `Authorization`.
    pub token: Option<String>,
    /// The body; `None` where it is not JSON.
    pub body: Option<Value>,
}

impl Request {
    /// The first value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.query.iter();
        all.find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub http: u16,
    pub status_code: u16,
    pub message: Option<String>,
    pub data: Option<Value>,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// OCPI's 1000 with data.
    pub(super) fn ok(data: Value) -> Self {
        Self {
            http: 200,
            status_code: 1000,
            message: None,
            data: Some(data),
            headers: Vec::new(),
        }
    }

    /// OCPI's 1000 without data.
    pub(super) fn done() -> Self {
        Self {
            data: None,
            ..Self::ok(Value::Null)
        }
    }

    /// An OCPI status other than 1000.
    pub(super) fn fault(http: u16, status_code: u16, message: impl Into<String>) -> Self {
        Self {
            http,
            status_code,
            message: Some(message.into()),
            ..Self::done()
        }
    }

    /// HTTP 401.
    pub(super) fn unauthorized() -> Self {
        Self::fault(401, 2000, "the token is missing or not known")
    }

    /// HTTP 404.
    pub(super) fn not_found() -> Self {
        Self::fault(404, 2000, "there is no such object")
    }

    /// HTTP 405.
    pub(super) fn not_allowed(message: &str) -> Self {
        Self::fault(405, 2000, message)
    }

    /// OCPI 2001: a parameter is missing or wrong.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::fault(200, 2001, message)
    }

    /// The response's body.
    pub(super) fn envelope(&self, now: Time) -> Value {
        let mut body = Map::new();
        if let Some(data) = &self.data {
            body.insert("data".into(), data.clone());
        }
        body.insert("status_code".into(), json!(self.status_code));
        if let Some(message) = &self.message {
            body.insert("status_message".into(), json!(message));
        }
        body.insert("timestamp".into(), json!(date_time(now)));
        Value::Object(body)
    }
}

/// OCPI's `DateTime`: UTC with `Z`; a fraction only where there is one.
pub(super) fn date_time(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// Reads OCPI's `DateTime`: with `Z`, or without any designator.
pub(super) fn read_date_time(text: &str) -> Option<Time> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .ok()
        .map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_time_is_utc_with_z() {
        let at: Time = "2019-10-02T06:00:00Z".parse().expect("valid");
        assert_eq!(date_time(at), "2019-10-02T06:00:00Z");
        assert_eq!(read_date_time("2019-10-02T06:00:00Z"), Some(at));
        assert_eq!(read_date_time("2019-10-02T06:00:00.000"), Some(at));
        assert_eq!(read_date_time("2019-10-02T06:00:00+00:00"), None);
    }
}
