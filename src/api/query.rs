//! Query parameters: known ones are read, unknown ones refused.

use std::cell::RefCell;

use actix_web::HttpRequest;

use super::input;
use super::problem::Faults;
use crate::domain::time::Time;

/// Most parameters of one request.
const MAX_PARAMETERS: usize = 20;

/// The query of a request. [`Query::close`] finds the parameters that nobody asked for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pairs: Vec<(String, String)>,
    faults: &'a Faults,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Query<'a> {
    pub(super) fn of(request: &HttpRequest, faults: &'a Faults) -> Self {
        let pairs = url::form_urlencoded::parse(request.query_string().as_bytes())
            .take(MAX_PARAMETERS)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Self {
            pairs,
            faults,
            known: RefCell::default(),
        }
    }

    pub(super) fn fault(&self, name: &str, detail: impl Into<String>) {
        self.faults.add(format!("?{name}"), detail);
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.known.borrow_mut().push(name);
        let mut found = self.pairs.iter().filter(|(other, _)| other == name);
        let first = found.next().map(|(_, value)| value.as_str());
        if found.next().is_some() {
            self.fault(name, "is given twice");
        }
        first
    }

    pub(super) fn instant(&self, name: &'static str) -> Option<Time> {
        let text = self.text(name)?;
        // A plus sign of an offset that was not escaped arrives as a space.
        let at = input::instant(text).or_else(|| input::instant(&text.replace(' ', "+")));
        if at.is_none() {
            self.fault(name, format!("is {text:?}; {}", input::INSTANT));
        }
        at
    }

    pub(super) fn flag(&self, name: &'static str) -> Option<bool> {
        match self.text(name)? {
            "true" | "" => Some(true),
            "false" => Some(false),
            other => {
                self.fault(name, format!("is {other:?}; true or false is needed"));
                None
            }
        }
    }

    pub(super) fn close(self) {
        let known = self.known.borrow();
        for (name, _) in &self.pairs {
            if !known.contains(&name.as_str()) {
                self.fault(name, "is not a parameter of this call");
            }
        }
    }
}
