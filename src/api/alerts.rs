//! `/sites/{site}/alerts`: what needs somebody, derived from what is believed now.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::json;

use super::auth::{Access, Scope};
use super::sites::{Answer, no_query};
use super::{ApiState, feeds, foresight, oscp};
use crate::domain::event::PartnerHealth;
use crate::domain::evse::EvseSource;
use crate::domain::policy::Policy;
use crate::domain::quantity::Energy;
use crate::domain::site::Mode;
use crate::domain::time::Time;
use crate::state::SiteState;
use crate::state::evse_state::Control;
use crate::state::excursion::Cause;

/// Less than this undelivered is not worth an alert: 0.1 kWh.
const WORTH_TELLING: Energy = Energy::from_joules(360_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    Critical,
    Warning,
}

/// Something that needs somebody.
#[derive(Debug, Serialize)]
pub(super) struct Alert {
    pub(super) severity: Severity,
    /// A stable word for programs.
    pub(super) kind: &'static str,
    /// What it is about: an EVSE, a circuit, a partner, a charger, a feed, or the site.
    pub(super) subject: String,
    pub(super) since: Option<Time>,
    /// What is the matter.
    pub(super) text: String,
    /// What to do about it.
    pub(super) action: &'static str,
}

pub(super) async fn list(api: Data<ApiState>, request: HttpRequest, path: Path<String>) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let (key, state) = access.snapshot(&api, &path)?;
    let now = api.clock.now();
    // A fault in reading the stations leaves the rest.
    let stations = api.stations.list(access.tenant()).await;
    let mut alerts = alerts(&state, &api.policy, now);
    alerts.extend(foresight::alerts(
        &state,
        &stations.unwrap_or_default(),
        now,
    ));
    alerts.extend(feeds::alerts(&api.feeds, &key, now));
    alerts.extend(oscp::alerts(&api.oscp, &key, now));
    alerts.sort_by_key(|alert| alert.severity);
    Ok(HttpResponse::Ok().json(json!({"site": key.site, "at": now, "alerts": alerts})))
}

/// All alerts of a site, the gravest first.
fn alerts(state: &SiteState, policy: &Policy, now: Time) -> Vec<Alert> {
    let mut alerts = Vec::new();
    site(state, policy, now, &mut alerts);
    partners(state, &mut alerts);
    evses(state, now, &mut alerts);
    short_vehicles(state, now, &mut alerts);
    excursions(state, &mut alerts);
    alerts.sort_by_key(|alert| alert.severity);
    alerts
}

fn excursions(state: &SiteState, alerts: &mut Vec<Alert>) {
    for open in &state.excursions.open {
        let why = match open.cause {
            Cause::Arrival => "a car came to an EVSE that cannot be limited beforehand",
            Cause::LimitCut => "the limit was cut",
            Cause::BaseLoad => "other load rose",
            Cause::Disobedience => "an EVSE does not follow its limit",
            Cause::ProfileLost => "a limit we relied on does not hold",
            Cause::Configuration => "the site was changed",
            Cause::SelfCaused => "a command of evenload",
        };
        alerts.push(Alert {
            severity: Severity::Critical,
            kind: "excursion_open",
            subject: open.circuit.to_string(),
            since: Some(open.opened_at),
            text: format!(
                "Circuit {} may draw up to {} above its limit, because {why}.",
                open.circuit, open.worst
            ),
            action: if matches!(state.mode, Mode::Live | Mode::Canary) {
                "Lowerings are on their way. If it stays: pause an EVSE or raise the limit."
            } else {
                "Nothing is sent in this mode: go live, so that the limit is kept."
            },
        });
    }
}

