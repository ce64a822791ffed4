//! Sites from partners' locations: what is offered, and EVSEs taken over with our guess of their
//! powers. What an operator has written stays as it is.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::auth::{Access, Scope};
use super::body::read_json;
use super::input::Node;
use super::ports::{Configured, Guess, OfferedEvse};
use super::problem::{Faults, Problem};
use super::sites::{Answer, no_query};
use super::{ApiState, site_body, site_view};
use crate::domain::evse::Evse;
use crate::domain::grid_rules::GridRules;
use crate::domain::id::{CircuitId, EvseId, PartnerId, PartnerKey, SiteKey};
use crate::domain::quantity::Power;
use crate::domain::site::{ArrivalReserve, Circuit, MAX_EVSES, Site};

/// The circuit of a site that is made by an import.
const ROOT: &str = "site";

/// What is to be imported.
struct Wish {
    partner: PartnerId,
    /// One location only; absent: all of the partner.
    location_id: Option<String>,
    /// The grid connection's limit; absent: the site's own stays, a new site has none.
    import_limit: Option<Power>,
    /// Only show what would be done.
    dry_run: bool,
}

/// What an import does.
#[derive(Default)]
struct Outcome {
    added: Vec<Value>,
    skipped: Vec<Value>,
}

/// `GET /partners/{name}/evses`: what its locations offer.
pub(super) async fn offered(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Read)?;
    no_query(&request)?;
    let key = access.partner(&path)?;
    let evses: Vec<Value> = api
        .partners
        .offered(&key)
        .await?
        .iter()
        .map(|offered| {
            let used = api.sites.evse_at(&key.tenant, &offered.source);
            let used = used.map(|(site, evse)| json!({"site": site.site, "evse": evse}));
            line(offered, used.as_ref())
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "evses": evses })))
}

fn line(offered: &OfferedEvse, used_by: Option<&Value>) -> Value {
    let guess = offered.guess.map(|guess| {
        json!({"max_kw": guess.max.kilowatts(), "min_kw": guess.min.kilowatts(),
            "supply": guess.supply})
    });
    json!({
        "location_id": offered.location_id,
        "location": offered.location,
        "time_zone": offered.time_zone,
        "evse_uid": offered.evse_uid,
        "label": offered.label,
        "guess": guess,
        "doubts": offered.doubts,
        "used_by": used_by,
    })
}

