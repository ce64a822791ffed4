//! Odd ways of stations in the field, one test each: a depot of three under a limit that two of them
//! could fill alone, one of them odd. It stays under its limit and every car is ready.

mod depot;
#[path = "../common/in_virtual_time.rs"]
mod in_virtual_time;

use depot::{Outcome, Plan};
use evenload::ocpp::version::Version;
use evenload::sim::station::Oddities;
use serde_json::{Value, json};

const V16: Version = Version::V16;
const V201: Version = Version::V201;
/// Between two readings of a meter, in seconds.
const METER_S: i64 = 300;

fn odd(change: impl FnOnce(&mut Oddities)) -> Oddities {
    let mut odd = Oddities::default();
    change(&mut odd);
    odd
}

async fn three(version: Version, odd: Oddities, setup: Value) -> Outcome {
    three_of(version, odd, setup).plays().await
}

fn three_of(version: Version, odd: Oddities, setup: Value) -> Plan {
    Plan {
        limit_kw: 22,
        hours: 4,
        stations: vec![
            (version, odd),
            (V16, Oddities::default()),
            (Version::V21, Oddities::default()),
        ],
        // 3 x 15 kWh in 3 h 40 min: 12.3 kW of 22
        need_kwh: 15.0,
        dies_after: None,
        meter_s: METER_S,
        pause: None,
        drops: Vec::new(),
        setup,
    }
}

