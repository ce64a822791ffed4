//! Sites as people read them.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::remote::{Column, table, text};

fn list_of<'a>(answer: &'a Value, field: &str) -> Vec<&'a Value> {
    answer[field].as_array().into_iter().flatten().collect()
}

fn column<'v>(head: &'static str, rows: &[&'v Value], field: &'static str) -> Column {
    Column::new(head, rows, |row: &&'v Value| text(&row[field]))
}

/// `site list`.
pub(super) fn list(answer: &Value) -> String {
    let sites = list_of(answer, "sites");
    if sites.is_empty() {
        return "no site yet: `evenload site import NAME --partner PARTNER`".into();
    }
    table(&[
        column("SITE", &sites, "site"),
        column("NAME", &sites, "name"),
        column("MODE", &sites, "effective_mode"),
        column("LIMIT kW", &sites, "import_limit_kw"),
        column("EVSES", &sites, "evses"),
        column("SESSIONS", &sites, "sessions_active"),
        column("UPDATED", &sites, "updated_at"),
    ])
}

/// `site show`, and after a change.
pub(super) fn site(answer: &Value) -> String {
    let status = &answer["status"];
    let mut shown = format!(
        "{}  {}\n",
        text(&answer["name"]),
        text(&answer["time_zone"])
    );
    for (head, value) in [
        ("mode", &status["effective_mode"]),
        ("sessions", &status["sessions_active"]),
        ("reserve kW", &status["reserve_kw"]),
        ("fallbacks kW", &status["fallback_sum_kw"]),
    ] {
        // Writing into a String cannot fail.
        let _ = writeln!(shown, "{head:13} {}", text(value));
    }
    for warning in list_of(status, "warnings") {
        let _ = writeln!(shown, "{:13} {}", "warning", text(warning));
    }
    let circuits = list_of(answer, "circuits");
    let _ = writeln!(
        shown,
        "\n{}",
        table(&[
            column("CIRCUIT", &circuits, "id"),
            column("PARENT", &circuits, "parent"),
            column("LIMIT kW", &circuits, "import_limit_kw"),
            column("PER PHASE A", &circuits, "phase_limit_a"),
            column("LIMIT SOURCE", &circuits, "limit_source"),
        ])
    );
    let _ = write!(shown, "\n{}", evses(&list_of(answer, "evses")));
    shown
}

fn evses(evses: &[&Value]) -> String {
    table(&[
        column("EVSE", evses, "id"),
        column("CIRCUIT", evses, "circuit"),
        column("MAX kW", evses, "max_kw"),
        column("MIN kW", evses, "min_kw"),
        Column::new("PHASES", evses, |evse| {
            if evse["current_type"] == "dc" {
                "DC".into()
            } else if evse["phases"].is_null() {
                format!("{}, wiring unknown", text(&evse["phase_count"]))
            } else {
                text(&evse["phases"])
            }
        }),
        Column::new("AT", evses, |evse| {
            let ocpi = &evse["source"]["ocpi"];
            if ocpi.is_null() {
                text(&evse["source"]["ocpp"])
            } else {
                let parts = ["partner", "location_id", "evse_uid"].map(|field| text(&ocpi[field]));
                parts.join(" ")
            }
        }),
        column("DOUBTS", evses, "doubts"),
    ])
}

/// `site mode`.
pub(super) fn mode(answer: &Value) -> String {
    let mut shown = format!("mode {}", text(&answer["mode"]));
    if let Some(evses) = answer["evses"].as_array().filter(|evses| !evses.is_empty()) {
        let _ = write!(shown, ", sent to {}", text(&Value::Array(evses.clone())));
    }
    if let Some(hint) = answer["hint"].as_str() {
        let _ = write!(
            shown,
            "\nin effect: {} ({hint})",
            text(&answer["effective_mode"])
        );
    }
    shown
}

/// `site import`.
pub(super) fn import(answer: &Value) -> String {
    let (added, skipped) = (list_of(answer, "added"), list_of(answer, "skipped"));
    let done = if answer["dry_run"] == true {
        "would be taken over"
    } else {
        "taken over"
    };
    let mut shown = format!("{} EVSEs {done}", added.len());
    if !added.is_empty() {
        let _ = write!(shown, "\n\n{}", evses(&added));
    }
    if !skipped.is_empty() {
        let _ = write!(
            shown,
            "\n\n{} left out\n{}",
            skipped.len(),
            table(&[
                column("LOCATION", &skipped, "location_id"),
                column("EVSE", &skipped, "evse_uid"),
                column("WHY", &skipped, "reason"),
            ])
        );
    }
    let root_limit = list_of(&answer["site"], "circuits")
        .iter()
        .find(|circuit| circuit["parent"].is_null())
        .map(|root| root["import_limit_kw"].is_null());
    if root_limit == Some(true) {
        shown.push_str("\n\nno limit is known: `evenload site set NAME --limit 250kW`");
    }
    shown
}
