//! Files of stations: where they are asked to put them, and what they have put there.

use std::io;

use serde_json::{Value, json};

use super::{Edge, EdgeError};
use crate::domain::id::StationId;
use crate::domain::ports::PortError;
use crate::ocpp::known::Known;
use crate::ocpp::sink::PATH;
use crate::ocpp::uploads::Upload;

impl Edge {
    /// A call for diagnostics or logs that names no place for them gets one here.
    pub(super) fn offer_sink(&self, known: &Known, action: &str, payload: &mut Value) {
        let Some(call) = payload.as_object_mut() else {
            return;
        };
        let (place, field) = match action {
            "GetDiagnostics" => (call, "location"),
            "GetLog" => {
                call.entry("requestId").or_insert(json!(1));
                call.entry("logType").or_insert(json!("DiagnosticsLog"));
                let log = call.entry("log").or_insert_with(|| json!({}));
                match log.as_object_mut() {
                    Some(log) => (log, "remoteLocation"),
                    None => return,
                }
            }
            _ => return,
        };
        if place.contains_key(field) {
            return;
        }
        let reached = known
            .memory()
            .live
            .as_ref()
            .map(|live| live.reached_at.clone());
        let base = self.inner.settings.public_url.clone().or(reached);
        // One that is not connected is not asked.
        if let Some(base) = base {
            let secret = self.inner.uploads.open(&known.record().id, self.now());
            let base = base.trim_end_matches('/');
            place.insert(field.into(), json!(format!("{base}{PATH}{secret}")));
        }
    }

    /// The files a station has put here, the oldest first.
    pub async fn uploads(&self, id: &StationId) -> Result<Vec<Upload>, EdgeError> {
        self.need(id)?;
        let (uploads, id) = (self.inner.uploads.clone(), id.clone());
        on_disk(move || uploads.list(&id)).await
    }

    /// What is in one of them; `None` if there is none of this name.
    pub async fn upload(&self, id: &StationId, name: &str) -> Result<Option<Vec<u8>>, EdgeError> {
        self.need(id)?;
        let (uploads, id, name) = (self.inner.uploads.clone(), id.clone(), name.to_owned());
        on_disk(move || uploads.read(&id, &name)).await
    }
}

async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, EdgeError> {
    let storage = |error: String| EdgeError::Port(PortError::Storage(error));
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| storage(error.to_string()))?;
    done.map_err(|error| storage(format!("the files of stations: {error}")))
}
