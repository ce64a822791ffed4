//! The bodies that the API takes. What a schema cannot say (an EVSE must name a circuit of the site)
//! is checked by the service, with a pointer to the fault.

use serde_json::{Value, json};

use crate::api::webhooks::EVENTS;
use crate::domain::signal_unit::{ALERTS, KINDS};

/// A parameter of the query.
pub(super) fn parameter(kind: &str) -> Value {
    match kind {
        "flag" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "format" => json!({ "enum": ["json", "csv"] }),
        "method" => json!({ "enum": ["B0", "B1"] }),
        "resolution" => {
            json!({ "type": "string", "description": "An ISO 8601 duration, such as PT15M." })
        }
        "baseline" => json!({ "enum": ["unmanaged"] }),
        "station_state" => json!({ "enum": ["waiting", "connected", "offline"] }),
        _ => json!({ "type": "string" }),
    }
}

fn closed(required: &[&str], properties: &Value) -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "required": required, "properties": properties,
    })
}

fn id() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\s/]+$" })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn kilowatts() -> Value {
    json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1_000_000 })
}

pub(super) fn all() -> Value {
    json!({
        "Problem": problem(),
        "Site": site(),
        "Mode": closed(&["mode"], &json!({
            "mode": { "enum": ["observe", "shadow", "canary", "live"] },
            "evses": { "type": ["array", "null"], "items": id(), "description": "For canary: who is sent to." },
        })),
        "Signal": signal(),
        "Departure": departure(false),
        "Departures": { "type": "array", "maxItems": 10_000, "items": departure(true) },
        "Meter": closed(&["at", "power_kw"], &json!({
            "at": time(),
            "power_kw": { "type": "number", "description": "Net at the grid connection; export is negative." },
            "phases_a": { "type": "array", "items": { "type": "number" }, "minItems": 3, "maxItems": 3 },
        })),
        "Override": closed(&["action"], &json!({
            "action": { "enum": ["charge_now", "pause", "release"] },
            "until": { "type": ["string", "null"], "format": "date-time", "description": "A week ahead at most; not for release." },
        })),
        "Partner": closed(&["name", "versions_url", "token_a"], &json!({
            "name": id(),
            "versions_url": { "type": "string", "format": "uri", "maxLength": 255 },
            "token_a": { "type": "string", "minLength": 1, "maxLength": 64 },
        })),
        "Dispatch": dispatch(),
        "Group": closed(&["sites", "import_limit_kw"], &json!({
            "sites": { "type": "array", "minItems": 1, "maxItems": 500, "items": id() },
            "import_limit_kw": { "type": "number", "minimum": 0, "maximum": 1_000_000 },
        })),
        "Webhook": closed(&["url"], &json!({
            "url": { "type": "string", "format": "uri", "maxLength": 2_000 },
            "events": { "type": ["array", "null"], "minItems": 1, "items": { "enum": EVENTS }, "description": "Absent: all." },
            "sites": { "type": ["array", "null"], "minItems": 1, "items": id(), "description": "Absent: all sites." },
            "secret": { "type": ["string", "null"], "minLength": 16, "maxLength": 128, "pattern": "^[!-~]+$",
                "description": "Absent: one is made." },
        })),
        "Feed": feed(),
        "CapacityProvider": capacity_provider(),
        "CapacityWish": closed(&["type", "blocks"], &json!({
            "type": { "enum": ["CONSUMPTION", "GENERATION", "FALLBACK_CONSUMPTION",
                "FALLBACK_GENERATION"] },
            "blocks": { "type": "array", "minItems": 1, "maxItems": 1000,
                "items": closed(&["start", "end", "capacity_kw"], &json!({
                    "start": { "type": "string", "format": "date-time" },
                    "end": { "type": "string", "format": "date-time" },
                    "capacity_kw": kilowatts(),
                })) },
        })),
        "Station": closed(&[], &json!({
            "site": { "type": ["string", "null"], "minLength": 1, "maxLength": 128, "pattern": "^[^\\s/]+$" },
            "password": { "type": ["string", "null"], "minLength": 16, "maxLength": 64, "pattern": "^[!-~]+$",
                "description": "Absent: one is made, or the present one stays." },
            "no_password": { "type": ["boolean", "null"], "description": "Only with allow_insecure." },
            "allow_insecure": { "type": ["boolean", "null"], "description": "May come without TLS from elsewhere." },
            "assume_protocol": { "enum": ["ocpp1.6", "ocpp2.0.1", "ocpp2.1", null] },
            "client_certificate": { "type": ["boolean", "null"], "description": "Must show a certificate that names it." },
            "admission": { "enum": ["accepted", "pending", "rejected", null] },
            "quirks": { "type": ["object", "null"], "additionalProperties": { "type": "boolean" },
                "description": "Odd ways it has or has not, whatever is found out." },
        })),
        "StationPassword": closed(&[], &json!({
            "password": { "type": ["string", "null"], "minLength": 16, "maxLength": 64, "pattern": "^[!-~]+$",
                "description": "Absent: one is made, which only the station learns." },
        })),
        "IdToken": closed(&[], &json!({
            "type": { "enum": ["ISO14443", "ISO15693", "Central", "KeyCode", "MacAddress", "eMAID", null] },
            "status": { "enum": ["accepted", "blocked", null] },
            "expires_at": { "type": ["string", "null"], "format": "date-time" },
            "group": { "type": ["string", "null"], "minLength": 1, "maxLength": 36 },
        })),
        "OcppPayload": { "type": "object" },
        "Invitation": closed(&["name"], &json!({ "name": id() })),
        "Trust": closed(&[], &json!({
            "trust_sync_accept": { "type": ["boolean", "null"] },
            "site_limits": { "type": ["boolean", "null"] },
            "profile_units": {
                "type": ["array", "null"], "maxItems": 10_000,
                "items": closed(&["unit"], &json!({
                    "unit": { "enum": ["A", "W"] },
                    "location_id": { "type": ["string", "null"], "minLength": 1, "maxLength": 36 },
                    "evse_uid": { "type": ["string", "null"], "minLength": 1, "maxLength": 36 },
                })),
            },
        })),
        "Import": closed(&["partner"], &json!({
            "partner": id(),
            "location_id": { "type": ["string", "null"], "minLength": 1, "maxLength": 36 },
            "import_limit_kw": kilowatts(),
            "dry_run": { "type": ["boolean", "null"] },
        })),
        "Login": { "oneOf": [
            closed(&["code"], &json!({ "code": { "type": "string", "minLength": 1 } })),
            closed(&["token"], &json!({ "token": { "type": "string", "minLength": 1 } })),
            closed(&["user", "password"], &json!({
                "user": { "type": "string", "minLength": 1 },
                "password": { "type": "string", "minLength": 1 },
            })),
        ] },
        "Token": closed(&["name", "scopes"], &json!({
            "name": { "type": "string", "minLength": 1, "maxLength": 60 },
            "scopes": { "type": "array", "minItems": 1, "maxItems": 4,
                "items": { "enum": ["read", "signals:write", "operate", "admin"] } },
            "sites": { "type": ["array", "null"], "minItems": 1, "items": id(), "description": "Absent: all sites." },
            "signals": { "oneOf": [{ "type": "null" }, closed(&[], &json!({
                "kinds": { "type": ["array", "null"], "minItems": 1, "items": { "enum": KINDS.map(|(word, _)| word) } },
                "min_priority": { "type": ["integer", "null"], "minimum": 0, "maximum": 1_000 },
                "hard": { "type": ["boolean", "null"] },
                "dispatch": { "type": ["boolean", "null"] },
            }))], "description": "Caps what it may send: kinds, priority (no number below), hardness, dispatches." },
            "expires_at": { "type": ["string", "null"], "format": "date-time", "description": "Absent: in 90 days." },
        })),
        "User": closed(&["role"], &json!({
            "role": { "enum": ["viewer", "operator", "admin"] },
            "password": { "type": ["string", "null"], "minLength": 12, "maxLength": 200 },
        })),
    })
}

