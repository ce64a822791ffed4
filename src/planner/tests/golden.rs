//! A whole plan of a small depot, kept as a file: what changes in it is looked at.

use super::{HOUR, arrives, plan_at, prices, sends, signal};
use crate::domain::policy::Policy;
use crate::domain::signal::SignalKind;
use crate::state::testing::{at, live, site_of};

#[test]
fn a_small_depot_on_a_priced_afternoon_under_a_cut_limit() {
    let mut state = live(site_of(30.0, 4));
    prices(&mut state, &[120, 90, 60, 30, 40, 110]);
    sends(
        &mut state,
        signal(SignalKind::ImportLimit, &[(3 * HOUR, 4 * HOUR, 20_000)]),
    );
    sends(
        &mut state,
        signal(SignalKind::BaseLoad, &[(0, 6 * HOUR, 4_000)]),
    );
    arrives(&mut state, 1, Some(5 * HOUR), Some(22.0));
    arrives(&mut state, 2, Some(6 * HOUR), Some(11.0));
    arrives(&mut state, 3, Some(2 * HOUR), Some(20.0));
    arrives(&mut state, 4, None, None);
    let policy = Policy {
        slot_s: 1800,
        slots: 12,
        ..Policy::default()
    };
    let plan = super::super::plan(&state, &policy, at(0), &|| false);
    insta::assert_json_snapshot!(plan);
    assert!(!plan_at(&state, 0).evses.is_empty());
}
