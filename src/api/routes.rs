//! Which call is answered where.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, PathConfig, ServiceConfig};
use actix_web::{Error, HttpRequest, Resource};

use super::problem::Problem;
use super::{
    alerts, audit, backup, bound, dashboard, departures, dispatches, events, feeds, flexibility,
    frame, groups, health, history, id_tokens, import, keys, mode, openapi, oscp, overrides,
    partners, plan, records, reports, sessions, signals, site_meter, sites, stations, webhooks,
};

/// Mounts the API, health, metrics and the start page. The application data must hold
/// `web::Data<`[`super::ApiState`]`>`.
pub fn configure(server: &mut ServiceConfig) {
    server
        .service(resource("/", "GET").route(web::get().to(dashboard::start)))
        .service(resource("/assets/{path:.*}", "GET").route(web::get().to(dashboard::asset)))
        .service(
            resource("/health/live", "GET, HEAD")
                .route(web::get().to(health::live))
                .route(web::head().to(health::live)),
        )
        .service(
            resource("/health/ready", "GET, HEAD")
                .route(web::get().to(health::ready))
                .route(web::head().to(health::ready)),
        )
        .service(resource("/api/openapi.json", "GET").route(web::get().to(openapi::serve)))
        .service(resource("/api/docs", "GET").route(web::get().to(dashboard::docs)))
        .service(resource("/metrics", "GET").route(web::get().to(health::metrics)))
        .service(
            web::scope("/api/v1")
                .wrap(from_fn(audit::note_writes))
                .wrap(from_fn(echo_request_id))
                .app_data(
                    PathConfig::default()
                        .error_handler(|_, _| Problem::new(StatusCode::NOT_FOUND).into()),
                )
                .configure(site_routes)
                .configure(partner_routes)
                .configure(people_routes)
                .configure(market_routes)
                .configure(station_routes)
                .default_service(web::to(not_found)),
        );
}

fn site_routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/sites", "GET").route(web::get().to(sites::list)))
        .service(
            resource("/sites/{site}", "GET, PUT, DELETE")
                .route(web::get().to(sites::get))
                .route(web::put().to(sites::put))
                .route(web::delete().to(sites::delete)),
        )
        .service(
            resource("/sites/{site}/mode", "GET, PUT")
                .route(web::get().to(mode::get))
                .route(web::put().to(mode::put)),
        )
        .service(resource("/sites/{site}/import", "POST").route(web::post().to(import::import)))
        .service(resource("/sites/{site}/sessions", "GET").route(web::get().to(sessions::list)))
        .service(resource("/sites/{site}/plan", "GET").route(web::get().to(plan::get)))
        .service(resource("/sites/{site}/frame", "GET").route(web::get().to(frame::get)))
        .service(
            resource("/sites/{site}/flexibility", "GET")
                .route(web::get().to(flexibility::flexibility)),
        )
        .service(
            resource("/sites/{site}/baseline", "GET").route(web::get().to(flexibility::baseline)),
        )
        .service(resource("/sites/{site}/history", "GET").route(web::get().to(history::powers)))
        .service(resource("/sites/{site}/journal", "GET").route(web::get().to(history::journal)))
        .service(resource("/sites/{site}/bound", "GET").route(web::get().to(bound::get)))
        .service(resource("/sites/{site}/alerts", "GET").route(web::get().to(alerts::list)))
        .service(resource("/sites/{site}/signals", "GET").route(web::get().to(signals::list)))
        .service(
            resource("/sites/{site}/signals/{key}", "GET, PUT, PATCH, DELETE")
                .route(web::get().to(signals::get))
                .route(web::put().to(signals::put))
                .route(web::patch().to(signals::patch))
                .route(web::delete().to(signals::delete)),
        )
        .service(
            resource("/sites/{site}/departures", "GET, PUT")
                .route(web::get().to(departures::list))
                .route(web::put().to(departures::put_all)),
        )
        .service(
            resource("/sites/{site}/departures/{key}", "GET, PUT, DELETE")
                .route(web::get().to(departures::get))
                .route(web::put().to(departures::put))
                .route(web::delete().to(departures::delete)),
        )
        .service(resource("/sites/{site}/meter", "POST").route(web::post().to(site_meter::post)))
        .service(
            resource("/sites/{site}/evses/{evse}/override", "POST")
                .route(web::post().to(overrides::post)),
        );
}

fn partner_routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/partners", "GET, POST")
                .route(web::get().to(partners::list))
                .route(web::post().to(partners::register)),
        )
        .service(resource("/partners/invite", "POST").route(web::post().to(partners::invite)))
        .service(
            resource("/partners/{name}", "GET, PATCH, DELETE")
                .route(web::get().to(partners::show))
                .route(web::patch().to(partners::change))
                .route(web::delete().to(partners::remove)),
        )
        .service(
            resource("/partners/{name}/exchanges", "GET").route(web::get().to(partners::exchanges)),
        )
        .service(resource("/partners/{name}/evses", "GET").route(web::get().to(import::offered)))
        .service(resource("/partners/{name}/test", "POST").route(web::post().to(partners::test)))
        .service(
            resource("/partners/{name}/rotate", "POST").route(web::post().to(partners::rotate)),
        );
}

