//! Bodies: every object that comes in, from any bytes. What is understood once must be written and
//! understood the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ocpi_client::plausibility::Units;
use ocpi_client::profile_request::Verdict;
use ocpi_client::read::{FromOcpi, MAX_DEVIATIONS, patched, read_list, read_one};
use ocpi_client::response::{Answer, RawAnswer, classify, read_callback};
use ocpi_client::types::{
    ActiveChargingProfile, ActiveChargingProfileResult, ChargingPreferences, ChargingProfileResponse,
    ChargingProfileResult, ClearProfileResult, ClientInfo, Credentials, Evse, Location, Session,
    SessionPatch, SetChargingProfile, Tariff, Version, VersionDetails, VersionEntry,
};
use serde::Serialize;
use serde_json::Value;

fn settles<T: FromOcpi + Serialize>(message: &Value) {
    let _ = read_list::<T>(message);
    let Ok(first) = read_one::<T>(message) else { return };
    assert!(first.deviations.as_slice().len() <= MAX_DEVIATIONS);
    let written = serde_json::to_value(&first.value).expect("what was read can be written");
    let second = read_one::<T>(&written).unwrap_or_else(|why| panic!("{why:?} in {written}"));
    assert_eq!(serde_json::to_value(&second.value).expect("written"), written);
}

macro_rules! all_settle {
    ($message:expr; $($object:ty),+ $(,)?) => { $( settles::<$object>($message); )+ };
}

fuzz_target!(|bytes: &[u8]| {
    for status in [200, 201, 404, 500] {
        let raw = RawAnswer { status, content_type: Some("application/json"), body: bytes };
        let answer = classify("fuzz", &raw);
        let response = answer.and_then(Answer::one::<ChargingProfileResponse>);
        let _ = Verdict::of(&response.map(|(response, _)| response));
    }
    let Ok(message) = serde_json::from_slice::<Value>(bytes) else { return };
    all_settle!(&message;
        ActiveChargingProfile, ActiveChargingProfileResult, ChargingPreferences,
        ChargingProfileResponse, ChargingProfileResult, ClearProfileResult, ClientInfo, Credentials,
        Evse, Location, Session, SessionPatch, SetChargingProfile, Tariff, VersionDetails,
        VersionEntry,
    );
    let _ = read_callback::<ActiveChargingProfileResult>(&message);
    if let Ok(session) = read_one::<Session>(&message) {
        let _ = Units::of(&session.value);
        let _ = patched(&session.value, &message);
    }
    if let Ok(location) = read_one::<Location>(&message) {
        for connector in location.value.evses.iter().flat_map(|evse| &evse.connectors) {
            let _ = (connector.rated_power_w(), connector.phase_voltage_v());
        }
    }
    if let Ok(tariff) = read_one::<Tariff>(&message) {
        for version in Version::SPOKEN {
            let once = tariff.value.clone().in_version(&version);
            assert_eq!(once.clone().in_version(&version), once);
        }
    }
});
