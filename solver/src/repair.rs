//! 0 or at least the minimum.

use crate::flow::Powers;
use crate::headroom::Headroom;
use crate::model::Model;

/// Drops every power below its minimum and gives the energy back where there is room for it,
/// cheapest slots first.
pub(crate) fn zero_or_minimum(model: &Model<'_>, powers: &mut Powers) {
    let mut headroom = Headroom::of(model);
    for (session, it) in model.sessions.iter().enumerate() {
        for (offset, power) in powers[session].iter_mut().enumerate() {
            if *power < it.min_mw {
                *power = 0;
            }
            headroom.take(model, session, it.from + offset, *power);
        }
    }
    for session in 0..model.sessions.len() {
        refill(model, &mut headroom, powers, session);
    }
}

fn refill(model: &Model<'_>, headroom: &mut Headroom, powers: &mut Powers, session: usize) {
    let it = &model.sessions[session];
    let mut left = it.energy - powers[session].iter().sum::<i64>();
    let mut slots: Vec<usize> = (it.from..it.to).collect();
    slots.sort_by(|a, b| model.import_price(*a).total_cmp(&model.import_price(*b)));
    for slot in slots {
        let now = powers[session][slot - it.from];
        let room = headroom
            .for_session(model, session, slot)
            .min(it.max_mw - now);
        let more = room.min(left);
        if more > 0 && now + more >= it.min_mw {
            headroom.take(model, session, slot, more);
            powers[session][slot - it.from] += more;
            left -= more;
        }
    }
}
