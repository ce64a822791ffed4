//! What happened: the only way state changes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::command::{Answer, Command};
use super::id::{CommandId, DepartureKey, EvseId, PartnerId, SessionId, SignalKey};
use super::plan::Plan;
use super::profile::{Profile, RateUnit, Tenths};
use super::quantity::Energy;
use super::session::{Departure, Needs, PastSession, Reading, Session};
use super::signal::SignalSeries;
use super::site::{Mode, Site};
use super::time::Time;

/// Something that happened at a site, stamped with our clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Number in the site's journal, from 1 without gaps.
    pub seq: u64,
    /// When it was taken in, by our clock.
    pub at: Time,
    /// What happened.
    pub kind: EventKind,
}

/// Why an operator took an EVSE out of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideAction {
    /// Charge at the maximum the limits leave, before all others.
    ChargeNow,
    /// Do not charge.
    Pause,
}

/// How fresh our view of a partner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerHealth {
    /// Its sessions were read back; nothing is known to be missing.
    Current,
    /// It does not answer, or we have just started: nothing may be raised there.
    Stale,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The site was set up or changed.
    SiteConfigured {
        /// The site as it is now.
        site: Box<Site>,
    },
    /// The site was given up; nothing is planned or sent any more.
    SiteRemoved,
    /// The operator chose what evenload may do.
    ModeSet {
        /// The mode.
        mode: Mode,
        /// For [`Mode::Canary`]: the EVSEs that are sent to.
        evses: BTreeSet<EvseId>,
    },
    /// A session appeared or changed (the whole session as it is now).
    SessionSeen {
        /// The session.
        session: Box<Session>,
    },
    /// A session's driver said what it needs.
    NeedsStated {
        /// Which session.
        session: SessionId,
        /// At which EVSE; ids of two partners may be equal. `None` in older journals: at any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseId>,
        /// What it needs.
        needs: Needs,
    },
    /// A departure was filed.
    DepartureSet {
        /// The departure.
        departure: Departure,
    },
    /// A departure was withdrawn.
    DepartureRemoved {
        /// Its key.
        key: DepartureKey,
    },
    /// An EVSE's power was measured.
    EvseMeasured {
        /// Which EVSE.
        evse: EvseId,
        /// What was read.
        reading: Reading,
        /// Energy of the running session so far, if the meter says it.
        energy: Option<Energy>,
    },
    /// The power at the grid connection was measured, EVs included.
    SiteMetered {
        /// What was read; negative = export.
        reading: Reading,
    },
    /// A signal came in or changed.
    SignalSet {
        /// The whole series.
        series: Box<SignalSeries>,
    },
    /// A signal was withdrawn.
    SignalWithdrawn {
        /// Its key.
        key: SignalKey,
    },
    /// Sessions of the past were learned.
    HistoryLearned {
        /// The sessions.
        sessions: Vec<PastSession>,
    },
    /// An operator took an EVSE out of the plan.
    OverrideSet {
        /// Which EVSE.
        evse: EvseId,
        /// What it does meanwhile.
        action: OverrideAction,
        /// Until when.
        until: Time,
    },
    /// An override was lifted.
    OverrideReleased {
        /// Which EVSE.
        evse: EvseId,
    },
    /// Our view of a partner became current or stale.
    PartnerSeen {
        /// Which partner.
        partner: PartnerId,
        /// Fresh or not.
        health: PartnerHealth,
    },
    /// A plan was made and checked; dispatch follows it from now on.
    PlanStored {
        /// The plan.
        plan: Box<Plan>,
    },
    /// A command was made; it leaves after this event is durable.
    CommandIssued {
        /// The command.
        command: Command,
    },
    /// Something is known of a command.
    CommandAnswered {
        /// Which command.
        command: CommandId,
        /// What is known.
        answer: Answer,
    },
    /// The limits that hold at an EVSE were pushed by or read from the peer.
    ProfileRead {
        /// Which EVSE.
        evse: EvseId,
        /// For which session.
        session: SessionId,
        /// What holds there; `None` = no limit of ours.
        profile: Option<Profile>,
        /// The command that asked for it, if we asked.
        command: Option<CommandId>,
    },
    /// A station of our own CSMS connected. What could not be sent may be tried again; if it has
    /// just started, nothing it was told is known to hold any more.
    StationConnected {
        /// Each EVSE of it.
        evse: EvseId,
        /// It has just started (OCPP `BootNotification`).
        booted: bool,
    },
    /// Something beside us (a local energy manager, a grid operator's box) limits an EVSE, or does
    /// so no more. It is no proof of anything: plans only count on less.
    EvseLimited {
        /// Which EVSE.
        evse: EvseId,
        /// The highest that is allowed from now on; `None` = lifted.
        limit: Option<(RateUnit, Tenths)>,
        /// Who set it, as the station names it.
        source: String,
    },
    /// The service started on this journal: what was under way is unknown, and every partner
    /// counts as stale until it was read back.
    Restarted,
    /// Time went by: an instant at which something was due.
    Ticked,
}
