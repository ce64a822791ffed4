//! What a partner asks for in `Retry-After`: seconds or a date, obeyed up to a bound.

use chrono::TimeDelta;
use ocpi_client::client::Exchange;

use super::edge::Edge;
use crate::domain::id::PartnerId;
use crate::domain::time::Time;

/// Longest wait that is obeyed: 15 minutes. Beyond it a limit would stay unknown for too long.
pub const LONGEST_WAIT_S: i64 = 15 * 60;

/// Wait where a partner says "too many" without saying how long.
const UNSAID_WAIT_S: i64 = 2;

/// Until when the partner asks to be left alone, if it does (HTTP 429, or 503 with the header).
pub(super) fn asked_until(exchange: &Exchange, now: Time) -> Option<Time> {
    let headers = exchange.response.headers.iter();
    let said = headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
        .find_map(|(_, value)| wait_s(value, now));
    let wait_s = match (exchange.status?, said) {
        (429, None) => UNSAID_WAIT_S,
        (429 | 503, Some(said)) => said,
        _ => return None,
    };
    Some(now + TimeDelta::seconds(wait_s.clamp(0, LONGEST_WAIT_S)))
}

/// The seconds that a header asks for; more than anybody waits stays a number.
fn wait_s(value: &str, now: Time) -> Option<i64> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number are surely too long a wait.
        return Some(value.parse().unwrap_or(i64::MAX));
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    Some((date.to_utc() - now).num_seconds())
}

impl Edge {
    /// How many seconds a partner still wants to be left alone.
    pub fn patience_s(&self, partner: &PartnerId) -> Option<u32> {
        let now = self.now();
        let until = self.peer(partner).ok()?.live().asked_until?;
        let left_ms = (until - now).num_milliseconds();
        u32::try_from((left_ms + 999) / 1000)
            .ok()
            .filter(|s| *s > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(status: u16, header: Option<&str>) -> Option<i64> {
        let now: Time = "2026-11-22T16:00:00Z".parse().unwrap();
        let mut exchange = Exchange {
            status: Some(status),
            ..Exchange::default()
        };
        if let Some(value) = header {
            let header = ("Retry-After".to_owned(), value.to_owned());
            exchange.response.headers.push(header);
        }
        asked_until(&exchange, now).map(|until| (until - now).num_seconds())
    }

    #[test]
    fn seconds_and_dates_are_obeyed_up_to_a_quarter_of_an_hour() {
        assert_eq!(wait(429, Some("7")), Some(7));
        assert_eq!(wait(503, Some(" 120 ")), Some(120));
        assert_eq!(wait(429, Some("Sun, 22 Nov 2026 16:01:00 GMT")), Some(60));
        assert_eq!(wait(429, Some("1000000000")), Some(900));
        assert_eq!(wait(429, Some("99999999999999999999999")), Some(900));
    }

    #[test]
    fn the_past_and_nonsense_do_not_stop_us() {
        assert_eq!(wait(429, Some("Sun, 22 Nov 2020 16:01:00 GMT")), Some(0));
        for nonsense in ["-5", "soon", "", "1e9", "\u{fffd}"] {
            assert_eq!(wait(429, Some(nonsense)), Some(2), "{nonsense}");
            assert_eq!(wait(503, Some(nonsense)), None, "{nonsense}");
        }
        assert_eq!(wait(429, None), Some(2));
        assert_eq!(wait(200, Some("60")), None);
    }
}
