//! A server of `OpenADR` 3 (VTN) and the service as its client (VEN): a token by client credentials,
//! events page by page, limits that come, change and go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use actix_web::web::{Bytes, Data, Query};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Service, now, rfc};

const SECRET: &str = "a client's secret & more";

/// What the VTN holds and what it saw.
#[derive(Default)]
struct Book {
    events: Vec<Value>,
    vens: Vec<Value>,
    reports: Vec<Value>,
    /// Reports that took the place of one.
    replaced: u32,
    /// Tokens given so far; the newest is the one that is taken.
    tokens: u32,
    /// Calls of pages of events.
    pages: u32,
    refused: u32,
}

/// An independent VTN on loopback; it stops with the test.
pub(super) struct Vtn {
    url: String,
    book: Arc<Mutex<Book>>,
    server: actix_web::dev::ServerHandle,
}

impl Drop for Vtn {
    fn drop(&mut self) {
        let stopping = self.server.stop(false);
        actix_web::rt::spawn(stopping);
    }
}

impl Vtn {
    pub(super) fn start() -> Self {
        let book: Arc<Mutex<Book>> = Arc::default();
        let state = Data::from(book.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(state.clone())
                .route("/3.1.0/auth/server", web::get().to(auth))
                .route("/token", web::post().to(token))
                .route("/3.1.0/programs", web::get().to(programs))
                .route("/3.1.0/events", web::get().to(events))
                .route("/3.1.0/vens", web::get().to(vens))
                .route("/3.1.0/vens", web::post().to(add_ven))
                .route("/3.1.0/reports", web::get().to(reports))
                .route("/3.1.0/reports", web::post().to(add_report))
                .route("/3.1.0/reports/{id}", web::put().to(replace_report))
        })
        .workers(1)
        .bind("127.0.0.1:0")
        .expect("a port");
        let url = format!("http://{}/3.1.0", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        Self {
            url,
            book,
            server: handle,
        }
    }

    pub(super) fn holds(&self, events: Vec<Value>) {
        self.book.lock().expect("sound").events = events;
    }

    fn seen<T>(&self, what: impl FnOnce(&mut Book) -> T) -> T {
        what(&mut self.book.lock().expect("sound"))
    }

    pub(super) fn feed(&self, kind: &str) -> Value {
        json!({
            "kind": kind, "format": "openadr", "url": self.url, "secret": SECRET,
            "every": "PT30S", "stale_after": "PT5M",
            "openadr": {"client_id": "evenload", "scope": "read_all", "ven_name": "depot",
                        "programs": ["envelope"]},
        })
    }
}

async fn auth(request: HttpRequest) -> HttpResponse {
    let host = request.connection_info().host().to_owned();
    HttpResponse::Ok().json(json!({"tokenURL": format!("http://{host}/token")}))
}

async fn token(book: Data<Mutex<Book>>, body: Bytes) -> HttpResponse {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
    let right = [
        ("grant_type", "client_credentials"),
        ("client_id", "evenload"),
        ("client_secret", SECRET),
        ("scope", "read_all"),
    ];
    if right
        .iter()
        .any(|(name, value)| form.get(*name).map(String::as_str) != Some(*value))
    {
        return HttpResponse::BadRequest().json(json!({"error": "invalid_client"}));
    }
    let mut book = book.lock().expect("sound");
    book.tokens += 1;
    let token = format!("token-{}", book.tokens);
    HttpResponse::Ok()
        .json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}))
}

/// A page of rows for who holds the newest token.
fn page(book: &mut Book, request: &HttpRequest, rows: &[Value]) -> HttpResponse {
    let given = request
        .headers()
        .get("authorization")
        .and_then(|it| it.to_str().ok());
    if given != Some(&format!("Bearer token-{}", book.tokens)) {
        book.refused += 1;
        return HttpResponse::Unauthorized().json(json!({"title": "Unauthorized", "status": 401}));
    }
    let query = Query::<BTreeMap<String, String>>::from_query(request.query_string());
    let query = query.expect("a query").into_inner();
    let number = |name: &str| query[name].parse::<usize>().expect("a number");
    let (skip, limit) = (number("skip"), number("limit").min(50));
    let rows: Vec<&Value> = rows.iter().skip(skip).take(limit).collect();
    HttpResponse::Ok().json(rows)
}

