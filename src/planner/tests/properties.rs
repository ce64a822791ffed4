//! What holds for every plan.

use proptest::prelude::*;

use super::super::check::check;
use super::super::plan;
use super::{HOUR, arrives, plan_at, prices, sends, signal};
use crate::domain::event::{EventKind, OverrideAction};
use crate::domain::evse::{Phase, Supply};
use crate::domain::id::CircuitId;
use crate::domain::plan::{Plan, PlanOrigin};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Current, Energy, Power, Voltage};
use crate::domain::session::PastSession;
use crate::domain::signal::SignalKind;
use crate::domain::site::{ArrivalReserve, Circuit, Mode, Site};
use crate::state::SiteState;
use crate::state::evse_state::Control;
use crate::state::testing::{at, evse_id, happen, kw, live, session, site_of};

/// A site with a feeder beneath the connection, and EVSEs of every kind on both.
fn any_site() -> impl Strategy<Value = Site> {
    let evse = (0u8..6, any::<bool>());
    let limits = (0.0f64..80.0, 0.0f64..50.0);
    let phases = (
        prop::option::of(0.0f64..90.0),
        prop::option::of(0.0f64..60.0),
    );
    let reserve = prop_oneof![
        Just(ArrivalReserve::None),
        Just(ArrivalReserve::Largest(1)),
        Just(ArrivalReserve::All),
    ];
    (limits, phases, prop::collection::vec(evse, 8), reserve).prop_map(
        |(limits, phases, evses, reserve)| {
            let mut site = site_of(limits.0, 8);
            let feeder = CircuitId::new("feeder").expect("valid");
            site.circuits[0].phase_limit = phases.0.map(Current::from_amps);
            site.circuits.push(Circuit {
                id: feeder.clone(),
                parent: Some(site.circuits[0].id.clone()),
                import_limit: Some(kw(limits.1)),
                phase_limit: phases.1.map(Current::from_amps),
                failsafe_limit: None,
                limit_source: None,
            });
            for (evse, (kind, is_fed)) in site.evses.iter_mut().zip(evses) {
                if is_fed {
                    evse.circuit = feeder.clone();
                }
                let nominal = Voltage::V230;
                match kind {
                    0 => evse.phases.clear(),
                    1..=3 => {
                        evse.phases = vec![Phase::ALL[usize::from(kind) - 1]];
                        evse.supply = Supply::Ac { phases: 1, nominal };
                        (evse.max, evse.min) = (kw(7.36), kw(1.38));
                    }
                    4 => {
                        evse.phases.clear();
                        evse.supply = Supply::Ac { phases: 1, nominal };
                        (evse.max, evse.min) = (kw(7.36), kw(1.38));
                    }
                    _ => {
                        evse.supply = Supply::Dc;
                        (evse.max, evse.min) = (kw(50.0), kw(5.0));
                    }
                }
            }
            site.arrival_reserve = reserve;
            site
        },
    )
}

prop_compose! {
    fn any_state()(
        site in any_site(),
        cars in prop::collection::vec(
            (prop::option::of(-HOUR..20 * HOUR), prop::option::of(0.0f64..60.0), 0u8..12), 0..8,
        ),
        base in prop::option::of(prop::collection::vec(0i64..60_000, 1..20)),
        price in prop::option::of(prop::collection::vec(-50i64..300, 1..20)),
        cap in prop::option::of((0i64..5 * HOUR, 0i64..40_000)),
        past in prop::collection::vec((1i64..4, 0i64..20 * HOUR, 1i64..9 * HOUR, 1usize..=8), 0..12),
        mode in prop_oneof![Just(Mode::Live), Just(Mode::Shadow), Just(Mode::Canary)],
    ) -> SiteState {
        let mut state = live(site);
        state.mode = mode;
        state.canary = (1..=4).map(evse_id).collect();
        for (number, (leaves, kwh, kind)) in cars.into_iter().enumerate() {
            let number = number + 1;
            arrives(&mut state, number, leaves, kwh);
            let until = at(2 * HOUR);
            let evse = evse_id(number);
            match kind {
                0 => happen(&mut state, 0, EventKind::OverrideSet {
                    evse, action: OverrideAction::ChargeNow, until,
                }),
                1 => happen(&mut state, 0, EventKind::OverrideSet {
                    evse, action: OverrideAction::Pause, until,
                }),
                2 => {
                    let known = state.evses.get_mut(&evse).expect("there");
                    known.control = Control::Unsupported { detail: String::new() };
                }
                _ => {}
            }
        }
        if let Some(price) = price {
            prices(&mut state, &price);
        }
        if let Some(base) = base {
            let slots: Vec<_> =
                (0..).zip(base).map(|(i, w)| (i * 1700, (i + 1) * 1700, w)).collect();
            sends(&mut state, signal(SignalKind::BaseLoad, &slots));
        }
        if let Some((start, watts)) = cap {
            sends(&mut state, signal(SignalKind::ImportLimit, &[(start, start + HOUR, watts)]));
        }
        let sessions = past
            .into_iter()
            .map(|(days, start, stay, number)| {
                let began = start - days * 24 * HOUR;
                PastSession {
                    stated_departure: None,
                    stated_energy: None,
                    id: session(number, began).id,
                    evse: evse_id(number),
                    started_at: at(began),
                    ended_at: at(began + stay),
                    energy: Energy::from_kilowatt_hours(9.0),
                }
            })
            .collect();
        happen(&mut state, 0, EventKind::HistoryLearned { sessions });
        state
    }
}

