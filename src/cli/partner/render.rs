//! Partners as people read them.

use std::fmt::Write as _;

use serde_json::Value;

use super::super::remote::{Column, table, text};

/// Longest body of an exchange that is printed, in characters.
const MAX_BODY_CHARS: usize = 1500;

fn list_of<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer[field].as_array().map_or(&[], Vec::as_slice)
}

fn column<'v>(head: &'static str, rows: &[&'v Value], field: &'static str) -> Column {
    Column::new(head, rows, |row: &&'v Value| text(&row[field]))
}

/// `partner invite`.
pub(super) fn invitation(answer: &Value) -> String {
    format!(
        "Give these two to the platform; the token is shown this once and good for one registration.\n\
         \n  versions URL  {}\n  token A       {}\n  valid until   {}\n",
        text(&answer["versions_url"]),
        text(&answer["token_a"]),
        text(&answer["valid_until"]),
    )
}

/// `partner list`.
pub(super) fn list(answer: &Value) -> String {
    let partners: Vec<&Value> = list_of(answer, "partners").iter().collect();
    if partners.is_empty() {
        return "no partner yet: `evenload partner add` or `evenload partner invite`".into();
    }
    table(&[
        column("NAME", &partners, "name"),
        column("STATUS", &partners, "status"),
        column("VERSION", &partners, "version"),
        column("HEALTH", &partners, "health"),
        column("LAST SEEN", &partners, "last_seen_at"),
        Column::new("DEVIATIONS", &partners, |partner| {
            list_of(partner, "deviations").len().to_string()
        }),
        column("PARTIES", &partners, "parties"),
    ])
}

/// `partner show`.
pub(super) fn partner(answer: &Value) -> String {
    let mut shown = String::new();
    for (head, field) in [
        ("name", "name"),
        ("status", "status"),
        ("versions URL", "versions_url"),
        ("version", "version"),
        ("parties", "parties"),
        ("health", "health"),
        ("last seen", "last_seen_at"),
        ("registered", "registered_at"),
        ("invited until", "invited_until"),
        ("read back", "last_full_pull_at"),
        ("pulled only", "is_pull_only"),
        ("clock ahead, s", "clock_skew_s"),
        ("last error", "last_error"),
        ("token sent as", "token_encoding"),
        ("trust ACCEPTED", "trust_sync_accept"),
    ] {
        if !answer[field].is_null() {
            // Writing into a String cannot fail.
            let _ = writeln!(shown, "{head:15} {}", text(&answer[field]));
        }
    }
    for choice in list_of(answer, "profile_units") {
        let (location, evse) = (text(&choice["location_id"]), text(&choice["evse_uid"]));
        let place = if choice["evse_uid"].is_null() {
            "all EVSEs".to_owned()
        } else {
            format!("{location}/{evse}")
        };
        let _ = writeln!(
            shown,
            "{:15} {} for {place}",
            "profile unit",
            text(&choice["unit"])
        );
    }
    for module in list_of(answer, "modules") {
        let _ = writeln!(shown, "{:15} {}", "module", text(module));
    }
    let _ = write!(shown, "\n{}\n", checks(answer));
    let _ = write!(shown, "\n{}", deviations(answer));
    shown
}

/// A check list: a row each, and beneath a failed one what to change.
pub(super) fn checks(answer: &Value) -> String {
    let rows = list_of(answer, "checks");
    let width = rows
        .iter()
        .map(|row| text(&row["name"]).chars().count())
        .max()
        .unwrap_or(0);
    let mut shown = String::new();
    for row in rows {
        let mark = match row["status"].as_str() {
            Some("warning") => "warn  ",
            Some("failed") => "FAILED",
            _ => "ok    ",
        };
        let (name, detail) = (text(&row["name"]), text(&row["detail"]));
        let _ = writeln!(shown, "{mark}  {name:width$}  {detail}");
        if let Some(advice) = row["advice"].as_str() {
            let _ = writeln!(shown, "        {:width$}  -> {advice}", "");
        }
        if !row["exchange"].is_null() {
            let _ = write!(shown, "{}", exchange(&row["exchange"], "          "));
        }
    }
    if rows.is_empty() {
        shown.push_str("not tried yet: `evenload partner test NAME`\n");
    }
    shown.truncate(shown.trim_end().len());
    shown
}

fn deviations(answer: &Value) -> String {
    let seen = list_of(answer, "deviations");
    if seen.is_empty() {
        return "no deviation from the specification was seen".into();
    }
    let mut shown = format!("{} deviations from the specification:\n", seen.len());
    for one in seen {
        let _ = writeln!(
            shown,
            "{} x{} at {}  ({})\n    {}\n    -> {}\n    seen {} to {}",
            text(&one["id"]),
            text(&one["count"]),
            text(&one["path"]),
            text(&one["section"]),
            text(&one["detail"]),
            text(&one["advice"]),
            text(&one["first_seen_at"]),
            text(&one["last_seen_at"]),
        );
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// `partner exchanges`.
pub(super) fn exchanges(answer: &Value, last: usize) -> String {
    let all = list_of(answer, "exchanges");
    if all.is_empty() {
        return "no exchange since the service started".into();
    }
    let shown: Vec<_> = all.iter().take(last).map(|one| exchange(one, "")).collect();
    shown.join("\n").trim_end().to_owned()
}

fn exchange(one: &Value, indent: &str) -> String {
    let mut shown = format!(
        "{indent}{} {} {} {} -> HTTP {}, OCPI {}, {} ms\n",
        text(&one["at"]),
        text(&one["direction"]),
        text(&one["method"]),
        text(&one["path"]),
        text(&one["status"]),
        text(&one["ocpi_status"]),
        text(&one["duration_ms"]),
    );
    for (mark, field) in [(">", "request"), ("<", "response")] {
        if let Some(body) = one[field].as_str() {
            let cut: String = body.chars().take(MAX_BODY_CHARS).collect();
            let _ = writeln!(shown, "{indent}  {mark} {cut}");
        }
    }
    shown
}

/// `partner evses`.
pub(super) fn evses(answer: &Value) -> String {
    let evses: Vec<&Value> = list_of(answer, "evses").iter().collect();
    if evses.is_empty() {
        return "its locations describe no EVSE, or were not read yet".into();
    }
    table(&[
        column("LOCATION", &evses, "location_id"),
        column("EVSE", &evses, "evse_uid"),
        column("LABEL", &evses, "label"),
        Column::new("MAX kW", &evses, |evse| text(&evse["guess"]["max_kw"])),
        Column::new("MIN kW", &evses, |evse| text(&evse["guess"]["min_kw"])),
        Column::new("PHASES", &evses, |evse| {
            let supply = &evse["guess"]["supply"];
            match supply["type"].as_str() {
                Some("ac") => text(&supply["phases"]),
                Some("dc") => "DC".into(),
                _ => "-".into(),
            }
        }),
        Column::new("SITE", &evses, |evse| text(&evse["used_by"]["site"])),
        column("DOUBTS", &evses, "doubts"),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_row_says_what_to_change_and_shows_the_exchange() {
        let answer = json!({"checks": [
            {"name": "versions", "ok": true, "status": "ok", "detail": "2.2.1"},
            {"name": "locations", "ok": false, "status": "failed", "detail": "HTTP 404",
             "advice": "serve this address", "exchange": {"at": "2026-11-22T16:00:00Z",
             "direction": "sent", "method": "GET", "path": "/locations", "status": 404,
             "ocpi_status": 2000, "duration_ms": 5, "request": null, "response": "{}"}}]});
        let shown = checks(&answer);
        assert!(shown.contains("ok      versions   2.2.1"), "{shown}");
        assert!(shown.contains("FAILED  locations  HTTP 404"), "{shown}");
        assert!(shown.contains("-> serve this address"), "{shown}");
        assert!(
            shown.contains("GET /locations -> HTTP 404, OCPI 2000, 5 ms"),
            "{shown}"
        );
    }
}