async fn programs(book: Data<Mutex<Book>>, request: HttpRequest) -> HttpResponse {
    let rows = [
        json!({"id": "p1", "programName": "envelope"}),
        json!({"id": "p2", "programName": "other"}),
    ];
    page(&mut book.lock().expect("sound"), &request, &rows)
}

async fn events(book: Data<Mutex<Book>>, request: HttpRequest) -> HttpResponse {
    assert!(request.query_string().contains("active=true"));
    let mut book = book.lock().expect("sound");
    book.pages += 1;
    let rows = book.events.clone();
    page(&mut book, &request, &rows)
}

async fn vens(book: Data<Mutex<Book>>, request: HttpRequest) -> HttpResponse {
    let mut book = book.lock().expect("sound");
    let rows = book.vens.clone();
    page(&mut book, &request, &rows)
}

async fn add_ven(book: Data<Mutex<Book>>, body: Bytes) -> HttpResponse {
    let ven: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(ven["objectType"], "VEN_VEN_REQUEST");
    book.lock().expect("sound").vens.push(ven.clone());
    HttpResponse::Created().json(ven)
}

async fn reports(book: Data<Mutex<Book>>, request: HttpRequest) -> HttpResponse {
    let mut book = book.lock().expect("sound");
    let rows = book.reports.clone();
    page(&mut book, &request, &rows)
}

fn sound(body: &Bytes) -> Value {
    let report: Value = serde_json::from_slice(body).expect("JSON");
    for name in ["eventID", "clientName", "reportName"] {
        assert!(report[name].is_string(), "{name}: {report}");
    }
    let resources = report["resources"].as_array().expect("resources");
    for interval in resources[0]["intervals"].as_array().expect("intervals") {
        assert!(interval["id"].is_i64(), "{interval}");
        for payload in interval["payloads"].as_array().expect("payloads") {
            assert!(
                payload["type"].is_string() && payload["values"].is_array(),
                "{payload}"
            );
        }
    }
    report
}

async fn add_report(book: Data<Mutex<Book>>, body: Bytes) -> HttpResponse {
    let mut report = sound(&body);
    let mut book = book.lock().expect("sound");
    report["id"] = json!(format!("report-{}", book.reports.len()));
    book.reports.push(report.clone());
    HttpResponse::Created().json(report)
}

async fn replace_report(
    book: Data<Mutex<Book>>,
    id: web::Path<String>,
    body: Bytes,
) -> HttpResponse {
    let mut report = sound(&body);
    let mut book = book.lock().expect("sound");
    report["id"] = json!(id.as_str());
    let place = book.reports.iter().position(|it| it["id"] == report["id"]);
    let place = place.expect("one that is there");
    book.reports[place] = report.clone();
    book.replaced += 1;
    HttpResponse::Ok().json(report)
}

