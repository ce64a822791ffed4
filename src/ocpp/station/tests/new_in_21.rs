//! What 2.1 has of its own: dynamic profiles and priority charging.

use super::*;

/// A bench with a 2.1 station whose operator says that limits are pushed.
fn takes_dynamic_profiles() -> Bench {
    let mut caps = Caps::default();
    caps.told.insert(Quirk::DynamicProfiles, true);
    let mut bench = Bench::with(Version::V21, caps, 0);
    bench.is_set_up(&[("SmartChargingCtrlr.ProfileStackLevel", "3")]);
    bench.starts();
    bench
}

/// A profile of 15 minutes each, in amperes, until six hours after noon.
fn quarters(amps: &[i64]) -> Profile {
    let period = |(index, amps): (usize, &i64)| ProfilePeriod {
        start_s: u32::try_from(index).expect("few") * 900,
        limit: Tenths(amps * 10),
    };
    Profile {
        unit: RateUnit::Amps,
        start: noon(),
        periods: amps.iter().enumerate().map(period).collect(),
        duration_s: Some(6 * 3_600),
    }
}

impl Bench {
    /// Accepts what we ask until it is this action, whose payload it gives.
    fn accepts_until(&mut self, action: &str) -> Value {
        for _ in 0..8 {
            let (id, asked, payload) = self.open.pop().expect("a call of ours");
            self.receives(&json!([3, id, {"status": "Accepted"}]).to_string());
            if asked == action {
                return payload;
            }
        }
        unreachable!("{action} was not asked")
    }

    fn priorities(&self) -> Vec<bool> {
        let of = |fact: &Fact| match fact {
            Fact::Priority { is_on, .. } => Some(*is_on),
            _ => None,
        };
        self.facts.iter().filter_map(of).collect()
    }
}

#[test]
fn a_plan_that_never_falls_is_pushed_step_by_step() {
    let mut bench = takes_dynamic_profiles();
    let order = bench.sets("tx-1", quarters(&[6, 10, 16]));
    let set = bench.accepts_until("SetChargingProfile");
    let profile = &set["chargingProfile"];
    assert_eq!(profile["chargingProfileKind"], "Dynamic");
    assert_eq!(profile["validTo"], "2026-11-22T18:00:00Z");
    let schedule = &profile["chargingSchedule"][0];
    assert_eq!(
        schedule["chargingSchedulePeriod"],
        json!([{"startPeriod": 0, "limit": 6}])
    );
    assert!(schedule["startSchedule"].is_null() && schedule["duration"].is_null());
    assert_eq!(bench.outcome(order), &applied());
    assert_eq!(
        bench.station.next_timeout(),
        Some(noon() + TimeDelta::seconds(6)),
        "it is looked at first"
    );
    for (seconds, limit) in [(900, 10), (900, 16)] {
        while bench.open.pop().is_some() {}
        bench.waits(30);
        bench.waits(seconds - 30);
        let update = bench.accepts_until("UpdateDynamicSchedule");
        let expected =
            json!({"chargingProfileId": profile["id"], "scheduleUpdate": {"limit": limit}});
        assert_eq!(update, expected);
    }
}

/// A station that holds a dynamic profile of 16 A and tells nothing of it.
fn holds_16_amps() -> Bench {
    let mut bench = takes_dynamic_profiles();
    bench.sets("tx-1", quarters(&[16]));
    bench.accepts_until("SetChargingProfile");
    while let Some((id, ..)) = bench.open.pop() {
        bench.receives(&json!([4, id, "NotSupported", "", {}]).to_string());
    }
    bench
}

#[test]
fn a_new_plan_is_one_new_limit_and_one_that_falls_a_whole_profile() {
    let mut bench = holds_16_amps();
    let order = bench.sets("tx-1", quarters(&[7]));
    let update = bench.accepts_until("UpdateDynamicSchedule");
    assert_eq!(update["scheduleUpdate"], json!({"limit": 7}));
    assert_eq!(bench.outcome(order), &applied());
    // Nobody may hear the fall: it is told beforehand.
    bench.sets("tx-1", quarters(&[16, 6]));
    let set = bench.accepts_until("SetChargingProfile");
    assert_eq!(set["chargingProfile"]["chargingProfileKind"], "Absolute");
    bench.sets("tx-1", quarters(&[8]));
    let set = bench.accepts_until("SetChargingProfile");
    assert_eq!(set["chargingProfile"]["chargingProfileKind"], "Dynamic");
}

#[test]
fn a_station_that_has_lost_its_dynamic_profile_gets_it_again() {
    let mut bench = holds_16_amps();
    let order = bench.sets("tx-1", quarters(&[7]));
    bench.answers_call("UpdateDynamicSchedule", json!({"status": "Rejected"}));
    let set = bench.accepts_until("SetChargingProfile");
    let limit =
        &set["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"];
    assert_eq!(limit, 7);
    assert_eq!(bench.outcome(order), &applied());
}

