//! A list, page by page.

use std::marker::PhantomData;

use url::Url;

use super::call::{Call, finish};
use super::{Client, Reply};
use crate::paging::{PageEnd, PageHeaders, PageLimits, PageQuery, PageStep, Pager};
use crate::read::FromOcpi;
use crate::types::{ClientInfo, Location, Session, Tariff};

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The objects that could be read. Between pages of one crawl, expect duplicates.
    pub items: Vec<T>,
}

/// A crawl over a list of one peer.
#[derive(Debug)]
pub struct Crawl<'c, T> {
    client: &'c Client,
    operation: &'static str,
    is_functional: bool,
    pager: Pager,
    is_broken: bool,
    objects: PhantomData<fn() -> T>,
}

impl<T: FromOcpi> Crawl<'_, T> {
    /// Fetches the next page; `None` when there is none. A page that failed ends the crawl.
    pub async fn next_page(&mut self) -> Option<Reply<Page<T>>> {
        let PageStep::Fetch(url) = self.pager.step().clone() else {
            return None;
        };
        if self.is_broken {
            return None;
        }
        let mut call = Call::get(self.operation, Ok(url));
        call.is_functional = self.is_functional;
        let (result, exchange) = self.client.exchange(call).await;
        self.is_broken = result.is_err();
        let result = result.map(|received| {
            let headers = received
                .headers
                .iter()
                .map(|(name, value)| (&**name, &**value));
            let page_headers = PageHeaders::read(headers);
            let (items, deviations) = received.answer.list_with_count();
            self.pager.feed(&page_headers, items.1);
            (Page { items: items.0 }, deviations)
        });
        Some(finish(result, exchange))
    }

    /// Why the crawl ended; `None` while it goes on or when a page failed. Only after
    /// [`PageEnd::LastPage`] may what was not seen be taken as gone.
    pub fn end(&self) -> Option<&PageEnd> {
        match self.pager.step() {
            PageStep::Done(end) if !self.is_broken => Some(end),
            _ => None,
        }
    }

    /// The state of the paging, with what was tolerated in the paging headers.
    pub fn pager(&self) -> &Pager {
        &self.pager
    }
}

impl Client {
    /// Crawls any list.
    pub fn crawl<T: FromOcpi>(
        &self,
        operation: &'static str,
        endpoint: &Url,
        query: &PageQuery,
        limits: PageLimits,
    ) -> Crawl<'_, T> {
        Crawl {
            client: self,
            operation,
            is_functional: true,
            pager: Pager::new(endpoint.clone(), query, limits),
            is_broken: false,
            objects: PhantomData,
        }
    }

    /// Crawls sessions from their Sender. Section: `mod_sessions`, Sender interface, GET;
    /// `date_from` is required there.
    pub fn sessions(
        &self,
        endpoint: &Url,
        query: &PageQuery,
        limits: PageLimits,
    ) -> Crawl<'_, Session> {
        self.crawl("get sessions", endpoint, query, limits)
    }

    /// Crawls locations from their Sender. Section: `mod_locations`, Sender interface, GET.
    pub fn locations(
        &self,
        endpoint: &Url,
        query: &PageQuery,
        limits: PageLimits,
    ) -> Crawl<'_, Location> {
        self.crawl("get locations", endpoint, query, limits)
    }

    /// Crawls the parties that a hub knows. Section: `mod_hub_client_info`, Sender interface, GET;
    /// a configuration module, so without routing headers.
    pub fn hub_clients(
        &self,
        endpoint: &Url,
        query: &PageQuery,
        limits: PageLimits,
    ) -> Crawl<'_, ClientInfo> {
        self.crawl_configuration("get hub clients", endpoint, query, limits)
    }

    /// Crawls any list of a configuration module: without routing headers.
    pub fn crawl_configuration<T: FromOcpi>(
        &self,
        operation: &'static str,
        endpoint: &Url,
        query: &PageQuery,
        limits: PageLimits,
    ) -> Crawl<'_, T> {
        let crawl = self.crawl(operation, endpoint, query, limits);
        Crawl {
            is_functional: false,
            ..crawl
        }
    }

    /// Crawls tariffs from their Sender. Section: `mod_tariffs`, Sender interface, GET.
    pub fn tariffs(
        &self,
        endpoint: &Url,
        query: &PageQuery,
        limits: PageLimits,
    ) -> Crawl<'_, Tariff> {
        self.crawl("get tariffs", endpoint, query, limits)
    }
}
