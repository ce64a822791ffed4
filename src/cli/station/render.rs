//! Stations as people read them.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::remote::{Column, table, text};

fn list_of<'a>(answer: &'a Value, field: &str) -> Vec<&'a Value> {
    answer[field].as_array().into_iter().flatten().collect()
}

fn column<'v>(head: &'static str, rows: &[&'v Value], field: &'static str) -> Column {
    Column::new(head, rows, |row: &&'v Value| text(&row[field]))
}

/// `station list`.
pub(super) fn list(answer: &Value) -> String {
    let stations = list_of(answer, "stations");
    if stations.is_empty() {
        return "no station yet: `evenload station list --waiting` or `evenload station add`"
            .into();
    }
    table(&[
        column("ID", &stations, "id"),
        column("SITE", &stations, "site"),
        column("STATE", &stations, "state"),
        Column::new("PROTOCOL", &stations, |s| {
            text(&s["connection"]["protocol"])
        }),
        column("PROFILE", &stations, "security_profile"),
        column("VENDOR", &stations, "vendor"),
        column("MODEL", &stations, "model"),
        column("LAST HEARD", &stations, "last_heard_at"),
    ])
}

/// `station list --waiting`.
pub(super) fn waiting(answer: &Value) -> String {
    let stations = list_of(answer, "stations");
    if stations.is_empty() {
        return "nobody unknown has tried to connect".into();
    }
    table(&[
        column("ID", &stations, "id"),
        column("FROM", &stations, "from"),
        column("PROTOCOLS", &stations, "protocols"),
        column("ATTEMPTS", &stations, "attempts"),
        column("LAST SEEN", &stations, "last_seen_at"),
    ])
}

/// `station add` and `station approve`.
pub(super) fn welcome(answer: &Value) -> String {
    let mut shown = station(answer);
    if let Some(password) = answer["password"].as_str() {
        // Writing into a String cannot fail.
        let _ = write!(
            shown,
            "\nIts password, shown this once: {password}\nType it into the charger (OCPP 1.6: \
             AuthorizationKey); its address is ws(s)://HOST:PORT/ocpp/{}",
            text(&answer["id"]),
        );
    }
    shown
}

/// `station show`.
pub(super) fn station(answer: &Value) -> String {
    let mut shown = String::new();
    for (head, field) in [
        ("id", "id"),
        ("site", "site"),
        ("state", "state"),
        ("admission", "admission"),
        ("security profile", "security_profile"),
        ("vendor", "vendor"),
        ("model", "model"),
        ("firmware", "firmware"),
        ("last heard", "last_heard_at"),
        ("odd ways", "quirks"),
    ] {
        // Writing into a String cannot fail.
        let _ = writeln!(shown, "{head:<17} {}", text(&answer[field]));
    }
    let evses = list_of(answer, "evses");
    if !evses.is_empty() {
        let now = |profile: &Value| text(&profile["limit_now"]);
        let _ = write!(
            shown,
            "\n{}",
            table(&[
                column("EVSE", &evses, "evse"),
                column("STATUS", &evses, "status"),
                column("TRANSACTION", &evses, "transaction"),
                Column::new("ASKED", &evses, |evse| now(&evse["asked"])),
                Column::new("ANSWERED", &evses, |evse| text(&evse["answered"]["status"])),
                Column::new("HOLDS", &evses, |evse| now(&evse["composite"])),
                column("MEASURED KW", &evses, "measured_kw"),
                column("WHY THEY DIFFER", &evses, "differs"),
            ])
        );
    }
    shown
}

/// `station messages`.
pub(super) fn messages(answer: &Value, last: usize) -> String {
    let messages = list_of(answer, "messages");
    let lines = messages.iter().take(last).rev().map(|message| {
        let arrow = if message["direction"] == "sent" {
            "->"
        } else {
            "<-"
        };
        format!(
            "{} {arrow} {}",
            text(&message["at"]),
            text(&message["message"])
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `station uploads`.
pub(super) fn uploads(answer: &Value) -> String {
    let uploads = list_of(answer, "uploads");
    if uploads.is_empty() {
        return "no file yet: `evenload station command ID GetDiagnostics` (1.6) or `GetLog`"
            .into();
    }
    table(&[
        column("FILE", &uploads, "name"),
        column("BYTES", &uploads, "bytes"),
    ])
}

/// `station command` and `station password`.
pub(super) fn answer(answer: &Value) -> String {
    match answer["status"].as_str() {
        Some("result") => answer["payload"].to_string(),
        Some("error") => format!(
            "refused: {} {}",
            text(&answer["payload"]["code"]),
            text(&answer["payload"]["description"]),
        ),
        _ => "no answer".into(),
    }
}
