//! From page to page.

use std::collections::HashSet;

use url::Url;

use super::link::{Link, next_link};
use super::query::{PageQuery, number, with_offset};
use crate::read::{Deviation, Deviations, id};

const SECTION: &str = "transport_and_format: Pagination";

/// How often in a row a page is repeated because the total shrank. Some platforms send the count
/// of what remains; beyond this the crawl goes on all the same.
const MAX_REPEATS: u8 = 3;

/// Bounds of one crawl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimits {
    /// Most pages asked for.
    pub max_pages: usize,
    /// Most objects taken.
    pub max_items: usize,
}

impl Default for PageLimits {
    /// 1,000 pages and 100,000 objects: 100 a page, which is what platforms send.
    fn default() -> Self {
        Self {
            max_pages: 1000,
            max_items: 100_000,
        }
    }
}

/// The headers of a page that matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageHeaders {
    /// Every `Link` header.
    pub links: Vec<String>,
    /// `X-Total-Count`: how many objects match.
    pub total_count: Option<String>,
    /// `X-Limit`: the server's most per page.
    pub limit: Option<String>,
}

impl PageHeaders {
    /// Picks the headers out of all of them.
    pub fn read<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut page = Self::default();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("link") {
                page.links.push(value.to_owned());
            } else if name.eq_ignore_ascii_case("x-total-count") {
                page.total_count = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("x-limit") {
                page.limit = Some(value.to_owned());
            }
        }
        page
    }
}

/// Why a crawl ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageEnd {
    /// The last page was read: the crawl is complete.
    LastPage,
    /// [`PageLimits::max_pages`] was reached.
    PageCap,
    /// [`PageLimits::max_items`] was reached.
    ItemCap,
    /// The next link leads to another host, port or scheme and was not followed.
    ForeignOrigin(String),
    /// The next link leads to a page already read.
    SeenBefore(String),
    /// The next link is no address.
    BadLink(String),
}

