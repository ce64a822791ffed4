//! A signal of the outside: a limit, a price, a forecast over time, whoever sent it.

use serde::{Deserialize, Serialize};

use super::id::{CircuitId, EvseId, SignalKey};
use super::time::Time;

/// Most slots of one series.
pub const MAX_SIGNAL_SLOTS: usize = 10_000;

/// The alert that asks for less load where drivers can spare it.
pub const ALERT_FLEX: i64 = 2;
/// The alert of an emergency of the grid: like the highest level of shedding.
pub const ALERT_EMERGENCY: i64 = 3;
/// What each level of shedding leaves of a circuit's own limit, in percent. Our choice: 0 nothing is
/// shed, 1 moderate, 2 high, 3 emergency.
pub const SHED_PERCENT: [i64; 4] = [100, 75, 50, 0];

/// What a series means and so its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// Highest import, W.
    ImportLimit,
    /// Highest export, W.
    ExportLimit,
    /// Import limit to use when the source is lost, W.
    ImportFallback,
    /// Export limit to use when the source is lost, W.
    ExportFallback,
    /// Price of import, millionths of the currency per kWh.
    ImportPrice,
    /// Price of export, millionths of the currency per kWh.
    ExportPrice,
    /// Price of peak power, millionths of the currency per kW.
    DemandPrice,
    /// Carbon intensity, milligrams per kWh.
    Carbon,
    /// Forecast of the load we do not control, W.
    BaseLoad,
    /// Forecast of local generation, W.
    Pv,
    /// Wanted power of the site, W.
    PowerTarget,
    /// Energy to be reached, J.
    MinEnergy,
    /// 0 to 3.
    ShedLevel,
    /// Something to be told.
    Alert,
}

/// One slot of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSlot {
    /// Inclusive start.
    pub start: Time,
    /// Exclusive end.
    pub end: Time,
    /// Value in the base unit of the kind (see [`SignalKind`]).
    pub value: i64,
}

/// What is stored outside of the window that new slots cover, and the new slots. A stored slot that reaches
/// into the window is cut.
pub fn with_window_replaced(stored: &[SignalSlot], new: &[SignalSlot]) -> Vec<SignalSlot> {
    let (Some(first), Some(last)) = (new.first(), new.last()) else {
        return stored.to_vec();
    };
    let before = stored
        .iter()
        .filter(|slot| slot.start < first.start)
        .map(|slot| SignalSlot {
            end: slot.end.min(first.start),
            ..*slot
        });
    let after = stored
        .iter()
        .filter(|slot| slot.end > last.end)
        .map(|slot| SignalSlot {
            start: slot.start.max(last.end),
            ..*slot
        });
    before.chain(new.iter().copied()).chain(after).collect()
}

/// A whole series under one key. Immutable: a newer revision replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalSeries {
    /// The source's key.
    pub key: SignalKey,
    /// Who sent it: an adapter or an API token, for display.
    pub source: String,
    /// Counted up by the source or by us.
    pub revision: u64,
    /// What it means.
    pub kind: SignalKind,
    /// The circuit it is about; `None` = the root.
    pub circuit: Option<CircuitId>,
    /// Sorted, without overlap; gaps are allowed.
    pub slots: Vec<SignalSlot>,
    /// For prices and the like: the lowest number wins.
    pub priority: i32,
    /// Limits only: must be kept (true) or is a wish.
    pub hard: bool,
    /// When the source made it.
    pub issued_at: Time,
    /// When we took it in.
    pub received_at: Time,
    /// After this the source counts as lost.
    pub valid_until: Option<Time>,
    /// [`SignalKind::MinEnergy`]: the EVSE whose session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evse: Option<EvseId>,
    /// [`SignalKind::PowerTarget`]: about the EVSEs alone, not about the site at its connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evses_only: bool,
}

impl SignalSeries {
    /// The slot that contains an instant.
    pub fn slot_at(&self, at: Time) -> Option<&SignalSlot> {
        let index = self.slots.partition_point(|slot| slot.start <= at);
        self.slots[..index].last().filter(|slot| at < slot.end)
    }

    /// By which of two series of a kind one wins, the lower first: priority number, newest, key.
    pub fn rank(&self) -> (i32, std::cmp::Reverse<Time>, &SignalKey) {
        (self.priority, std::cmp::Reverse(self.issued_at), &self.key)
    }

    /// The end of the last slot.
    pub fn end(&self) -> Option<Time> {
        self.slots.last().map(|slot| slot.end)
    }
}
