//! The rules broken on purpose. Tests only: this file is not compiled into any binary.

use std::collections::BTreeMap;

use crate::domain::command::{Action, Answer, Command, Evidence};
use crate::domain::event::{EventKind, PartnerHealth};
use crate::domain::evse::EvseSource;
use crate::domain::id::EvseId;
use crate::domain::profile::{Profile, ProfilePeriod, Tenths};
use crate::domain::site::ArrivalReserve;
use crate::service::site_core::SiteCore;
use crate::state::SiteState;
use crate::state::defaults::ConfirmedDefault;
use crate::state::lifecycle::Confirmed;

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// What was sent last counts at once, what held before no more.
    RaiseWithoutWaiting,
    /// `ACCEPTED` at once is taken for the result.
    TrustTheSynchronousAnswer,
    /// After a restart only what was confirmed counts.
    ForgetSentOnRestart,
    /// An EVSE at a partner that does not answer counts nothing.
    CountUnreachableAsZero,
    /// The safe last period is left out.
    DropTheTail,
    /// Nothing is kept for cars that may come.
    IgnoreTheReserve,
    /// Phases have no limit.
    ForgetThePhaseLimit,
    /// A feeder has no limit of its own.
    ForgetTheFeeder,
    /// The last car's profile is believed to hold for the next one.
    LetALapsedConfirmationLive,
    /// A refusal is taken for a result.
    CountRefusedAsApplied,
    /// A limit cut is not heard.
    IgnoreLimitCuts,
    /// Other load is not counted.
    IgnoreOtherLoad,
    /// A newer confirmation settles everything before it.
    ForgetLateRequests,
    /// An unanswered request is taken for one that never arrived.
    CountSilenceAsNotSent,
    /// One hour of an active profile proves the whole of the newest request.
    TrustOneHour,
    /// A free station's default profile counts nothing.
    CountFreeStationsAsZero,
    /// A station that starts anew is believed to have kept its profiles.
    BelieveAfterReboot,
    /// A limit is rounded up to whole amperes.
    RoundUp,
}

impl Mutant {
    pub(super) const ALL: [Self; 18] = [
        Self::RaiseWithoutWaiting,
        Self::TrustTheSynchronousAnswer,
        Self::ForgetSentOnRestart,
        Self::CountUnreachableAsZero,
        Self::DropTheTail,
        Self::IgnoreTheReserve,
        Self::ForgetThePhaseLimit,
        Self::ForgetTheFeeder,
        Self::LetALapsedConfirmationLive,
        Self::CountRefusedAsApplied,
        Self::IgnoreLimitCuts,
        Self::IgnoreOtherLoad,
        Self::ForgetLateRequests,
        Self::CountSilenceAsNotSent,
        Self::TrustOneHour,
        Self::CountFreeStationsAsZero,
        Self::BelieveAfterReboot,
        Self::RoundUp,
    ];
}

/// Breaks one rule, or none.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoil {
    mutant: Option<Mutant>,
    read: Option<EvseId>,
    held: BTreeMap<EvseId, Confirmed>,
}

impl Spoil {
    pub(super) fn of(mutant: Mutant) -> Self {
        Self {
            mutant: Some(mutant),
            ..Self::default()
        }
    }

    pub(super) fn off() -> Self {
        Self::default()
    }

    pub(super) fn is_off(&self) -> bool {
        self.mutant.is_none()
    }

    pub(super) fn told(&mut self, kind: &mut EventKind) {
        match (self.mutant, &mut *kind) {
            (
                Some(Mutant::TrustTheSynchronousAnswer),
                EventKind::CommandAnswered { answer, .. },
            ) if matches!(answer, Answer::Accepted { .. }) => {
                *answer = Answer::Applied {
                    evidence: Evidence::Result,
                };
            }
            (Some(Mutant::CountRefusedAsApplied), EventKind::CommandAnswered { answer, .. })
                if matches!(answer, Answer::Refused { .. }) =>
            {
                *answer = Answer::Applied {
                    evidence: Evidence::Result,
                };
            }
            (Some(Mutant::CountSilenceAsNotSent), EventKind::CommandAnswered { answer, .. })
                if matches!(answer, Answer::Unknown { .. }) =>
            {
                *answer = Answer::NotSent {
                    detail: String::new(),
                };
            }
            (Some(Mutant::BelieveAfterReboot), EventKind::StationConnected { booted, .. }) => {
                *booted = false;
            }
            (Some(Mutant::TrustOneHour), EventKind::ProfileRead { evse, .. }) => {
                self.read = Some(evse.clone());
            }
            _ => {}
        }
    }

    pub(super) fn believed(&mut self, core: &mut SiteCore) {
        let Some(mutant) = self.mutant else { return };
        core.warp(|state| self.warp(mutant, state));
    }