fn capacity_provider() -> Value {
    let name = || json!({ "type": ["string", "null"], "minLength": 1, "maxLength": 128 });
    closed(
        &["group_id"],
        &json!({
            "group_id": { "type": "string", "minLength": 1, "maxLength": 128 },
            "circuit": { "type": ["string", "null"], "description": "Absent: the root." },
            "headers": { "type": ["object", "null"], "additionalProperties": { "type": "string" } },
            "oauth": {
                "oneOf": [{ "type": "null" }, closed(&["token_url", "client_id"], &json!({
                    "token_url": { "type": "string", "format": "uri" },
                    "client_id": { "type": "string", "minLength": 1, "maxLength": 128 },
                    "scope": name(),
                }))],
                "description": "Client credentials instead of tokens that are exchanged.",
            },
            "base_url": { "type": ["string", "null"], "format": "uri",
                "description": "With oauth; else it comes with the registration." },
            "secret": { "type": ["string", "null"], "description": "Of the client of oauth." },
        }),
    )
}

fn feed() -> Value {
    let pointer = json!({ "type": "string", "maxLength": 500, "pattern": "^(/.*)?$" });
    let maybe = json!({ "type": ["string", "null"], "maxLength": 500, "pattern": "^(/.*)?$" });
    let length = |what: &str| json!({ "type": ["string", "null"], "description": what });
    let rows = closed(
        &["lists", "start", "value"],
        &json!({
            "lists": { "type": "array", "minItems": 1, "maxItems": 10, "items": pointer },
            "start": pointer, "end": maybe, "value": pointer,
        }),
    );
    let columns = closed(
        &["starts", "values"],
        &json!({ "starts": pointer, "values": pointer }),
    );
    let adder = closed(
        &["price_per_kwh"],
        &json!({
            "price_per_kwh": { "type": "number", "minimum": -10, "maximum": 10 },
            "days": { "type": ["array", "null"], "maxItems": 7, "items": { "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] } },
            "months": { "type": ["array", "null"], "maxItems": 12, "items": { "type": "integer", "minimum": 1, "maximum": 12 } },
            "from": { "type": ["string", "null"], "description": "Local time, HH:MM." },
            "to": { "type": ["string", "null"], "description": "Local time, HH:MM." },
        }),
    );
    closed(
        &["kind", "format"],
        &json!({
            "kind": { "enum": ["import_price", "export_price", "demand_price", "carbon", "base_load", "pv",
                "import_limit", "export_limit", "import_fallback", "export_fallback", "power_target",
                "shed_level", "alert"], "description": "Limits, targets, levels and alerts with openadr only." },
            "unit": { "type": ["string", "null"] },
            "circuit": { "type": ["string", "null"] },
            "format": { "enum": ["entsoe", "json", "csv", "static", "openadr"] },
            "openadr": { "oneOf": [
                { "type": "null" },
                closed(&["client_id"], &json!({
                    "client_id": { "type": "string", "minLength": 1, "maxLength": 128 },
                    "token_url": { "type": ["string", "null"], "format": "uri" },
                    "scope": { "type": ["string", "null"], "minLength": 1, "maxLength": 128 },
                    "programs": { "type": ["array", "null"], "items": { "type": "string" } },
                    "targets": { "type": ["array", "null"], "items": { "type": "string" } },
                    "ven_name": { "type": ["string", "null"], "minLength": 1, "maxLength": 128 },
                    "reports": { "type": ["boolean", "null"],
                        "description": "Make the reports that its events ask for." },
                })),
            ] },
            "json": { "oneOf": [
                { "type": "null" },
                closed(&[], &json!({
                    "rows": { "oneOf": [{ "type": "null" }, rows] },
                    "columns": { "oneOf": [{ "type": "null" }, columns] },
                    "times": { "enum": ["rfc3339", "unix_s", "unix_ms", null] },
                })),
            ] },
            "resolution": length("Length of a slot where no end is given, such as PT15M."),
            "url": { "type": ["string", "null"], "description": "With the places {date}, {from}, {to}, {from_unix}, {from_ms}, {from_entsoe} (and {to_..}), {secret}." },
            "headers": { "type": ["object", "null"], "additionalProperties": { "type": "string" } },
            "secret": { "type": ["string", "null"], "description": "Fills in {secret}; kept sealed and never shown." },
            "every": length("How often it is asked for; 15 minutes if absent."),
            "stale_after": length("After so long without an answer it is stale; three intervals if absent."),
            "priority": { "type": ["integer", "null"], "minimum": 0, "maximum": 1_000 },
            "charges": { "oneOf": [{ "type": "null" }, closed(&[], &json!({
                "factor": { "type": ["number", "null"], "minimum": 0, "maximum": 10 },
                "vat_percent": { "type": ["number", "null"], "minimum": 0, "maximum": 100 },
                "adders": { "type": ["array", "null"], "maxItems": 100, "items": adder },
            }))] },
        }),
    )
}

fn dispatch() -> Value {
    closed(
        &["start", "end"],
        &json!({
            "id": { "type": ["string", "null"], "minLength": 1, "maxLength": 119, "pattern": "^[^\\s/]+$",
                "description": "The caller's; absent: one is made." },
            "target": { "oneOf": [
                { "type": "null" }, id(), closed(&["site"], &json!({ "site": id() })),
            ] },
            "site": { "type": ["string", "null"], "description": "In place of target." },
            "start": time(),
            "end": time(),
            "delta_kw": { "type": ["number", "null"], "minimum": -1_000_000, "maximum": 1_000_000,
                "description": "With a direction its size; negative without one is less load." },
            "direction": { "enum": ["up", "shed", "reduce", "decrease", "down", "add", "increase", "raise", null],
                "description": "up: less load; down: more load." },
            "power_kw": { "type": ["number", "null"], "minimum": 0, "maximum": 1_000_000,
                "description": "Of all EVSEs together, in place of delta_kw." },
            "hard": { "type": ["boolean", "null"] },
        }),
    )
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "errors": { "type": "array", "items": {
                "type": "object",
                "properties": { "pointer": { "type": "string" }, "detail": { "type": "string" } },
            } },
        },
    })
}

