//! Who may do what: bearer tokens, scopes, and the check before every route.

use std::collections::BTreeSet;
use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, COOKIE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::{ApiState, audit};
use crate::domain::id::{PartnerId, PartnerKey, SiteId, SiteKey, TenantId};
use crate::domain::signal::SignalKind;
use crate::domain::time::Time;
use crate::state::Snapshot;

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See sites, sessions, plans.
    #[serde(rename = "read")]
    Read,
    /// Send and withdraw signals and meter readings, and see the signals.
    #[serde(rename = "signals:write")]
    SignalsWrite,
    /// Run a site day by day: modes, departures, overrides; includes the two above.
    #[serde(rename = "operate")]
    Operate,
    /// Set up sites, partners and tokens; includes everything.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// True if a token with this scope may do what asks for `asked`.
    pub fn includes(self, asked: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operate => asked != Self::Admin,
            Self::SignalsWrite | Self::Read => self == asked,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::SignalsWrite => "signals:write",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The token's name, for display and the audit.
    pub name: String,
    /// Whose things it reaches.
    pub tenant: TenantId,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// The sites it reaches; `None` = all of the tenant.
    pub sites: Option<BTreeSet<SiteId>>,
    /// What it may send of signals; `None` = everything its scopes allow.
    pub signals: Option<SignalRights>,
}

/// What a token may send of signals: an aggregator must not outrank the grid's operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRights {
    /// The kinds; `None` = all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<BTreeSet<SignalKind>>,
    /// The lowest number of priority; the lowest number wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_priority: Option<i32>,
    /// Whether what it sends may be hard.
    pub hard: bool,
    /// Whether it may send dispatches.
    pub dispatch: bool,
}

impl Grant {
    /// True if one of the scopes includes `asked`.
    pub fn allows(&self, asked: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.includes(asked))
    }
}

/// The tokens that are known.
pub trait TokenBook: Send + Sync + fmt::Debug {
    /// What a presented token opens at this instant; `None` if it is not known or has expired.
    /// Compares hashes in constant time.
    fn grant(&self, presented: &str, now: Time) -> Option<Grant>;
}

/// The book of an installation that has the administrator's token only.
#[derive(Clone)]
pub struct AdminToken {
    hash: [u8; 32],
}

impl AdminToken {
    /// Keeps the hash of the token, not the token.
    pub fn new(token: &str) -> Self {
        Self {
            hash: Sha256::digest(token.as_bytes()).into(),
        }
    }

    /// From the hash as it is kept on disk.
    pub const fn from_hash(hash: [u8; 32]) -> Self {
        Self { hash }
    }

    /// The SHA-256 of the token, to be kept.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken")
    }
}

impl TokenBook for AdminToken {
    fn grant(&self, presented: &str, _now: Time) -> Option<Grant> {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        bool::from(hash.ct_eq(&self.hash)).then(|| Grant {
            name: "admin".to_owned(),
            tenant: TenantId::default_tenant(),
            scopes: BTreeSet::from([Scope::Admin]),
            sites: None,
            signals: None,
        })
    }
}

/// A request whose token was checked for a scope.
#[derive(Debug)]
pub(super) struct Access {
    grant: Grant,
}

impl Access {
    /// Lets a request in: 401 without a known token, 403 without the scope, 429 when it asks too
    /// often. Called before anything of the body is read.
    pub(super) fn of(api: &ApiState, request: &HttpRequest, asked: Scope) -> Result<Self, Problem> {
        Self::of_any(api, request, &[asked])
    }

    /// Like [`Access::of`], where any of some scopes will do.
    pub(super) fn of_any(
        api: &ApiState,
        request: &HttpRequest,
        asked: &[Scope],
    ) -> Result<Self, Problem> {
        let now = api.clock.now();
        let grant = match bearer(request) {
            Some(token) => api.keys.grant(token, now),
            None => by_cookie(api, request, now)?,
        };
        let Some(grant) = grant else {
            api.throttle.failure(&peer(request), now)?;
            return Err(Problem::unauthorized());
        };
        api.throttle.request(&grant.name, now)?;
        audit::actor(request, &grant.name);
        if asked.iter().any(|scope| grant.allows(*scope)) {
            Ok(Self { grant })
        } else {
            let names: Vec<_> = asked.iter().map(|scope| scope.name()).collect();
            Err(Problem::forbidden(format!(
                "this needs a token with the scope {}",
                names.join(" or ")
            )))
        }
    }

    /// Looks again, for an answer that goes on: whether the request would still be let in.
    pub(super) fn again(api: &ApiState, request: &HttpRequest, asked: Scope) -> Option<Self> {
        let now = api.clock.now();
        let grant = match bearer(request) {
            Some(token) => api.keys.grant(token, now),
            None => by_cookie(api, request, now).ok().flatten(),
        }?;
        grant.allows(asked).then_some(Self { grant })
    }

    /// The token's name.
    pub(super) fn name(&self) -> &str {
        &self.grant.name
    }

