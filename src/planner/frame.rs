//! The frame: what the live signals come to, slot by slot, and which of them decided.

use serde::{Deserialize, Serialize};

use super::layout::{Layout, PhaseShare};
use super::peak::HeldPeak;
use super::price::{self, PriceOrigin};
use super::wish::{self, Loads, Wishes};
use crate::domain::curve::PowerCurve;
use crate::domain::evse::{Evse, EvseSource};
use crate::domain::id::{CircuitId, SignalKey};
use crate::domain::policy::Policy;
use crate::domain::quantity::{Power, Price};
use crate::domain::session::SessionStatus;
use crate::domain::signal::{ALERT_EMERGENCY, SHED_PERCENT, SignalKind, SignalSeries, SignalSlot};
use crate::domain::site::{ArrivalReserve, Circuit, Mode};
use crate::domain::time::{Horizon, Time};
use crate::state::evse_state::Control;
use crate::state::{EvseState, SiteState};

/// A frame reaches at least this far: 6 hours.
const SHORTEST_S: u32 = 6 * 3600;

/// Who decided a circuit's limit in a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LimitOrigin {
    /// The operator's own limit.
    Operator,
    /// A signal that is live in this slot.
    Signal {
        /// Its key.
        key: SignalKey,
    },
    /// A signal has ended or has a gap: its fallback series or the circuit's fail-safe holds.
    Failsafe,
}

/// One circuit over the slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameCircuit {
    /// The circuit.
    pub circuit: CircuitId,
    /// Effective limit: the lowest within each slot.
    pub limit: Vec<Power>,
    /// Who decided it.
    pub limit_origin: Vec<LimitOrigin>,
    /// Load that nobody controls: the highest within each slot.
    pub uncontrolled: Vec<Power>,
    /// Held back for arrivals at EVSEs that cannot be reached beforehand.
    pub reserve: Power,
    /// EVSEs beneath that do not follow us, at their hardware maximum.
    pub uncontrollable: Power,
    /// The same by phase, where the circuit limits phases.
    pub phases: Option<FramePhases>,
}

/// The phases of a circuit over the slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FramePhases {
    /// Highest current of a phase, as power of one phase at the highest voltage.
    pub limit: Power,
    /// Per phase and slot: uncontrolled load, reserve and uncontrollable EVSEs.
    pub taken: [Vec<Power>; 3],
}

/// The site over the slots of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The slots. Slot 0 reaches back to `from` where that lies before it.
    pub horizon: Horizon,
    /// The instant from which the frame holds.
    pub from: Time,
    /// In the order of the site's circuits.
    pub circuits: Vec<FrameCircuit>,
    /// Import price per slot; empty if no price is known anywhere.
    pub prices: Vec<Price>,
    /// Where each price comes from; empty if no price is known anywhere.
    pub price_origin: Vec<PriceOrigin>,
    /// What is wished beside limits and prices.
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
    /// The peak that is kept to where peaks cost something; found when a plan is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<HeldPeak>,
}

impl Frame {
    /// Resolves what is known at `now` for the running sessions' stay.
    pub fn resolve(state: &SiteState, policy: &Policy, now: Time) -> Self {
        Self::on(
            state,
            &Layout::of(&state.site),
            horizon(state, policy, now),
            now,
        )
    }

    /// Resolves on given slots.
    pub(super) fn on(state: &SiteState, layout: &Layout<'_>, horizon: Horizon, now: Time) -> Self {
        let mut frame = Self {
            horizon,
            from: now,
            circuits: Vec::new(),
            prices: Vec::new(),
            price_origin: Vec::new(),
            wishes: Wishes::default(),
            peak: None,
        };
        let spans: Vec<(Time, Time)> = (0..horizon.slots).map(|slot| frame.span(slot)).collect();
        frame.circuits = layout
            .circuits
            .iter()
            .enumerate()
            .map(|(index, circuit)| resolve_circuit(state, layout, index, circuit, &spans, now))
            .collect();
        let (prices, origin) = price::resolve(state, &spans);
        frame.prices = prices;
        frame.price_origin = origin;
        let loads = Loads {
            uncontrolled: frame.circuits.iter().map(|c| &c.uncontrolled[..]).collect(),
            prices: &frame.prices,
        };
        frame.wishes = wish::resolve(state, layout, &spans, &loads);
        frame
    }

