//! A dispatch as it comes in: checked as a whole, every fault with its pointer.

use chrono::TimeDelta;
use serde_json::Value;

use crate::api::input::{Node, Object};
use crate::api::problem::{Faults, Problem};
use crate::domain::dispatch::Ask;
use crate::domain::id::{DispatchId, SiteId};
use crate::domain::quantity::Power;
use crate::domain::signal_unit::MAX_KW;
use crate::domain::time::Time;

/// How far ahead a dispatch may end: as far as plans know of cars.
const MAX_AHEAD: TimeDelta = TimeDelta::hours(48);
/// How long one may last.
const MAX_LENGTH: TimeDelta = TimeDelta::hours(24);
/// The shortest.
const MIN_LENGTH: TimeDelta = TimeDelta::minutes(1);
/// How late one may come for its start.
const MAX_LATE: TimeDelta = TimeDelta::minutes(15);

/// Which way a change goes, in the grid's words and in plain ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// Regulation upwards: less load.
    Shed,
    /// Regulation downwards: more load.
    Add,
}

const DIRECTIONS: [(&str, Direction); 8] = [
    ("up", Direction::Shed),
    ("shed", Direction::Shed),
    ("reduce", Direction::Shed),
    ("decrease", Direction::Shed),
    ("down", Direction::Add),
    ("add", Direction::Add),
    ("increase", Direction::Add),
    ("raise", Direction::Add),
];

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DispatchBody {
    pub(super) id: Option<DispatchId>,
    pub(super) site: SiteId,
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) ask: Ask,
    pub(super) hard: bool,
}

/// Reads the body of POST.
pub(super) fn read(body: &Value, now: Time) -> Result<DispatchBody, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults)
        .object()
        .and_then(|object| read_object(object, now));
    faults.give(read)
}

fn read_object(object: Object<'_>, now: Time) -> Option<DispatchBody> {
    let id = object.maybe("id", Node::id::<DispatchId>);
    let site = read_target(&object);
    let start = object.need("start").and_then(|node| {
        let start = node.instant()?;
        if start < now - MAX_LATE {
            node.fault(format!("lies more than 15 minutes back; it is {now} now"));
            return None;
        }
        Some(start)
    });
    let end = object.need("end").and_then(|node| {
        let end = node.instant()?;
        if end <= now {
            node.fault(format!("is over; it is {now} now"));
            return None;
        }
        if end > now + MAX_AHEAD {
            node.fault("lies more than 48 hours ahead");
            return None;
        }
        Some(end)
    });
    if let (Some(start), Some(end)) = (start, end) {
        let length = end - start;
        if length <= TimeDelta::zero() {
            object.fault("end", "is not after start");
        } else if length < MIN_LENGTH || length > MAX_LENGTH {
            object.fault("end", "gives a length outside of 1 minute to 24 hours");
        }
    }
    let ask = read_ask(&object);
    let hard = object.maybe("hard", Node::flag);
    object.close();
    let (start, end) = (start?, end?);
    let sound = end > start && end - start >= MIN_LENGTH && end - start <= MAX_LENGTH;
    let body = DispatchBody {
        id: id?,
        site: site?,
        start,
        end,
        ask: ask?,
        hard: hard?.unwrap_or(false),
    };
    sound.then_some(body)
}

/// `target` as a text or an object with `site`; `site` alone will do as well.
fn read_target(object: &Object<'_>) -> Option<SiteId> {
    let site = object.get("site");
    let target = object.get("target");
    match (target, site) {
        (Some(target), None) if target.value().is_string() => target.id(),
        (Some(target), None) => {
            let inner = target.object()?;
            if let Some(group) = inner.get("group") {
                group.fault("dispatches are for one site each; send one per site of the group");
                return None;
            }
            let site = inner.need("site").and_then(|node| node.id());
            inner.close();
            site
        }
        (None, Some(site)) => site.id(),
        (Some(_), Some(site)) => {
            site.fault("is given beside target; one of them is needed");
            None
        }
        (None, None) => {
            object.fault("target", "is missing; {\"site\": \"..\"} is needed");
            None
        }
    }
}

fn read_ask(object: &Object<'_>) -> Option<Ask> {
    let delta = object.get("delta_kw");
    let power = object.get("power_kw");
    let direction = object.maybe("direction", |node| node.word(&DIRECTIONS));
    match (delta, power) {
        (Some(delta), None) => {
            let kilowatts = delta.number(&(-MAX_KW..=MAX_KW))?;
            if kilowatts == 0.0 {
                delta.fault("is 0; nothing would change");
                return None;
            }
            let change = Power::from_kilowatts(kilowatts.abs());
            match (direction?, kilowatts < 0.0) {
                // A change of what is drawn: less.
                (None, true) | (Some(Direction::Shed), false) => Some(Ask::Shed(change)),
                (Some(Direction::Add), false) => Some(Ask::Shed(-change)),
                (Some(_), true) => {
                    delta.fault("is negative beside a direction; give its size alone");
                    None
                }
                (None, false) => {
                    object.fault(
                        "direction",
                        "is missing: \"up\" (less load) or \"down\" (more load); a negative \
                         delta_kw without a direction is less load too",
                    );
                    None
                }
            }
        }
        (None, Some(power)) => {
            direction?;
            let kilowatts = power.number(&(0.0..=MAX_KW))?;
            Some(Ask::Setpoint(Power::from_kilowatts(kilowatts)))
        }
        (Some(_), Some(power)) => {
            power.fault("is given beside delta_kw; one of them is needed");
            None
        }
        (None, None) => {
            object.fault("delta_kw", "is missing; give delta_kw or power_kw");
            None
        }
    }
}
