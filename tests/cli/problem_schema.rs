//! docs/problem.schema.json says the same as the parser, as far as a schema can.

#![expect(
    clippy::panic,
    reason = "a schema this judge cannot read must fail the test"
)]

use std::fs;

use serde_json::Value;

use crate::bad_problems::{all, good};
use crate::repository;

/// Judges by the part of JSON Schema (draft 2020-12) that our schema uses; a keyword it does not
/// know is an error, so that nothing of the schema goes unread.
struct Schema {
    root: Value,
}

impl Schema {
    fn read() -> Self {
        let text = fs::read_to_string(repository("docs/problem.schema.json")).expect("the schema");
        let root = serde_json::from_str(&text).expect("the schema is JSON");
        Self { root }
    }

    fn allows(&self, value: &Value) -> bool {
        self.judge(&self.root, value)
    }

    fn judge(&self, schema: &Value, value: &Value) -> bool {
        let rules = schema.as_object().expect("a schema is an object");
        rules
            .iter()
            .all(|(keyword, rule)| self.keyword(schema, keyword, rule, value))
    }

    fn keyword(&self, schema: &Value, keyword: &str, rule: &Value, value: &Value) -> bool {
        let number = value.as_f64();
        let list = value.as_array();
        let map = value.as_object();
        let most = rule.as_f64().unwrap_or_default();
        let size = |count: usize| f64::from(u32::try_from(count).expect("small"));
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" => true,
            "$ref" => {
                let pointer = rule.as_str().expect("a reference").trim_start_matches('#');
                self.judge(
                    self.root.pointer(pointer).expect("the reference exists"),
                    value,
                )
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|it| is_of(it, value)),
                one => is_of(one, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().expect("a list").contains(value),
            "anyOf" => rule
                .as_array()
                .expect("a list")
                .iter()
                .any(|it| self.judge(it, value)),
            "minimum" => number.is_none_or(|it| it >= most),
            "maximum" => number.is_none_or(|it| it <= most),
            "minLength" => value.as_str().is_none_or(|it| size(it.len()) >= most),
            "maxLength" => value.as_str().is_none_or(|it| size(it.len()) <= most),
            "minItems" => list.is_none_or(|it| size(it.len()) >= most),
            "maxItems" => list.is_none_or(|it| size(it.len()) <= most),
            "uniqueItems" => {
                list.is_none_or(|it| it.iter().enumerate().all(|(i, a)| !it[..i].contains(a)))
            }
            "items" => list.is_none_or(|it| it.iter().all(|item| self.judge(rule, item))),
            "required" => map.is_none_or(|map| {
                let keys = rule.as_array().expect("a list");
                keys.iter()
                    .all(|key| map.contains_key(key.as_str().expect("a key")))
            }),
            "properties" => map.is_none_or(|map| {
                map.iter()
                    .all(|(key, it)| rule.get(key).is_none_or(|rule| self.judge(rule, it)))
            }),
            "additionalProperties" => map.is_none_or(|map| {
                let known = |key: &String| schema.pointer(&format!("/properties/{key}")).is_some();
                let others = map.iter().filter(|(key, _)| !known(key));
                match rule {
                    Value::Bool(allowed) => *allowed || others.count() == 0,
                    rule => others.map(|(_, it)| it).all(|it| self.judge(rule, it)),
                }
            }),
            other => panic!("the schema uses {other:?}, which this judge does not know"),
        }
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("the schema uses type {other:?}, which this judge does not know"),
    }
}

#[test]
fn the_schema_allows_every_good_problem() {
    let schema = Schema::read();
    assert!(schema.allows(&good()));
    for name in ["depot", "infeasible", "demand-charge"] {
        let text =
            fs::read_to_string(repository(&format!("examples/plan/{name}.json"))).expect("read");
        assert!(
            schema.allows(&serde_json::from_str(&text).expect("JSON")),
            "{name}"
        );
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses_by_shape() {
    let schema = Schema::read();
    for bad in all() {
        assert_eq!(
            !schema.allows(&bad.problem()),
            bad.seen_by_schema,
            "{}",
            bad.name
        );
    }
}

#[test]
fn the_schema_knows_every_key_the_parser_knows() {
    // `good` uses every key of the parser; each must be named by the schema.
    let schema = Schema::read();
    let named = |list: &str, item: &Value| {
        for key in item.as_object().expect("an object").keys() {
            assert!(
                schema
                    .root
                    .pointer(&format!("{list}/properties/{key}"))
                    .is_some(),
                "{list} {key}"
            );
        }
    };
    let good = good();
    named("", &good);
    named("/$defs/circuit", &good["circuits"][0]);
    named("/$defs/session", &good["sessions"][0]);
    named("/$defs/battery", &good["batteries"][0]);
}
