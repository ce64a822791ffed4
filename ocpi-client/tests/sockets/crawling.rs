//! Lists over several pages.

use ocpi_client::paging::{PageEnd, PageLimits, PageQuery};
use ocpi_client::read::id;
use ocpi_client::types::Session;
use serde_json::{Value, json};

use crate::server::{Action, Request, Server, answer, client};

fn session(number: usize) -> Value {
    json!({
        "country_code": "NL", "party_id": "CPO", "id": format!("S-{number}"),
        "start_date_time": "2026-03-01T08:00:00Z", "kwh": 1.0, "auth_method": "WHITELIST",
        "cdr_token": {
            "country_code": "NL", "party_id": "MSP", "uid": "1", "type": "RFID", "contract_id": "c"
        },
        "location_id": "L1", "evse_uid": "E1", "connector_id": "1", "currency": "EUR",
        "status": "ACTIVE", "last_updated": "2026-03-01T08:15:00Z"
    })
}

/// A platform with `total` sessions in pages of ten, whose links lead to `host`.
fn page(request: &Request, total: usize, host: Option<&str>) -> Action {
    let offset: usize = request
        .target
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("offset="))
        .map_or(0, |offset| offset.parse().unwrap());
    let end = (offset + 10).min(total);
    let sessions: Vec<Value> = (offset..end).map(session).collect();
    let body = json!({
        "data": sessions, "status_code": 1000, "timestamp": "2026-03-01T08:00:00Z"
    });
    let host = host.or(request.header("host")).unwrap();
    let link = format!("<http://{host}/sessions?offset={end}&limit=10>; rel=\"next\"");
    let total_count = total.to_string();
    let mut headers = vec![
        ("Content-Type", "application/json"),
        ("X-Total-Count", total_count.as_str()),
        ("X-Limit", "10"),
    ];
    if end < total {
        headers.push(("Link", link.as_str()));
    }
    answer(200, &headers, &body.to_string())
}

fn since() -> PageQuery {
    PageQuery::since("2026-03-01T00:00:00Z".parse().unwrap())
}

async fn all(server: &Server, limits: PageLimits) -> (Vec<Session>, Option<PageEnd>) {
    let client = client();
    let mut crawl = client.sessions(&server.at("/sessions"), &since(), limits);
    let mut sessions = Vec::new();
    while let Some(reply) = crawl.next_page().await {
        match reply.into_result() {
            Ok(page) => sessions.extend(page.items),
            Err(_) => break,
        }
    }
    (sessions, crawl.end().cloned())
}

#[tokio::test]
async fn all_pages_are_read_in_order() {
    let server = Server::start(|request| page(request, 25, None)).await;
    let (sessions, end) = all(&server, PageLimits::default()).await;
    assert_eq!(sessions.len(), 25);
    assert_eq!(sessions[24].id, "S-24");
    assert_eq!(end, Some(PageEnd::LastPage));
    let targets: Vec<String> = server.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(
        targets,
        [
            "/sessions?date_from=2026-03-01T00%3A00%3A00Z",
            "/sessions?offset=10&limit=10",
            "/sessions?offset=20&limit=10"
        ]
    );
}

#[tokio::test]
async fn a_next_link_to_another_host_is_not_called() {
    let other = Server::start(|request| page(request, 25, None)).await;
    let host = format!("127.0.0.1:{}", other.url.port().unwrap());
    let server = Server::start(move |request| page(request, 25, Some(&host))).await;
    let (sessions, end) = all(&server, PageLimits::default()).await;
    assert_eq!(sessions.len(), 10);
    assert!(matches!(end, Some(PageEnd::ForeignOrigin(_))), "{end:?}");
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_list_without_end_stops_at_the_cap() {
    let server = Server::start(|request| page(request, usize::MAX, None)).await;
    let limits = PageLimits {
        max_pages: 4,
        max_items: 1000,
    };
    let (sessions, end) = all(&server, limits).await;
    assert_eq!((sessions.len(), end), (40, Some(PageEnd::PageCap)));
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_failing_page_ends_the_crawl_without_claiming_completeness() {
    let server = Server::start(|request| {
        if request.target.contains("offset=10") {
            answer(500, &[], "oops")
        } else {
            page(request, 25, None)
        }
    })
    .await;
    let (sessions, end) = all(&server, PageLimits::default()).await;
    assert_eq!((sessions.len(), end), (10, None));
}

#[tokio::test]
async fn a_bad_object_does_not_lose_its_page_nor_shift_the_offset() {
    let server = Server::start(|request| {
        let offset = request.target.contains("offset=3");
        let data = if offset {
            json!([session(3)])
        } else {
            json!([session(0), 5, session(2)])
        };
        let body = json!({"data": data, "status_code": 1000, "timestamp": "2026-03-01T08:00:00Z"});
        let headers = [("Content-Type", "application/json"), ("X-Total-Count", "4")];
        answer(200, &headers, &body.to_string())
    })
    .await;
    let client = client();
    let mut crawl = client.sessions(&server.at("/sessions"), &since(), PageLimits::default());
    let first = crawl.next_page().await.unwrap();
    assert!(first.deviations.has(id::LIST_BAD_ENTRY));
    assert_eq!(first.result.unwrap().items.len(), 2);
    // The link is missing; the page had three entries, so the next one begins at 3.
    assert_eq!(
        crawl.next_page().await.unwrap().result.unwrap().items[0].id,
        "S-3"
    );
    assert!(crawl.next_page().await.is_none());
    assert!(crawl.pager().deviations().has(id::PAGE_LINK_MISSING));
}
