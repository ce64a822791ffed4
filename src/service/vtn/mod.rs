//! The VEN's side of `OpenADR` 3: a token by client credentials, programs and events page by page.

mod reports;

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use self::reports::Outbox;
pub(super) use self::reports::Sources;
use super::outside::{Credentials, json};
use crate::domain::feed::{Feed, VtnAccess};
use crate::domain::id::SiteKey;
use crate::domain::time::Time;
use crate::signals::openadr::{MAX_EVENTS, Question, is_of_programs, read};
use crate::signals::series::Series;

/// Rows of a page; the most that VTNs give.
const PAGE: usize = 50;

/// A token of a VTN, and until when it is used.
struct Token {
    text: String,
    until: Time,
    /// For whom: other credentials need another token.
    of: String,
}

/// What is remembered of VTNs between readings.
#[derive(Default)]
pub(super) struct Vtns {
    tokens: BTreeMap<(SiteKey, String), Token>,
    reports: BTreeMap<(SiteKey, String), Outbox>,
}

/// What a VTN said.
pub(super) struct Heard {
    pub(super) series: Series,
    /// When it wants a report.
    pub(super) report_at: Option<Time>,
}

/// One VTN, with what it takes to be let in.
struct Call<'c> {
    http: &'c reqwest::Client,
    base: Url,
    bearer: String,
}

/// Why nothing was read.
enum Refused {
    /// The token is not taken (any more).
    Token,
    Other(String),
}

impl Vtns {
    /// What the VTN says at `now` of the feed's kind.
    pub(super) async fn ask(
        &mut self,
        http: &reqwest::Client,
        feed: &Feed,
        access: &VtnAccess,
        secret: &str,
        (currency, now): (&str, Time),
        sources: &Sources,
    ) -> Result<Heard, String> {
        let base = base(feed.url.as_deref().unwrap_or_default())?;
        // One more try with a new token where the old one is not taken any more.
        for _ in 0..2 {
            let bearer = self.token(http, feed, (&base, access), secret, now).await?;
            let call = Call {
                http,
                base: base.clone(),
                bearer,
            };
            let outbox = self.reports.entry(key_of(feed)).or_default();
            match call
                .read((feed, access), (currency, now), outbox, sources)
                .await
            {
                Ok(heard) => return Ok(heard),
                Err(Refused::Token) => {
                    self.tokens.remove(&key_of(feed));
                }
                Err(Refused::Other(why)) => return Err(why),
            }
        }
        Err("the VTN does not take the token it gave (HTTP 401); are client_id, secret and scope right?".into())
    }

    async fn token(
        &mut self,
        http: &reqwest::Client,
        feed: &Feed,
        (base, access): (&Url, &VtnAccess),
        secret: &str,
        now: Time,
    ) -> Result<String, String> {
        let of = format!("{base} {access:?} {:?}", feed.sealed);
        if let Some(token) = self.tokens.get(&key_of(feed))
            && token.of == of
            && token.until > now
        {
            return Ok(token.text.clone());
        }
        let url = match &access.token_url {
            Some(url) => url.clone(),
            None => token_url(http, base).await?,
        };
        let url = Url::parse(&url).map_err(|_| "the VTN's tokenURL is not an address")?;
        if base.scheme() == "https" && url.scheme() != "https" {
            return Err("the VTN's tokenURL is not https: the secret is not sent there".into());
        }
        let client = Credentials {
            token_url: url,
            client: &access.client_id,
            secret,
            scope: access.scope.as_deref(),
        };
        let (text, until) = client.token(http, now).await?;
        let token = Token {
            text: text.clone(),
            until,
            of,
        };
        self.tokens.insert(key_of(feed), token);
        Ok(text)
    }

    /// Forgets the tokens of feeds that are gone.
    pub(super) fn keep(&mut self, names: &[(SiteKey, String)]) {
        self.tokens.retain(|key, _| names.contains(key));
        self.reports.retain(|key, _| names.contains(key));
    }
}

