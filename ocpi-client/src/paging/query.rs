//! The question for a list.

use url::Url;

use crate::types::DateTime;

/// What is asked of a list. Section: `transport_and_format`, Paginated request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageQuery {
    /// Only objects changed at or after this moment. Required for sessions.
    pub date_from: Option<DateTime>,
    /// Only objects changed before this moment.
    pub date_to: Option<DateTime>,
    /// Objects to skip; absent: none.
    pub offset: Option<u64>,
    /// Most objects per page; absent: the server decides.
    pub limit: Option<u32>,
}

impl PageQuery {
    /// Everything changed since a moment.
    pub fn since(date_from: DateTime) -> Self {
        Self {
            date_from: Some(date_from),
            ..Self::default()
        }
    }

    /// The address to ask, with what the endpoint's address already carries kept.
    pub fn url(&self, endpoint: &Url) -> Url {
        let mut url = endpoint.clone();
        let pairs = [
            ("date_from", self.date_from.map(|moment| moment.to_string())),
            ("date_to", self.date_to.map(|moment| moment.to_string())),
            ("offset", self.offset.map(|offset| offset.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
        ];
        for (name, value) in pairs {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        url
    }
}

/// A number in the query of an address.
pub(super) fn number(url: &Url, name: &str) -> Option<u64> {
    url.query_pairs()
        .find(|(key, _)| key == name)
        .and_then(|(_, value)| value.parse().ok())
}

/// The same address with another offset.
pub(super) fn with_offset(url: &Url, offset: u64) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| key != "offset")
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect();
    let mut url = url.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("offset", &offset.to_string());
    url
}
