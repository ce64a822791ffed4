//! What can be had of a dispatch: the plan without it, frozen, against the plan with it.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use super::body::DispatchBody;
use crate::domain::dispatch::{Ask, DispatchSlot, FrozenPlan, Verdict};
use crate::domain::event::{Event, EventKind};
use crate::domain::hmac::hex;
use crate::domain::id::{DispatchId, SignalKey};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Energy, Power};
use crate::domain::signal::{SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::Mode;
use crate::domain::time::{Horizon, Time};
use crate::planner;
use crate::planner::baseline;
use crate::state::SiteState;

/// Length of the slots in which a dispatch is settled: what markets settle in.
const SETTLE_S: u32 = 900;
/// How long afterwards it is watched what comes back.
const AFTER: TimeDelta = TimeDelta::hours(2);
/// From this share of what is asked for on, in percent, all of it counts as had.
const ALL_PERCENT: i64 = 95;
/// Below this share, in percent, nothing worth the name can be had.
const NOTHING_PERCENT: i64 = 5;

/// Who sends a dispatch and how it ranks.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) source: String,
    pub(super) priority: i32,
}

/// What can be had.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<String>,
    pub(super) frozen: FrozenPlan,
    pub(super) baseline_hash: String,
    pub(super) slots: Vec<DispatchSlot>,
    pub(super) after: Vec<DispatchSlot>,
    /// The target that makes the site follow it.
    pub(super) target: SignalSeries,
}

/// The signal under which a dispatch is followed.
pub(super) fn signal_key(id: &DispatchId) -> Option<SignalKey> {
    SignalKey::new(format!("dispatch:{id}")).ok()
}

/// Makes the offer: two plans.
pub(super) fn offer(
    state: &SiteState,
    policy: &Policy,
    now: Time,
    body: &DispatchBody,
    sender: &Sender,
    key: SignalKey,
    stop: &dyn Fn() -> bool,
) -> Offer {
    let without = planner::plan(state, policy, now, stop);
    // What was before now cannot be changed any more.
    let windows = settled_in(body.start.max(now), body.end);
    let after = settled_in(body.end, body.end + AFTER);
    let spans: Vec<(Time, Time)> = windows.iter().chain(&after).copied().collect();
    let frozen = baseline::plan_freeze(state, &without, &spans);
    let power = |index: usize| frozen[index].power.unwrap_or(Power::ZERO);
    let mut slots: Vec<DispatchSlot> = spans
        .iter()
        .enumerate()
        .map(|(index, (start, end))| DispatchSlot {
            start: *start,
            end: *end,
            baseline: power(index),
            requested: if index < windows.len() {
                body.ask.of(power(index))
            } else {
                Power::ZERO
            },
            achievable: Power::ZERO,
            measured: None,
        })
        .collect();
    let target = target(key, sender, &slots[..windows.len()], body.hard, now);
    let mut changed = state.clone();
    changed.apply(&Event {
        seq: state.last_seq + 1,
        at: now,
        kind: EventKind::SignalSet {
            series: Box::new(target.clone()),
        },
    });
    let with = planner::plan(&changed, policy, now, stop);
    let reached = baseline::plan_freeze(&changed, &with, &spans[..windows.len()]);
    for (slot, reached) in slots.iter_mut().zip(&reached) {
        let change = slot.baseline - reached.power.unwrap_or(Power::ZERO);
        // Never more than was asked for, and nothing the other way.
        slot.achievable = if slot.requested.is_positive() {
            change.at_least_zero().min(slot.requested)
        } else {
            -((-change).at_least_zero().min(-slot.requested))
        };
    }
    let after = slots.split_off(windows.len());
    let (verdict, reason) = verdict(state, &slots, &body.ask);
    Offer {
        verdict,
        reason,
        frozen: FrozenPlan {
            plan: without.id,
            input_digest: without.input_digest,
            made_at: without.made_at,
        },
        baseline_hash: hash(&slots, &after),
        slots,
        after,
        target,
    }
}

/// Quarters of an hour of the clock, cut at both ends.
fn settled_in(start: Time, end: Time) -> Vec<(Time, Time)> {
    let count = usize::try_from((end - start).num_seconds() / i64::from(SETTLE_S) + 2);
    let horizon = Horizon::containing(start, SETTLE_S, count.unwrap_or(0));
    (0..horizon.slots)
        .map(|slot| {
            (
                horizon.slot_start(slot).max(start),
                horizon.slot_start(slot + 1).min(end),
            )
        })
        .filter(|(from, to)| to > from)
        .collect()
}

fn target(
    key: SignalKey,
    sender: &Sender,
    slots: &[DispatchSlot],
    hard: bool,
    now: Time,
) -> SignalSeries {
    SignalSeries {
        key,
        source: sender.source.clone(),
        revision: 1,
        kind: SignalKind::PowerTarget,
        circuit: None,
        slots: slots
            .iter()
            .map(|slot| SignalSlot {
                start: slot.start,
                end: slot.end,
                value: (slot.baseline - slot.requested).at_least_zero().watts(),
            })
            .collect(),
        priority: sender.priority,
        hard,
        issued_at: now,
        received_at: now,
        valid_until: None,
        evse: None,
        evses_only: true,
    }
}

fn verdict(state: &SiteState, slots: &[DispatchSlot], ask: &Ask) -> (Verdict, Option<String>) {
    let energy = |of: fn(&DispatchSlot) -> Power| -> Energy {
        slots
            .iter()
            .map(|slot| Energy::from_joules(of(slot).over(slot.end - slot.start).joules().abs()))
            .sum()
    };
    let (asked, had) = (
        energy(|slot| slot.requested),
        energy(|slot| slot.achievable),
    );
    if matches!(state.effective_mode(), Mode::Observe | Mode::Shadow) {
        let why = "the site is not live: plans are made and shown, nothing is sent";
        return (Verdict::Rejected, Some(why.to_owned()));
    }
    if matches!(ask, Ask::Setpoint(_)) && asked.joules() == 0 {
        return (
            Verdict::Accepted,
            Some("that is what is planned anyhow".to_owned()),
        );
    }
    let percent = |share: i64| asked.joules().saturating_mul(share) / 100;
    let is_whole = |slot: &DispatchSlot| {
        let (asked, had) = (slot.requested.watts().abs(), slot.achievable.watts().abs());
        had.saturating_mul(100) >= asked.saturating_mul(ALL_PERCENT)
    };
    if slots.iter().all(is_whole) {
        (Verdict::Accepted, None)
    } else if had.joules() < percent(NOTHING_PERCENT).max(1) {
        let why = match ask {
            Ask::Shed(power) if power.is_positive() => {
                "no load can be shed then: nothing is planned, or what is planned must be drawn for \
                 vehicles to be ready"
            }
            _ => "no load can be added then: no connected vehicle can take more within the limits",
        };
        (Verdict::Rejected, Some(why.to_owned()))
    } else {
        let why = "part of it can be had: limits, connected vehicles and their needs leave no more";
        (Verdict::Partially, Some(why.to_owned()))
    }
}

fn hash(slots: &[DispatchSlot], after: &[DispatchSlot]) -> String {
    let mut hasher = Sha256::new();
    for slot in slots.iter().chain(after) {
        let line = format!(
            "{};{};{}\n",
            slot.start.to_rfc3339(),
            slot.end.to_rfc3339(),
            slot.baseline.watts()
        );
        hasher.update(line);
    }
    hex(&hasher.finalize())
}
