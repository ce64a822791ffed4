//! Answers that are a table: as JSON, or as CSV for spreadsheets.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::query::Query;

/// How an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

impl Format {
    /// By the parameter `format`, else by what the client says it accepts.
    pub(super) fn of(request: &HttpRequest, query: &Query<'_>) -> Self {
        let accepts = request.headers().get("Accept");
        let accepts = accepts.and_then(|value| value.to_str().ok()).unwrap_or("");
        match query.text("format") {
            Some("csv") => Self::Csv,
            Some("json") => Self::Json,
            Some(_) => {
                query.fault("format", "must be json or csv");
                Self::Json
            }
            None if accepts.trim_start().starts_with("text/csv") => Self::Csv,
            None => Self::Json,
        }
    }
}

/// An answer of rows: as CSV only their columns of these names.
pub(super) fn answer(
    format: Format,
    columns: &[&str],
    rows: &[Value],
    as_json: impl FnOnce() -> Value,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(("Vary", "Accept"));
    match format {
        Format::Json => response.json(as_json()),
        Format::Csv => csv(&mut response, csv_of(columns, rows)),
    }
}

/// CSV as it goes out.
pub(super) fn csv(response: &mut actix_web::HttpResponseBuilder, text: String) -> HttpResponse {
    response.content_type("text/csv; charset=utf-8").body(text)
}

fn csv_of(columns: &[&str], rows: &[Value]) -> String {
    let mut text = columns.join(",");
    text.push('\n');
    for row in rows {
        let cells = columns.iter().map(|name| match &row[*name] {
            Value::Null => String::new(),
            Value::String(text) => quoted(text),
            other => other.to_string(),
        });
        text.push_str(&cells.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    text
}

/// A cell that no program takes for a formula or two cells. Source: RFC 4180.
pub(super) fn quoted(text: &str) -> String {
    let risky = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quotes = text.contains([',', '"', '\r', '\n']);
    let text = text.replace('"', "\"\"");
    match (risky, quotes) {
        (true, _) => format!("\"'{text}\""),
        (false, true) => format!("\"{text}\""),
        (false, false) => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_nor_two_cells() {
        let rows = [
            json!({ "id": "=1+1", "kwh": 1.5, "left_out": 1 }),
            json!({ "id": "a,\"b\"\n", "kwh": null }),
        ];
        let text = csv_of(&["id", "kwh"], &rows);
        assert_eq!(text, "id,kwh\n\"'=1+1\",1.5\n\"a,\"\"b\"\"\n\",\n");
    }
}