    /// From when to when a slot's powers hold: slot 0 from the instant of the plan, wherever in or
    /// before the slot that is.
    pub fn span(&self, slot: usize) -> (Time, Time) {
        let start = if slot == 0 {
            self.from
        } else {
            self.horizon.slot_start(slot)
        };
        (start, self.horizon.slot_start(slot + 1))
    }

    /// What planning reckons with in a slot: the price, unless somebody wishes otherwise.
    pub(super) fn reckoned(&self, slot: usize) -> Price {
        let reckoned = self.wishes.reckoned.get(slot).copied();
        reckoned.unwrap_or_else(|| self.price(slot))
    }

    /// The import price of a slot; zero where none is known.
    pub fn price(&self, slot: usize) -> Price {
        self.prices.get(slot).copied().unwrap_or(Price::ZERO)
    }
}

/// The slots of a plan made at `now`: aligned borders, from the one before `now`, or from the one
/// after it if more than half of the slot is over; far enough for the last departure, within the
/// policy's number of slots.
fn horizon(state: &SiteState, policy: &Policy, now: Time) -> Horizon {
    // The solver counts whole minutes.
    let slot_s = policy.slot_s.clamp(60, 86_400) / 60 * 60;
    let mut horizon = Horizon::containing(now, slot_s, 1);
    if (now - horizon.start).num_seconds() * 2 > i64::from(slot_s) {
        horizon.start = horizon.end();
    }
    let last = state
        .demands(policy, now)
        .iter()
        .map(|demand| demand.departure)
        .max()
        .unwrap_or(now);
    let seconds = (last - horizon.start)
        .num_seconds()
        .max(i64::from(SHORTEST_S));
    let wanted = (seconds + i64::from(slot_s) - 1) / i64::from(slot_s);
    horizon.slots = usize::try_from(wanted)
        .unwrap_or(usize::MAX)
        .clamp(1, policy.slots.max(1));
    horizon
}

/// True if this EVSE follows plans. Where nothing is sent anyhow, every EVSE that could be steered
/// counts, so that the plan shows what would be.
pub(super) fn is_controllable(state: &SiteState, evse: &Evse) -> bool {
    let obeys = state
        .evses
        .get(&evse.id)
        .is_none_or(|known| known.control == Control::Controllable);
    let sends = match state.effective_mode() {
        Mode::Observe | Mode::Shadow => true,
        Mode::Canary | Mode::Live => state.may_send_to(&evse.id),
    };
    obeys && sends
}

/// What an EVSE may draw that no plan steers: its hardware maximum while a session runs that we do
/// not control; a free one over OCPP, its bound; a free one over OCPI nothing (the reserve stands
/// for it).
fn unsteered(state: &SiteState, evse: &Evse, now: Time) -> Power {
    let running = state
        .evses
        .get(&evse.id)
        .and_then(|known| known.session.as_ref())
        .is_some_and(|session| session.status != SessionStatus::Ended);
    let shown_only = matches!(state.effective_mode(), Mode::Observe | Mode::Shadow);
    if running && !is_controllable(state, evse) {
        evse.hardware_max()
    } else if running || shown_only {
        Power::ZERO
    } else {
        state.left_to_free(&evse.id).highest_from(now)
    }
}

fn resolve_circuit(
    state: &SiteState,
    layout: &Layout<'_>,
    index: usize,
    circuit: &Circuit,
    spans: &[(Time, Time)],
    now: Time,
) -> FrameCircuit {
    let limit = extremes(&state.limit(circuit), spans, Power::min);
    let uncontrolled = extremes(&state.uncontrolled(circuit, now), spans, Power::max);
    let unsteered: Vec<(&Evse, Power)> = layout
        .beneath(index)
        .map(|evse| (evse, unsteered(state, evse, now)))
        .filter(|(_, power)| power.is_positive())
        .collect();
    FrameCircuit {
        circuit: circuit.id.clone(),
        limit_origin: limit_origins(state, circuit, &limit, spans),
        phases: phases(
            state,
            layout,
            index,
            circuit,
            &uncontrolled,
            &unsteered,
            now,
        ),
        limit,
        uncontrolled,
        reserve: state.reserve(circuit),
        uncontrollable: unsteered.iter().map(|(_, power)| *power).sum(),
    }
}

