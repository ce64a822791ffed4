//! Objects: nothing panics, and what was understood once is understood the same again.

use std::fmt::Debug;

use ocpi_client::plausibility::Units;
use ocpi_client::profile_request::Verdict;
use ocpi_client::read::{FromOcpi, MAX_DEVIATIONS, Reading, patched, read_list, read_one};
use ocpi_client::response::{Answer, RawAnswer, classify, read_callback};
use ocpi_client::types::{
    ActiveChargingProfile, ActiveChargingProfileResult, BusinessDetails, CdrDimension, CdrToken,
    ChargingPeriod, ChargingPreferences, ChargingPreferencesResponse, ChargingProfile,
    ChargingProfilePeriod, ChargingProfileResponse, ChargingProfileResult, ClearProfileResult,
    ClientInfo, Connector, Credentials, CredentialsRole, DisplayText, Endpoint, EnergyMix,
    Envelope, Evse, GeoLocation, Image, Location, Price, PriceComponent, PriceLimit, Session,
    SessionPatch, SetChargingProfile, Tariff, TariffElement, TariffRestrictions, TaxAmount,
    Version, VersionDetails, VersionEntry,
};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::arbitrary::{
    json_value, location, message, profile_messages, registration_messages, samples, session,
    spoiled, tariffs,
};

/// Reads, writes, reads and writes again: both writings must be the same.
fn settles<T: FromOcpi + Serialize + Debug>(message: &Value) -> Option<Reading<T>> {
    let first = read_one::<T>(message).ok()?;
    assert!(first.deviations.as_slice().len() <= MAX_DEVIATIONS);
    let written = serde_json::to_value(&first.value).unwrap();
    let second = read_one::<T>(&written).unwrap();
    assert_eq!(serde_json::to_value(&second.value).unwrap(), written);
    Some(first)
}

macro_rules! all_settle {
    ($message:expr; $($object:ty),+ $(,)?) => {{
        let message: &Value = $message;
        $( settles::<$object>(message); read_list::<$object>(message); )+
    }};
}

proptest! {
    #[test]
    fn every_object_is_read_without_panic_and_settles(message in message()) {
        all_settle!(&message;
            ActiveChargingProfile, ActiveChargingProfileResult, BusinessDetails, CdrDimension,
            CdrToken, ChargingPeriod, ChargingPreferences, ChargingPreferencesResponse,
            ChargingProfile, ChargingProfilePeriod, ChargingProfileResponse, ChargingProfileResult,
            ClearProfileResult, ClientInfo, Connector, Credentials, CredentialsRole, DisplayText,
            Endpoint, EnergyMix, Envelope<Value>, Evse, GeoLocation, Image, Location, Price,
            PriceComponent, PriceLimit, Session, SessionPatch, SetChargingProfile, Tariff,
            TariffElement, TariffRestrictions, TaxAmount, Version, VersionDetails, VersionEntry,
        );
    }

    #[test]
    fn a_spoiled_session_is_read_or_refused_with_a_place(message in spoiled(vec![session()])) {
        match read_one::<Session>(&message) {
            Ok(reading) => {
                let _ = Units::of(&reading.value);
            }
            Err(reason) => prop_assert!(reason.deviation.path.starts_with('$')),
        }
    }

    #[test]
    fn a_spoiled_location_settles(message in spoiled(vec![location()])) {
        if let Some(reading) = settles::<Location>(&message) {
            for connector in reading.value.evses.iter().flat_map(|evse| &evse.connectors) {
                let _ = connector.rated_power_w();
            }
        }
    }

    #[test]
    fn a_page_loses_no_good_object_to_bad_neighbours(
        bad in proptest::collection::vec(json_value(), 0..6),
        place in any::<prop::sample::Index>(),
    ) {
        let alone = read_list::<Session>(&Value::from(bad.clone())).value.len();
        let mut page = bad;
        page.insert(place.index(page.len() + 1), session());
        prop_assert_eq!(read_list::<Session>(&Value::from(page)).value.len(), alone + 1);
    }

    #[test]
    fn changing_the_version_there_and_back_keeps_a_tariff(message in spoiled(tariffs())) {
        if let Ok(reading) = read_one::<Tariff>(&message) {
            for version in Version::SPOKEN {
                let once = reading.value.clone().in_version(&version);
                prop_assert_eq!(once.clone().in_version(&version), once);
            }
        }
    }

    #[test]
    fn a_patch_never_panics_and_takes_its_time(
        changes in json_value(), profile in spoiled(profile_messages()),
    ) {
        let known = read_one::<Session>(&session()).unwrap().value;
        if let Ok(patch) = read_one::<SessionPatch>(&changes) {
            prop_assert_eq!(known.patched(&patch.value).last_updated, patch.value.last_updated);
        }
        let _ = patched(&known, &changes);
        let _ = patched(&known, &profile);
    }

    #[test]
    fn any_bytes_with_any_status_are_classified(
        status in any::<u16>(), bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let raw = RawAnswer { status, content_type: None, body: &bytes };
        if let Ok(answer) = classify("test", &raw) {
            let _ = answer.one::<Session>();
        }
    }

    #[test]
    fn any_message_with_any_status_is_classified_and_judged(
        status in 100_u16..600, message in message(),
    ) {
        let body = message.to_string().into_bytes();
        let raw = RawAnswer { status, content_type: Some("application/json"), body: &body };
        let response = classify("test", &raw).and_then(Answer::one::<ChargingProfileResponse>);
        let _ = Verdict::of(&response.map(|(response, _)| response));
        let _ = read_callback::<ActiveChargingProfileResult>(&message);
    }

    #[test]
    fn samples_with_changed_bytes_never_panic(
        sample in proptest::sample::select(samples()),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = sample.to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(message) = serde_json::from_slice::<Value>(&bytes) {
            all_settle!(&message; Session, Location, Tariff, Credentials, VersionDetails);
        }
    }

    #[test]
    fn an_extension_pointer_finds_what_json_finds(
        message in message(), pointer in "(/[a-z0-9_~]{0,12}){0,4}",
    ) {
        if let Ok(reading) = read_one::<Location>(&message) {
            let whole = serde_json::to_value(&reading.value.extra).unwrap();
            let expected = whole.pointer(&pointer).filter(|_| !pointer.is_empty());
            prop_assert_eq!(reading.value.extra.pointer(&pointer), expected);
        }
    }
}

#[test]
fn every_sample_is_read_by_its_type_without_deviations() {
    fn clean<T: FromOcpi + Serialize + Debug>(sample: &Value) {
        let reading = settles::<T>(sample).unwrap();
        assert!(reading.deviations.is_empty(), "{:?}", reading.deviations);
        assert_eq!(serde_json::to_value(&reading.value).unwrap(), *sample);
    }
    clean::<Session>(&session());
    let profiles = profile_messages();
    clean::<SetChargingProfile>(&profiles[0]);
    clean::<ActiveChargingProfileResult>(&profiles[1]);
    clean::<ChargingProfileResponse>(&profiles[2]);
    clean::<ActiveChargingProfile>(&profiles[3]);
    clean::<ChargingProfile>(&profiles[4]);
    tariffs().iter().for_each(clean::<Tariff>);
    let registration = registration_messages();
    clean::<Credentials>(&registration[0]);
    clean::<VersionEntry>(&registration[1]);
    clean::<VersionDetails>(&registration[2]);
    clean::<ClientInfo>(&registration[3]);
    clean::<ChargingPreferences>(&registration[4]);
}
