//! In which unit a partner takes limits, where it is not the usual one.

use serde::{Deserialize, Serialize};

use super::evse::EvseSource;
use super::profile::RateUnit;

/// Most choices of one partner.
pub const MAX_UNIT_CHOICES: usize = 10_000;

/// The unit of an EVSE's profiles, or of all EVSEs of a partner that are not named. The operator's
/// choice: OCPI does not say which unit a platform takes. Without one it is A for AC and W for DC.
/// DC stays in W whatever is chosen, since amperes say nothing of power without a voltage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitChoice {
    /// OCPI `Location.id` and `EVSE.uid`; absent: all that are not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_id: Option<String>,
    /// See there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse_uid: Option<String>,
    /// The unit.
    pub unit: RateUnit,
}

impl UnitChoice {
    fn names(&self, location: &str, evse: &str) -> bool {
        let is = |told: &Option<String>, known: &str| {
            told.as_ref()
                .is_some_and(|told| told.eq_ignore_ascii_case(known))
        };
        is(&self.location_id, location) && is(&self.evse_uid, evse)
    }

    fn is_for_all(&self) -> bool {
        self.location_id.is_none() && self.evse_uid.is_none()
    }
}

/// The unit that was chosen for an EVSE: its own before that of all.
pub fn chosen_unit(choices: &[UnitChoice], source: &EvseSource) -> Option<RateUnit> {
    let EvseSource::Ocpi {
        location_id,
        evse_uid,
        ..
    } = source
    else {
        return None;
    };
    let own = choices
        .iter()
        .find(|choice| choice.names(location_id, evse_uid));
    let chosen = own.or_else(|| choices.iter().find(|choice| choice.is_for_all()));
    chosen.map(|choice| choice.unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::PartnerId;

    fn source(evse_uid: &str) -> EvseSource {
        EvseSource::Ocpi {
            partner: PartnerId::new("acme").expect("a name"),
            location_id: "depot".into(),
            evse_uid: evse_uid.into(),
        }
    }

    #[test]
    fn the_choice_for_an_evse_goes_before_that_for_all_whatever_its_case() {
        let choices = [
            UnitChoice {
                location_id: None,
                evse_uid: None,
                unit: RateUnit::Watts,
            },
            UnitChoice {
                location_id: Some("DEPOT".into()),
                evse_uid: Some("E1".into()),
                unit: RateUnit::Amps,
            },
        ];
        assert_eq!(chosen_unit(&choices, &source("e1")), Some(RateUnit::Amps));
        assert_eq!(chosen_unit(&choices, &source("e2")), Some(RateUnit::Watts));
        assert_eq!(chosen_unit(&choices[1..], &source("e2")), None);
    }
}