/// `POST /sites/{site}/import`.
pub(super) async fn import(
    api: Data<ApiState>,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Answer {
    let access = Access::of(&api, &request, Scope::Admin)?;
    no_query(&request)?;
    let key = access.site(&path)?;
    let body = read_json(&request, payload).await?;
    let wish = read(&body)?;
    let partner = PartnerKey {
        tenant: access.tenant().clone(),
        partner: wish.partner.clone(),
    };
    let offered = chosen(&wish, api.partners.offered(&partner).await?)?;
    let _alone = api.writer(&key).await;
    let known = api.directory.snapshot(&key);
    let mut site = known
        .as_ref()
        .map_or_else(|| new_site(&key, &offered), |state| (*state.site).clone());
    if let Some(limit) = wish.import_limit
        && let Some(root) = site.circuits.iter_mut().find(|c| c.parent.is_none())
    {
        root.import_limit = Some(limit);
    }
    let outcome = take_over(&api, &mut site, &offered);
    site_body::check(&site)?;
    let (status, view) = if wish.dry_run {
        (StatusCode::OK, site_view::describe(&site))
    } else {
        let configured = api.directory.configure(site).await?;
        tracing::info!(site.id = %key, partner.id = %partner, by = access.name(),
            added = outcome.added.len(), "EVSEs were imported");
        let state = api
            .directory
            .snapshot(&key)
            .ok_or_else(|| Problem::unknown(format!("site {}", key.site)))?;
        let status = match configured {
            Configured::Created => StatusCode::CREATED,
            Configured::Replaced => StatusCode::OK,
        };
        (status, site_view::view(&state, api.clock.now()))
    };
    Ok(HttpResponse::build(status).json(json!({
        "dry_run": wish.dry_run, "added": outcome.added, "skipped": outcome.skipped, "site": view,
    })))
}

fn read(body: &Value) -> Result<Wish, Problem> {
    let faults = Faults::default();
    let read = Node::root(body, &faults).object().and_then(|object| {
        let partner = object.need("partner").and_then(|node| node.id());
        let location_id = object.maybe("location_id", Node::text);
        let import_limit = object.maybe("import_limit_kw", site_body::kilowatts);
        let dry_run = object.maybe("dry_run", Node::flag);
        object.close();
        Some(Wish {
            partner: partner?,
            location_id: location_id?.map(str::to_owned),
            import_limit: import_limit?,
            dry_run: dry_run?.unwrap_or(false),
        })
    });
    faults.give(read)
}

/// The EVSEs that are meant; 409 if there are none.
fn chosen(wish: &Wish, offered: Vec<OfferedEvse>) -> Result<Vec<OfferedEvse>, Problem> {
    let is_meant = |evse: &OfferedEvse| {
        let meant = wish.location_id.as_ref();
        meant.is_none_or(|id| evse.location_id.eq_ignore_ascii_case(id))
    };
    let mut locations: Vec<_> = offered.iter().map(|e| e.location_id.clone()).collect();
    locations.dedup();
    let chosen: Vec<_> = offered.into_iter().filter(is_meant).collect();
    if !chosen.is_empty() {
        return Ok(chosen);
    }
    locations.truncate(20);
    Err(Problem::conflict(if locations.is_empty() {
        format!("no EVSE of {} is known yet; test the partner", wish.partner)
    } else {
        format!(
            "{} has no EVSE there; its locations are {}",
            wish.partner,
            locations.join(", ")
        )
    }))
}

/// A site without EVSEs; without a limit it is only observed.
fn new_site(key: &SiteKey, offered: &[OfferedEvse]) -> Site {
    let first = offered.first();
    let time_zone = first
        .and_then(|evse| evse.time_zone.as_deref()?.parse().ok())
        .unwrap_or(Tz::UTC);
    let name = first.and_then(|evse| evse.location.clone());
    let root = CircuitId::new(ROOT).map(|id| Circuit {
        id,
        parent: None,
        import_limit: None,
        phase_limit: None,
        failsafe_limit: None,
        limit_source: None,
    });
    Site {
        tenant: key.tenant.clone(),
        id: key.site.clone(),
        name: name.unwrap_or_else(|| key.site.to_string()),
        time_zone,
        currency: "EUR".into(),
        circuits: root.into_iter().collect(),
        evses: Vec::new(),
        arrival_reserve: ArrivalReserve::default(),
        flat_price: None,
        carbon_price: None,
        tariff_price: None,
        grid: GridRules::default(),
    }
}

fn take_over(api: &ApiState, site: &mut Site, offered: &[OfferedEvse]) -> Outcome {
    let mut outcome = Outcome::default();
    let key = site.key();
    for evse in offered {
        let used = api.sites.evse_at(&key.tenant, &evse.source);
        let is_here = site.evses.iter().any(|known| known.source == evse.source);
        let elsewhere = used.filter(|(at, _)| *at != key);
        let reason = match (&elsewhere, &evse.guess) {
            _ if is_here => Some("is there already and stays as it is".to_owned()),
            (Some((at, _)), _) => Some(format!("belongs to site {}", at.site)),
            (None, None) => Some(format!(
                "its power is not known: {}",
                evse.doubts.join("; ")
            )),
            _ if site.evses.len() >= MAX_EVSES => Some(format!("a site has {MAX_EVSES} at most")),
            _ => None,
        };
        let root = site.root().map(|root| root.id.clone());
        let id = free_name(site, evse);
        match (reason, evse.guess, root, id) {
            (None, Some(guess), Some(circuit), Some(id)) => {
                let taken = described(id, circuit, guess, evse);
                let mut shown = site_view::evse(&taken);
                shown["doubts"] = json!(evse.doubts);
                outcome.added.push(shown);
                site.evses.push(taken);
            }
            (reason, ..) => outcome.skipped.push(json!({
                "evse_uid": evse.evse_uid,
                "location_id": evse.location_id,
                "reason": reason.unwrap_or_else(|| "its uid cannot be a name here".into()),
            })),
        }
    }
    outcome
}

fn described(id: EvseId, circuit: CircuitId, guess: Guess, offered: &OfferedEvse) -> Evse {
    Evse {
        id,
        circuit,
        max: guess.max,
        min: guess.min,
        // OCPI does not say how an EVSE is wired.
        phases: Vec::new(),
        supply: guess.supply,
        fallback: None,
        source: offered.source.clone(),
    }
}

/// The EVSE's uid, with the location before it where another EVSE has the same.
fn free_name(site: &Site, offered: &OfferedEvse) -> Option<EvseId> {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_whitespace() || c == '/' {
                    '-'
                } else {
                    c
                }
            })
            .collect()
    };
    let uid = plain(&offered.evse_uid);
    let long = format!("{}-{uid}", plain(&offered.location_id));
    [uid, long]
        .iter()
        .filter_map(|name| EvseId::new(name).ok())
        .find(|id| site.evse(id).is_none())
}
