//! Keeping a station's own list of tokens in step with ours, for when it is alone.

use super::{Output, Purpose, Station};
use crate::domain::time::Time;
use crate::ocpp::caps::Quirk;
use crate::ocpp::message::{Request, Response};
use crate::ocpp::rpc::{CallError, Priority};
use crate::ocpp::tokens::ListUpdate;
use crate::ocpp::version::Version;

impl Station {
    /// Asks which list it holds, if there is anything to put on it and it keeps one.
    pub(super) fn look_at_list(&mut self, out: &mut Vec<Output>) {
        let is_of_use = self.terms.tokens.version() > 0 && self.caps.keeps_list();
        if is_of_use && self.list_version.is_none() && !self.caps.has(Quirk::NoLocalList) {
            let purpose = Purpose::LocalList { sends: None };
            self.ask(Request::ListVersion, purpose, Priority::Ordinary, out);
        }
    }

    /// The tokens changed. `forgets`: one of them may not charge any more, so what the station
    /// remembers of them must go.
    pub fn tokens_changed(&mut self, forgets: bool, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        if forgets {
            let purpose = Purpose::Aside { is_trigger: false };
            self.ask(Request::ClearCache, purpose, Priority::Ordinary, &mut out);
        }
        match self.list_version {
            Some(_) => self.bring_list_in_step(now, &mut out),
            None => self.look_at_list(&mut out),
        }
        self.pump(now, &mut out);
        out
    }

    fn bring_list_in_step(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(known) = self.list_version else {
            return;
        };
        let for_16 = self.version() == Version::V16;
        let Some(ListUpdate {
            version,
            full,
            entries,
        }) = self.terms.tokens.update_since(known, for_16, now)
        else {
            return;
        };
        if entries.len() > self.caps.max_list() {
            tracing::warn!(
                entries = entries.len(),
                most = self.caps.max_list(),
                "the local list is longer than the station takes; it is not sent"
            );
            return;
        }
        let request = Request::SendList {
            version,
            full,
            entries,
        };
        let purpose = Purpose::LocalList {
            sends: Some(version),
        };
        self.ask(request, purpose, Priority::Ordinary, out);
    }

    /// It said which list it holds, or whether it took one.
    pub(super) fn list_answered(
        &mut self,
        sends: Option<i64>,
        outcome: &Result<Response, CallError>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        match (sends, outcome) {
            (None, Ok(Response::ListVersion(version))) if *version >= 0 => {
                self.list_version = Some(*version);
                self.bring_list_in_step(now, out);
            }
            (Some(version), Ok(Response::Accepted)) => {
                self.list_version = Some(version);
                // More may have changed meanwhile.
                self.bring_list_in_step(now, out);
            }
            // A change that did not fit: it gets the whole list, once.
            (Some(_), Ok(Response::Refused { unsupported, .. })) if !unsupported => {
                let had = self.list_version.replace(0);
                if had != Some(0) {
                    self.bring_list_in_step(now, out);
                }
            }
            _ => {
                self.list_version = None;
                self.note_quirk(Quirk::NoLocalList, out);
            }
        }
    }
}