    fn warp(&mut self, mutant: Mutant, state: &mut SiteState) {
        let restarted = state
            .evses
            .values()
            .any(|known| known.profiles.outstanding.iter().any(|open| open.unknown))
            && state
                .partners
                .values()
                .all(|health| *health == PartnerHealth::Stale);
        let site = state.site.clone();
        match mutant {
            Mutant::RaiseWithoutWaiting => {
                for known in state.evses.values_mut() {
                    let open = known.profiles.outstanding.drain(..).next_back();
                    if let Some(open) = open
                        && let Action::SetProfile { profile } = open.command.action
                    {
                        known.profiles.confirmed = Some(Confirmed {
                            profile,
                            session: open.command.session,
                            command: Some(open.command.id),
                            evidence: Evidence::Result,
                            at: open.command.issued_at,
                            taken_at: None,
                        });
                    }
                }
            }
            Mutant::ForgetSentOnRestart => {
                for known in state.evses.values_mut().filter(|_| restarted) {
                    known.profiles.outstanding.clear();
                    known.profiles.late.clear();
                }
            }
            Mutant::CountUnreachableAsZero => {
                for (id, known) in &mut state.evses {
                    let Some(evse) = site.evse(id) else { continue };
                    let EvseSource::Ocpi { partner, .. } = &evse.source else {
                        continue;
                    };
                    if state.partners.get(partner) == Some(&PartnerHealth::Stale) {
                        known.profiles.outstanding.clear();
                        known.profiles.confirmed = Some(Confirmed {
                            profile: nothing(evse.unit(), state.updated_at),
                            session: None,
                            command: None,
                            evidence: Evidence::Result,
                            at: state.updated_at,
                            taken_at: None,
                        });
                    }
                }
            }
            Mutant::IgnoreTheReserve => {
                let mut site = (*site).clone();
                site.arrival_reserve = ArrivalReserve::None;
                state.site = site.into();
            }
            Mutant::ForgetThePhaseLimit => {
                let mut site = (*site).clone();
                for circuit in &mut site.circuits {
                    circuit.phase_limit = None;
                }
                state.site = site.into();
            }
            Mutant::ForgetTheFeeder => {
                let mut site = (*site).clone();
                for circuit in site.circuits.iter_mut().filter(|it| it.parent.is_some()) {
                    circuit.import_limit = None;
                }
                state.site = site.into();
            }
            Mutant::LetALapsedConfirmationLive => {
                for (id, known) in &mut state.evses {
                    match &known.profiles.confirmed {
                        Some(confirmed) => {
                            self.held.insert(id.clone(), confirmed.clone());
                        }
                        None if !known.is_free() => {
                            known.profiles.confirmed = self.held.get(id).cloned();
                        }
                        None => {}
                    }
                }
            }
            Mutant::IgnoreLimitCuts => state.signals.clear(),
            Mutant::IgnoreOtherLoad => state.meter = None,
            Mutant::ForgetLateRequests => {
                for known in state.evses.values_mut() {
                    known.profiles.late.clear();
                }
            }
            Mutant::TrustOneHour => {
                let Some(known) = self.read.take().and_then(|id| state.evses.get_mut(&id)) else {
                    return;
                };
                let open = known.profiles.outstanding.drain(..).next_back();
                known.profiles.late.clear();
                if let Some(open) = open
                    && let Action::SetProfile { profile } = open.command.action
                {
                    known.profiles.confirmed = Some(Confirmed {
                        profile,
                        session: open.command.session,
                        command: Some(open.command.id),
                        evidence: Evidence::ActiveProfile,
                        at: state.updated_at,
                        taken_at: None,
                    });
                }
            }
            Mutant::CountFreeStationsAsZero => {
                for (id, known) in &mut state.evses {
                    if let Some(evse) = site.evse(id).filter(|_| known.is_free()) {
                        known.defaults.outstanding.clear();
                        known.defaults.confirmed = Some(ConfirmedDefault {
                            profile: nothing(evse.unit(), state.updated_at),
                            at: state.updated_at,
                        });
                    }
                }
            }
            Mutant::TrustTheSynchronousAnswer
            | Mutant::DropTheTail
            | Mutant::CountRefusedAsApplied
            | Mutant::CountSilenceAsNotSent
            | Mutant::BelieveAfterReboot
            | Mutant::RoundUp => {}
        }
    }

    pub(super) fn leaving(&mut self, mut command: Command) -> Command {
        let Action::SetProfile { profile } = &mut command.action else {
            return command;
        };
        match self.mutant {
            Some(Mutant::DropTheTail) if profile.periods.len() > 1 => {
                profile.periods.pop();
            }
            Some(Mutant::RoundUp) => {
                for period in &mut profile.periods {
                    period.limit = Tenths((period.limit.0 + 9) / 10 * 10);
                }
            }
            _ => {}
        }
        command
    }
}

fn nothing(unit: crate::domain::profile::RateUnit, start: crate::domain::time::Time) -> Profile {
    Profile {
        unit,
        start: start - chrono::TimeDelta::days(1),
        periods: vec![ProfilePeriod {
            start_s: 0,
            limit: Tenths(0),
        }],
        duration_s: None,
    }
}