/// A test of one odd way, by the version of the odd station.
macro_rules! quirk {
    ($(#[$doc:meta])* $name:ident, $version:expr, $change:expr) => {
        quirk!($(#[$doc])* $name, $version, $change, json!({}), |_: &Outcome| {});
    };
    ($(#[$doc:meta])* $name:ident, $version:expr, $change:expr, $setup:expr, $more:expr) => {
        $(#[$doc])*
        #[actix_web::test]
        async fn $name() {
            let outcome = three($version, odd($change), $setup).await;
            assert_eq!(outcome.excursions, [], "above the limit");
            assert_eq!(outcome.unready, Vec::<String>::new());
            assert_eq!(outcome.complaints, Vec::<String>::new());
            let more: fn(&Outcome) = $more;
            more(&outcome);
        }
    };
}

fn has(outcome: &Outcome, quirk: &str) {
    let found = outcome.shown["quirks"].to_string();
    assert!(found.contains(quirk), "{found}");
}

quirk!(
    q01_a_stale_profile_of_another_system_is_cleared,
    V16,
    |it| it.stale_profile = true
);
quirk!(
    q02_stack_level_0_only,
    V16,
    |it| it.stack_zero_only = true,
    json!({}),
    |seen| has(seen, "stack_zero_only")
);
quirk!(
    q02_stack_level_0_only_is_known_beforehand,
    V16,
    |it| it.stack_zero_only = true,
    json!({ "quirks": { "stack_zero_only": true } }),
    |seen| has(seen, "stack_zero_only")
);
quirk!(q03_a_profile_cannot_be_cleared, V201, |it| it
    .cannot_clear =
    true);
quirk!(q04_reports_a_stack_level_of_999, V16, |it| it
    .reports_high_stack =
    true);
quirk!(q05_takes_no_profiles_of_transactions, V16, |it| it
    .no_tx_profile =
    true);
quirk!(q08_passes_over_the_first_limit_after_0, V16, |it| it
    .passes_over_after_zero =
    true);
quirk!(
    q09_the_default_profile_holds_for_the_next_session,
    V16,
    |it| it.default_for_next_only = true
);
quirk!(
    q11_names_no_sub_protocol,
    V16,
    |it| it.no_subprotocol = true,
    json!({ "assume_protocol": "ocpp1.6" }),
    |_| {}
);
quirk!(
    q12_is_not_spoken_to_before_its_boot_is_answered,
    V16,
    |it| it.dislikes_haste = true
);
quirk!(q14_sends_nothing_when_asked_to, V16, |it| it.no_trigger =
    true);
quirk!(q15_times_without_a_zone, V16, |it| it.times_without_zone =
    true);
quirk!(q16_broken_json_and_empty_lists, V16, |it| it
    .broken_messages =
    true);
quirk!(
    q17_and_q19_currents_by_odd_names_and_a_stuck_offer,
    V16,
    |it| it.odd_readings = true
);
quirk!(q18_words_outside_the_lists, V16, |it| it.odd_words = true);
quirk!(q20_restarts_when_a_setting_is_changed, V16, |it| it
    .hangs_up_on_change =
    true);
quirk!(q21_sends_no_readings, V16, |it| it.no_readings = true);
quirk!(q22_never_says_what_it_can_do, V16, |it| it
    .silent_about_settings =
    true);
quirk!(q22_says_nothing_of_use_about_itself, V201, |it| it
    .no_settings =
    true);
quirk!(q24_goes_on_late_after_a_pause, V16, |it| it.resumes_late =
    true);
quirk!(q26_a_clock_half_a_minute_behind, V16, |it| it
    .clock_behind =
    true);
quirk!(q27_ends_transactions_under_the_id_minus_1, V16, |it| it
    .stops_unnamed =
    true);
quirk!(q28_starts_every_transaction_twice, V16, |it| it
    .starts_twice =
    true);
quirk!(
    q29_does_not_say_what_holds,
    V201,
    |it| it.no_composite = true,
    json!({}),
    |seen| has(seen, "no_composite")
);
quirk!(
    q30_names_2_0_1_and_speaks_1_6,
    V16,
    |it| it.names_another_version = true,
    json!({ "assume_protocol": "ocpp1.6" }),
    |_| {}
);
quirk!(q31_takes_watts_only, V16, |it| it.watts_only = true);
quirk!(q32_refuses_limits_with_two_decimals, V16, |it| it
    .strict_decimals =
    true);
quirk!(q33_absolute_profiles_at_level_0_only, V16, |it| {
    it.absolute_only = true;
    it.stack_zero_only = true;
});
quirk!(readings_without_a_transaction, V16, |it| it
    .readings_without_transaction =
    true);
quirk!(a_register_that_counts_per_session, V16, |it| it
    .register_per_session =
    true);

#[actix_web::test]
async fn q13_comes_back_without_a_word_and_refuses_to_be_asked() {
    let plan = Plan {
        drops: vec![3, 40, 41, 130],
        ..three_of(V16, odd(|it| it.no_trigger = true), json!({}))
    };
    let outcome = plan.plays().await;
    assert_eq!(outcome.excursions, [], "above the limit");
    assert_eq!(outcome.unready, Vec::<String>::new());
    assert_eq!(outcome.complaints, Vec::<String>::new());
    assert_eq!(outcome.shown["connections"], 5, "{}", outcome.shown);
}

/// A depot whose first station is paused for ten minutes in the midst of its charge.
async fn paused(version: Version, odd: Oddities, need_kwh: f64) -> Outcome {
    let plan = Plan {
        need_kwh,
        pause: Some((30, 40)),
        ..three_of(version, odd, json!({}))
    };
    plan.plays().await
}

#[actix_web::test]
async fn q23_charges_on_one_phase_once_it_was_paused() {
    let outcome = paused(V16, odd(|it| it.one_phase_after_zero = true), 9.0).await;
    assert_eq!(outcome.excursions, [], "above the limit");
    // Nobody can know beforehand that the rest comes at 3.68 kW: there is time for that.
    assert_eq!(outcome.unready, Vec::<String>::new());
    assert_eq!(outcome.complaints, Vec::<String>::new());
}

#[actix_web::test]
async fn q25_sleeps_at_0_until_it_is_woken() {
    for version in [V16, V201] {
        let outcome = paused(version, odd(|it| it.sleeps_at_zero = true), 15.0).await;
        assert_eq!(outcome.excursions, [], "above the limit");
        assert_eq!(outcome.unready, Vec::<String>::new());
        assert_eq!(outcome.complaints, Vec::<String>::new());
        has(&outcome, "sleeps_at_zero");
    }
}

#[actix_web::test]
async fn q06_a_local_energy_manager_owns_the_limit() {
    let outcome = three(V16, odd(|it| it.rejects_profiles = true), json!({})).await;
    assert_eq!(outcome.excursions, [], "above the limit");
    assert_eq!(outcome.complaints, Vec::<String>::new());
    // 12.1 of 22 kW count for the odd one, also when its car is full: the others share the rest.
    assert_eq!(outcome.unready, Vec::<String>::new());
}

#[actix_web::test]
async fn q07_accepts_and_draws_what_it_likes() {
    let outcome = three(V16, odd(|it| it.ignores_profiles = true), json!({})).await;
    // It is asked for readings as soon as it has accepted less than it draws.
    outcome.held_but_for_the_disobedient();
    assert_eq!(outcome.unready, Vec::<String>::new());
}

#[actix_web::test]
async fn q10_knows_no_smart_charging_at_all() {
    let outcome = three(V201, odd(|it| it.no_smart_charging = true), json!({})).await;
    assert_eq!(outcome.excursions, []);
    assert_eq!(outcome.unready, Vec::<String>::new());
}

#[actix_web::test]
async fn a_mixed_depot_of_12_bears_a_day_with_a_disobedient_charger_and_our_death() {
    let mut stations: Vec<_> = (0..12)
        .map(|place| (Version::ALL[place % 3], Oddities::default()))
        .collect();
    stations[0].1.ignores_profiles = true;
    stations[4].1.stack_zero_only = true;
    stations[5].1.no_composite = true;
    stations[6].1.watts_only = true;
    stations[9].1.starts_twice = true;
    let plan = Plan {
        limit_kw: 60,
        hours: 24,
        stations,
        // 12 x 60 kWh in 23 h: 31 kW of 60
        need_kwh: 60.0,
        dies_after: Some(601),
        meter_s: 300,
        pause: None,
        drops: Vec::new(),
        setup: json!({}),
    };
    let outcome = plan.plays().await;
    outcome.held_but_for_the_disobedient();
    assert_eq!(outcome.unready, Vec::<String>::new());
    assert!(outcome.profiles > 12, "{} profiles", outcome.profiles);
}
