//! `--profile-unit`: in which unit a partner takes limits.

use crate::domain::profile::RateUnit;
use crate::domain::unit_choice::UnitChoice;

/// `A`, `W`, `LOCATION/EVSE=A`, or `usual` for no choice at all.
pub(super) fn choice(text: &str) -> Result<Option<UnitChoice>, String> {
    let wrong = || format!("{text:?} is none of A, W, usual, LOCATION/EVSE=A, LOCATION/EVSE=W");
    if text == "usual" {
        return Ok(None);
    }
    let (place, unit) = match text.rsplit_once('=') {
        Some((place, unit)) => (Some(place), unit),
        None => (None, text),
    };
    let unit = match unit {
        "A" => RateUnit::Amps,
        "W" => RateUnit::Watts,
        _ => return Err(wrong()),
    };
    let place = place.map(|place| place.split_once('/').ok_or_else(wrong));
    let place = place.transpose()?;
    Ok(Some(UnitChoice {
        location_id: place.map(|(location, _)| location.to_owned()),
        evse_uid: place.map(|(_, evse)| evse.to_owned()),
        unit,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_for_all_evses_or_for_one() {
        let all = choice("W").expect("read").expect("a choice");
        assert_eq!((all.location_id, all.unit), (None, RateUnit::Watts));
        let one = choice("DEPOT/E=1=A").expect("read").expect("a choice");
        assert_eq!(one.location_id.as_deref(), Some("DEPOT"));
        assert_eq!(one.evse_uid.as_deref(), Some("E=1"));
        assert_eq!(choice("usual"), Ok(None));
        for wrong in ["kW", "DEPOT=A", "DEPOT/E1", ""] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }
}