#[test]
fn a_station_that_refuses_dynamic_profiles_is_told_by_the_clock_from_then_on() {
    let mut bench = takes_dynamic_profiles();
    let order = bench.sets("tx-1", quarters(&[6, 10]));
    let refusal = json!({"status": "Rejected", "statusInfo": {"reasonCode": "UnsupportedKind"}});
    bench.answers_call("SetChargingProfile", refusal);
    let set = bench.accepts_until("SetChargingProfile");
    assert_eq!(set["chargingProfile"]["chargingProfileKind"], "Absolute");
    assert_eq!(bench.outcome(order), &applied());
    assert!(!bench.station.caps().takes_dynamic());
    assert!(!bench.station.caps().has(Quirk::StackZeroOnly));
}

#[test]
fn dynamic_profiles_are_for_2_1_stations_whose_operator_wants_them() {
    for (version, says) in [
        (Version::V201, None),
        (Version::V21, Some("false")),
        (Version::V21, Some("true")),
    ] {
        let mut caps = Caps {
            version: Some(version),
            ..Caps::default()
        };
        assert!(!caps.takes_dynamic(), "nobody said so");
        caps.told.insert(Quirk::DynamicProfiles, true);
        if let Some(says) = says {
            let name = "SmartChargingCtrlr.SupportsFeature[DynamicProfiles]";
            caps.settings.insert(name.into(), says.into());
        }
        assert_eq!(caps.takes_dynamic(), says == Some("true"));
    }
}

#[test]
fn a_station_may_ask_for_the_newest_limit() {
    let mut bench = takes_dynamic_profiles();
    let pull = json!({"chargingProfileId": 6_700_012});
    let answer = bench.says("PullDynamicScheduleUpdate", pull.clone());
    assert_eq!(answer[2], json!({"status": "Rejected"}));
    bench.sets("tx-1", quarters(&[6, 10]));
    bench.accepts_until("SetChargingProfile");
    bench.now += TimeDelta::seconds(901);
    let answer = bench.says("PullDynamicScheduleUpdate", pull.clone());
    let newest = json!({"status": "Accepted", "scheduleUpdate": {"limit": 10}});
    assert_eq!(answer[2], newest);
    // What was told since and is not taken yet counts where it is less.
    while bench.open.pop().is_some() {}
    bench.waits(31);
    bench.sets("tx-1", quarters(&[7]));
    let answer = bench.says("PullDynamicScheduleUpdate", pull.clone());
    assert_eq!(answer[2]["scheduleUpdate"]["limit"], 7);
    bench.says("TransactionEvent", event("Ended", 9, 2000.0));
    let answer = bench.says("PullDynamicScheduleUpdate", pull);
    assert_eq!(answer[2], json!({"status": "Rejected"}));
}

#[test]
fn while_priority_charging_is_on_what_is_accepted_proves_nothing() {
    let mut bench = Bench::new(Version::V21);
    bench.is_set_up(&[]);
    bench.starts();
    let on = json!({"transactionId": "tx-1", "activated": true});
    assert_eq!(
        bench.says("NotifyPriorityCharging", on.clone())[2],
        json!({})
    );
    assert_eq!(bench.priorities(), [true]);
    let allows = bench.facts.iter().find_map(|fact| match fact {
        Fact::Allows { profile, .. } => Some(profile),
        _ => None,
    });
    let worst = evse().worst_case_of(RateUnit::Watts, allows.expect("told").periods[0].limit);
    assert!(worst >= evse().hardware_max());
    assert!(bench.station.shown()[&1].has_priority);
    let order = bench.sets("tx-1", amps(60, Some(3600)));
    bench.accepts_until("SetChargingProfile");
    let is_unknown = matches!(
        bench.outcome(order),
        Outcome::Answer(Answer::Unknown { .. })
    );
    assert!(is_unknown, "{:?}", bench.outcome(order));
    // Said twice it counts once.
    bench.says("NotifyPriorityCharging", on);
    let off = json!({"transactionId": "tx-1", "activated": false});
    bench.says("NotifyPriorityCharging", off);
    assert_eq!(bench.priorities(), [true, false]);
    let order = bench.sets("tx-1", amps(60, Some(3600)));
    bench.accepts_until("SetChargingProfile");
    assert_eq!(bench.outcome(order), &applied());
}

#[test]
fn priority_charging_ends_with_its_transaction() {
    let mut bench = Bench::new(Version::V21);
    bench.is_set_up(&[]);
    bench.starts();
    let on = json!({"transactionId": "tx-1", "activated": true});
    bench.says("NotifyPriorityCharging", on);
    bench.says("TransactionEvent", event("Ended", 1, 2000.0));
    bench.says("TransactionEvent", event("Ended", 1, 2000.0));
    assert_eq!(bench.priorities(), [true, false]);
    let unknown = json!({"transactionId": "tx-9", "activated": true});
    bench.says("NotifyPriorityCharging", unknown);
    assert_eq!(bench.priorities(), [true, false]);
}

#[test]
fn an_operator_may_switch_priority_charging() {
    let mut bench = Bench::new(Version::V21);
    bench.is_set_up(&[]);
    bench.starts();
    let mut uses = |activate: bool, status: &str| {
        bench.orders(What::Call {
            action: "UsePriorityCharging".into(),
            payload: json!({"transactionId": "tx-1", "activate": activate}),
        });
        bench.answers_call("UsePriorityCharging", json!({"status": status}));
        bench.priorities()
    };
    assert_eq!(uses(true, "NoProfile"), [] as [bool; 0]);
    assert_eq!(uses(true, "Accepted"), [true]);
    assert_eq!(uses(false, "Accepted"), [true, false]);
}
