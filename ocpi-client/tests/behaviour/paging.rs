//! From page to page.

use ocpi_client::paging::{
    Link, PageEnd, PageHeaders, PageLimits, PageQuery, PageStep, Pager, next_link,
};
use ocpi_client::read::id;
use url::Url;

const ENDPOINT: &str = "https://cpo.example/ocpi/2.2.1/sessions";

fn pager() -> Pager {
    pager_with(PageLimits::default())
}

fn pager_with(limits: PageLimits) -> Pager {
    let query = PageQuery {
        limit: Some(10),
        ..PageQuery::since("2026-03-01T00:00:00Z".parse().unwrap())
    };
    Pager::new(Url::parse(ENDPOINT).unwrap(), &query, limits)
}

fn headers(link: &str, total: Option<u32>) -> PageHeaders {
    PageHeaders {
        links: vec![link.to_owned()],
        total_count: total.map(|total| total.to_string()),
        limit: Some("10".to_owned()),
    }
}

fn next(url: &str) -> String {
    format!("<{url}>; rel=\"next\"")
}

fn asked(pager: &Pager) -> &str {
    match pager.step() {
        PageStep::Fetch(url) => url.as_str(),
        PageStep::Done(_) => "done",
    }
}

fn end(pager: &Pager) -> &PageEnd {
    match pager.step() {
        PageStep::Done(end) => end,
        PageStep::Fetch(_) => &PageEnd::PageCap,
    }
}

#[test]
fn the_first_question_carries_date_and_limit() {
    assert_eq!(
        asked(&pager()),
        format!("{ENDPOINT}?date_from=2026-03-01T00%3A00%3A00Z&limit=10")
    );
}

#[test]
fn next_links_are_followed_to_the_last_page() {
    let mut pager = pager();
    let second = format!("{ENDPOINT}?offset=10&limit=10");
    pager.feed(&headers(&next(&second), Some(15)), 10);
    assert_eq!(asked(&pager), second);
    pager.feed(&PageHeaders::default(), 5);
    assert_eq!(pager.step(), &PageStep::Done(PageEnd::LastPage));
    assert!(pager.deviations().is_empty());
    assert_eq!((pager.pages(), pager.items()), (2, 15));
}

#[test]
fn an_empty_link_header_means_the_last_page() {
    let mut pager = pager();
    pager.feed(&headers("", Some(99)), 10);
    assert_eq!(end(&pager), &PageEnd::LastPage);
    assert!(pager.deviations().has(id::PAGE_LINK));
}

#[test]
fn a_link_to_another_origin_is_not_followed() {
    for target in [
        "https://evil.example/ocpi/2.2.1/sessions?offset=10",
        "http://cpo.example/ocpi/2.2.1/sessions?offset=10",
        "https://cpo.example:8443/ocpi/2.2.1/sessions?offset=10",
        "//evil.example/sessions",
        "file:///etc/passwd",
    ] {
        let mut pager = pager();
        pager.feed(&headers(&next(target), None), 10);
        assert!(matches!(end(&pager), PageEnd::ForeignOrigin(_)), "{target}");
        assert!(!end(&pager).is_complete());
    }
}

#[test]
fn a_relative_link_stays_on_the_origin_and_user_names_are_dropped() {
    let mut pager = pager();
    pager.feed(&headers(&next("/ocpi/2.2.1/sessions?offset=10"), None), 10);
    assert_eq!(asked(&pager), format!("{ENDPOINT}?offset=10"));
    let mut pager = self::pager();
    pager.feed(
        &headers(&next("https://a:b@cpo.example/x?offset=10#f"), None),
        10,
    );
    assert_eq!(asked(&pager), "https://cpo.example/x?offset=10");
}

#[test]
fn a_link_to_a_page_already_read_ends_the_crawl() {
    let mut pager = pager();
    let first = asked(&pager).to_owned();
    pager.feed(&headers(&next(&first), None), 10);
    assert_eq!(end(&pager), &PageEnd::SeenBefore(first));
}

#[test]
fn a_shrinking_total_repeats_the_page_one_object_earlier() {
    let mut pager = pager();
    pager.feed(
        &headers(&next(&format!("{ENDPOINT}?offset=10&limit=10")), Some(50)),
        10,
    );
    pager.feed(
        &headers(&next(&format!("{ENDPOINT}?offset=20&limit=10")), Some(49)),
        10,
    );
    assert_eq!(asked(&pager), format!("{ENDPOINT}?limit=10&offset=9"));
    pager.feed(
        &headers(&next(&format!("{ENDPOINT}?offset=19&limit=10")), Some(49)),
        10,
    );
    assert_eq!(asked(&pager), format!("{ENDPOINT}?offset=19&limit=10"));
}