fn site() -> Value {
    let circuit = closed(
        &["id"],
        &json!({
            "id": id(), "parent": { "type": ["string", "null"] },
            "import_limit_kw": kilowatts(), "failsafe_limit_kw": kilowatts(),
            "phase_limit_a": { "type": ["number", "null"], "minimum": 0 },
            "limit_source": { "type": ["object", "null"] },
        }),
    );
    let ocpi = closed(
        &["partner", "location_id", "evse_uid"],
        &json!({
            "partner": id(),
            "location_id": { "type": "string", "minLength": 1, "maxLength": 36 },
            "evse_uid": { "type": "string", "minLength": 1, "maxLength": 36 },
        }),
    );
    let ocpp = closed(
        &["station", "evse"],
        &json!({ "station": id(), "evse": { "type": "integer", "minimum": 1, "maximum": 1_000 } }),
    );
    let evse = closed(
        &["id", "max_kw", "source"],
        &json!({
            "id": id(), "circuit": { "type": ["string", "null"] },
            "max_kw": { "type": "number", "exclusiveMinimum": 0 },
            "min_kw": { "type": ["number", "null"], "exclusiveMinimum": 0 },
            "phases": { "type": ["array", "null"], "items": { "enum": ["L1", "L2", "L3"] }, "maxItems": 3, "uniqueItems": true },
            "current_type": { "enum": ["ac", "dc", null] },
            "voltage_v": { "type": ["number", "null"], "minimum": 50, "maximum": 1_000 },
            "fallback_kw": kilowatts(),
            "source": { "oneOf": [
                closed(&["ocpi"], &json!({ "ocpi": ocpi })),
                closed(&["ocpp"], &json!({ "ocpp": ocpp })),
            ] },
        }),
    );
    closed(
        &["circuits"],
        &json!({
            "name": { "type": ["string", "null"] },
            "time_zone": { "type": ["string", "null"], "description": "IANA name, such as Europe/Berlin." },
            "currency": { "type": ["string", "null"], "pattern": "^[A-Z]{3}$" },
            "circuits": { "type": "array", "minItems": 1, "items": circuit },
            "evses": { "type": ["array", "null"], "items": evse },
            "arrival_reserve": { "type": ["string", "null"], "pattern": "^(all|none|largest:[0-9]+)$" },
            "price": { "oneOf": [{ "type": "null" }, closed(&[], &json!({
                "flat_per_kwh": { "type": ["number", "null"], "minimum": -10, "maximum": 10 },
                "carbon_per_kg": { "type": ["number", "null"], "minimum": 0, "maximum": 10 },
                "demand": { "oneOf": [{ "type": "null" }, demand_charge()] },
                "ocpi_tariff": { "oneOf": [{ "type": "null" }, closed(&["partner", "tariff_id"], &json!({
                    "partner": { "type": "string" },
                    "tariff_id": { "type": "string", "maxLength": 36 },
                    "taxes": { "enum": ["included", "excluded", null] }
                }))] }
            }))] },
            "status": { "description": "Of an answer; not read." },
        }),
    )
}

