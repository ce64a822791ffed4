//! Errors as RFC 9457 problem documents, with every fault of a request and where it is.

use std::cell::RefCell;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;

use crate::domain::ports::{PortError, Taken};

/// Most faults listed in one answer; what a program has wrong a thousand times it has wrong once.
const MAX_FAULTS: usize = 100;
/// What a client is told to wait when the service is overloaded, in seconds.
const RETRY_S: u32 = 5;

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// JSON pointer into the body; a query parameter is named with a leading `?`, a header with
    /// its name and a colon.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

/// Collects the faults of one request, so that a client learns of all at once.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, pointer: impl Into<String>, detail: impl Into<String>) {
        let mut faults = self.0.borrow_mut();
        if faults.len() < MAX_FAULTS {
            faults.push(Fault {
                pointer: pointer.into(),
                detail: detail.into(),
            });
        }
    }

    /// A 400 if anything is wrong.
    pub(super) fn check(self) -> Result<(), Problem> {
        let faults = self.0.into_inner();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::faulty(faults))
        }
    }

    /// What was read, or a 400 with everything that is wrong. Nothing read and no fault cannot be;
    /// should it be, it is a fault as well.
    pub(super) fn give<T>(self, read: Option<T>) -> Result<T, Problem> {
        if read.is_none() && self.0.borrow().is_empty() {
            self.add("", "cannot be read");
        }
        self.check()?;
        read.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST))
    }
}

/// A problem document (RFC 9457) on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Option<String>,
    errors: Vec<Fault>,
    header: Option<(HeaderName, String)>,
    extra: Option<Box<(&'static str, serde_json::Value)>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode) -> Self {
        Self {
            status,
            detail: None,
            errors: Vec::new(),
            header: None,
            extra: None,
        }
    }

    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds a member of our own (RFC 9457, 3.2).
    pub(super) fn with(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.extra = Some(Box::new((name, value)));
        self
    }

    /// 400 with every fault.
    pub(super) fn faulty(errors: Vec<Fault>) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST)
            .with_detail("the request is not valid; nothing of it was applied");
        problem.errors = errors;
        problem
    }

    /// 400 with one fault.
    pub(super) fn fault(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::faulty(vec![Fault {
            pointer: pointer.into(),
            detail: detail.into(),
        }])
    }

    /// 401 without a word on what was wrong.
    pub(super) fn unauthorized() -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED);
        problem.header = Some((WWW_AUTHENTICATE, "Bearer".to_owned()));
        problem
    }

    /// 405 with the methods that are offered.
    pub(super) fn not_allowed(allowed: &'static str) -> Self {
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED)
            .with_detail(format!("only {allowed} is offered here"));
        problem.header = Some((ALLOW, allowed.to_owned()));
        problem
    }

    /// 403: the token is known, its scope does not reach.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN).with_detail(detail)
    }

    /// 404.
    pub(super) fn unknown(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND).with_detail(format!("{what} is not known"))
    }

    /// 409: valid, but not now.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT).with_detail(detail)
    }

    /// 409: an EVSE has one site.
    fn taken(taken: &[Taken]) -> Self {
        let mut problem = Self::conflict(
            "an EVSE belongs to one site; take it out of the other one first. Nothing was applied",
        );
        problem.errors = taken
            .iter()
            .take(MAX_FAULTS)
            .map(|it| Fault {
                pointer: format!("/evses/{}/source", it.index),
                detail: format!("is an EVSE of site {} already", it.site),
            })
            .collect();
        problem
    }

    /// 429.
    pub(super) fn too_many(retry_after_s: u32) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS)
            .with_detail("too many requests; wait and try again");
        problem.header = Some((RETRY_AFTER, retry_after_s.to_string()));
        problem
    }
}

impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Unknown(what) => Self::unknown(what),
            PortError::Refused(why) => Self::new(StatusCode::CONFLICT).with_detail(why),
            PortError::Taken(taken) => Self::taken(&taken),
            PortError::Overloaded(_) | PortError::Storage(_) | PortError::Stopping => {
                let mut problem =
                    Self::new(StatusCode::SERVICE_UNAVAILABLE).with_detail(error.to_string());
                problem.header = Some((RETRY_AFTER, RETRY_S.to_string()));
                problem
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
        });
        if let Some(detail) = &self.detail {
            body["detail"] = detail.as_str().into();
        }
        if !self.errors.is_empty() {
            body["errors"] = self
                .errors
                .iter()
                .map(|fault| serde_json::json!({"pointer": fault.pointer, "detail": fault.detail}))
                .collect();
        }
        if let Some(extra) = &self.extra {
            let (name, value) = &**extra;
            body[*name] = value.clone();
        }
        let mut answer = HttpResponse::build(self.status);
        answer.content_type("application/problem+json");
        if let Some((name, value)) = &self.header {
            answer.insert_header((name.clone(), value.as_str()));
        }
        answer.body(body.to_string())
    }
}
