//! Patterns: an object matches one that has its members, `"*"` matches anything, and `"$name"` is
//! what was seen there first.

use std::collections::BTreeMap;

use serde_json::Value;

/// What names stand for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: BTreeMap<String, Value>,
}

impl Names {
    /// Sets a name.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.known.insert(name.to_owned(), value);
    }

    /// A value with its names filled in.
    pub(crate) fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) => self
                    .known
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| value.clone()),
                None => value.clone(),
            },
            Value::Array(list) => list.iter().map(|item| self.filled(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (name.clone(), self.filled(member)))
                .collect(),
            _ => value.clone(),
        }
    }

    /// A path with the names in it filled in.
    pub(crate) fn path(&self, path: &str) -> String {
        let mut path = path.to_owned();
        for (name, value) in &self.known {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            path = path.replace(&format!("${name}"), &text);
        }
        path
    }

    /// Whether a value matches; names that are not known yet become known.
    pub(crate) fn matches(&mut self, pattern: &Value, value: &Value) -> Result<(), String> {
        match (self.filled(pattern), value) {
            (Value::String(text), _) if text == "*" => Ok(()),
            (Value::String(text), _) if text.starts_with('$') => {
                if value.is_null() {
                    return Err(format!("{text} is not there"));
                }
                self.known.insert(text[1..].to_owned(), value.clone());
                Ok(())
            }
            (Value::Object(members), Value::Object(found)) => {
                for (name, member) in &members {
                    let absent = Value::Null;
                    let found = found.get(name).unwrap_or(&absent);
                    self.matches(member, found)
                        .map_err(|why| format!("{name}: {why}"))?;
                }
                Ok(())
            }
            (Value::Array(items), Value::Array(found)) if items.len() == found.len() => items
                .iter()
                .zip(found)
                .try_for_each(|(item, found)| self.matches(item, found)),
            (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => {
                Ok(())
            }
            (wanted, found) if wanted == *found => Ok(()),
            (wanted, found) => Err(format!("{found} is not {wanted}")),
        }
    }
}
