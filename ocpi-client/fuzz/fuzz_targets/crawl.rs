//! A crawl: each line is a page, `items|total|limit|link`. It must end within its bounds, stay on
//! its origin and ask for no page twice.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use ocpi_client::paging::{PageHeaders, PageLimits, PageQuery, PageStep, Pager};
use url::Url;

const MAX_PAGES: usize = 30;

fn page(line: &str) -> (PageHeaders, usize) {
    let mut parts = line.splitn(4, '|');
    let items = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut count = || parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
    let (total_count, limit, link) = (count(), count(), count());
    let links = link.into_iter().collect();
    (PageHeaders { links, total_count, limit }, items)
}

fuzz_target!(|text: &str| {
    let pages: Vec<_> = text.lines().map(page).collect();
    if pages.is_empty() {
        return;
    }
    let endpoint = Url::parse("https://cpo.example/s").expect("a URL");
    let limits = PageLimits { max_pages: MAX_PAGES, max_items: 300 };
    let query = PageQuery { limit: Some(10), ..PageQuery::default() };
    let mut pager = Pager::new(endpoint.clone(), &query, limits);
    let mut asked = HashSet::new();
    let mut pages = pages.iter().cycle();
    while let PageStep::Fetch(url) = pager.step().clone() {
        assert_eq!(url.origin(), endpoint.origin());
        assert!(asked.insert(url.to_string()), "{url} asked for twice");
        assert!(asked.len() <= MAX_PAGES);
        let Some((headers, items)) = pages.next() else { return };
        pager.feed(headers, *items);
    }
    assert_eq!(pager.pages(), asked.len());
});
