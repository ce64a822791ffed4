//! Room under the limits, handed out to those who may rise.

use chrono::TimeDelta;

use crate::domain::command::Action;
use crate::domain::curve::PowerCurve;
use crate::domain::evse::Evse;
use crate::domain::id::CircuitId;
use crate::domain::plan::Plan;
use crate::domain::quantity::Power;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::bound::{CircuitBound, on_phases};

/// How long after its plan a raise that finds too little room waits for answers that are to come.
const ROOM_COMES_S: i64 = 5;

/// Until when a raise that finds too little room had better wait; `None`: no longer. The lowerings
/// of the same plan are under way and make room; a raise sent before that would be sent twice, and
/// the second time count as changed just now.
pub(super) fn room_comes_until(state: &SiteState, plan: &Plan, now: Time) -> Option<Time> {
    let until = plan.made_at + TimeDelta::seconds(ROOM_COMES_S);
    let mut sent = state.evses.values().flat_map(|it| &it.profiles.outstanding);
    let is_due =
        sent.any(|it| !it.unknown && matches!(it.command.action, Action::SetProfile { .. }));
    (now < until && is_due).then_some(until)
}

/// The room that is left under every circuit of a site, per instant.
#[derive(Clone, Debug)]
pub struct Headroom {
    circuits: Vec<CircuitRoom>,
}

#[derive(Clone, Debug)]
struct CircuitRoom {
    id: CircuitId,
    /// May be negative where the limit will be too low for what holds.
    room: PowerCurve,
    /// Room on each phase, where the circuit limits them.
    phases: Option<[PowerCurve; 3]>,
    /// The bound is above the limit now: nothing on this circuit rises.
    exceeded: bool,
}

impl CircuitRoom {
    fn new(id: CircuitId, bound: &CircuitBound, now: Time) -> Self {
        let phases = bound.phase_limit.map(|limit| {
            // The reserve of one EVSE may fall on any phase; it counts on each.
            let limit = PowerCurve::constant(limit - bound.reserve.scaled_up(1, 3));
            bound.phases.each_ref().map(|phase| limit.minus(phase))
        });
        Self {
            id,
            room: bound.headroom(),
            phases,
            exceeded: bound.is_exceeded(now),
        }
    }
}

impl Headroom {
    /// The room of a site as things stand.
    pub fn of(state: &SiteState, now: Time) -> Self {
        Self::keeping(state, now, |reserve| reserve)
    }

    /// The same without what is kept free for arrivals: for a site that is handed back, where nobody
    /// would limit who comes anyhow.
    pub(super) fn without_reserve(state: &SiteState, now: Time) -> Self {
        Self::keeping(state, now, |_| Power::ZERO)
    }

    fn keeping(state: &SiteState, now: Time, reserve: impl Fn(Power) -> Power) -> Self {
        let circuits = state.site.circuits.iter().map(|circuit| {
            let mut bound = state.circuit_bound(circuit, now);
            bound.reserve = reserve(bound.reserve);
            CircuitRoom::new(circuit.id.clone(), &bound, now)
        });
        Self {
            circuits: circuits.collect(),
        }
    }

    fn above<'a>(
        &'a self,
        state: &'a SiteState,
        evse: &'a Evse,
    ) -> impl Iterator<Item = &'a CircuitRoom> {
        let path: Vec<&CircuitId> = state
            .site
            .path(&evse.circuit)
            .iter()
            .map(|c| &c.id)
            .collect();
        self.circuits
            .iter()
            .filter(move |room| path.contains(&&room.id))
    }

    /// True if a circuit above the EVSE is exceeded now: its lowerings are urgent.
    pub fn is_exceeded_above(&self, state: &SiteState, evse: &Evse) -> bool {
        self.above(state, evse).any(|room| room.exceeded)
    }

    /// True if some circuit has too little room for what holds, now or later.
    pub fn is_short(&self, now: Time) -> bool {
        self.circuits.iter().any(|circuit| {
            circuit.exceeded
                || std::iter::once(&circuit.room)
                    .chain(circuit.phases.iter().flatten())
                    .any(|room| room.lowest_from(now) < Power::ZERO)
        })
    }

    /// The first instant at which a circuit above the EVSE has too little room for what holds.
    pub fn first_shortage(&self, state: &SiteState, evse: &Evse, now: Time) -> Option<Time> {
        self.above(state, evse)
            .flat_map(|room| std::iter::once(&room.room).chain(room.phases.iter().flatten()))
            .filter_map(|room| PowerCurve::zero().first_above(room, now))
            .min()
    }

    /// What a new profile may allow an EVSE: what it is granted already, whichever profile holds,
    /// and beyond that no more than fits beside all others. Where `bound` is higher than both, it
    /// rests on what may not be in force; a profile between raises what may be drawn.
    pub fn permits(
        &self,
        state: &SiteState,
        evse: &Evse,
        granted: &PowerCurve,
        bound: &PowerCurve,
    ) -> PowerCurve {
        granted.max(&bound.plus(&self.room(state, evse)))
    }

    /// How far the EVSE may rise above its present bound at each instant: the least room of all
    /// circuits above it, 0 at most where an excursion is open. Below 0 where what is kept free, or
    /// the limit, is taken already.
    fn room(&self, state: &SiteState, evse: &Evse) -> PowerCurve {
        let divisors = evse.phase_divisors();
        let most = PowerCurve::constant(Power::from_watts(i64::MAX / 4));
        self.above(state, evse).fold(most, |least, room| {
            let mut least = least.min(&room.room);
            if room.exceeded {
                least = least.min(&PowerCurve::zero());
            }
            if let Some(phases) = &room.phases {
                for (phase, divisor) in phases.iter().zip(divisors) {
                    if divisor > 0 {
                        // Room of one phase is room for `divisor` times it, rounded down; power
                        // fixed in watts needs 11/9 of it (see `state::bound`). What is missing
                        // on a phase is missing in full.
                        let all = phase.zip(&PowerCurve::zero(), |p, _| {
                            let all = p * divisor;
                            if all.is_positive() {
                                all.scaled_down(9, 11)
                            } else {
                                all
                            }
                        });
                        least = least.min(&all);
                    }
                }
            }
            least
        })
    }

    /// Takes the room that an EVSE's rise from `before` to `after` needs.
    pub fn take(
        &mut self,
        state: &SiteState,
        evse: &Evse,
        before: &PowerCurve,
        after: &PowerCurve,
    ) {
        let rise = after.zip(before, |after, before| (after - before).at_least_zero());
        let on_phase = on_phases(evse, &rise);
        let path: Vec<CircuitId> = state
            .site
            .path(&evse.circuit)
            .iter()
            .map(|c| c.id.clone())
            .collect();
        for room in self
            .circuits
            .iter_mut()
            .filter(|room| path.contains(&room.id))
        {
            room.room = room.room.minus(&rise);
            if let Some(phases) = &mut room.phases {
                for (phase, part) in phases.iter_mut().zip(&on_phase) {
                    *phase = phase.minus(part);
                }
            }
        }
    }
}