impl PageEnd {
    /// Whether everything was read: only then may what is missing be taken as gone.
    pub fn is_complete(&self) -> bool {
        *self == Self::LastPage
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStep {
    /// GET this address and feed its headers back.
    Fetch(Url),
    /// Nothing more to do.
    Done(PageEnd),
}

/// A crawl over the pages of a list.
///
/// It follows next links on the endpoint's own origin, never twice to the same address, and within
/// [`PageLimits`]. When the total shrinks on the way, an object may have slipped to the page
/// before: the page is asked for again with an offset smaller by one, so expect duplicates.
#[derive(Debug, Clone)]
pub struct Pager {
    endpoint: Url,
    limits: PageLimits,
    step: PageStep,
    seen: HashSet<String>,
    pages: usize,
    items: usize,
    last_total: Option<u64>,
    /// Repeated pages in a row.
    repeats: u8,
    deviations: Deviations,
}

impl Pager {
    /// A crawl that begins with this question.
    pub fn new(endpoint: Url, query: &PageQuery, limits: PageLimits) -> Self {
        let first = query.url(&endpoint);
        let mut pager = Self {
            endpoint,
            limits,
            step: PageStep::Done(PageEnd::PageCap),
            seen: HashSet::new(),
            pages: 0,
            items: 0,
            last_total: None,
            repeats: 0,
            deviations: Deviations::new(),
        };
        pager.step = pager.fetch(first);
        pager
    }

    /// What to do now.
    pub fn step(&self) -> &PageStep {
        &self.step
    }

    /// Pages fed so far.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Objects fed so far, duplicates included.
    pub fn items(&self) -> usize {
        self.items
    }

    /// What was tolerated so far.
    pub fn deviations(&self) -> &Deviations {
        &self.deviations
    }

    /// Feeds the page that [`Self::step`] asked for. Without effect when the crawl is done.
    pub fn feed(&mut self, headers: &PageHeaders, item_count: usize) -> &PageStep {
        if let PageStep::Fetch(current) = self.step.clone() {
            self.pages += 1;
            self.items = self.items.saturating_add(item_count);
            self.step = self.after(&current, headers, item_count);
        }
        &self.step
    }

    fn after(&mut self, current: &Url, headers: &PageHeaders, item_count: usize) -> PageStep {
        let offset = number(current, "offset").unwrap_or(0);
        self.note_length(current, item_count);
        let total = self.count("X-Total-Count", headers.total_count.as_deref());
        self.count("X-Limit", headers.limit.as_deref());
        let shrunk = matches!((self.last_total, total), (Some(before), Some(now)) if now < before);
        self.last_total = total.or(self.last_total);
        if shrunk && offset > 0 && self.repeats < MAX_REPEATS {
            let earlier = with_offset(current, offset - 1);
            if !self.seen.contains(earlier.as_str()) {
                self.repeats += 1;
                return self.fetch(earlier);
            }
        }
        self.repeats = 0;
        match next_link(headers.links.iter().map(String::as_str)) {
            Link::Next(target) => self.follow(current, &target),
            Link::Absent if headers.links.is_empty() => {
                self.without_link(current, offset, total, item_count)
            }
            Link::Absent => {
                self.note(id::PAGE_LINK, "Link", "is empty; taken as the last page");
                PageStep::Done(PageEnd::LastPage)
            }
            Link::NoNext => {
                self.note(
                    id::PAGE_LINK,
                    "Link",
                    "names no next page; taken as the last",
                );
                PageStep::Done(PageEnd::LastPage)
            }
        }
    }

    /// No link at all: the last page, unless the total says that there is more.
    fn without_link(
        &mut self,
        current: &Url,
        offset: u64,
        total: Option<u64>,
        item_count: usize,
    ) -> PageStep {
        let end = offset.saturating_add(u64::try_from(item_count).unwrap_or(u64::MAX));
        if item_count == 0 || total.is_none_or(|total| total <= end) {
            return PageStep::Done(PageEnd::LastPage);
        }
        let detail = format!(
            "X-Total-Count is {} but page ends at {end}",
            total.unwrap_or(0)
        );
        self.note(id::PAGE_LINK_MISSING, "Link", &detail);
        self.fetch(with_offset(current, end))
    }

    fn follow(&mut self, current: &Url, target: &str) -> PageStep {
        match current.join(target) {
            Err(_) => {
                self.note(id::PAGE_LINK, "Link", "the next page is no address");
                PageStep::Done(PageEnd::BadLink(target.to_owned()))
            }
            Ok(url) if url.origin() != self.endpoint.origin() => {
                self.note(id::PAGE_LINK, "Link", "the next page is on another origin");
                PageStep::Done(PageEnd::ForeignOrigin(url.into()))
            }
            Ok(url) => self.fetch(url),
        }
    }

    fn fetch(&mut self, mut url: Url) -> PageStep {
        url.set_fragment(None);
        // A peer must not make us send credentials of its choice. Only addresses without a host
        // refuse this, and those have another origin.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        if self.pages >= self.limits.max_pages {
            PageStep::Done(PageEnd::PageCap)
        } else if self.items >= self.limits.max_items && self.pages > 0 {
            PageStep::Done(PageEnd::ItemCap)
        } else if self.seen.insert(url.as_str().to_owned()) {
            PageStep::Fetch(url)
        } else {
            self.note(id::PAGE_LINK, "Link", "leads to a page already read");
            PageStep::Done(PageEnd::SeenBefore(url.into()))
        }
    }

    fn note_length(&mut self, current: &Url, item_count: usize) {
        let Some(limit) = number(current, "limit") else {
            return;
        };
        if u64::try_from(item_count).unwrap_or(u64::MAX) > limit {
            let detail = format!("{item_count} objects where {limit} were asked for");
            self.note(id::PAGE_TOO_LONG, "limit", &detail);
        }
    }

    fn count(&mut self, name: &'static str, value: Option<&str>) -> Option<u64> {
        let value = value?.trim();
        let count = value.parse().ok();
        if count.is_none() {
            let detail = format!(
                "{:?} is no number",
                value.chars().take(20).collect::<String>()
            );
            self.note(id::PAGE_COUNT, name, &detail);
        }
        count
    }

    fn note(&mut self, id: &'static str, header: &'static str, detail: &str) {
        self.deviations
            .push(Deviation::new(id, header, SECTION, detail));
    }
}
