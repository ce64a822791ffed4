//! Whole walks and single turns of a station.

use super::*;

const KEYS_16: &[(&str, &str)] = &[
    ("ChargeProfileMaxStackLevel", "9"),
    ("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
    ("MeterValueSampleInterval", "300"),
];

#[test]
fn a_session_of_1_6_from_boot_to_stop() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(KEYS_16);
    assert_eq!(bench.facts, [Fact::Connected { booted: true }]);
    let set = bench.answers_call("ChangeConfiguration", json!({"status": "Accepted"}));
    assert_eq!(
        set,
        json!({"key": "MeterValueSampleInterval", "value": "60"})
    );

    let order = bench.sets_default(amps(60, None));
    let sent = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    assert_eq!(bench.outcome(order), &applied());
    assert_eq!(
        sent,
        json!({"connectorId": 1, "csChargingProfiles": {
            "chargingProfileId": 6_700_011, "stackLevel": 2,
            "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Relative",
            "chargingSchedule": {"chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]}}})
    );

    let transaction = bench.starts();
    assert_eq!(transaction, "41");
    let order = bench.sets("41", amps(98, Some(3600)));
    let sent = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    assert_eq!(bench.outcome(order), &applied());
    let profile = &sent["csChargingProfiles"];
    assert_eq!(profile["transactionId"], 41);
    assert_eq!(profile["chargingProfileKind"], "Absolute");
    assert_eq!(profile["validTo"], "2026-11-22T13:00:00Z");
    let schedule = &profile["chargingSchedule"];
    assert_eq!(schedule["startSchedule"], "2026-11-22T11:59:00Z");
    assert_eq!(schedule["duration"], 3660);
    assert_eq!(schedule["chargingSchedulePeriod"][0]["limit"], 9.8);
    // It is read back: what holds is what was asked.
    let composite = json!({"status": "Accepted", "connectorId": 1,
        "scheduleStart": "2026-11-22T12:00:00Z", "chargingSchedule": {"duration": 3600,
        "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 9.8}]}});
    bench.answers_call("GetCompositeSchedule", composite);
    assert_eq!(bench.station.shown()[&1].differs, None);

    bench.now += TimeDelta::seconds(60);
    bench.says(
        "MeterValues",
        json!({"connectorId": 1, "transactionId": 41, "meterValue": [{
            "timestamp": "2026-11-22T12:01:00Z", "sampledValue": [
                {"value": "1500"},
                {"value": "6.7", "measurand": "Power.Active.Import", "unit": "kW"}]}]}),
    );
    let Some(Fact::Session { entry, reading }) = bench.facts.last() else {
        panic!("no session in {:?}", bench.facts);
    };
    assert_eq!(entry.energy, Energy::from_kilowatt_hours(0.5));
    assert_eq!(reading.expect("a reading").power, Power::from_watts(6700));

    let answer = bench.says(
        "StopTransaction",
        json!({"transactionId": 41, "meterStop": 2000, "timestamp": "2026-11-22T12:02:00Z"}),
    );
    assert_eq!(answer[2], json!({}));
    let last = bench
        .sessions()
        .last()
        .copied()
        .cloned()
        .expect("a session");
    assert_eq!(last.energy, Energy::from_kilowatt_hours(1.0));
    assert_eq!(last.ended_at, Some(noon() + TimeDelta::seconds(120)));
}

#[test]
fn a_session_of_2_x_from_boot_to_end() {
    for version in [Version::V201, Version::V21] {
        let mut bench = Bench::new(version);
        bench.is_set_up(&[
            ("SmartChargingCtrlr.ProfileStackLevel", "1"),
            ("SampledDataCtrlr.TxUpdatedInterval", "60"),
        ]);
        assert!(bench.open.is_empty(), "nothing is to be set");
        bench.sets_default(amps(60, None));
        let sent = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
        assert_eq!(sent["evseId"], 1);
        assert_eq!(
            sent["chargingProfile"]["chargingSchedule"][0]["id"],
            6_700_011
        );
        let answer = bench.says("TransactionEvent", event("Started", 0, 1000.0));
        assert_eq!(answer[2]["idTokenInfo"]["status"], "Accepted");
        bench.sets("tx-1", amps(98, Some(3600)));
        let sent = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
        assert_eq!(sent["chargingProfile"]["transactionId"], "tx-1");
        let mut updated = event("Updated", 1, 3000.0);
        updated
            .as_object_mut()
            .expect("an object")
            .remove("idToken");
        updated.as_object_mut().expect("an object").remove("evse");
        assert_eq!(bench.says("TransactionEvent", updated)[2], json!({}));
        bench.says("TransactionEvent", event("Ended", 2, 3500.0));
        let last = bench
            .sessions()
            .last()
            .copied()
            .cloned()
            .expect("a session");
        assert_eq!((last.evse, last.is_running()), (1, false));
        assert_eq!(last.energy, Energy::from_kilowatt_hours(2.5));
    }
}

#[test]
fn a_repeated_start_is_answered_with_the_same_id() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    assert_eq!(bench.starts(), "41");
    assert_eq!(bench.starts(), "41");
    assert_eq!(bench.sessions().len(), 2);
}

#[test]
fn a_stop_is_always_answered_with_a_result() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    for id in [-1, 0, 4711] {
        let answer = bench.says(
            "StopTransaction",
            json!({"transactionId": id, "meterStop": 1, "timestamp": "0", "idTag": "T"}),
        );
        assert_eq!((answer[0].as_i64(), &answer[2]), (Some(3), &json!({})));
    }
}

#[test]
fn what_could_not_be_booked_is_refused_and_counts_when_repeated() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    let start = json!([2, "s", "StartTransaction", {"connectorId": 1, "idTag": "T",
        "meterStart": 0, "timestamp": "2026-11-22T12:00:00Z"}]);
    let before = bench.station.books().clone();
    let outputs = bench.station.receive(&start.to_string(), bench.now);
    let [
        Output::Book {
            answer: Some(pending),
            ..
        },
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    let answer = bench
        .station
        .booked(pending, Err("the disk is full".into()));
    assert!(answer.contains("InternalError"), "{answer}");
    bench.station.forget_unbooked(before);
    bench.station.give_id(43);
    bench.receives(&start.to_string());
    assert_eq!(bench.answers[0][2]["transactionId"], 43);
}

#[test]
fn nothing_is_asked_before_the_boot_is_answered_and_for_a_while_after() {
    let mut bench = Bench::with(Version::V16, Caps::default(), 2);
    bench.sets_default(amps(60, None));
    assert!(bench.open.is_empty());
    bench.boots();
    assert!(bench.open.is_empty(), "still quiet");
    bench.waits(2);
    assert_eq!(bench.open.len(), 1);
}

#[test]
fn a_station_that_only_came_back_is_asked_after_a_while() {
    let mut bench = Bench::new(Version::V16);
    assert_eq!(
        bench.station.next_timeout(),
        Some(noon() + TimeDelta::seconds(10))
    );
    bench.waits(10);
    assert_eq!(bench.open.len(), 1);
    let known = Caps {
        provisioned: true,
        version: Some(Version::V201),
        ..Caps::default()
    };
    let mut back = Bench::with(Version::V201, known, 0);
    back.says("Heartbeat", json!({}));
    assert_eq!(back.facts, [Fact::Connected { booted: false }]);
    assert_eq!(back.open[0].1, "TriggerMessage");
}

#[test]
fn one_call_is_under_way_at_a_time_and_the_newest_profile_of_a_scope_wins() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    bench.starts();
    let first = bench.sets("41", amps(100, Some(900)));
    let second = bench.sets("41", amps(90, Some(900)));
    let third = bench.sets("41", amps(80, Some(900)));
    assert_eq!(bench.open.len(), 1);
    assert!(matches!(
        bench.outcome(second),
        Outcome::Answer(Answer::NotSent { .. })
    ));
    bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    assert_eq!(bench.outcome(first), &applied());
    let sent = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    let limit = &sent["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0];
    assert_eq!(limit["limit"], 8);
    assert_eq!(bench.outcome(third), &applied());
}

#[test]
fn silence_is_unknown_and_three_times_the_end() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    for round in 1..=3 {
        let order = bench.sets_default(amps(60 + round, None));
        bench.open.clear();
        bench.now += TimeDelta::seconds(30);
        let outputs = bench.station.on_time(bench.now);
        let closes = outputs.iter().any(|o| matches!(o, Output::Close(_)));
        assert_eq!(closes, round == 3);
        bench.take(outputs);
        assert!(matches!(
            bench.outcome(order),
            Outcome::Answer(Answer::Unknown { .. })
        ));
    }
}

#[test]
fn what_was_under_way_at_the_end_is_unknown_and_what_waited_was_not_sent() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    let first = bench.sets_default(amps(60, None));
    bench.starts();
    let second = bench.sets("41", amps(60, Some(900)));
    let outputs = bench.station.close();
    bench.take(outputs);
    assert!(matches!(
        bench.outcome(first),
        Outcome::Answer(Answer::Unknown { .. })
    ));
    assert!(matches!(
        bench.outcome(second),
        Outcome::Answer(Answer::NotSent { .. })
    ));
}

#[test]
fn a_station_that_takes_stack_level_0_only_is_found_out() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(KEYS_16);
    bench.open.clear();
    bench.waits(30);
    let order = bench.sets_default(amps(60, None));
    let first = bench.answers_call("SetChargingProfile", json!({"status": "Rejected"}));
    assert_eq!(first["csChargingProfiles"]["stackLevel"], 2);
    let next = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    assert_eq!(next["csChargingProfiles"]["stackLevel"], 0);
    assert_eq!(bench.outcome(order), &applied());
    assert!(bench.station.caps().has(Quirk::StackZeroOnly));
    bench.sets_default(amps(70, None));
    assert_eq!(bench.open[0].2["csChargingProfiles"]["stackLevel"], 0);
}

#[test]
fn a_station_that_takes_watts_only_is_found_out() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    let order = bench.sets_default(amps(60, None));
    for _ in 0..2 {
        bench.answers_call("SetChargingProfile", json!({"status": "Rejected"}));
    }
    let sent = bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    let schedule = &sent["csChargingProfiles"]["chargingSchedule"];
    // 6 A x 3 x 230 V = 4,140 W
    assert_eq!(schedule["chargingRateUnit"], "W");
    assert_eq!(schedule["chargingSchedulePeriod"][0]["limit"], 4140);
    assert_eq!(bench.outcome(order), &applied());
    assert!(bench.station.caps().has(Quirk::WattsOnly));
}

#[test]
fn a_refusal_of_every_way_is_a_refusal_and_no_smart_charging_is_a_capability() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    let order = bench.sets_default(amps(60, None));
    while !bench.open.is_empty() {
        bench.answers_call("SetChargingProfile", json!({"status": "Rejected"}));
    }
    let Outcome::Answer(Answer::Refused { reason, .. }) = bench.outcome(order) else {
        panic!("{:?}", bench.outcome(order));
    };
    assert_eq!(*reason, Refusal::Rejected);
    assert!(bench.station.caps().quirks.is_empty());
    let order = bench.sets_default(amps(60, None));
    let (id, ..) = bench.open.pop().expect("a call");
    bench.receives(&json!([4, id, "NotSupported", "", {}]).to_string());
    let Outcome::Answer(Answer::Refused { reason, .. }) = bench.outcome(order) else {
        panic!("{:?}", bench.outcome(order));
    };
    assert_eq!(*reason, Refusal::NotSupported);
}