/// The lowest or highest value of a curve within each span; both are sorted, so one walk suffices.
fn extremes(
    curve: &PowerCurve,
    spans: &[(Time, Time)],
    choose: fn(Power, Power) -> Power,
) -> Vec<Power> {
    let steps = curve.steps();
    spans
        .iter()
        .map(|(start, end)| {
            let from = steps.partition_point(|(at, _)| at <= start);
            let until = steps.partition_point(|(at, _)| at < end).max(from);
            steps[from..until]
                .iter()
                .map(|(_, power)| *power)
                .fold(curve.at(*start), choose)
        })
        .collect()
}

fn limit_origins(
    state: &SiteState,
    circuit: &Circuit,
    limit: &[Power],
    spans: &[(Time, Time)],
) -> Vec<LimitOrigin> {
    let is_root = circuit.parent.is_none();
    let signals: Vec<_> = state
        .signals
        .values()
        .filter(|series| match series.kind {
            SignalKind::ImportLimit => series.hard,
            SignalKind::ShedLevel | SignalKind::Alert => true,
            _ => false,
        })
        .filter(|series| {
            series
                .circuit
                .as_ref()
                .map_or(is_root, |c| *c == circuit.id)
        })
        .collect();
    limit
        .iter()
        .zip(spans)
        .map(|(limit, (start, end))| {
            if signals.is_empty() || circuit.import_limit.is_some_and(|own| own <= *limit) {
                return LimitOrigin::Operator;
            }
            let decides = signals.iter().find(|series| {
                let from = series.slots.partition_point(|slot| slot.end <= *start);
                series.slots[from..]
                    .iter()
                    .take_while(|slot| slot.start < *end)
                    .any(|slot| limit_of(series, circuit, slot) == Some(*limit))
            });
            decides.map_or(LimitOrigin::Failsafe, |series| LimitOrigin::Signal {
                key: series.key.clone(),
            })
        })
        .collect()
}

/// What a slot of a signal leaves of a circuit's limit.
fn limit_of(series: &SignalSeries, circuit: &Circuit, slot: &SignalSlot) -> Option<Power> {
    let level = match series.kind {
        SignalKind::ShedLevel => slot.value,
        SignalKind::Alert if slot.value >= ALERT_EMERGENCY => 3,
        SignalKind::Alert => return None,
        _ => return Some(Power::from_watts(slot.value).at_least_zero()),
    };
    let percent = SHED_PERCENT.get(usize::try_from(level).ok()?)?;
    Some(circuit.import_limit?.scaled_down(*percent, 100))
}

fn phases(
    state: &SiteState,
    layout: &Layout<'_>,
    index: usize,
    circuit: &Circuit,
    uncontrolled: &[Power],
    unsteered: &[(&Evse, Power)],
    now: Time,
) -> Option<FramePhases> {
    circuit.phase_limit?;
    let limit = state.circuit_bound(circuit, now).phase_limit?;
    let free: Vec<&Evse> = layout
        .beneath(index)
        .filter(|evse| matches!(evse.source, EvseSource::Ocpi { .. }))
        .filter(|evse| state.evses.get(&evse.id).is_none_or(EvseState::is_free))
        .collect();
    let count = match state.site.arrival_reserve {
        ArrivalReserve::None => 0,
        ArrivalReserve::Largest(count) => usize::try_from(count).unwrap_or(usize::MAX),
        ArrivalReserve::All => usize::MAX,
    };
    let taken = [0, 1, 2].map(|phase| {
        let mut reserves: Vec<Power> = free
            .iter()
            .map(|evse| PhaseShare::of(evse).on(phase, evse.hardware_max()))
            .collect();
        reserves.sort_unstable_by(|a, b| b.cmp(a));
        let reserve: Power = reserves.into_iter().take(count).sum();
        let unsteered: Power = unsteered
            .iter()
            .map(|(evse, power)| PhaseShare::of(evse).on(phase, *power))
            .sum();
        uncontrolled
            .iter()
            .map(|load| PhaseShare::UNCONTROLLED.on(phase, *load) + reserve + unsteered)
            .collect()
    });
    Some(FramePhases { limit, taken })
}
