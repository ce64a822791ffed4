//! Fitting powers to every limit, and giving back what rounding lost.

use crate::flow::Powers;
use crate::headroom::{Headroom, Tap};
use crate::milliwatts;
use crate::model::Model;

/// Lowers whatever breaks a limit, and takes all that is planned out of the headroom.
pub(crate) fn fit(model: &Model<'_>, headroom: &mut Headroom, powers: &mut Powers) {
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        for (offset, power) in powers[session]
            .iter_mut()
            .enumerate()
            .filter(|(_, mw)| **mw > 0)
        {
            let slot = it.from + offset;
            let fitting = headroom.up(model, tap, slot).clamp(0, *power);
            *power = if fitting < it.min_mw { 0 } else { fitting };
            headroom.take(model, tap, slot, *power);
        }
    }
}

/// Like [`fit`], for powers the headroom already counts.
pub(crate) fn refit(model: &Model<'_>, headroom: &mut Headroom, powers: &mut Powers) {
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        for (offset, power) in powers[session]
            .iter_mut()
            .enumerate()
            .filter(|(_, mw)| **mw > 0)
        {
            let slot = it.from + offset;
            let over = -headroom.up(model, tap, slot);
            if over > 0 {
                let fitting = (*power - over).max(0);
                let fitting = if fitting < it.min_mw { 0 } else { fitting };
                headroom.take(model, tap, slot, fitting - *power);
                *power = fitting;
            }
        }
    }
}

/// Gives each session that misses more than `least_kwh` what it still needs, where there is room
/// for it, cheapest slots first.
pub(crate) fn refill(
    model: &Model<'_>,
    headroom: &mut Headroom,
    powers: &mut Powers,
    least_kwh: f64,
) {
    let least = milliwatts::nearest(least_kwh / model.hours);
    for (session, it) in model.sessions.iter().enumerate() {
        let tap = Tap::of_session(model, session);
        let mut left = it.energy - powers[session].iter().sum::<i64>();
        if left <= least || it.stores {
            continue;
        }
        let mut slots: Vec<usize> = (it.from..it.to).collect();
        slots.sort_by(|a, b| model.import_price(*a).total_cmp(&model.import_price(*b)));
        for slot in slots {
            let now = powers[session][slot - it.from];
            let more = headroom.up(model, tap, slot).min(it.max_mw - now).min(left);
            if more > 0 && now + more >= it.min_mw {
                headroom.take(model, tap, slot, more);
                powers[session][slot - it.from] += more;
                left -= more;
            }
        }
        if left > least && left < it.min_mw {
            switch_on_for(model, headroom, session, left, &mut powers[session]);
        }
    }
}

/// Brings a rest that is below the minimum: one more slot at the minimum, and so much less than
/// that in slots above it, the dearest first.
fn switch_on_for(
    model: &Model<'_>,
    headroom: &mut Headroom,
    session: usize,
    left: i64,
    powers: &mut [i64],
) {
    let it = &model.sessions[session];
    let tap = Tap::of_session(model, session);
    let mut give = it.min_mw - left;
    let spare: i64 = powers.iter().map(|mw| (mw - it.min_mw).max(0)).sum();
    if spare < give {
        return;
    }
    let mut slots: Vec<usize> = (it.from..it.to).collect();
    slots.sort_by(|a, b| model.import_price(*a).total_cmp(&model.import_price(*b)));
    let off = slots.iter().copied().find(|slot| {
        powers[slot - it.from] == 0
            && it.min_mw <= it.max_mw
            && headroom.up(model, tap, *slot) >= it.min_mw
    });
    let Some(off) = off else { return };
    headroom.take(model, tap, off, it.min_mw);
    powers[off - it.from] = it.min_mw;
    for slot in slots.into_iter().rev() {
        let part = (powers[slot - it.from] - it.min_mw).clamp(0, give);
        headroom.take(model, tap, slot, -part);
        powers[slot - it.from] -= part;
        give -= part;
    }
}
