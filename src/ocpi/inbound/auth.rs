//! Who is calling: a token of ours, Base64 or raw, compared as hashes and in constant time.

use std::sync::Arc;

use ocpi_client::read::{Deviation, Deviations, id};
use ocpi_client::token::{Token, TokenEncoding, candidates};

use super::super::edge::Edge;
use super::super::partner::TokenScope;
use super::super::peer::Peer;
use super::super::secret::TokenHash;

/// Where the specification speaks of the header.
const SECTION: &str = "transport_and_format: Authorization header";

/// An authenticated partner.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) peer: Arc<Peer>,
    /// What its token opens.
    pub(super) scope: TokenScope,
    /// The token it showed.
    pub(super) token: Token,
    /// How it showed it.
    pub(super) encoding: TokenEncoding,
}

impl Edge {
    /// The partner whose token this header carries. All tokens are compared, whether one matched
    /// before or not, so that the time says nothing.
    pub(super) fn authenticate(&self, authorization: Option<&str>) -> Option<Caller> {
        let now = self.now();
        let shown: Vec<_> = candidates(authorization.unwrap_or_default())
            .into_iter()
            .map(|(token, encoding)| (TokenHash::of(&token), token, encoding))
            .collect();
        let mut found = None;
        for peer in self.peers() {
            let record = peer.record();
            for accepted in &record.accepted {
                for (index, (hash, _, _)) in shown.iter().enumerate() {
                    let is_equal = bool::from(accepted.hash.matches(hash));
                    let is_valid = accepted.valid_until.is_none_or(|until| now < until);
                    if is_equal & is_valid {
                        found = Some((peer.clone(), accepted.scope, index));
                    }
                }
            }
        }
        let (peer, scope, index) = found?;
        let (_, token, encoding) = shown.into_iter().nth(index)?;
        if encoding == TokenEncoding::Raw {
            let mut deviations = Deviations::new();
            let detail = "the token is sent as it is, not as Base64";
            deviations.push(Deviation::new(
                id::TOKEN_RAW,
                "Authorization",
                SECTION,
                detail,
            ));
            peer.note_deviations(&deviations);
        }
        let mut live = peer.live();
        live.health.last_heard_at = Some(now);
        let is_back = live.breaker.heard(now);
        drop(live);
        if is_back {
            // Whatever it would have told us meanwhile is read back at once.
            self.want_pull_of_returned(&peer.record().name);
        }
        Some(Caller {
            peer,
            scope,
            token,
            encoding,
        })
    }
}