fn evses(state: &SiteState, now: Time, alerts: &mut Vec<Alert>) {
    for (id, evse) in &state.evses {
        match &evse.control {
            Control::Controllable => {}
            Control::Unsupported { detail } => alerts.push(Alert {
                severity: Severity::Warning,
                kind: "evse_unsupported",
                subject: id.to_string(),
                since: None,
                text: format!("EVSE {id} cannot be controlled ({detail}); it counts in full."),
                action: "Ask the charging network whether smart charging can be switched on.",
            }),
            Control::Disobedient { since } => alerts.push(Alert {
                severity: Severity::Critical,
                kind: "evse_disobedient",
                subject: id.to_string(),
                since: Some(*since),
                text: format!("EVSE {id} draws more than its limit; it counts in full."),
                action: "Check the charger: does it apply limits, and are its phases as configured?",
            }),
        }
        if evse.failures > 1 && evse.backoff_until.is_some_and(|until| until > now) {
            alerts.push(Alert {
                severity: Severity::Warning,
                kind: "profile_refused",
                subject: id.to_string(),
                since: None,
                text: format!(
                    "{} limits in a row were not taken at EVSE {id}.",
                    evse.failures
                ),
                action: "Look at the last exchanges with the partner.",
            });
        }
        let open = &evse.profiles.outstanding;
        if open.iter().any(|open| open.unknown) || !evse.profiles.late.is_empty() {
            alerts.push(Alert {
                severity: Severity::Warning,
                kind: "profile_unanswered",
                subject: id.to_string(),
                since: None,
                text: format!("Nobody said whether a limit sent to EVSE {id} is applied."),
                action: "Can the partner reach our address for its answers? Test the partner.",
            });
        }
    }
}

fn partners(state: &SiteState, alerts: &mut Vec<Alert>) {
    let mut known = Vec::new();
    for evse in &state.site.evses {
        if let EvseSource::Ocpi { partner, .. } = &evse.source
            && !known.contains(&partner)
        {
            known.push(partner);
        }
    }
    for partner in known {
        if state.partners.get(partner) != Some(&PartnerHealth::Current) {
            alerts.push(Alert {
                severity: Severity::Warning,
                kind: "partner_stale",
                subject: partner.to_string(),
                since: None,
                text: format!("Partner {partner} was not read back: nothing is raised there."),
                action: "Is it registered and reachable? Test the partner.",
            });
        }
    }
}

fn short_vehicles(state: &SiteState, now: Time, alerts: &mut Vec<Alert>) {
    for planned in state.plan.iter().flat_map(|plan| &plan.evses) {
        let running = state
            .evses
            .get(&planned.evse)
            .and_then(|evse| evse.running());
        let still_there = running.is_some_and(|session| session.id == planned.session);
        if planned.unmet < WORTH_TELLING || !still_there {
            continue;
        }
        let leaves = planned
            .departure
            .filter(|at| *at > now)
            .map_or_else(String::new, |at| {
                format!(" when it leaves at {}", at.format("%FT%RZ"))
            });
        alerts.push(Alert {
            severity: Severity::Warning,
            kind: "vehicle_short",
            subject: planned.evse.to_string(),
            since: None,
            text: format!(
                "The vehicle at {} will be short of {}{leaves}.",
                planned.evse, planned.unmet
            ),
            action: "Move its departure, pause another EVSE, or charge it now by override.",
        });
    }
}

fn site(state: &SiteState, policy: &Policy, now: Time, alerts: &mut Vec<Alert>) {
    let subject = state.site.id.to_string();
    if !state.has_limit() && state.mode != Mode::Observe {
        alerts.push(Alert {
            severity: Severity::Warning,
            kind: "limit_unknown",
            subject: subject.clone(),
            since: None,
            text: "No limit is known for the grid connection: the site is only observed."
                .to_owned(),
            action: "Set import_limit_kw at the root circuit.",
        });
    }
    let stale = TimeDelta::seconds(i64::from(policy.meter_stale_s));
    if let Some(meter) = state.meter.filter(|meter| now - meter.reading.at > stale) {
        alerts.push(Alert {
            severity: Severity::Warning,
            kind: "meter_stale",
            subject,
            since: Some(meter.reading.at),
            text: format!(
                "The site meter is silent; {} of other load is assumed.",
                meter.highest_uncontrolled
            ),
            action: "Check whatever posts the meter's readings.",
        });
    }
}
