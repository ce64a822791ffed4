//! What partners ask of us: one request in, one reply out. Only `http` knows the web server.

mod auth;
mod credentials;
mod guesses;
mod http;
mod hub_clients;
mod kept;
mod locations;
mod profiles;
mod reply;
mod sessions;
pub(super) mod site_limits;
mod tariffs;
mod versions;

pub(super) use guesses::Guesses;
pub use http::configure;

use ocpi_client::headers::Routing;
use ocpi_client::read::{Deviations, FromOcpi, Reading, Unreadable, read_one};
use ocpi_client::response::read_callback;
use ocpi_client::types::{ModuleId, StatusCode, Version};
use serde_json::Value;

use self::auth::Caller;
use self::reply::Reply;
use super::edge::Edge;
use super::object::ObjectName;
use super::partner::TokenScope;
use crate::domain::json;

/// HTTP methods that OCPI uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

impl Method {
    fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }
}

/// An authenticated request.
#[derive(Debug)]
struct Request<'a> {
    method: Method,
    version: Version,
    /// The path beyond the module, decoded.
    tail: &'a [&'a str],
    routing: Routing,
    body: &'a [u8],
    caller: &'a Caller,
}

impl Request<'_> {
    /// The body as JSON; HTTP 400 if it is none, or says one thing twice.
    fn json(&self) -> Result<Value, Reply> {
        json::read(self.body).map_err(|error| {
            Reply::refused(
                400,
                StatusCode::CLIENT_ERROR,
                format!("body is not JSON: {error}"),
            )
        })
    }

    /// Reads the body as an object; 2001 if that is impossible. What was tolerated is remembered.
    fn read<T: FromOcpi>(&self, body: &Value) -> Result<T, Reply> {
        self.noted(read_one(body))
    }

    /// The same for what comes bare as specified but wrapped from some.
    fn read_result<T: FromOcpi>(&self, body: &Value) -> Result<T, Reply> {
        self.noted(read_callback(body))
    }

    fn noted<T>(&self, read: Result<Reading<T>, Unreadable>) -> Result<T, Reply> {
        let mut deviations = Deviations::new();
        let result = match read {
            Ok(reading) => {
                deviations.append(reading.deviations);
                Ok(reading.value)
            }
            Err(reason) => {
                deviations.push((*reason.deviation).clone());
                Err(Reply::invalid(reason.to_string()))
            }
        };
        self.caller.peer.note_deviations(&deviations);
        result
    }

    /// The name of an object in the path, if the caller may speak for its owner; else HTTP 404.
    fn name(&self, country_code: &str, party_id: &str, id: &str) -> Result<ObjectName, Reply> {
        let record = self.caller.peer.record();
        if !record.speaks_for(country_code, party_id) {
            return Err(Reply::not_found(format!(
                "{country_code}-{party_id} is not a party of yours"
            )));
        }
        ObjectName::new(country_code, party_id, id)
            .ok_or_else(|| Reply::invalid("an id in the path is too long"))
    }
}

impl Edge {
    /// Answers an authenticated request. `path` is what follows `/ocpi/`, decoded.
    async fn answer(
        &self,
        caller: &Caller,
        method: &str,
        path: &[&str],
        routing: Routing,
        body: &[u8],
    ) -> Reply {
        let Some(method) = Method::from_text(method) else {
            return Reply::method_not_allowed();
        };
        match path {
            ["versions"] if method == Method::Get => self.versions(),
            [version] if method == Method::Get => self.details(version, &caller.peer.record()),
            [_] => Reply::method_not_allowed(),
            [version, module, tail @ ..] => {
                let version = Version::from_text(version);
                if !version.is_spoken() {
                    return Reply::not_found("this version is not served");
                }
                let request = Request {
                    method,
                    version,
                    tail,
                    routing,
                    body,
                    caller,
                };
                self.module(module, &request).await
            }
            [] => Reply::not_found("nothing is here; begin at /ocpi/versions"),
        }
    }

    async fn module(&self, module: &str, request: &Request<'_>) -> Reply {
        let module = ModuleId::from_text(module);
        if module != ModuleId::Credentials && request.caller.scope != TokenScope::Full {
            return Reply::unauthorized();
        }
        let reply = match module {
            ModuleId::Credentials => return Box::pin(self.credentials(request)).await,
            // A configuration module: no routing headers.
            ModuleId::HubClientInfo => return self.hub_clients(request).await,
            ModuleId::Sessions => Box::pin(self.sessions(request)).await,
            ModuleId::Locations => self.locations(request).await,
            ModuleId::Tariffs => self.tariffs(request).await,
            ModuleId::Other(name) if name == site_limits::MODULE => self.site_limits(request).await,
            ModuleId::ChargingProfiles => Box::pin(self.profiles(request)).await,
            other => return Reply::not_found(format!("module {other} is not served")),
        };
        reply.routed(&request.routing.reply(&self.settings().party()))
    }
}