fn limit(id: &str, program: &str, kw: f64) -> Value {
    json!({
        "id": id, "programID": program, "objectType": "EVENT",
        "modificationDateTime": rfc(now()),
        "payloadDescriptors": [{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"}],
        "intervalPeriod": {"start": rfc(now() - TimeDelta::minutes(10)), "duration": "PT2H"},
        "intervals": [{"id": 0, "payloads": [{"type": "IMPORT_CAPACITY_LIMIT", "values": [kw]}]}],
    })
}

#[actix_web::test]
async fn a_limit_of_a_vtn_holds_while_its_event_stands() {
    let vtn = Vtn::start();
    // More than a page, most of it of another program or nothing we know.
    let mut events: Vec<Value> = (0..60)
        .map(|n| limit(&format!("o{n}"), "p2", 1.0))
        .collect();
    events.push(json!({"id": "odd", "programID": "p1", "intervals": "none"}));
    events.push(limit("doe", "p1", 40.0));
    vtn.holds(events);
    let service = Service::start();
    service.site("depot", 100.0).await;
    service
        .put("/sites/depot/feeds/doe", vtn.feed("import_limit"))
        .await;
    let signal = service
        .until("/sites/depot/signals", "the limit", |answer| {
            answer["signals"][0].is_object()
        })
        .await;
    assert_eq!(signal["signals"][0]["key"], "feed:doe");
    let frame = service.get("/sites/depot/frame").await;
    assert_eq!(
        frame["circuits"][0]["limit_kw"][0]["value"], 40.0,
        "{frame}"
    );
    let feed = service.get("/sites/depot/feeds/doe").await;
    let notes = feed["status"]["notes"].as_array().expect("notes");
    assert!(
        notes.len() == 1 && notes[0].as_str().is_some_and(|it| it.contains("odd")),
        "{feed}"
    );
    assert!(!feed.to_string().contains("secret &"), "{feed}");
    assert_eq!(
        vtn.seen(|book| (book.tokens, book.refused, book.vens.len())),
        (1, 0, 1)
    );

    // The token is taken back; the event is changed. A feed that is set again is asked at once.
    vtn.seen(|book| book.tokens += 1);
    vtn.holds(vec![limit("doe", "p1", 30.0)]);
    service
        .put("/sites/depot/feeds/doe", vtn.feed("import_limit"))
        .await;
    service
        .until("/sites/depot/frame", "the new limit", |frame| {
            frame["circuits"][0]["limit_kw"][0]["value"] == 30.0
        })
        .await;

    // The event is cancelled by being gone.
    vtn.holds(Vec::new());
    service
        .put("/sites/depot/feeds/doe", vtn.feed("import_limit"))
        .await;
    service
        .until("/sites/depot/signals", "its end", |answer| {
            answer["signals"] == json!([])
        })
        .await;
    let feed = service.get("/sites/depot/feeds/doe").await;
    assert_eq!(
        feed["status"]["state"], "fresh",
        "nothing wanted is no fault: {feed}"
    );
}

#[actix_web::test]
async fn what_a_vtn_refuses_is_said_and_what_it_announced_goes_on() {
    let vtn = Vtn::start();
    vtn.holds(vec![limit("doe", "p1", 40.0)]);
    let service = Service::start();
    service.site("depot", 100.0).await;
    let mut feed = vtn.feed("import_limit");
    service.put("/sites/depot/feeds/doe", feed.clone()).await;
    service
        .until("/sites/depot/feeds/doe", "a first answer", |feed| {
            feed["status"]["state"] == "fresh"
        })
        .await;
    feed["secret"] = json!("wrong");
    service.put("/sites/depot/feeds/doe", feed).await;
    let shown = service
        .until("/sites/depot/feeds/doe", "the fault", |feed| {
            feed["status"]["failures"] == 1
        })
        .await;
    let error = shown["status"]["last_error"].as_str().expect("a reason");
    assert!(error.contains("invalid_client"), "{error}");
    let signal = service.get("/sites/depot/signals/feed:doe").await;
    assert_eq!(
        signal["kind"], "import_limit",
        "what was announced holds to its end"
    );
}

#[actix_web::test]
async fn a_feed_of_a_vtn_is_checked_as_a_whole() {
    let vtn = Vtn::start();
    let service = Service::start();
    service.site("depot", 100.0).await;
    let good = vtn.feed("import_limit");
    let odd = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).expect("is there") = value;
        body
    };
    for (body, at) in [
        (odd("/kind", json!("base_load")), "/kind"),
        (odd("/format", json!("csv")), "/openadr"),
        (odd("/openadr/client_id", json!("")), "/openadr/client_id"),
        (odd("/openadr/programs", json!("all")), "/openadr/programs"),
        (odd("/openadr", json!({})), "/openadr/client_id"),
        (odd("/url", json!("https://vtn/{date}")), "/url"),
    ] {
        let (status, answer) = service
            .call(Method::PUT, "/sites/depot/feeds/doe", Some(body.clone()))
            .await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(
            answer.to_string().contains(&format!("\"{at}\"")),
            "{at}: {answer}"
        );
    }
    let mut body = good.clone();
    body.as_object_mut().expect("an object").remove("secret");
    let (status, answer) = service
        .call(Method::PUT, "/sites/depot/feeds/doe", Some(body))
        .await;
    assert_eq!(
        (status, answer.to_string().contains("/secret")),
        (400, true),
        "{answer}"
    );
    assert_eq!(service.get("/sites/depot/feeds").await["feeds"], json!([]));
}