impl Call<'_> {
    async fn read(
        &self,
        (feed, access): (&Feed, &VtnAccess),
        (currency, now): (&str, Time),
        outbox: &mut Outbox,
        sources: &Sources,
    ) -> Result<Heard, Refused> {
        let mut notes = Vec::new();
        if let Some(name) = &access.ven_name
            && let Err(error) = self.make_known(name).await
        {
            match error {
                Refused::Token => return Err(Refused::Token),
                // Many VTNs let only their operator add VENs; events come without it.
                Refused::Other(why) => notes.push(format!("not known as VEN {name}: {why}")),
            }
        }
        let programs = self.pages("programs", &[]).await?;
        let mut query = vec![("active", "true")];
        query.extend(
            access
                .targets
                .iter()
                .map(|target| ("targets", target.as_str())),
        );
        let events = self.pages("events", &query).await?;
        let salt = format!("{} {}", feed.site, feed.name);
        let question = Question {
            kind: feed.kind,
            currency,
            programs: &access.programs,
            salt: &salt,
            now,
        };
        let mut series = read(&events, &programs, question);
        let mut report_at = None;
        if access.reports {
            let asking = events.iter().take(MAX_EVENTS);
            let asking = asking.filter(|event| is_of_programs(event, &programs, question));
            let asking: Vec<&Value> = asking.collect();
            let (more, next) = outbox
                .post(self, (feed, access), &asking, sources, now)
                .await?;
            notes.extend(more);
            report_at = next;
        }
        series.notes.splice(..0, notes);
        Ok(Heard { series, report_at })
    }

    /// Adds us as a VEN where we are not one.
    async fn make_known(&self, name: &str) -> Result<(), Refused> {
        let url = self.url("vens", &[("venName", name)], 0)?;
        let known = self.rows(url).await?;
        if known.iter().any(|ven| ven["venName"] == name) {
            return Ok(());
        }
        let url = self.url("vens", &[], 0)?;
        let request = self.http.post(url).bearer_auth(&self.bearer);
        let body = serde_json::json!({"objectType": "VEN_VEN_REQUEST", "venName": name});
        let (status, _) = json(request.json(&body)).await.map_err(Refused::Other)?;
        match status {
            200 | 201 | 409 => Ok(()),
            401 => Err(Refused::Token),
            _ => Err(Refused::Other(format!("HTTP {status}"))),
        }
    }

    async fn pages(&self, what: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Refused> {
        let mut all = Vec::new();
        // Bounded: every turn brings a page, or ends.
        while all.len() <= MAX_EVENTS {
            let rows = self.rows(self.url(what, query, all.len())?).await?;
            let count = rows.len();
            all.extend(rows);
            if count < PAGE {
                break;
            }
        }
        Ok(all)
    }

    /// Status and answer of a write.
    async fn write(
        &self,
        method: reqwest::Method,
        what: &str,
        body: &Value,
    ) -> Result<(u16, Value), Refused> {
        let url = self
            .base
            .join(what)
            .map_err(|_| Refused::Other("the VTN's address has no paths".into()))?;
        let request = self.http.request(method, url).bearer_auth(&self.bearer);
        json(request.json(body)).await.map_err(Refused::Other)
    }

    fn url(&self, what: &str, query: &[(&str, &str)], skip: usize) -> Result<Url, Refused> {
        let mut url = self
            .base
            .join(what)
            .map_err(|_| Refused::Other("the VTN's address has no paths".into()))?;
        url.query_pairs_mut()
            .extend_pairs(query)
            .append_pair("skip", &skip.to_string())
            .append_pair("limit", &PAGE.to_string());
        Ok(url)
    }

    async fn rows(&self, url: Url) -> Result<Vec<Value>, Refused> {
        let what = url.path().to_owned();
        let request = self.http.get(url).bearer_auth(&self.bearer);
        let (status, answer) = json(request).await.map_err(Refused::Other)?;
        match (status, answer) {
            (401, _) => Err(Refused::Token),
            (200, Value::Array(rows)) => Ok(rows),
            (200, _) => Err(Refused::Other(format!("{what}: the answer is not a list"))),
            (status, answer) => {
                let why = answer["detail"].as_str().or(answer["title"].as_str());
                let why: String = why.unwrap_or("no reason given").chars().take(200).collect();
                Err(Refused::Other(format!("{what}: HTTP {status}: {why}")))
            }
        }
    }
}

fn key_of(feed: &Feed) -> (SiteKey, String) {
    (feed.site.clone(), feed.name.clone())
}

/// The base, so that paths are added to it.
fn base(text: &str) -> Result<Url, String> {
    let url = format!("{}/", text.trim_end_matches('/'));
    Url::parse(&url).map_err(|_| "the VTN's address is none".to_owned())
}

async fn token_url(http: &reqwest::Client, base: &Url) -> Result<String, String> {
    let url = base
        .join("auth/server")
        .map_err(|_| "the VTN's address has no paths")?;
    let (status, answer) = json(http.get(url)).await?;
    let found = answer["tokenURL"].as_str().filter(|_| status == 200);
    found.map(str::to_owned).ok_or_else(|| {
        format!("GET /auth/server gave no tokenURL (HTTP {status}); give openadr.token_url")
    })
}
