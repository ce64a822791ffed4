//! A crawl ends, stays on its origin and asks for no page twice, whatever the pages say.

use std::collections::HashSet;

use ocpi_client::paging::{PageHeaders, PageLimits, PageQuery, PageStep, Pager};
use proptest::prelude::*;
use url::Url;

fn link() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0_u32..500).prop_map(|offset| {
            format!("<https://cpo.example/s?offset={offset}&limit=10>; rel=\"next\"")
        }),
        1 => (0_u32..500).prop_map(|offset| format!("</s?offset={offset}>; rel=next")),
        1 => Just("<https://other.example/s>; rel=\"next\"".to_owned()),
        1 => any::<String>(),
    ]
}

fn page() -> impl Strategy<Value = (PageHeaders, usize)> {
    let count = prop_oneof![
        (0_u64..600).prop_map(|count| count.to_string()),
        any::<String>()
    ];
    (
        proptest::collection::vec(link(), 0..3),
        proptest::option::of(count.clone()),
        proptest::option::of(count),
        prop_oneof![0_usize..12, any::<usize>()],
    )
        .prop_map(|(links, total_count, limit, items)| {
            (
                PageHeaders {
                    links,
                    total_count,
                    limit,
                },
                items,
            )
        })
}

proptest! {
    #[test]
    fn every_crawl_ends_within_its_bounds(
        pages in proptest::collection::vec(page(), 1..40), max_pages in 0_usize..30,
    ) {
        let endpoint = Url::parse("https://cpo.example/s").unwrap();
        let limits = PageLimits { max_pages, max_items: 300 };
        let query = PageQuery { limit: Some(10), ..PageQuery::default() };
        let mut pager = Pager::new(endpoint.clone(), &query, limits);
        let mut asked = HashSet::new();
        let mut pages = pages.iter().cycle();
        while let PageStep::Fetch(url) = pager.step().clone() {
            prop_assert_eq!(url.origin(), endpoint.origin());
            prop_assert!(asked.insert(url.to_string()), "{} asked for twice", url);
            prop_assert!(asked.len() <= max_pages);
            let (headers, items) = pages.next().unwrap();
            pager.feed(headers, *items);
        }
        prop_assert_eq!(pager.pages(), asked.len());
    }
}
