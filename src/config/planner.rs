//! How sites are planned and commanded, unless a site says otherwise.

use crate::domain::policy::Policy;
use crate::domain::quantity::{Power, Price};

use super::kind::{Decimal, OneOf, Whole};
use super::reader::Reader;

/// Reads the section `[planner]`. A setting added here is added to `examples/evenload.toml` too.
pub(super) fn read(reader: &mut Reader) -> Policy {
    const DAY_S: u32 = 86_400;
    let default = Policy::default();
    let waiting_price = default.waiting_price.per_kwh();
    let dead_band = default.dead_band.kilowatts();
    Policy {
        slot_s: reader.get(
            "planner.slot_s",
            &OneOf(&[300, 900, 1800, 3600]),
            default.slot_s,
        ),
        slots: {
            // A week of 5 minutes at most: 7 * 288.
            let slots = u32::try_from(default.slots).unwrap_or(u32::MAX);
            reader.get("planner.slots", &Whole(4..=2016), slots) as usize
        },
        expected_arrival_days: reader.get(
            "planner.expected_arrival_days",
            &Whole(0..=60),
            default.expected_arrival_days,
        ),
        default_stay_s: reader.get(
            "planner.default_stay_s",
            &Whole(300..=7 * DAY_S),
            default.default_stay_s,
        ),
        default_need_s: reader.get(
            "planner.default_need_s",
            &Whole(300..=2 * DAY_S),
            default.default_need_s,
        ),
        waiting_price: Price::from_per_kwh(reader.get(
            "planner.waiting_price_per_kwh",
            &Decimal(0.0..=1.0),
            waiting_price,
        )),
        unmet_price: Price::from_per_kwh(reader.get(
            "planner.unmet_price_per_kwh",
            &Decimal(0.0..=100.0),
            default.unmet_price.per_kwh(),
        )),
        replan_s: reader.get("planner.replan_s", &Whole(60..=3600), default.replan_s),
        ready_margin_s: reader.get(
            "planner.ready_margin_s",
            &Whole(0..=7200),
            default.ready_margin_s,
        ),
        dead_band: Power::from_kilowatts(reader.get(
            "planner.dead_band_kw",
            &Decimal(0.0..=50.0),
            dead_band,
        )),
        min_hold_s: reader.get("planner.min_hold_s", &Whole(0..=3600), default.min_hold_s),
        answer_deadline_s: reader.get(
            "planner.answer_deadline_s",
            &Whole(1..=600),
            default.answer_deadline_s,
        ),
        meter_stale_s: reader.get(
            "planner.meter_stale_s",
            &Whole(5..=3600),
            default.meter_stale_s,
        ),
        silent_session_s: reader.get(
            "planner.silent_session_s",
            &Whole(600..=14 * DAY_S),
            default.silent_session_s,
        ),
    }
}