#[test]
fn a_station_that_allows_more_than_it_accepted_is_reported() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    bench.starts();
    bench.sets("41", amps(80, Some(3600)));
    bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    let composite = json!({"status": "Accepted", "scheduleStart": "2026-11-22T12:00:00Z",
        "chargingSchedule": {"chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}});
    bench.answers_call("GetCompositeSchedule", composite);
    let Some(Fact::Allows { profile, .. }) = bench.facts.last() else {
        panic!("{:?}", bench.facts);
    };
    assert_eq!(profile.limit_at(bench.now), Some(Tenths(160)));
    assert!(bench.station.shown()[&1].differs.is_some());
}

#[test]
fn an_operators_call_gets_the_stations_own_answer() {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(&[]);
    let order = bench.orders(What::Call {
        action: "Reset".into(),
        payload: json!({"type": "Soft"}),
    });
    let sent = bench.answers_call("Reset", json!({"status": "Accepted"}));
    assert_eq!(sent, json!({"type": "Soft"}));
    let result = Outcome::Result(json!({"status": "Accepted"}));
    assert_eq!(bench.outcome(order), &result);
    bench.orders(What::Call {
        action: "SetChargingProfile".into(),
        payload: json!({}),
    });
    bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    assert_eq!(bench.facts.last(), Some(&Fact::Connected { booted: true }));
}

#[test]
fn a_cars_wish_becomes_the_sessions_needs() {
    let mut bench = Bench::new(Version::V201);
    bench.is_set_up(&[]);
    bench.starts();
    let answer = bench.says(
        "NotifyEVChargingNeeds",
        json!({"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase",
            "departureTime": "2026-11-22T18:00:00Z", "acChargingParameters": {
            "energyAmount": 20000, "evMinCurrent": 6, "evMaxCurrent": 16, "evMaxVoltage": 230}}}),
    );
    assert_eq!(answer[2]["status"], "Processing");
    let entry = bench
        .sessions()
        .last()
        .copied()
        .cloned()
        .expect("a session");
    assert_eq!(entry.wanted, Some(Energy::from_kilowatt_hours(20.0)));
    assert_eq!(entry.departure, Some(noon() + TimeDelta::hours(6)));
}

/// The station reads this power now and says so.
fn reads(bench: &mut Bench, watts: i64) {
    let at = bench.now.to_rfc3339();
    bench.says(
        "MeterValues",
        json!({"connectorId": 1, "transactionId": 41, "meterValue": [{
            "timestamp": at, "sampledValue": [
                {"value": watts.to_string(), "measurand": "Power.Active.Import"}]}]}),
    );
}

/// A session that draws 11 kW and is told 6 A, so 4.1 kW.
fn told_less() -> Bench {
    let mut bench = Bench::new(Version::V16);
    bench.is_set_up(KEYS_16);
    bench.answers_call("ChangeConfiguration", json!({"status": "Accepted"}));
    bench.starts();
    bench.waits(5);
    reads(&mut bench, 11_000);
    bench.sets("41", amps(60, Some(3600)));
    bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    bench.answers_call("GetCompositeSchedule", json!({"status": "Rejected"}));
    bench
}

#[test]
fn who_was_told_less_is_asked_for_readings_until_it_follows() {
    let mut bench = told_less();
    bench.waits(6);
    let asked = bench.answers_call("TriggerMessage", json!({"status": "Accepted"}));
    assert_eq!(
        asked,
        json!({"requestedMessage": "MeterValues", "connectorId": 1})
    );
    reads(&mut bench, 11_000);
    bench.waits(6);
    bench.answers_call("TriggerMessage", json!({"status": "Accepted"}));
    reads(&mut bench, 4_100);
    bench.waits(30);
    assert!(bench.open.is_empty(), "{:?}", bench.open);
}

#[test]
fn who_never_follows_is_asked_three_times_and_who_cannot_say_once() {
    let mut bench = told_less();
    for _ in 0..3 {
        bench.waits(6);
        bench.answers_call("TriggerMessage", json!({"status": "Accepted"}));
        reads(&mut bench, 11_000);
    }
    bench.waits(30);
    assert!(bench.open.is_empty(), "{:?}", bench.open);
    let mut bench = told_less();
    bench.waits(6);
    bench.answers_call("TriggerMessage", json!({"status": "Rejected"}));
    bench.waits(30);
    assert!(bench.open.is_empty(), "{:?}", bench.open);
}

#[test]
fn a_profile_that_steps_down_is_looked_at_when_it_does() {
    let mut bench = told_less();
    bench.waits(6);
    bench.answers_call("TriggerMessage", json!({"status": "Accepted"}));
    reads(&mut bench, 4_100);
    let mut profile = amps(160, Some(3600));
    profile.start = bench.now;
    profile.periods.push(ProfilePeriod {
        start_s: 600,
        limit: Tenths(60),
    });
    bench.sets("41", profile);
    bench.answers_call("SetChargingProfile", json!({"status": "Accepted"}));
    bench.waits(60);
    reads(&mut bench, 11_000);
    assert!(bench.open.is_empty(), "{:?}", bench.open);
    bench.waits(600 + 6 - 60);
    bench.answers_call("TriggerMessage", json!({"status": "Accepted"}));
}
