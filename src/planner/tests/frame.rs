//! What live signals come to.

use super::super::frame::{Frame, LimitOrigin};
use super::super::price::PriceOrigin;
use super::{HOUR, arrives, plan_at, prices, sends, signal};
use crate::domain::id::SignalKey;
use crate::domain::policy::Policy;
use crate::domain::quantity::{Power, Price};
use crate::domain::signal::{SignalKind, SignalSeries};
use crate::state::SiteState;
use crate::state::testing::{at, kw, live, site_of};

fn frame(state: &SiteState, second: i64) -> Frame {
    Frame::resolve(state, &Policy::default(), at(second))
}

fn key(text: &str) -> SignalKey {
    SignalKey::new(text).expect("valid")
}

/// A price signal of this name, in millionths.
fn named(name: &str, priority: i32, slots: &[(i64, i64, i64)]) -> SignalSeries {
    SignalSeries {
        key: key(name),
        priority,
        ..signal(SignalKind::ImportPrice, slots)
    }
}

#[test]
fn a_flat_price_fills_what_no_signal_says() {
    let mut state = live(site_of(50.0, 1));
    std::sync::Arc::make_mut(&mut state.site).flat_price = Some(Price::from_micros(250_000));
    prices(&mut state, &[100]);
    arrives(&mut state, 1, Some(6 * HOUR), Some(10.0));
    let plan = plan_at(&state, 0);
    assert_eq!(plan.prices[11], Price::from_micros(100_000));
    assert_eq!(plan.prices[12], Price::from_micros(250_000));
}

#[test]
fn a_slot_has_the_lowest_limit_and_the_highest_load_of_its_parts() {
    let mut state = live(site_of(50.0, 1));
    sends(
        &mut state,
        signal(
            SignalKind::ImportLimit,
            &[(0, 450, 30_000), (450, 9000, 20_000)],
        ),
    );
    sends(
        &mut state,
        signal(SignalKind::BaseLoad, &[(0, 310, 5_000), (310, 9000, 2_000)]),
    );
    let frame = frame(&state, 0);
    let circuit = &frame.circuits[0];
    assert_eq!(circuit.limit[..3], [kw(30.0), kw(20.0), kw(20.0)]);
    assert_eq!(circuit.uncontrolled[..3], [kw(5.0), kw(5.0), kw(2.0)]);
    let decided = LimitOrigin::Signal {
        key: key("ImportLimit"),
    };
    assert_eq!(circuit.limit_origin[0], decided);
}

#[test]
fn the_operators_limit_and_the_failsafe_are_named_as_such() {
    let mut site = site_of(50.0, 1);
    site.circuits[0].failsafe_limit = Some(kw(10.0));
    let mut state = live(site);
    sends(
        &mut state,
        signal(
            SignalKind::ImportLimit,
            &[(0, 300, 60_000), (300, 600, 40_000)],
        ),
    );
    let frame = frame(&state, 0);
    let origins = &frame.circuits[0].limit_origin;
    assert_eq!(
        origins[0],
        LimitOrigin::Operator,
        "the signal never raises it"
    );
    assert_eq!(
        origins[1],
        LimitOrigin::Signal {
            key: key("ImportLimit")
        }
    );
    assert_eq!(origins[2], LimitOrigin::Failsafe, "the signal has ended");
    assert_eq!(frame.circuits[0].limit[2], kw(10.0));
}

#[test]
fn the_lowest_priority_number_wins_a_price_and_gaps_fall_through() {
    let mut state = live(site_of(50.0, 1));
    sends(&mut state, named("feed", 100, &[(0, 7 * HOUR, 200_000)]));
    sends(
        &mut state,
        named("contract", 40, &[(0, 300, 90_000), (600, 900, 80_000)]),
    );
    let frame = frame(&state, 0);
    let micros: Vec<i64> = frame.prices[..3]
        .iter()
        .map(|price| price.micros())
        .collect();
    assert_eq!(micros, [90_000, 200_000, 80_000]);
    assert_eq!(
        frame.price_origin[1],
        PriceOrigin::Signal { key: key("feed") }
    );
}