#[test]
fn a_count_that_shrinks_with_every_page_does_not_stop_the_crawl() {
    // The platform sends how many remain: 50 on the first page, ten less on every next one.
    let mut pager = pager();
    let mut offset = 0;
    while let PageStep::Fetch(url) = pager.step().clone() {
        let asked = url.query_pairs().find(|(name, _)| name == "offset");
        offset = asked.map_or(0, |(_, offset)| offset.parse::<u32>().unwrap());
        let end = offset + 10;
        let link = if end < 50 {
            next(&format!("{ENDPOINT}?offset={end}&limit=10"))
        } else {
            String::new()
        };
        pager.feed(&headers(&link, Some(50_u32.saturating_sub(offset))), 10);
    }
    assert_eq!(end(&pager), &PageEnd::LastPage);
    assert!(offset >= 40, "{offset}");
}

#[test]
fn a_growing_total_changes_nothing() {
    let mut pager = pager();
    let second = format!("{ENDPOINT}?offset=10&limit=10");
    pager.feed(&headers(&next(&second), Some(15)), 10);
    pager.feed(&headers("", Some(17)), 7);
    assert_eq!(end(&pager), &PageEnd::LastPage);
}

#[test]
fn a_missing_link_is_made_up_from_the_total() {
    let mut pager = pager();
    let headers = PageHeaders {
        total_count: Some("12".to_owned()),
        ..PageHeaders::default()
    };
    pager.feed(&headers, 10);
    assert!(
        asked(&pager).ends_with("limit=10&offset=10"),
        "{}",
        asked(&pager)
    );
    pager.feed(&headers, 2);
    assert_eq!(end(&pager), &PageEnd::LastPage);
    assert!(pager.deviations().has(id::PAGE_LINK_MISSING));
}

#[test]
fn an_empty_page_ends_the_crawl_whatever_the_total_says() {
    let mut pager = pager();
    let headers = PageHeaders {
        total_count: Some("12".to_owned()),
        ..PageHeaders::default()
    };
    pager.feed(&headers, 0);
    assert_eq!(end(&pager), &PageEnd::LastPage);
}

#[test]
fn pages_and_objects_are_capped() {
    let mut pager = pager_with(PageLimits {
        max_pages: 3,
        max_items: 1000,
    });
    for page in 1..=3 {
        pager.feed(
            &headers(&next(&format!("{ENDPOINT}?offset={page}0")), None),
            10,
        );
    }
    assert_eq!(end(&pager), &PageEnd::PageCap);
    let mut pager = pager_with(PageLimits {
        max_pages: 100,
        max_items: 15,
    });
    for page in 1..=2 {
        pager.feed(
            &headers(&next(&format!("{ENDPOINT}?offset={page}0")), None),
            10,
        );
    }
    assert_eq!(end(&pager), &PageEnd::ItemCap);
}

#[test]
fn counts_that_are_no_numbers_are_noted_and_ignored() {
    let mut pager = pager();
    let headers = PageHeaders {
        total_count: Some("many".to_owned()),
        ..PageHeaders::default()
    };
    pager.feed(&headers, 10);
    assert_eq!(end(&pager), &PageEnd::LastPage);
    assert!(pager.deviations().has(id::PAGE_COUNT));
}

#[test]
fn a_page_longer_than_asked_for_is_noted() {
    let mut pager = pager();
    pager.feed(&PageHeaders::default(), 11);
    assert!(pager.deviations().has(id::PAGE_TOO_LONG));
}

#[test]
fn link_headers_are_read_in_every_usual_form() {
    let found = |value: &str| next_link([value]);
    let to = |url: &str| Link::Next(url.to_owned());
    assert_eq!(
        found("<https://a/?x=1,2;y>; rel=\"next\""),
        to("https://a/?x=1,2;y")
    );
    assert_eq!(
        found("<https://a/1>; rel=prev, <https://a/2>; title=\"x\"; REL=Next"),
        to("https://a/2")
    );
    assert_eq!(found("<https://a/1>; rel=\"last next\""), to("https://a/1"));
    assert_eq!(found("<https://a/1>"), to("https://a/1"));
    assert_eq!(found("https://a/1; rel=\"next\""), to("https://a/1"));
    assert_eq!(found("<https://a/1>; rel=\"prev\""), Link::NoNext);
    assert_eq!(found("<https://a/1"), Link::NoNext);
    assert_eq!(found("  "), Link::Absent);
    assert_eq!(found("<>"), Link::Absent);
}
