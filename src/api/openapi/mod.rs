//! The API described for machines (`OpenAPI` 3.1), made from one table. Tests hold it against the
//! routes and against `docs/openapi.json`.

mod operations;
mod schemas;

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use self::operations::{OPERATIONS, Operation};
use super::dashboard::VERSION;

/// The whole document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths
            .entry(operation.path.to_owned())
            .or_insert_with(|| json!({}));
        path[operation.method] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "evenload",
            "version": VERSION,
            "description": "Power is in kW and positive for import, times are RFC 3339 with their \
                offset and come back in UTC, the unit is last in a name. A write is applied as a \
                whole or not at all. Errors are problem documents (RFC 9457) that list every fault \
                with its JSON pointer. Unknown members and parameters are refused.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "bearer": {
                    "type": "http", "scheme": "bearer",
                    "description": "The admin token, or one made by POST /api/v1/tokens.",
                },
            },
        },
    })
}

/// `/api/openapi.json`.
pub(super) async fn serve() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "tags": [tag(operation.path)],
        "parameters": parameters(operation),
        "responses": responses(operation),
    });
    match operation.scope {
        "" => described["security"] = json!([]),
        scope => {
            described["security"] = json!([{ "bearer": [] }]);
            described["description"] = format!("Needs the scope `{scope}`.").into();
        }
    }
    if let Some((schema, kinds)) = operation.body {
        let content: Map<String, Value> = kinds
            .iter()
            .map(|kind| ((*kind).to_owned(), content(kind, schema)))
            .collect();
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

fn content(kind: &str, schema: &str) -> Value {
    if kind == "application/json" {
        json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } })
    } else {
        json!({ "schema": { "type": "string" } })
    }
}

/// The method and the words of the path, as one word.
fn operation_id(operation: &Operation) -> String {
    let mut id = operation.method.to_owned();
    for part in operation.path.trim_start_matches("/api/v1").split('/') {
        let word: String = part.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut letters = word.chars();
        id.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        id.extend(letters);
    }
    id
}

fn tag(path: &str) -> &str {
    let mut parts = path
        .trim_start_matches("/api/v1/")
        .trim_matches('/')
        .split('/');
    match (parts.next(), parts.nth(1)) {
        (Some("sites"), Some(part)) | (Some(part), _) => part,
        (None, _) => "other",
    }
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let in_path = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            json!({
                "name": name, "in": "path", "required": true,
                "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            })
        });
    let in_query = operation.query.iter().map(|(name, kind)| {
        let required = name.ends_with('!');
        json!({
            "name": name.trim_end_matches('!'), "in": "query", "required": required,
            "schema": schemas::parameter(kind),
        })
    });
    in_path.chain(in_query).collect()
}

/// Whether a call answers as JSON or, if that is asked for, as a table.
fn as_csv_too(path: &str) -> bool {
    ["/settlement", "/records", "/meter-values"]
        .iter()
        .any(|end| path.ends_with(end))
}

fn responses(operation: &Operation) -> Value {
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": { "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
            } },
        })
    };
    let mut responses = Map::new();
    for status in operation.statuses {
        let answer = match (*status, operation.answer) {
            (_, _) if as_csv_too(operation.path) => json!({
                "description": "Done",
                "content": {
                    "application/json": { "schema": { "type": "object" } },
                    "text/csv": { "schema": { "type": "string" } },
                },
            }),
            ("204", _) => json!({ "description": "Done" }),
            (_, "application/json") => json!({
                "description": "Done",
                "content": { "application/json": { "schema": { "type": "object" } } },
            }),
            (_, kind) => json!({
                "description": "Done",
                "content": { kind: { "schema": { "type": "string" } } },
            }),
        };
        responses.insert((*status).to_owned(), answer);
    }
    if operation.path.starts_with("/api/v1") {
        let mut refused = vec![("400", "Not valid; nothing was applied")];
        if !operation.scope.is_empty() || operation.path == "/api/v1/login" {
            refused.push(("401", "No known token, or not signed in"));
        }
        if !operation.scope.is_empty() {
            refused.push(("403", "The token does not reach this"));
        }
        if operation.path.contains('{') || operation.path.contains("reports") {
            refused.push(("404", "Not known"));
        }
        if operation.method != "get" {
            refused.push(("409", "Valid, but not now"));
        }
        if operation.path == "/api/v1/dispatches" && operation.method == "post" {
            refused.push(("422", "The id came before with another body"));
        }
        if operation.body.is_some() {
            refused.push(("413", "The body is too large"));
            refused.push(("415", "Another type of body is needed"));
        }
        if operation.path.contains("/partners") {
            refused.push(("502", "The partner did not do its part"));
        }
        refused.push(("429", "Too many requests"));
        refused.push(("503", "Overloaded; try again later"));
        for (status, description) in refused {
            responses.insert(status.to_owned(), problem(description));
        }
    }
    Value::Object(responses)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Paths and methods of all `resource("..", "..")` in the routes.
    fn routed() -> BTreeSet<(String, String)> {
        let code = include_str!("../routes.rs");
        let (top, scoped) = code.split_once("fn site_routes").expect("both parts");
        let mut found = BTreeSet::new();
        for (text, prefix) in [(top, ""), (scoped, "/api/v1")] {
            for call in text.split("resource(\"").skip(1) {
                let mut quoted = call.split('"');
                let path = quoted.next().expect("a path");
                let methods = quoted.nth(1).expect("methods");
                if path.starts_with("/assets") {
                    continue;
                }
                for method in methods.split(", ").filter(|method| *method != "HEAD") {
                    found.insert((format!("{prefix}{path}"), method.to_ascii_lowercase()));
                }
            }
        }
        found
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let described: BTreeSet<_> = OPERATIONS
            .iter()
            .map(|o| (o.path.to_owned(), o.method.to_owned()))
            .collect();
        let routed = routed();
        let missing: Vec<_> = routed.difference(&described).collect();
        let gone: Vec<_> = described.difference(&routed).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "add to src/api/openapi/operations.rs: {missing:?}; take out: {gone:?}"
        );
    }

    #[test]
    fn the_file_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let file = std::fs::read_to_string(path).expect("docs/openapi.json");
        let kept: Value = serde_json::from_str(&file).expect("JSON");
        // Both are thousands of lines: they are not printed.
        assert!(
            kept == document(),
            "renew it: cargo run -- openapi > docs/openapi.json"
        );
    }

    #[test]
    fn every_schema_that_is_named_exists() {
        let schemas = schemas::all();
        for operation in OPERATIONS {
            if let Some((name, _)) = operation.body {
                assert!(schemas.get(name).is_some(), "{name}");
            }
        }
        let ids: BTreeSet<_> = OPERATIONS.iter().map(operation_id).collect();
        assert_eq!(ids.len(), OPERATIONS.len(), "operation ids are unique");
    }
}
