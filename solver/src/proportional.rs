//! The plan of last resort: each session its share of what is free. It cannot fail.

use crate::flow::Powers;
use crate::headroom::{Headroom, Tap};
use crate::model::Model;

/// Every session charges from arrival until it has what it needs. In each slot it gets its maximum
/// power scaled by the tightest limit above it; a share below its minimum is dropped, and what is
/// left goes to whoever leaves first.
pub(crate) fn plan(model: &Model<'_>) -> Powers {
    let mut headroom = Headroom::of(model);
    let mut powers: Powers = model
        .sessions
        .iter()
        .map(|it| vec![0; it.to.saturating_sub(it.from)])
        .collect();
    let mut left: Vec<i64> = model.sessions.iter().map(|it| it.energy).collect();
    let mut by_departure: Vec<usize> = (0..model.sessions.len()).collect();
    by_departure.sort_by_key(|session| model.sessions[*session].to);
    for slot in 0..model.slots {
        let here: Vec<usize> = by_departure
            .iter()
            .copied()
            .filter(|session| {
                (model.sessions[*session].from..model.sessions[*session].to).contains(&slot)
            })
            .collect();
        let shares = shares(model, &headroom, &here, &left, slot);
        for (session, share) in here.iter().zip(shares) {
            let min = model.sessions[*session].min_mw;
            let share = if share < min.max(1) { 0 } else { share };
            raise(
                model,
                &mut headroom,
                &mut powers,
                &mut left,
                (*session, slot),
                share,
            );
        }
        for session in here {
            let it = &model.sessions[session];
            let now = powers[session][slot - it.from];
            let room = headroom
                .up(model, Tap::of_session(model, session), slot)
                .max(0);
            let most = room.min(it.max_mw - now).min(left[session]);
            if now + most >= it.min_mw {
                raise(
                    model,
                    &mut headroom,
                    &mut powers,
                    &mut left,
                    (session, slot),
                    most,
                );
            }
        }
    }
    powers
}

fn raise(
    model: &Model<'_>,
    headroom: &mut Headroom,
    powers: &mut Powers,
    left: &mut [i64],
    (session, slot): (usize, usize),
    mw: i64,
) {
    headroom.take(model, Tap::of_session(model, session), slot, mw);
    powers[session][slot - model.sessions[session].from] += mw;
    left[session] -= mw;
}

/// The share of each session: its wish times the smallest ratio of free to wished power above it.
fn shares(
    model: &Model<'_>,
    headroom: &Headroom,
    here: &[usize],
    left: &[i64],
    slot: usize,
) -> Vec<i64> {
    let wish = |session: usize| model.sessions[session].max_mw.min(left[session]).max(0);
    let mut wished = vec![0_i64; model.circuits.len()];
    let mut wished_on_phase = vec![[0_i64; 3]; model.circuits.len()];
    for session in here {
        let it = &model.sessions[*session];
        for circuit in model.upwards(it.circuit) {
            wished[circuit] = wished[circuit].saturating_add(wish(*session));
            for phase in (0..3).filter(|phase| it.on_phase[*phase]) {
                let load = wish(*session).saturating_mul(it.sixths_per_phase());
                wished_on_phase[circuit][phase] =
                    wished_on_phase[circuit][phase].saturating_add(load);
            }
        }
    }
    let share = |session: &usize| {
        let it = &model.sessions[*session];
        let mut share = wish(*session);
        for circuit in model.upwards(it.circuit) {
            share = share.min(scaled(
                wish(*session),
                headroom.free[circuit][slot],
                wished[circuit],
            ));
            for phase in (0..3).filter(|phase| it.on_phase[*phase]) {
                if let Some(free) = headroom.phase_free[circuit]
                    .as_ref()
                    .map(|free| free[phase][slot])
                {
                    let loads = wished_on_phase[circuit][phase];
                    share = share.min(scaled(wish(*session), free, loads));
                }
            }
        }
        share
    };
    here.iter().map(share).collect()
}

/// `amount * free / wished`, rounded down, at most `amount`.
fn scaled(amount: i64, free: i64, wished: i64) -> i64 {
    if wished <= free {
        return amount;
    }
    let exact = i128::from(amount) * i128::from(free.max(0)) / i128::from(wished.max(1));
    i64::try_from(exact).unwrap_or_default()
}