    /// Whose things are reached.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.grant.tenant
    }

    /// True if the token has a scope.
    pub(super) fn allows(&self, scope: Scope) -> bool {
        self.grant.allows(scope)
    }

    /// True if the token may send dispatches, hard ones too, else 403.
    pub(super) fn may_dispatch(&self, hard: bool) -> Result<(), Problem> {
        match &self.grant.signals {
            Some(rights) if !rights.dispatch => {
                Err(Problem::forbidden("this token may not send dispatches"))
            }
            Some(rights) if hard && !rights.hard => Err(Problem::forbidden(
                "this token may not send hard dispatches; leave out hard or make it false",
            )),
            _ => Ok(()),
        }
    }

    /// True if the token may send a signal of this kind, priority and hardness, else 403.
    pub(super) fn may_signal(
        &self,
        kind: SignalKind,
        priority: Option<i32>,
        hard: Option<bool>,
    ) -> Result<(), Problem> {
        let Some(rights) = &self.grant.signals else {
            return Ok(());
        };
        if rights
            .kinds
            .as_ref()
            .is_some_and(|kinds| !kinds.contains(&kind))
        {
            return Err(Problem::forbidden(
                "this token may not send signals of this kind",
            ));
        }
        let least = rights.min_priority.unwrap_or(0);
        if priority.is_some_and(|priority| priority < least) {
            return Err(Problem::forbidden(format!(
                "this token's signals rank at {least} or a higher number"
            )));
        }
        if hard == Some(true) && !rights.hard {
            return Err(Problem::forbidden("this token may not send hard signals"));
        }
        Ok(())
    }

    /// Whether what the token sends is hard where it does not say.
    pub(super) fn is_hard_by_default(&self) -> bool {
        self.grant.signals.as_ref().is_none_or(|rights| rights.hard)
    }

    /// A priority, but never before the token's own.
    pub(super) fn priority_of(&self, priority: i32) -> i32 {
        let least = self
            .grant
            .signals
            .as_ref()
            .and_then(|rights| rights.min_priority);
        priority.max(least.unwrap_or(i32::MIN))
    }

    /// True if the token reaches a site.
    pub(super) fn reaches(&self, site: &SiteId) -> bool {
        self.grant
            .sites
            .as_ref()
            .is_none_or(|sites| sites.contains(site))
    }

    /// True if the token reaches all of these sites; `None` stands for all there are.
    pub(super) fn reaches_all_of(&self, sites: Option<&BTreeSet<SiteId>>) -> bool {
        match (&self.grant.sites, sites) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(sites)) => sites.is_subset(own),
        }
    }

    /// The key of a site named in the path; 404 where the token does not reach it, as if it were
    /// not there.
    pub(super) fn site(&self, text: &str) -> Result<SiteKey, Problem> {
        let unknown = || Problem::unknown(format!("site {text}"));
        let site = SiteId::new(text).map_err(|_| unknown())?;
        if !self.reaches(&site) {
            return Err(unknown());
        }
        Ok(SiteKey {
            tenant: self.grant.tenant.clone(),
            site,
        })
    }

    /// What is believed about a site named in the path, or 404.
    pub(super) fn snapshot(
        &self,
        api: &ApiState,
        text: &str,
    ) -> Result<(SiteKey, Snapshot), Problem> {
        let key = self.site(text)?;
        match api.directory.snapshot(&key) {
            Some(snapshot) => Ok((key, snapshot)),
            None => Err(Problem::unknown(format!("site {text}"))),
        }
    }

    /// The key of a partner named in the path, or 404.
    pub(super) fn partner(&self, text: &str) -> Result<PartnerKey, Problem> {
        let partner =
            PartnerId::new(text).map_err(|_| Problem::unknown(format!("partner {text}")))?;
        Ok(PartnerKey {
            tenant: self.grant.tenant.clone(),
            partner,
        })
    }
}

/// What the browser's session opens. A write must carry the session's second secret: a page of
/// another origin can make the browser send the cookie, but cannot know that.
fn by_cookie(api: &ApiState, request: &HttpRequest, now: Time) -> Result<Option<Grant>, Problem> {
    let Some((session, grant)) =
        cookie_of(request).and_then(|cookie| api.keys.browser(&cookie, now))
    else {
        return Ok(None);
    };
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let presented = request
        .headers()
        .get("X-CSRF-Token")
        .map_or(&b""[..], |value| value.as_bytes());
    if only_reads || bool::from(presented.ct_eq(session.csrf_token.as_bytes())) {
        Ok(Some(grant))
    } else {
        Err(Problem::forbidden(
            "a write of a browser session needs its csrf_token in the header X-CSRF-Token",
        ))
    }
}

/// Cookies are shared by all ports of a host: the port is in the name, so that two services on one
/// machine do not sign each other's people out.
pub(super) fn cookie_name(request: &HttpRequest) -> String {
    format!("evenload_{}", request.app_config().local_addr().port())
}

/// The value of the session's cookie.
pub(super) fn cookie_of(request: &HttpRequest) -> Option<String> {
    let name = cookie_name(request);
    request
        .headers()
        .get_all(COOKIE)
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// The address a request came from, for counting.
pub(super) fn peer(request: &HttpRequest) -> String {
    request
        .peer_addr()
        .map_or_else(|| "unknown".to_owned(), |address| address.ip().to_string())
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
