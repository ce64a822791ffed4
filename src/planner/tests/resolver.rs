//! What holds for every frame, whatever signals there are: no cap that lives is passed, the order in
//! which they come does not matter, every slot has a rule, and what is withdrawn leaves no trace.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::frame::{Frame, FrameCircuit, LimitOrigin};
use super::super::price::PriceOrigin;
use super::{HOUR, arrives, signal};
use crate::domain::event::EventKind;
use crate::domain::id::{CircuitId, SignalKey};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Power, Price};
use crate::domain::signal::{ALERT_EMERGENCY, SHED_PERCENT, SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::Circuit;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::testing::{at, evse_id, happen, kw, live, site_of};

const KINDS: [SignalKind; 13] = [
    SignalKind::ImportLimit,
    SignalKind::ImportLimit,
    SignalKind::ExportLimit,
    SignalKind::ImportFallback,
    SignalKind::ShedLevel,
    SignalKind::Alert,
    SignalKind::ImportPrice,
    SignalKind::ImportPrice,
    SignalKind::ExportPrice,
    SignalKind::Carbon,
    SignalKind::BaseLoad,
    SignalKind::Pv,
    SignalKind::PowerTarget,
];

fn feeder() -> CircuitId {
    CircuitId::new("feeder").expect("valid")
}

/// A connection and a feeder beneath it, a car on each.
fn depot(failsafe_kw: Option<f64>, flat: Option<i64>) -> SiteState {
    let mut site = site_of(60.0, 2);
    site.circuits[0].failsafe_limit = failsafe_kw.map(kw);
    site.circuits.push(Circuit {
        id: feeder(),
        parent: Some(site.circuits[0].id.clone()),
        import_limit: Some(kw(30.0)),
        phase_limit: None,
        failsafe_limit: None,
        limit_source: None,
    });
    site.evses[1].circuit = feeder();
    site.flat_price = flat.map(Price::from_micros);
    let mut state = live(site);
    arrives(&mut state, 1, Some(8 * HOUR), Some(20.0));
    arrives(&mut state, 2, Some(5 * HOUR), Some(5.0));
    state
}

prop_compose! {
    /// A series of any kind: slots of any length, gaps of any length, from before now to far ahead.
    fn any_series(name: usize)(
        kind in prop::sample::select(&KINDS[..]),
        first in -3 * HOUR..6 * HOUR,
        slots in prop::collection::vec((1i64..5000, prop_oneof![Just(0), 1i64..4000], 0i64..80_000), 1..12),
        (priority, issued, hard, fed) in (0i32..3, 0i64..3, any::<bool>(), any::<bool>()),
    ) -> SignalSeries {
        let mut begin = first;
        let slots: Vec<(i64, i64, i64)> = slots
            .into_iter()
            .map(|(length, gap, value)| {
                let value = match kind {
                    SignalKind::ShedLevel => value % 4,
                    SignalKind::Alert => 1 + value % 3,
                    SignalKind::ImportPrice | SignalKind::ExportPrice => value * 10 - 100_000,
                    _ => value,
                };
                let slot = (begin, begin + length, value);
                begin += length + gap;
                slot
            })
            .collect();
        SignalSeries {
            key: SignalKey::new(format!("s{name}")).expect("valid"),
            priority,
            issued_at: at(issued),
            hard,
            circuit: fed.then(feeder),
            ..signal(kind, &slots)
        }
    }
}

fn any_signals() -> impl Strategy<Value = Vec<SignalSeries>> {
    (0usize..9).prop_flat_map(|count| (0..count).map(any_series).collect::<Vec<_>>())
}

fn set(state: &mut SiteState, series: &SignalSeries) {
    let series = Box::new(series.clone());
    happen(state, 0, EventKind::SignalSet { series });
}

fn with(state: &SiteState, signals: &[SignalSeries]) -> SiteState {
    let mut state = state.clone();
    for series in signals {
        set(&mut state, series);
    }
    state
}

fn frame(state: &SiteState, second: i64) -> Frame {
    Frame::resolve(state, &Policy::default(), at(second))
}

fn is_about(series: &SignalSeries, circuit: &Circuit) -> bool {
    match &series.circuit {
        Some(id) => *id == circuit.id,
        None => circuit.parent.is_none(),
    }
}

/// What a slot of a series leaves at most; `None` if it caps nothing.
fn cap(series: &SignalSeries, slot: &SignalSlot, own: Power) -> Option<Power> {
    let level = match series.kind {
        SignalKind::ImportLimit if series.hard => return Some(Power::from_watts(slot.value)),
        SignalKind::ShedLevel => slot.value,
        SignalKind::Alert if slot.value == ALERT_EMERGENCY => 3,
        _ => return None,
    };
    let percent = SHED_PERCENT[usize::try_from(level).expect("0 to 3")];
    Some(Power::from_watts(own.watts() * percent / 100))
}

fn touches(slot: &SignalSlot, (start, end): (Time, Time)) -> bool {
    slot.start < end && slot.end > start
}

/// True if a limit has begun by the span and says nothing in some part of it.
fn is_silent(series: &SignalSeries, (start, end): (Time, Time)) -> bool {
    let mut until = start.max(series.slots[0].start);
    for slot in &series.slots {
        if slot.start <= until && slot.end > until {
            until = slot.end;
        }
    }
    until < end
}

fn limits_are_kept(state: &SiteState, circuit: &Circuit, shown: &FrameCircuit, frame: &Frame) {
    let own = circuit.import_limit.expect("both have one");
    for (index, limit) in shown.limit.iter().enumerate() {
        let span = frame.span(index);
        assert!(*limit <= own, "slot {index}: {limit} of {own}");
        for series in state.signals.values().filter(|it| is_about(it, circuit)) {
            let live = series.slots.iter().filter(|slot| touches(slot, span));
            for slot in live {
                let Some(cap) = cap(series, slot, own) else {
                    continue;
                };
                assert!(
                    *limit <= cap,
                    "slot {index}: {limit}, {} says {cap}",
                    series.key
                );
            }
        }
    }
}

/// Each slot of a circuit names a rule that is there and comes to the limit that is shown.
fn has_rules(state: &SiteState, circuit: &Circuit, shown: &FrameCircuit, frame: &Frame) {
    let own = circuit.import_limit.expect("both have one");
    let slots = frame.horizon.slots;
    assert_eq!(shown.limit.len(), slots);
    assert_eq!(shown.limit_origin.len(), slots);
    assert_eq!(shown.uncontrolled.len(), slots);
    for (index, (origin, limit)) in shown.limit_origin.iter().zip(&shown.limit).enumerate() {
        let span = frame.span(index);
        match origin {
            LimitOrigin::Operator => assert_eq!(*limit, own, "slot {index}"),
            LimitOrigin::Signal { key } => {
                let series = &state.signals[key];
                assert!(is_about(series, circuit), "slot {index}: {key}");
                let mut live = series.slots.iter().filter(|slot| touches(slot, span));
                let comes_to = |slot: &SignalSlot| cap(series, slot, own) == Some(*limit);
                assert!(live.any(comes_to), "slot {index}: {limit} is not of {key}");
            }
            LimitOrigin::Failsafe => {
                let silent = |it: &SignalSeries| {
                    it.kind == SignalKind::ImportLimit
                        && it.hard
                        && is_about(it, circuit)
                        && is_silent(it, span)
                };
                let any = state.signals.values().any(|it| silent(it));
                assert!(any, "slot {index}: {limit}, but every limit speaks");
            }
        }
    }
}

/// Each slot has a price with its origin, as soon as any price is known.
fn has_prices(state: &SiteState, frame: &Frame) {
    let slots = frame.horizon.slots;
    assert_eq!(frame.prices.len(), frame.price_origin.len());
    if frame.prices.is_empty() {
        assert_eq!(state.site.flat_price, None);
        return;
    }
    assert_eq!(frame.prices.len(), slots);
    for (index, origin) in frame.price_origin.iter().enumerate() {
        let (start, end) = frame.span(index);
        let speaks = |key: &SignalKey, span| {
            state.signals[key]
                .slots
                .iter()
                .any(|slot| touches(slot, span))
        };
        let before = |days| {
            let start = start - chrono::TimeDelta::days(days);
            (start, start + chrono::TimeDelta::seconds(1))
        };
        match origin {
            PriceOrigin::Signal { key } => assert!(speaks(key, (start, end)), "slot {index}"),
            PriceOrigin::WeekBefore { key } => assert!(speaks(key, before(7)), "slot {index}"),
            PriceOrigin::DayBefore { key } => assert!(speaks(key, before(1)), "slot {index}"),
            PriceOrigin::Flat => assert_eq!(state.site.flat_price, Some(frame.prices[index])),
            PriceOrigin::Mean => assert_eq!(state.site.flat_price, None),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_cap_that_lives_is_passed(
        signals in any_signals(),
        failsafe in prop::option::of(0.0f64..90.0),
        second in 0i64..2 * HOUR,
    ) {
        let state = with(&depot(failsafe, None), &signals);
        let frame = frame(&state, second);
        for (circuit, shown) in state.site.circuits.iter().zip(&frame.circuits) {
            limits_are_kept(&state, circuit, shown, &frame);
        }
    }

    #[test]
    fn the_order_in_which_signals_come_changes_nothing(
        (signals, shuffled) in any_signals().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        second in 0i64..2 * HOUR,
    ) {
        let depot = depot(Some(10.0), None);
        let (one, other) = (with(&depot, &signals), with(&depot, &shuffled));
        prop_assert_eq!(frame(&one, second), frame(&other, second));
    }

    #[test]
    fn no_slot_is_without_a_rule(
        signals in any_signals(),
        failsafe in prop::option::of(0.0f64..90.0),
        flat in prop::option::of(0i64..500_000),
        second in 0i64..2 * HOUR,
    ) {
        let state = with(&depot(failsafe, flat), &signals);
        let frame = frame(&state, second);
        prop_assert_eq!(frame.circuits.len(), 2);
        for (circuit, shown) in state.site.circuits.iter().zip(&frame.circuits) {
            has_rules(&state, circuit, shown, &frame);
        }
        has_prices(&state, &frame);
    }

    #[test]
    fn a_signal_that_was_withdrawn_or_replaced_leaves_no_trace(
        signals in any_signals(),
        others in any_signals(),
        second in 0i64..2 * HOUR,
    ) {
        let depot = depot(Some(10.0), Some(1));
        let plain = with(&depot, &signals);
        // The others come first, under the same keys and others; what is not replaced is withdrawn.
        let mut state = with(&depot, &others);
        for series in &signals {
            set(&mut state, series);
        }
        let kept: BTreeSet<_> = signals.iter().map(|series| &series.key).collect();
        for series in others.iter().filter(|it| !kept.contains(&it.key)) {
            let key = series.key.clone();
            happen(&mut state, 0, EventKind::SignalWithdrawn { key });
        }
        prop_assert_eq!(&state.signals, &plain.signals);
        prop_assert_eq!(frame(&state, second), frame(&plain, second));
        let evse = evse_id(1);
        prop_assert_eq!(&state.evses[&evse], &plain.evses[&evse]);
    }
}