#[actix_web::test]
async fn what_events_ask_for_is_reported_once_and_forecasts_are_kept_up() {
    let vtn = Vtn::start();
    let begun = now() - TimeDelta::minutes(35);
    let past = |payload: &str| json!({"payloadType": payload, "numIntervals": 1, "repeat": -1});
    let ahead = |payload: &str| json!({"payloadType": payload, "historical": false, "frequency": 1, "repeat": -1});
    let asking = json!({
        "id": "ask", "programID": "p1", "objectType": "EVENT", "modificationDateTime": rfc(begun),
        "intervalPeriod": {"start": rfc(begun), "duration": "PT10M"},
        "reportDescriptors": [past("USAGE"), past("DEMAND"), past("OPERATING_STATE"),
            past("BASELINE"), ahead("USAGE_FORECAST"), ahead("LOAD_SHED_DELTA_AVAILABLE"),
            ahead("UP_REGULATION_AVAILABLE"), ahead("DOWN_REGULATION_AVAILABLE"),
            past("STORAGE_CHARGE_LEVEL")],
    });
    vtn.holds(vec![asking, limit("doe", "p1", 40.0)]);
    // One is there from before a restart.
    let known = json!({"id": "old", "eventID": "ask", "clientName": "depot",
        "reportName": "ask/0/USAGE/0", "resources": []});
    vtn.seen(|book| book.reports.push(known));
    let service = Service::start();
    service.site("depot", 100.0).await;
    let mut feed = vtn.feed("import_limit");
    service.put("/sites/depot/feeds/quiet", feed.clone()).await;
    feed["openadr"]["reports"] = json!(true);
    service.put("/sites/depot/feeds/doe", feed.clone()).await;
    // Three intervals of ten minutes are over: 4 x 3 that look back, less the one, and 4 that look ahead.
    let count = 4 * 3 + 4;
    service
        .until("/sites/depot/feeds/doe", "all reports", |feed| {
            feed["status"]["state"] == "fresh" && vtn.seen(|book| book.reports.len()) == count
        })
        .await;
    let reports = vtn.seen(|book| book.reports.clone());
    let told = |payload: &str| -> Vec<&Value> {
        let of = |it: &&Value| it["payloadDescriptors"][0]["payloadType"] == payload;
        reports.iter().filter(of).collect()
    };
    let first = |report: &Value| report["resources"][0]["intervals"][0].clone();
    assert_eq!(told("USAGE").len(), 2, "{reports:?}");
    let usage = first(told("USAGE")[0]);
    assert_eq!(
        usage["payloads"][0],
        json!({"type": "USAGE", "values": [0.0]})
    );
    assert_eq!(usage["intervalPeriod"]["duration"], "PT600S");
    assert_eq!(told("USAGE")[0]["resources"][0]["resourceName"], "depot");
    let state = first(told("OPERATING_STATE")[0]);
    assert_eq!(state["payloads"][0]["values"], json!(["IDLE_NORMAL"]));
    let up = first(told("UP_REGULATION_AVAILABLE")[0]);
    assert_eq!(
        up["payloads"][0]["values"],
        json!([0.0]),
        "nobody is there: {up}"
    );
    assert_eq!(told("BASELINE").len(), 3);
    assert_eq!(told("STORAGE_CHARGE_LEVEL").len(), 0);
    let shown = service.get("/sites/depot/feeds/doe").await;
    let notes = shown["status"]["notes"].to_string();
    assert!(
        notes.contains("STORAGE_CHARGE_LEVEL is not reported"),
        "{notes}"
    );
    // Read again, nothing is told twice.
    let pages = vtn.seen(|book| book.pages);
    service.put("/sites/depot/feeds/doe", feed).await;
    service
        .until("/sites/depot/feeds/doe", "another reading", |_| {
            vtn.seen(|book| book.pages) > pages
        })
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(
        vtn.seen(|book| (book.reports.len(), book.replaced)),
        (count, 0)
    );
}