fn people_routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/login", "GET, POST, DELETE")
                .route(web::get().to(keys::login::show))
                .route(web::post().to(keys::login::create))
                .route(web::delete().to(keys::login::remove)),
        )
        .service(
            resource("/tokens", "GET, POST")
                .route(web::get().to(keys::tokens::list))
                .route(web::post().to(keys::tokens::create)),
        )
        .service(resource("/tokens/{id}", "DELETE").route(web::delete().to(keys::tokens::revoke)))
        .service(resource("/users", "GET").route(web::get().to(keys::users::list)))
        .service(
            resource("/users/{name}", "PUT, DELETE")
                .route(web::put().to(keys::users::put))
                .route(web::delete().to(keys::users::remove)),
        )
        .service(resource("/audit", "GET").route(web::get().to(audit::list)))
        .service(resource("/backup", "POST").route(web::post().to(backup::create)))
        .service(resource("/events", "GET").route(web::get().to(events::stream)))
        .service(resource("/reports/savings", "GET").route(web::get().to(reports::savings)))
        .service(resource("/reports/sessions", "GET").route(web::get().to(reports::sessions)))
        .service(resource("/reports/records", "GET").route(web::get().to(records::records)))
        .service(
            resource("/reports/meter-values", "GET").route(web::get().to(records::meter_values)),
        );
}

fn market_routes(scope: &mut ServiceConfig) {
    scope
        .service(
            resource("/dispatches", "GET, POST")
                .route(web::get().to(dispatches::list))
                .route(web::post().to(dispatches::post)),
        )
        .service(
            resource("/dispatches/{id}", "GET, DELETE")
                .route(web::get().to(dispatches::get))
                .route(web::delete().to(dispatches::delete)),
        )
        .service(
            resource("/dispatches/{id}/settlement", "GET")
                .route(web::get().to(dispatches::settlement)),
        )
        .service(resource("/groups", "GET").route(web::get().to(groups::list)))
        .service(
            resource("/groups/{id}", "GET, PUT, DELETE")
                .route(web::get().to(groups::get))
                .route(web::put().to(groups::put))
                .route(web::delete().to(groups::delete)),
        )
        .service(
            resource("/webhooks", "GET, POST")
                .route(web::get().to(webhooks::list))
                .route(web::post().to(webhooks::post)),
        )
        .service(
            resource("/webhooks/{id}", "GET, DELETE")
                .route(web::get().to(webhooks::get))
                .route(web::delete().to(webhooks::delete)),
        )
        .service(resource("/sites/{site}/feeds", "GET").route(web::get().to(feeds::list)))
        .service(
            resource("/sites/{site}/feeds/{name}", "GET, PUT, DELETE")
                .route(web::get().to(feeds::get))
                .route(web::put().to(feeds::put))
                .route(web::delete().to(feeds::delete)),
        )
        .service(resource("/sites/{site}/oscp", "GET").route(web::get().to(oscp::list)))
        .service(
            resource("/sites/{site}/oscp/{name}", "GET, PUT, DELETE")
                .route(web::get().to(oscp::get))
                .route(web::put().to(oscp::put))
                .route(web::delete().to(oscp::delete)),
        )
        .service(
            resource("/sites/{site}/oscp/{name}/adjust", "POST")
                .route(web::post().to(oscp::adjust)),
        )
        .service(resource("/connections", "GET").route(web::get().to(feeds::connections)));
}

fn station_routes(scope: &mut ServiceConfig) {
    scope
        .service(resource("/stations", "GET").route(web::get().to(stations::list)))
        .service(
            resource("/stations/{id}", "GET, PUT, DELETE")
                .route(web::get().to(stations::show))
                .route(web::put().to(stations::put))
                .route(web::delete().to(stations::remove)),
        )
        .service(resource("/stations/{id}/uploads", "GET").route(web::get().to(stations::uploads)))
        .service(
            resource("/stations/{id}/uploads/{name}", "GET").route(web::get().to(stations::upload)),
        )
        .service(
            resource("/stations/{id}/messages", "GET").route(web::get().to(stations::messages)),
        )
        .service(
            resource("/stations/{id}/password", "POST").route(web::post().to(stations::rotate)),
        )
        .service(resource("/id-tokens", "GET").route(web::get().to(id_tokens::list)))
        .service(
            resource("/id-tokens/{id}", "PUT, DELETE")
                .route(web::put().to(id_tokens::put))
                .route(web::delete().to(id_tokens::remove)),
        )
        .service(
            resource("/stations/{id}/commands/{action}", "POST")
                .route(web::post().to(stations::call)),
        );
}

/// A resource that answers other methods with a problem document that says which are offered.
fn resource(path: &str, allowed: &'static str) -> Resource {
    let other = move || async move { Refused::Err(Problem::not_allowed(allowed)) };
    web::resource(path).default_service(web::to(other))
}

async fn not_found(request: HttpRequest) -> Refused {
    Err(Problem::unknown(request.path()))
}

type Refused = Result<actix_web::HttpResponse, Problem>;

/// The client's `X-Request-ID` comes back with the answer; where it gave none, one is made.
async fn echo_request_id(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|value| {
            (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
        })
        .cloned()
        .or_else(|| HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).ok());
    let mut answer = next.call(request).await?;
    if let Some(id) = id {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(answer)
}