fn demand_charge() -> Value {
    let kilowatts = json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1e6 });
    let ratchet = closed(
        &["percent", "months"],
        &json!({
            "percent": { "type": "integer", "minimum": 1, "maximum": 100 },
            "months": { "type": "integer", "minimum": 1, "maximum": 24 },
        }),
    );
    closed(
        &["per_kw"],
        &json!({
            "per_kw": { "type": "number", "minimum": 0, "maximum": 1e4,
                "description": "Price of each kW of the billing month's highest mean power." },
            "window": { "enum": ["PT5M", "PT10M", "PT15M", "PT30M", "PT1H", null] },
            "peak_so_far_kw": kilowatts,
            "minimum_billed_kw": kilowatts,
            "ratchet": { "oneOf": [{ "type": "null" }, ratchet] },
        }),
    )
}

fn signal() -> Value {
    let kinds: Vec<_> = KINDS.iter().map(|(word, _)| *word).collect();
    let alerts: Vec<_> = ALERTS.iter().map(|(word, _)| *word).collect();
    let value = json!({ "oneOf": [{ "type": "number" }, { "enum": alerts }],
        "description": "A number in the unit; an alert may be its word." });
    let slot = closed(
        &["start", "end", "value"],
        &json!({ "start": time(), "end": time(), "value": value }),
    );
    closed(
        &["kind", "unit"],
        &json!({
            "kind": { "enum": kinds },
            "unit": { "type": "string" },
            "circuit": { "type": ["string", "null"] },
            "evse": { "type": ["string", "null"], "description": "Of min_energy: whose session." },
            "slots": { "type": ["array", "null"], "minItems": 1, "maxItems": 10_000, "items": slot },
            "start": { "type": ["string", "null"], "format": "date-time" },
            "resolution": { "type": ["string", "null"], "description": "Of values: an ISO 8601 duration, such as PT15M." },
            "values": { "type": ["array", "null"], "items": value },
            "revision": { "type": ["integer", "null"], "minimum": 0 },
            "priority": { "type": ["integer", "null"], "minimum": 0, "maximum": 1_000 },
            "hard": { "type": ["boolean", "null"] },
            "issued_at": { "type": ["string", "null"], "format": "date-time" },
            "valid_until": { "type": ["string", "null"], "format": "date-time" },
        }),
    )
}

fn departure(with_key: bool) -> Value {
    let mut properties = json!({
        "departure": { "type": ["string", "null"], "format": "date-time" },
        "energy_kwh": { "type": ["number", "null"], "minimum": 0, "maximum": 10_000 },
        "soc_target_percent": { "type": ["number", "null"], "minimum": 0, "maximum": 100 },
        "soc_percent": { "type": ["number", "null"], "minimum": 0, "maximum": 100 },
        "capacity_kwh": { "type": ["number", "null"], "minimum": 1, "maximum": 10_000 },
    });
    if with_key {
        properties["key"] = json!({ "type": "string", "minLength": 1, "maxLength": 128 });
        return closed(&["key"], &properties);
    }
    closed(&[], &properties)
}
