//! Durations of ISO 8601 as they come over the wire.

use chrono::TimeDelta;

/// Reads a duration in days, hours, minutes and seconds, whole numbers only. Months and years have
/// no fixed length and are refused.
///
/// ```
/// use chrono::TimeDelta;
/// use evenload::domain::duration::duration;
/// assert_eq!(duration("PT1H30M"), Some(TimeDelta::minutes(90)));
/// assert_eq!(duration("P1M"), None);
/// ```
pub fn duration(text: &str) -> Option<TimeDelta> {
    let rest = text.strip_prefix('P')?;
    let (days, clock) = match rest.split_once('T') {
        Some((days, clock)) if !clock.is_empty() => (days, clock),
        Some(_) => return None,
        None => (rest, ""),
    };
    if days.is_empty() && clock.is_empty() {
        return None;
    }
    let (days, left) = leading(days, 'D')?;
    let (hours, clock) = leading(clock, 'H')?;
    let (minutes, clock) = leading(clock, 'M')?;
    let (seconds, clock) = leading(clock, 'S')?;
    if !left.is_empty() || !clock.is_empty() {
        return None;
    }
    // At most four times six digits: far from overflow.
    TimeDelta::try_seconds(days * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

/// The whole number before a designator, 0 if the designator is not there.
fn leading(text: &str, designator: char) -> Option<(i64, &str)> {
    match text.split_once(designator) {
        None => Some((0, text)),
        Some((digits, rest)) => {
            let plain =
                (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| Some((digits.parse().ok()?, rest))).flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_days_hours_minutes_seconds() {
        assert_eq!(duration("PT15M"), Some(TimeDelta::minutes(15)));
        assert_eq!(duration("P1D"), Some(TimeDelta::days(1)));
        assert_eq!(duration("PT1H30M"), Some(TimeDelta::minutes(90)));
        assert_eq!(duration("P0DT0H30M0S"), Some(TimeDelta::minutes(30)));
        for wrong in [
            "", "P", "PT", "15M", "PT15", "PT-15M", "PT1.5H", "P1M", "PT15M1H", "PTM",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
