//! What the platform answers, credentials aside. Pure.

use serde_json::{Value, json};

use super::answer::{Answer, Request, read_date_time};
use super::handshake::VERSIONS;
use super::platform::Platform;
use super::{session_wire, site_wire};

/// The versions. `base` is the address before `/versions`.
pub(super) fn versions(base: &str) -> Answer {
    let versions: Vec<_> = VERSIONS
        .iter()
        .map(|version| json!({ "version": version, "url": format!("{base}/{version}") }))
        .collect();
    Answer::ok(json!(versions))
}

/// The modules of a version.
pub(super) fn details(base: &str, version: &str, has_tariffs: bool) -> Answer {
    if !VERSIONS.contains(&version) {
        return Answer::not_found();
    }
    let modules = [
        ("credentials", "SENDER"),
        ("locations", "SENDER"),
        ("sessions", "SENDER"),
        ("chargingprofiles", "RECEIVER"),
    ];
    let tariffs = has_tariffs.then_some(("tariffs", "SENDER"));
    let endpoints = modules
        .into_iter()
        .chain(tariffs)
        .map(|(identifier, role)| {
            let url = format!("{base}/{version}/{identifier}");
            json!({ "identifier": identifier, "role": role, "url": url })
        });
    let endpoints: Vec<Value> = endpoints.collect();
    Answer::ok(json!({ "version": version, "endpoints": endpoints }))
}

/// A request to a functional module. `rest` is the path after the module; `url` the module's own
/// address.
pub(super) fn module(
    platform: &mut Platform,
    request: &Request,
    module: &str,
    rest: &[&str],
    url: &str,
) -> Answer {
    match (request.method.as_str(), module, rest) {
        ("GET", "locations", rest) => locations(platform, rest),
        ("GET", "sessions", []) => sessions(platform, request, url),
        ("GET", "tariffs", []) => {
            let tariffs = &platform.options.tariffs;
            let mut answer = Answer::ok(json!(tariffs));
            let count = tariffs.len().to_string();
            answer.headers.push(("X-Total-Count", count));
            answer
        }
        ("PUT", "sessions", [session, "charging_preferences"]) => {
            match platform.book.running_session(session) {
                Some(_) => Answer::ok(json!("ACCEPTED")),
                None => Answer::not_found(),
            }
        }
        ("PUT", "chargingprofiles", [session]) => match &request.body {
            Some(body) => platform.set(session, body),
            None => Answer::fault(400, 2001, "the body is not JSON"),
        },
        ("DELETE", "chargingprofiles", [session]) => {
            platform.clear(session, request.parameter("response_url"))
        }
        ("GET", "chargingprofiles", [session]) => platform.report(
            session,
            request.parameter("duration"),
            request.parameter("response_url"),
        ),
        (_, "locations" | "sessions" | "chargingprofiles", _) => {
            platform.keep_complaint(format!("{} {module}/{}", request.method, rest.join("/")));
            Answer::not_allowed("the module has no such request")
        }
        _ => Answer::not_found(),
    }
}

fn locations(platform: &Platform, rest: &[&str]) -> Answer {
    let (options, depot) = (&platform.options, &platform.depot);
    let now = depot.now();
    match rest {
        [] => {
            let mut answer = Answer::ok(json!([site_wire::location(options, depot)]));
            answer.headers.push(("X-Total-Count", "1".into()));
            answer
                .headers
                .push(("X-Limit", options.page_limit.to_string()));
            answer
        }
        [location, ..] if !location.eq_ignore_ascii_case(&options.location_id) => {
            Answer::fault(404, 2003, "the location is not known")
        }
        [_] => Answer::ok(site_wire::location(options, depot)),
        [_, evse, rest @ ..] => match (depot.evse(evse), rest) {
            (Some(evse), []) => Answer::ok(site_wire::evse(options, evse, now)),
            (Some(evse), [connector]) if *connector == site_wire::CONNECTOR_ID => {
                Answer::ok(site_wire::connector(evse, now))
            }
            _ => Answer::not_found(),
        },
    }
}

/// A page of sessions, oldest change first. `date_from` is required.
fn sessions(platform: &mut Platform, request: &Request, url: &str) -> Answer {
    let time = |name| request.parameter(name).map(read_date_time);
    let number = |name| request.parameter(name).map(str::parse::<usize>);
    let Some(Some(from)) = time("date_from") else {
        return platform.complain("GET sessions: date_from is missing or no DateTime".into());
    };
    let to = match time("date_to") {
        None => None,
        Some(Some(to)) => Some(to),
        Some(None) => return platform.complain("GET sessions: date_to is no DateTime".into()),
    };
    let (Ok(offset), Ok(limit)) = (
        number("offset").unwrap_or(Ok(0)),
        number("limit").unwrap_or(Ok(usize::MAX)),
    ) else {
        return platform.complain("GET sessions: offset or limit is no number".into());
    };
    let most = platform.options.page_limit.max(1);
    let limit = limit.clamp(1, most);
    let all: Vec<_> = platform
        .book
        .by_age()
        .into_iter()
        .filter(|entry| session_wire::is_within(entry, from, to))
        .filter(|entry| entry.announced || entry.car.is_none())
        .collect();
    let page = all.iter().skip(offset).take(limit);
    let page: Vec<Value> = page
        .map(|entry| session_wire::session(&platform.options, entry))
        .collect();
    let next = offset.saturating_add(limit);
    let mut answer = Answer::ok(json!(page));
    answer
        .headers
        .push(("X-Total-Count", all.len().to_string()));
    answer.headers.push(("X-Limit", most.to_string()));
    if next < all.len() {
        let mut link = format!(
            "{url}?date_from={}&offset={next}&limit={limit}",
            super::answer::date_time(from),
        );
        if let Some(to) = to {
            link += "&date_to=";
            link += &super::answer::date_time(to);
        }
        answer
            .headers
            .push(("Link", format!("<{link}>; rel=\"next\"")));
    }
    answer
}