#[test]
fn of_equal_priority_the_newest_wins_then_the_key() {
    let mut state = live(site_of(50.0, 1));
    sends(&mut state, named("b", 40, &[(0, HOUR, 2)]));
    sends(&mut state, named("a", 40, &[(0, HOUR, 1)]));
    assert_eq!(frame(&state, 0).prices[0], Price::from_micros(1));
    let newer = SignalSeries {
        issued_at: at(1),
        ..named("c", 40, &[(0, HOUR, 3)])
    };
    sends(&mut state, newer);
    assert_eq!(frame(&state, 0).prices[0], Price::from_micros(3));
}

#[test]
fn a_price_that_changes_within_a_slot_counts_by_its_time() {
    let mut state = live(site_of(50.0, 1));
    sends(
        &mut state,
        named("a", 40, &[(0, 100, 300), (100, 7 * HOUR, 600)]),
    );
    // (100 s x 300 + 200 s x 600) / 300 s
    assert_eq!(frame(&state, 0).prices[0], Price::from_micros(500));
}

#[test]
fn beyond_the_last_price_that_of_the_day_before_stands_in_then_the_mean() {
    let mut state = live(site_of(50.0, 1));
    sends(
        &mut state,
        named("a", 40, &[(-24 * HOUR, -23 * HOUR, 700), (0, 300, 100)]),
    );
    let frame = frame(&state, 0);
    assert_eq!(frame.prices[0], Price::from_micros(100));
    assert_eq!(frame.prices[1], Price::from_micros(700));
    assert_eq!(
        frame.price_origin[1],
        PriceOrigin::DayBefore { key: key("a") }
    );
    // (100 + 11 x 700) / 12, rounded down
    assert_eq!(frame.prices[12], Price::from_micros(650));
    assert_eq!(frame.price_origin[12], PriceOrigin::Mean);
}

#[test]
fn the_order_in_which_signals_arrive_does_not_matter() {
    let signals = [
        named("a", 40, &[(0, 900, 1)]),
        named("b", 40, &[(600, 1800, 2)]),
        signal(SignalKind::ImportLimit, &[(0, 900, 9_000)]),
        signal(SignalKind::BaseLoad, &[(0, 900, 1_000)]),
    ];
    let resolve = |order: [usize; 4]| {
        let mut state = live(site_of(50.0, 1));
        for index in order {
            sends(&mut state, signals[index].clone());
        }
        frame(&state, 0)
    };
    assert_eq!(resolve([0, 1, 2, 3]), resolve([3, 1, 0, 2]));
}

#[test]
fn the_frame_reaches_to_the_last_departure_within_the_policy() {
    let mut state = live(site_of(50.0, 2));
    assert_eq!(frame(&state, 0).horizon.slots, 72, "6 hours at least");
    arrives(&mut state, 1, Some(10 * HOUR), Some(10.0));
    assert_eq!(frame(&state, 0).horizon.slots, 120);
    arrives(&mut state, 2, Some(100 * HOUR), Some(10.0));
    assert_eq!(
        frame(&state, 0).horizon.slots,
        288,
        "and no further than the policy says"
    );
}

#[test]
fn slot_0_reaches_back_to_now_with_its_limits() {
    let mut state = live(site_of(50.0, 1));
    sends(
        &mut state,
        signal(
            SignalKind::ImportLimit,
            &[(0, 250, 8_000), (250, 9000, 30_000)],
        ),
    );
    let frame = frame(&state, 200);
    assert_eq!(frame.horizon.start, at(300));
    assert_eq!(frame.span(0), (at(200), at(600)));
    assert_eq!(frame.circuits[0].limit[0], Power::from_watts(8_000));
}