/// Where nobody can be served the solver is not asked, so it cannot be too slow.
fn somebody_charges(plan: &Plan) -> bool {
    let powers = plan.evses.iter().flat_map(|planned| &planned.power);
    powers.copied().any(Power::is_positive)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_solvers_plan_passes_the_check(state in any_state(), second in 0i64..600) {
        let plan = plan_at(&state, second);
        prop_assert_eq!(check(&state, &plan, at(second)), Ok(()));
        prop_assert!(matches!(plan.origin, PlanOrigin::Optimal | PlanOrigin::TimeLimit));
    }

    #[test]
    fn the_same_inputs_give_the_same_plan(state in any_state(), second in 0i64..600) {
        let one = serde_json::to_string(&plan_at(&state, second)).expect("serialises");
        let other = serde_json::to_string(&plan_at(&state.clone(), second)).expect("serialises");
        prop_assert_eq!(one, other);
    }

    #[test]
    fn every_rung_passes_the_check(state in any_state(), second in 0i64..600, cut in 0i64..30_000) {
        let mut state = state;
        let shared = plan(&state, &Policy::default(), at(second), &|| true);
        prop_assert_eq!(check(&state, &shared, at(second)), Ok(()));
        prop_assert!(!somebody_charges(&shared) || shared.origin == PlanOrigin::ProportionalShare);
        let before = Box::new(plan_at(&state, second));
        happen(&mut state, second, EventKind::PlanStored { plan: before });
        sends(&mut state, signal(SignalKind::ImportLimit, &[(0, 3 * HOUR, cut)]));
        let clipped = plan(&state, &Policy::default(), at(second + 400), &|| true);
        prop_assert_eq!(check(&state, &clipped, at(second + 400)), Ok(()));
        prop_assert!(!somebody_charges(&clipped) || clipped.origin == PlanOrigin::Clipped);
    }

    #[test]
    fn a_car_is_short_only_where_limits_or_its_stay_are(
        cars in prop::collection::vec((0i64..20 * HOUR, 0.0f64..30.0), 1..8),
        price in prop::collection::vec(-50i64..300, 1..20),
    ) {
        // 8 x 12.144 kW = 97.2 kW: no limit ever binds.
        let mut state = live(site_of(100.0, 8));
        prices(&mut state, &price);
        for (number, (leaves, kwh)) in cars.iter().enumerate() {
            arrives(&mut state, number + 1, Some(*leaves), Some(*kwh));
        }
        let plan = plan_at(&state, 0);
        for (planned, (leaves, kwh)) in plan.evses.iter().zip(&cars) {
            let slots = (leaves / 300).max(1);
            let most = Power::from_watts(11_040).over(chrono::TimeDelta::seconds(slots * 300));
            let wanted = Energy::from_kilowatt_hours(*kwh);
            // Departures at or before now count as late, with an assumed stay.
            if *leaves > 0 && wanted <= most {
                prop_assert_eq!(planned.unmet, Energy::ZERO);
            }
        }
    }

    #[test]
    fn whatever_is_unknown_a_car_that_needs_energy_charges_where_there_is_room(
        leaves in prop::option::of(600i64..20 * HOUR),
        kwh in prop::option::of(0.1f64..60.0),
        price in prop::option::of(prop::collection::vec(-50i64..300, 1..20)),
    ) {
        let mut state = live(site_of(20.0, 1));
        if let Some(price) = price {
            prices(&mut state, &price);
        }
        arrives(&mut state, 1, leaves, kwh);
        let plan = plan_at(&state, 0);
        prop_assert!(plan.evses[0].power.iter().any(|power| power.is_positive()));
        if leaves.is_none() {
            prop_assert!(plan.evses[0].power[0].is_positive(), "and at once if it may leave any time");
        }
    }
}
